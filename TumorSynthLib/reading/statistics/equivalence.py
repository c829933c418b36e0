"""Two one-sided tests: is accuracy so near to chance that the difference does not matter?

The margin is fixed before anybody reads. A p-value below alpha says that accuracy lies within it; a p-value above says
nothing, and certainly not that lesions can be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHANCE = 0.5


@dataclass(frozen=True)
class Equivalence:
    """`interval` is the one that two one-sided tests go with: of 1 - 2 alpha, 90 % for alpha 5 %."""

    accuracy: float
    margin: float
    p_value: float
    interval: tuple[float, float]
    is_shown: bool


def exact_equivalence(correct: int, total: int, margin: float, alpha: float = 0.05) -> Equivalence | None:
    """For independent answers of one reader: exact binomial tests against 50 % - margin and 50 % + margin."""
    from statsmodels.stats.proportion import binom_tost, proportion_confint

    if total == 0:
        return None
    p_value = float(binom_tost(int(correct), int(total), CHANCE - margin, CHANCE + margin)[0])
    low, high = proportion_confint(int(correct), int(total), 2 * alpha, "beta")
    return Equivalence(correct / total, margin, p_value, (float(low), float(high)), p_value < alpha)


def balanced_equivalence(
    right_on_synthetic: np.ndarray, right_on_real: np.ndarray, margin: float, alpha: float = 0.05
) -> Equivalence | None:
    """For the mean of accuracy on synthetic and on real cases, whatever their numbers and a reader's leaning.

    Each value is one case's share of right answers over the readers: cases are independent of each other, the readers'
    answers to one case are not. Always saying "real" gives 50 %. This is Welch's two one-sided t-tests of the
    difference between how often synthetic and real cases are called synthetic, which is twice the accuracy less 1.
    """
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    right, wrong = np.asarray(right_on_synthetic, float), 1 - np.asarray(right_on_real, float)
    if min(len(right), len(wrong)) < 2:
        return None
    difference = float(right.mean() - wrong.mean())
    accuracy = (1 + difference) / 2
    if np.ptp(right) == 0 and np.ptp(wrong) == 0:  # no spread: a t-test has nothing to go by
        return None
    groups = CompareMeans(DescrStatsW(right), DescrStatsW(wrong))
    p_value = float(groups.ttost_ind(-2 * margin, 2 * margin, usevar="unequal")[0])
    low, high = groups.tconfint_diff(2 * alpha, usevar="unequal")
    interval = ((1 + float(low)) / 2, (1 + float(high)) / 2)
    return Equivalence(accuracy, margin, p_value, (max(interval[0], 0.0), min(interval[1], 1.0)), p_value < alpha)


def mean_equivalence(right: np.ndarray, margin: float, alpha: float = 0.05) -> Equivalence | None:
    """For pairs: each value is one pair's share of right answers over the readers. Two one-sided t-tests."""
    from statsmodels.stats.weightstats import DescrStatsW

    right = np.asarray(right, float)
    if len(right) < 2 or np.ptp(right) == 0:
        return None
    shares = DescrStatsW(right)
    p_value = float(shares.ttost_mean(CHANCE - margin, CHANCE + margin)[0])
    low, high = shares.tconfint_mean(2 * alpha)
    interval = (max(float(low), 0.0), min(float(high), 1.0))
    return Equivalence(float(right.mean()), margin, p_value, interval, p_value < alpha)
