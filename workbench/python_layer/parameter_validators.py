"""What may be said about a parameter in `Annotated[...]`: bounds, choices, defaults, number boxes' steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


class Validator:
    """Base of all validators: `validate` raises ValueError when a value is not allowed."""

    def validate(self, value: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not say how to validate")


class NotNone(Validator):
    def validate(self, value: Any) -> None:
        if value is None:
            raise ValueError("None is not allowed")


@dataclass(eq=False)
class IsInstance(Validator):
    classtype: type | tuple[type, ...]

    def validate(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"{value!r} is of type {type(value).__name__}, not {self.classtype}")


@dataclass(eq=False)
class WithinRange(Validator):
    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within [{self.minimum}, {self.maximum}]")


@dataclass(eq=False)
class Minimum(Validator):
    minimum: float

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"{value} is less than {self.minimum}")


@dataclass(eq=False)
class Maximum(Validator):
    maximum: float

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"{value} is greater than {self.maximum}")


@dataclass(eq=False)
class Choice(Validator):
    choices: Sequence

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"{value!r} is none of {list(self.choices)}")


@dataclass(eq=False)
class Exclude(Validator):
    excludedValues: Sequence

    def validate(self, value: Any) -> None:
        if value in self.excludedValues:
            raise ValueError(f"{value!r} is excluded")


class Default:
    """The value of a parameter that was never set: `Default(3)`, or made afresh by `Default(generator=list)`."""

    def __init__(self, value: Any = None, generator: Callable[[], Any] | None = None) -> None:
        self._value = value
        self._generator = generator

    @property
    def value(self) -> Any:
        return self._value if self._generator is None else self._generator()


@dataclass(eq=False)
class Decimals:
    """For number boxes: digits after the point."""

    value: int


@dataclass(eq=False)
class SingleStep:
    """For number boxes and sliders: one step."""

    value: float
