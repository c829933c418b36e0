"""Area under the ROC curve from confidence: DeLong's interval, and a bootstrap over cases, or readers and cases.

DeLong ER, DeLong DM, Clarke-Pearson DL (1988), Biometrics 44: 837-845. No library that this program uses has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

ALPHA = 0.05


@dataclass(frozen=True)
class Auc:
    """An area with its 95 % interval and DeLong's standard error."""

    auc: float
    low: float
    high: float
    standard_error: float


def placements(ratings: np.ndarray, is_synthetic: np.ndarray) -> np.ndarray:
    """For every pair (synthetic, real) 1 if the synthetic case was rated higher, 1/2 if alike, else 0.

    `ratings` may have readers in front: (..., cases) gives (..., synthetic, real).
    """
    ratings = np.asarray(ratings, float)
    synthetic, real = ratings[..., is_synthetic], ratings[..., ~np.asarray(is_synthetic, bool)]
    difference = synthetic[..., :, None] - real[..., None, :]
    return (difference > 0) + 0.5 * (difference == 0)


def delong_covariance(ratings: np.ndarray, is_synthetic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each reader's area, and the covariance of the areas over samples of cases. `ratings`: readers x cases."""
    pairs = placements(np.atleast_2d(ratings), np.asarray(is_synthetic, bool))
    if min(pairs.shape[1:]) < 2:
        raise ValueError("DeLong's variance takes at least two cases of each kind")
    by_synthetic, by_real = pairs.mean(axis=2), pairs.mean(axis=1)
    covariance = np.cov(by_synthetic) / pairs.shape[1] + np.cov(by_real) / pairs.shape[2]
    return pairs.mean(axis=(1, 2)), np.atleast_2d(covariance)


def auc_with_delong(ratings: np.ndarray, is_synthetic: np.ndarray, alpha: float = ALPHA) -> Auc:
    """One reader's area."""
    areas, covariance = delong_covariance(ratings, is_synthetic)
    fewest = int(min(np.sum(is_synthetic), np.sum(~np.asarray(is_synthetic, bool))))
    return with_interval(float(areas[0]), float(np.sqrt(covariance[0, 0])), fewest, alpha)


def mean_auc_with_delong(ratings: np.ndarray, is_synthetic: np.ndarray, alpha: float = ALPHA) -> Auc:
    """The mean over these very readers; the interval is about other cases, not about other readers."""
    areas, covariance = delong_covariance(ratings, is_synthetic)
    fewest = int(min(np.sum(is_synthetic), np.sum(~np.asarray(is_synthetic, bool))))
    return with_interval(float(areas.mean()), float(np.sqrt(covariance.mean())), fewest, alpha)


def with_interval(area: float, standard_error: float, fewest: int, alpha: float = ALPHA) -> Auc:
    """Symmetric on the logit scale, so that it never leaves 0 to 1."""
    if standard_error == 0 or not 0 < area < 1:
        # A perfect or constant reader has no variance of its own: bounded as if no error was seen in `fewest` tries.
        bound = (alpha / 2) ** (1 / fewest)
        low, high = (bound, 1.0) if area == 1 else (0.0, 1 - bound) if area == 0 else (area, area)
        return Auc(area, low, high, standard_error)
    reach = stats.norm.ppf(1 - alpha / 2) * standard_error / (area * (1 - area))
    middle = np.log(area / (1 - area))
    low, high = 1 / (1 + np.exp(-(middle - reach))), 1 / (1 + np.exp(-(middle + reach)))
    return Auc(area, float(low), float(high), standard_error)


def bootstrap_auc(
    ratings: np.ndarray,
    is_synthetic: np.ndarray,
    *,
    readers_too: bool,
    rounds: int = 2000,
    seed: int = 0,
    alpha: float = ALPHA,
) -> Auc:
    """Mean area over readers, with a percentile interval from drawing cases anew, and readers too if asked.

    `ratings`: readers x cases. Drawing is by weights, so that no rating is ever ranked again.
    """
    random = np.random.default_rng(seed)
    pairs = placements(np.atleast_2d(ratings), np.asarray(is_synthetic, bool))
    readers, synthetic, real = pairs.shape
    share = [random.multinomial(n, np.full(n, 1 / n), rounds) / n for n in (synthetic, real)]
    areas = np.einsum("bs,ksr,br->bk", share[0], pairs, share[1], optimize=True)
    if readers_too:
        weight = random.multinomial(readers, np.full(readers, 1 / readers), rounds) / readers
        drawn = (areas * weight).sum(axis=1)
    else:
        drawn = areas.mean(axis=1)
    low, high = np.quantile(drawn, (alpha / 2, 1 - alpha / 2))
    return Auc(float(pairs.mean()), float(low), float(high), float(drawn.std(ddof=1)))


def curve(ratings: np.ndarray, is_synthetic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Real cases called synthetic, and synthetic ones called so, as the threshold falls."""
    from sklearn.metrics import roc_curve

    false_share, true_share, _ = roc_curve(is_synthetic, ratings, drop_intermediate=False)
    return false_share, true_share
