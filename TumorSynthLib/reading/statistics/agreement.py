"""Do readers agree with each other, and with themselves?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .proportions import Proportion, proportion

ROUNDS = 1000


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance, with a 95 % interval; None where everybody always gave the same answer."""

    kappa: float | None
    low: float | None
    high: float | None
    agreement: Proportion


def cohen(first: Sequence[str], second: Sequence[str]) -> Kappa:
    """Two series of answers to the same cases."""
    from sklearn.metrics import confusion_matrix
    from statsmodels.stats.inter_rater import cohens_kappa

    same = proportion(sum(a == b for a, b in zip(first, second, strict=True)), len(first))
    categories = sorted({*first, *second})
    if len(first) < 2 or len(categories) < 2:
        return Kappa(None, None, None, same)
    with np.errstate(invalid="ignore"):  # of tables so small or uneven that they give no variance
        result = cohens_kappa(confusion_matrix(first, second, labels=categories))
    low, high = float(result.kappa_low), float(result.kappa_upp)
    if not np.isfinite((low, high)).all() or low == high:  # no variance in so few cases does not mean certainty
        return Kappa(float(result.kappa), None, None, same)
    return Kappa(float(result.kappa), max(low, -1.0), min(high, 1.0), same)


def fleiss(answers: np.ndarray, seed: int = 0, rounds: int = ROUNDS) -> Kappa:
    """`answers`: cases x readers, every reader having answered every case. The interval is a bootstrap over cases."""
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    answers = np.asarray(answers)
    same = proportion(int((answers == answers[:, :1]).all(axis=1).sum()), len(answers))
    counts, categories = aggregate_raters(answers)
    if len(answers) < 2 or len(categories) < 2:
        return Kappa(None, None, None, same)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of draws in which nobody differed
        drawn = stats.bootstrap(
            (np.arange(len(counts)),),
            lambda cases: fleiss_kappa(counts[cases]),
            n_resamples=rounds,
            method="BCa",  # plain percentiles cover too seldom: kappa of drawn cases lies too low
            vectorized=False,
            random_state=np.random.default_rng(seed),
        ).confidence_interval
    low, high = (float(bound) if np.isfinite(bound) else None for bound in drawn)
    return Kappa(float(fleiss_kappa(counts)), low, high, same)
