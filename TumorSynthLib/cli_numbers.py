"""Options that take several numbers: `--center -10 20 30`, `--radii 14 10 5`."""

from __future__ import annotations

from collections.abc import Sequence

OPTIONS_OF_NUMBERS = ("--center", "--radii", "--values")


def gathered(arguments: Sequence[str]) -> list[str]:
    """The arguments with the numbers that follow such an option joined to it: `--center=-10 20 30`.

    The option parser takes a fixed count of values, and a value that begins with a minus for an option.
    """
    out: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return [*out, argument, *rest]
        if argument in OPTIONS_OF_NUMBERS:
            numbers = []
            while rest and is_numbers(rest[0]):
                numbers.append(rest.pop(0))
            argument = f"{argument}={' '.join(numbers)}" if numbers else argument
        out.append(argument)
    return out


def is_numbers(text: str) -> bool:
    """Whether a word is a number, or several between commas or spaces ("nan" and "inf" are refused later, by name)."""
    words = text.replace(",", " ").split()
    try:
        return bool(words) and all(float(word) is not None for word in words)
    except ValueError:
        return False
