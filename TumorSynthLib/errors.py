"""What a person can put right: the command line prints these as ``error: ...`` and exits with 2."""


class InputError(ValueError):
    """A person's mistake. The message is one line: what is wrong, where, and what would be right."""


class ResourceError(InputError):
    """The machine cannot do it as asked: disk full, folder unwritable, out of memory, device absent."""
