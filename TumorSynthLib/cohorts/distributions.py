"""What a recipe varies: a number, a range, or a distribution, as a person writes it and as chance draws from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    import numpy as np

EXAMPLES = "a number (3), a range (2:8), or for example lognormal,mean=4.3,sd=3.7,min=2,max=60"
_NUMBERS = {"lognormal": ("mean", "sd"), "normal": ("mean", "sd"), "poisson": ("mean",)}
_BOUNDS = ("min", "max")
_MOST_REDRAWS = 2000
# Bounds that hold a smaller share of what is drawn were meant otherwise.
_LEAST_SHARE_WITHIN = 0.01


@dataclass(frozen=True)
class Distribution:
    """`kind` is constant, uniform, normal, lognormal (mean and sd are of the number itself, not of its logarithm) or
    poisson. Bounds cut a distribution off: what falls outside is drawn again."""

    kind: str
    numbers: tuple[float, ...]
    low: float = -math.inf
    high: float = math.inf

    @classmethod
    def of(cls, written: object) -> Distribution:
        """From a number, a text, or a mapping such as {lognormal: {mean: 4.3, sd: 3.7}}."""
        if isinstance(written, Distribution):
            return written
        if isinstance(written, (int, float)) and not isinstance(written, bool):
            return _checked(cls("constant", (_finite(written),)))
        if isinstance(written, Mapping) and len(written) == 1:
            ((kind, given),) = written.items()
            return cls._named(kind, given)
        if isinstance(written, str):
            return cls._read(written)
        raise InputError(f"{written!r} is not understood: give {EXAMPLES}")

    @classmethod
    def _read(cls, text: str) -> Distribution:
        words = [word.strip() for word in text.split(",")]
        if len(words) > 1 or words[0] in _NUMBERS:
            pairs = [word.partition("=") for word in words[1:]]
            if any(not mark for _, mark, _ in pairs) or len({name for name, _, _ in pairs}) < len(pairs):
                raise InputError(f"'{text}' is not understood: give {EXAMPLES}")
            return cls._named(words[0], {name.strip(): number for name, _, number in pairs})
        ends = [_finite(word) for word in text.split(":")]
        if len(ends) == 1:
            return cls("constant", (ends[0],))
        if len(ends) != 2 or ends[0] > ends[1]:
            raise InputError(f"'{text}' is not a range: give the smaller number first, for example 2:8")
        return cls("uniform", (ends[0], ends[1]), ends[0], ends[1])

    @classmethod
    def _named(cls, kind: object, given: object) -> Distribution:
        if kind not in _NUMBERS or not isinstance(given, Mapping):
            raise InputError(f"distribution '{kind}' is unknown: give {EXAMPLES}")
        needed = _NUMBERS[str(kind)]
        wrong = [name for name in given if name not in (*needed, *_BOUNDS)]
        missing = [name for name in needed if name not in given]
        if wrong or missing:
            what = f"'{wrong[0]}' is unknown" if wrong else f"{missing[0]} is missing"
            raise InputError(f"{kind}: {what}; give {', '.join(needed)} and if you like min and max")
        numbers = tuple(_finite(given[name]) for name in needed)
        low, high = (_finite(given.get(name, edge), edge) for name, edge in zip(_BOUNDS, _EDGES, strict=True))
        return _checked(cls(str(kind), numbers, low, high))

    def __str__(self) -> str:
        """As `of` reads it."""
        if self.kind == "constant":
            return _written(self.numbers[0])
        if self.kind == "uniform":
            return ":".join(map(_written, self.numbers))
        named = list(zip(_NUMBERS[self.kind], self.numbers, strict=True))
        named += [(name, b) for name, b in zip(_BOUNDS, (self.low, self.high), strict=True) if math.isfinite(b)]
        return ",".join([self.kind, *(f"{name}={_written(number)}" for name, number in named)])

    def draw(self, rng: np.random.Generator) -> float:
        for _ in range(_MOST_REDRAWS):
            value = self._draw_once(rng)
            if self.low <= value <= self.high:
                return value
        raise InputError(f"'{self}' hardly ever gives a number within its bounds: widen them")

    def draw_whole(self, rng: np.random.Generator) -> int:
        if self.kind == "uniform":  # both ends as likely as what lies between
            return int(rng.integers(math.ceil(self.numbers[0]), math.floor(self.numbers[1]), endpoint=True))
        return round(self.draw(rng))

    def _draw_once(self, rng: np.random.Generator) -> float:
        if self.kind == "constant":
            return self.numbers[0]
        if self.kind == "uniform":
            return float(rng.uniform(*self.numbers))
        if self.kind == "poisson":
            return float(rng.poisson(self.numbers[0]))
        if self.kind == "normal":
            return float(rng.normal(*self.numbers))
        mean, sd = self.numbers
        variance = math.log1p((sd / mean) ** 2)
        return float(rng.lognormal(math.log(mean) - variance / 2, math.sqrt(variance)))

    def within(self, low: float, high: float, unit: str = "") -> Distribution:
        """This distribution where only low..high makes sense: tails are cut off, a number or range must fit."""
        if self.kind in ("constant", "uniform"):
            if min(self.numbers) < low or max(self.numbers) > high:
                raise InputError(f"{self} is out of range: {low:g} to {high:g}{unit}")
            return self
        return _checked(replace(self, low=max(low, self.low), high=min(high, self.high)))

    def whole(self) -> Distribution:
        """This distribution of whole numbers."""
        if self.kind in ("constant", "uniform") and any(number != int(number) for number in self.numbers):
            raise InputError(f"{self} is not of whole numbers: give for example 3 or 1:5")
        return self


_EDGES = (-math.inf, math.inf)


def _checked(distribution: Distribution) -> Distribution:
    numbers, kind = distribution.numbers, distribution.kind
    if kind == "lognormal" and (numbers[0] <= 0 or numbers[1] <= 0):
        raise InputError(f"{distribution}: mean and sd of a lognormal distribution must be above 0")
    if kind == "normal" and numbers[1] < 0:
        raise InputError(f"{distribution}: sd must not be negative")
    if kind == "poisson" and not 0 <= numbers[0] <= 1e6:
        raise InputError(f"{distribution}: mean must be from 0 to 1000000")
    if distribution.low > distribution.high:
        raise InputError(f"{distribution}: min is above max")
    if _share_within(distribution) < _LEAST_SHARE_WITHIN:
        raise InputError(f"{distribution}: hardly anything of it lies between {distribution.low:g} and "
                         f"{distribution.high:g}; change mean and sd, or the bounds")  # fmt: skip
    return distribution


def _share_within(distribution: Distribution) -> float:
    if distribution.kind in ("constant", "uniform"):
        return 1.0
    import numpy as np

    rng = np.random.default_rng(0)
    drawn = np.array([distribution._draw_once(rng) for _ in range(1000)])
    return float(((drawn >= distribution.low) & (drawn <= distribution.high)).mean())


def _written(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)


def _finite(number: object, unless: float | None = None) -> float:
    """A person's number; `unless` is an infinite one that nobody wrote."""
    if unless is not None and number is unless:
        return unless
    try:
        value = float(number) if isinstance(number, (int, float, str)) and not isinstance(number, bool) else math.nan
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"'{number}' is not a finite number: give {EXAMPLES}")
    return value


def weights_of(written: object, what: str) -> dict[str, float]:
    """A choice with weights: a name, "a=0.4,b=0.6" or a mapping; the weights are made to sum to 1."""
    pairs: dict[str, Any]
    if isinstance(written, str):
        parts = [part.partition("=") for part in written.split(",")]
        pairs = {name.strip(): number if mark else 1 for name, mark, number in parts}
        if len(pairs) < len(parts):
            raise InputError(f"'{written}' names one {what} twice: name each once")
    elif isinstance(written, Mapping):
        pairs = {str(name): number for name, number in written.items()}
    else:
        raise InputError(f"{written!r} is not understood: give a {what}, or weights such as one=0.4,other=0.6")
    numbers = {name: _finite(number) for name, number in pairs.items()}
    if not numbers or min(numbers.values()) < 0 or sum(numbers.values()) <= 0:
        raise InputError(f"'{written}': weights must not be negative, and not all 0")
    total = sum(numbers.values())
    total = 1.0 if abs(total - 1) < 1e-9 else total  # weights that were read once stay as they are
    return {name: number / total for name, number in numbers.items() if number > 0}
