"""How a command ends: 0 done, 2 for what a person can put right, 1 for our bugs, 130 when interrupted."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import typer

from .errors import InputError

DONE, BUG, WRONG_INPUT = 0, 1, 2
INTERRUPTED = 128

_RESOURCE_ERRNOS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOMEM,
)
_PATH_ERRNOS = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
_OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")
_OUT_OF_MEMORY = (
    "not enough memory for this; fewer or smaller lesions or a smaller host would fit,"
    " and on a graphics card --device cpu may"
)


class Stopped(BaseException):
    """The system asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run(application: typer.Typer, arguments: Sequence[str], name: str) -> int:
    """Runs a command line and returns its exit code, after telling a person in one line what went wrong."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries warn about themselves, which is not this program's message
    command = typer.main.get_command(application)
    try:
        with _signals_raise():
            result = command.main(list(arguments), prog_name=name, standalone_mode=False)
        return result if isinstance(result, int) else DONE
    except typer.TyperException as error:
        return _refuse(_usage_message(error, name))
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED + signal.SIGINT
    except Stopped as stopped:
        return INTERRUPTED + stopped.number
    except Exception as error:
        message = _message_of(error)
        return _refuse(message) if message else _report_bug()


def _refuse(message: str) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return WRONG_INPUT


def _report_bug() -> int:
    print("TumorSynth failed by a mistake of its own; please report it with the lines below", file=sys.stderr)
    traceback.print_exc()
    return BUG


def _usage_message(error: typer.TyperException, name: str) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else name
    return f"{error.format_message().rstrip('.')}; see '{command} --help'"


def _message_of(error: Exception) -> str | None:
    """What to tell a person, if it is something that a person can put right."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError) or _is_torch_out_of_memory(error):
        return _OUT_OF_MEMORY
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        if error.errno in _RESOURCE_ERRNOS:
            return f"{place}{error.strerror}; free some space or choose a writable folder"
        if error.errno in _PATH_ERRNOS:
            return f"{place}{error.strerror}; give another path"
    return None


def _is_torch_out_of_memory(error: Exception) -> bool:
    # Without torch in the process there is nothing to compare with, and no reason to load it for that.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS)


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Lets signals unwind the program, so that drafts are removed; the first one silences those that follow."""
    stopped = False

    def stop(number: int, _frame: FrameType | None) -> None:
        # Not SIG_IGN yet: Python complains, on standard error, of a signal that is on its way while that is set.
        nonlocal stopped
        if not stopped:
            stopped = True
            raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)

    names = ("SIGINT", "SIGTERM") if os.name == "nt" else ("SIGINT", "SIGTERM", "SIGHUP")
    handled = [getattr(signal, each) for each in names]
    # A signal that the caller chose to ignore (nohup) stays ignored.
    handled = [each for each in handled if signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            # Once stopped, the process is about to end, and a late second signal must not spoil how.
            signal.signal(number, signal.SIG_IGN if stopped else handler)
