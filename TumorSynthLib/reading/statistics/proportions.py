"""Rates with intervals, and accuracy against chance."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

ALPHA = 0.05
Interval = tuple[float, float]


@dataclass(frozen=True)
class Proportion:
    """`count` of `total`, with Wilson's and Clopper and Pearson's 95 % intervals. `rate` is None of nothing."""

    count: int
    total: int
    rate: float | None
    wilson: Interval
    clopper_pearson: Interval


def proportion(count: int, total: int, alpha: float = ALPHA) -> Proportion:
    from statsmodels.stats.proportion import proportion_confint

    count, total = int(count), int(total)
    if total == 0:
        return Proportion(0, 0, None, (0.0, 1.0), (0.0, 1.0))
    wilson, exact = (
        tuple(min(max(float(bound), 0.0), 1.0) for bound in proportion_confint(count, total, alpha, method))
        for method in ("wilson", "beta")
    )
    return Proportion(count, total, count / total, wilson, exact)  # type: ignore[arg-type]


def p_against(count: int, total: int, chance: float = 0.5) -> float | None:
    """Exact two-sided binomial test."""
    return float(stats.binomtest(int(count), int(total), chance).pvalue) if total else None
