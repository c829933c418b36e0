"""How many answers a margin needs, so that a study which finds nothing was not simply too small to find it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

MARGINS = (0.05, 0.075, 0.10, 0.15, 0.20)
POWERS = (0.8, 0.9)
STEP, MOST = 10, 4000


@dataclass(frozen=True)
class SampleSize:
    """Answers of one reader that show, with this power, that an accuracy of 50 % lies within the margin; and how far
    Wilson's 95 % interval then reaches to either side of 50 %."""

    margin: float
    power: float
    cases: int
    half_width: float


def exact_power(cases: np.ndarray, margin: float, alpha: float = 0.05) -> np.ndarray:
    """Chance that the exact equivalence test succeeds if readers guess."""
    from statsmodels.stats.proportion import power_binom_tost

    power = power_binom_tost(0.5 - margin, 0.5 + margin, cases, 0.5, alpha)
    return np.maximum(power, 0.0)  # below 0 means that no count of right answers would do


@cache
def cases_needed(margin: float, power: float, alpha: float = 0.05) -> int:
    """The fewest cases, in tens, from which on the power stays reached (it saws a little as cases are added)."""
    cases = np.arange(STEP, MOST + STEP, STEP)
    falls_short = np.flatnonzero(exact_power(cases, margin, alpha) < power)
    if falls_short.size and falls_short[-1] == len(cases) - 1:
        raise ValueError(f"more than {MOST} cases for a margin of {margin}")
    return int(cases[falls_short[-1] + 1]) if falls_short.size else int(cases[0])


def sample_sizes(margins: tuple[float, ...] = MARGINS, alpha: float = 0.05) -> list[SampleSize]:
    from .proportions import proportion

    rows = []
    for margin in margins:
        for power in POWERS:
            cases = cases_needed(margin, power, alpha)
            low, high = proportion(cases // 2, cases).wilson
            rows.append(SampleSize(margin, power, cases, (high - low) / 2))
    return rows
