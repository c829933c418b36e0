"""Whether lesions hold together from slice to slice: what is painted slice by slice may flicker, or be smoothed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..errors import InputError
from .patches import LesionPatches

# Coarser structure than this is the map's, which is made in three dimensions; finer one is the painter's.
FINEST_SIGMA = 1.5
# Fewer pairs of neighbouring voxels tell chance.
FEWEST_PAIRS = 20
AXES = (0, 1, 2)


@dataclass(frozen=True)
class Continuity:
    """`gradient_ratio`: mean absolute step between slices over that within slices, inside lesions, 1 where lesions are
    the same along all axes. `slice_correlation`: of the fine structure of one slice with the next. Both are means over
    the `lesions` large enough to tell, the first a geometric one."""

    gradient_ratio: float
    slice_correlation: float
    lesions: int


@dataclass(frozen=True)
class ContinuityGap:
    """Synthetic against real: the relative difference of gradient ratios, the difference of slice correlations, each
    with its 95 % interval by bootstrap over blocks of patients."""

    real: Continuity
    synthetic: Continuity
    ratio_difference: float
    ratio_low: float
    ratio_high: float
    correlation_difference: float
    correlation_low: float
    correlation_high: float


def continuity(patches: LesionPatches, axis: int = 0) -> Continuity:
    """Of volumes (n, d, h, w) with slices stacked along `axis` of the lesion's three: 0 is axial, as scans are read."""
    values, _ = _per_lesion(patches, axis)
    return _summary(values)


def compare_continuity(
    real: LesionPatches, synthetic: LesionPatches, axis: int = 0, draws: int = 1000, seed: int = 0
) -> ContinuityGap:
    rng = np.random.default_rng(seed)
    (of_real, real_block), (of_synthetic, synthetic_block) = (_per_lesion(p, axis) for p in (real, synthetic))
    means = of_real.mean(0), of_synthetic.mean(0)
    drawn = [_drawn_means(*p, draws, rng) for p in ((of_real, real_block), (of_synthetic, synthetic_block))]
    difference, spread = means[1] - means[0], drawn[1] - drawn[0]
    low, high = np.percentile(spread, (2.5, 97.5), axis=0)
    return ContinuityGap(
        _summary(of_real),
        _summary(of_synthetic),
        *(float(np.expm1(value)) for value in (difference[0], low[0], high[0])),
        *(float(value) for value in (difference[1], low[1], high[1])),
    )


def _summary(values: np.ndarray) -> Continuity:
    log_ratio, correlation = values.mean(0)
    return Continuity(float(np.exp(log_ratio)), float(correlation), len(values))


def _per_lesion(patches: LesionPatches, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The log ratio of gradients and the slice correlation of each lesion that is large enough, and its block."""
    if patches.dimensions != 3:
        raise InputError("continuity is measured in volumes (n, d, h, w); these lesions are single slices")
    if axis not in AXES:
        raise InputError(f"axis {axis}: a lesion has the axes 0, 1 and 2")
    values = np.array([_of_lesion(i, m, axis) for i, m in zip(patches.image, patches.mask, strict=True)])
    told = np.isfinite(values).all(1) if len(values) else np.zeros(0, bool)
    if not told.any():
        raise InputError(
            f"no lesion has {FEWEST_PAIRS} voxels with a neighbour inside it along every axis: larger ones are needed"
        )
    return values[told], patches.block[told]


def _of_lesion(image: np.ndarray, mask: np.ndarray, through: int) -> tuple[float, float]:
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    image, mask = np.moveaxis(image[box].astype(np.float64), through, 0), np.moveaxis(mask[box], through, 0)
    steps = [_mean_step(image, mask, axis) for axis in AXES]
    if not min(steps) > 0:
        return np.nan, np.nan
    return float(np.log(2 * steps[0] / (steps[1] + steps[2]))), _correlation(image, mask)


def _mean_step(image: np.ndarray, mask: np.ndarray, axis: int) -> float:
    """Mean absolute difference of neighbours along an axis, both inside the lesion."""
    here, there = _neighbours(mask, axis)
    both = here & there
    if both.sum() < FEWEST_PAIRS:
        return np.nan
    first, second = _neighbours(image, axis)
    return float(np.abs(second - first)[both].mean())


def _correlation(image: np.ndarray, mask: np.ndarray) -> float:
    """Of what is finer than FINEST_SIGMA within each slice, smoothed inside the lesion only, with the next slice's."""
    weight = mask.astype(np.float64)
    across = (0, FINEST_SIGMA, FINEST_SIGMA)
    coarse = ndimage.gaussian_filter(image * weight, across) / ndimage.gaussian_filter(weight, across).clip(1e-6)
    here, there = _neighbours(mask, 0)
    first, second = (values[here & there] for values in _neighbours(image - coarse, 0))
    if first.std() == 0 or second.std() == 0:
        return np.nan
    return float(np.corrcoef(first, second)[0, 1])


def _neighbours(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    count = values.shape[axis]
    return values.take(range(count - 1), axis), values.take(range(1, count), axis)


def _drawn_means(values: np.ndarray, block: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means (draws, 2) over as many blocks, drawn with replacement."""
    names, which = np.unique(block, return_inverse=True)
    if len(names) < 2:
        raise InputError("lesions of one block only: an interval needs lesions of two patients at least")
    counts = np.bincount(which)
    sums = np.stack([np.bincount(which, column) for column in values.T], 1)
    chosen = rng.integers(len(names), size=(draws, len(names)))
    return sums[chosen].sum(1) / counts[chosen].sum(1)[:, None]
