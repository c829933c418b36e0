"""Finishing a painted lesion: smoothing, contrast, and the soft seam to the brain. Pure functions on cubes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .grid import box_of
from .networks import GRAIN_VOXELS

# Of what a host's data type can store above white matter, lesions use this much; the rest is for their noise.
HEADROOM = 0.92
# Of a step blurred by a Gaussian, in standard deviations.
TEN_TO_NINETY_PERCENT = 2.563
# Detail of the host finer than a cube's voxel stays inside a lesion as far as it may be noise, not anatomy.
NOISE_REACH = 2.5
# What painted edges measure as a rule, for training, where a gain measured anew at every step would teach nothing.
TYPICAL_EDGE_VOXELS = 3.2
# A painted edge's width is measured where so much of the lesion shows.
MIDDLE_OF_EDGE = (0.4, 0.6)
# A Gaussian's ramp is that many standard deviations wide by the same rule, once its tails are cut off.
EDGE_WIDTHS_PER_SIGMA = 1.8
SEAMS_TAIL = 0.03
# In standard deviations: as far as the painter's own Gaussian reaches, in whole voxels.
GRAIN_REACH = 2.7
LEAST_KNOWN = 1e-3


def smoothed(painted: np.ndarray, sigma_voxels: float, noise: float, seed: int) -> np.ndarray:
    """The lesion under a 3D Gaussian, with noise of the host's strength put back where the Gaussian took it away:
    a lesion smoother than the scan around it gives itself away."""
    if sigma_voxels <= 0:
        return painted
    soft = ndimage.gaussian_filter(painted, sigma_voxels)
    grain = np.random.default_rng([seed, 4]).standard_normal(painted.shape, dtype=np.float32) * noise
    return soft + grain - ndimage.gaussian_filter(grain, sigma_voxels)


def with_contrast(painted: np.ndarray, gain: float) -> np.ndarray:
    """The lesion's difference from white matter (1) times `gain`."""
    return painted if gain == 1 else 1 + gain * (painted - 1)


def within_ceiling(values: np.ndarray, brightest: float, ceiling: float) -> np.ndarray:
    """Values above white matter (1) compressed so that `brightest` stays below what the host can store."""
    top = max(HEADROOM * ceiling, 1.0)
    if brightest <= top:
        return values
    return np.where(values > 1, 1 + (values - 1) * (top - 1) / (brightest - 1), values)


def soft_mask(mask: np.ndarray, voxel_mm: float, width_mm: float) -> np.ndarray:
    """From 1 in the lesion to 0 outside, over a seam of `width_mm` whose middle is the mask's surface.

    A Gaussian's ramp, cut off at 10 % and 90 %: unlike a distance, it rounds off the steps of the mask's voxels.
    """
    if width_mm <= 0:
        return mask.astype(np.float32)
    return _softened(mask.astype(np.float32), width_mm / voxel_mm / TEN_TO_NINETY_PERCENT, cut=0.1)


def seam(
    matte: np.ndarray, mask: np.ndarray, voxel_mm: float, width_mm: float, painted: float | None = None
) -> np.ndarray:
    """The painter's own edge, made softer or harder so that it is about `width_mm` wide; 0 gives the mask itself. How
    wide it was `painted`, in voxels, is measured unless it is given."""
    width = width_mm / voxel_mm
    if width <= 0:
        return mask.astype(np.float32)
    painted = painted or edge_width(matte)
    if painted is None or width == painted:
        return matte
    if width < painted:
        return np.clip((matte - 0.5) * (painted / width) + 0.5, 0, 1)
    return _softened(matte, np.sqrt(width**2 - painted**2) / EDGE_WIDTHS_PER_SIGMA, cut=SEAMS_TAIL)


def edge_width(matte: np.ndarray) -> float | None:
    """In voxels, from nothing to all by the usual slope in the middle; None of a matte without an edge."""
    near = matte[box_of(matte > 0, 1)]
    middle = (near > MIDDLE_OF_EDGE[0]) & (near < MIDDLE_OF_EDGE[1])
    if not middle.any():
        return None
    slopes = [np.gradient(near, axis=axis)[middle] for axis, size in enumerate(near.shape) if size > 1]
    steepness = float(np.median(np.sqrt(np.square(slopes).sum(0))))
    return 1 / steepness if steepness > 0 else None


def _softened(share: np.ndarray, sigma: float, cut: float) -> np.ndarray:
    """A share 0..1 under a Gaussian of so many voxels, its tails cut off on both sides."""
    box = box_of(share > 0, int(np.ceil(3 * sigma)) + 1)
    ramp = ndimage.gaussian_filter(share[box], sigma, mode="constant", truncate=3.0)
    out = np.zeros(share.shape, np.float32)
    out[box] = np.clip((ramp - cut) / (1 - 2 * cut), 0, 1)
    return out


def blended(
    base: np.ndarray, base_at_cube: np.ndarray, lesion: np.ndarray, share: np.ndarray, noise: float
) -> np.ndarray:
    """`lesion` over `base` by `share`, on the host's own voxels. Only the difference that the lesion makes was
    resampled: what the host has beyond the cube's resolution (`base - base_at_cube`) stays, up to the noise's size."""
    detail = np.clip(base - base_at_cube, -NOISE_REACH * noise, NOISE_REACH * noise)
    return base + share * (lesion + detail - base)


def fine_detail(slices: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """What of axial slices is grain or strand, as the painter's training tells it from shade, in the plane. Of slices
    known in part only, by shares of voxels, the unknown counts for nothing."""
    if known is None:
        return slices - _shade(slices)
    return slices - known * _shade(slices) / np.maximum(_shade(known), LEAST_KNOWN)


def _shade(slices: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(slices, (GRAIN_VOXELS, GRAIN_VOXELS, 0), mode="nearest", truncate=GRAIN_REACH)


def changed_beside(base: np.ndarray, known: np.ndarray, strands: np.ndarray, share: np.ndarray) -> np.ndarray:
    """By how much `base`, as far as it is known, changes where tissue beside a lesion shows: its detail replaces the
    base's, whose shade stays, be it cortex or oedema."""
    return share * (strands - fine_detail(base, known))


def noise_level(values: np.ndarray, inside: np.ndarray) -> float:
    """Standard deviation of the noise: median absolute deviation of what a voxel differs from its neighbours' mean,
    along the axis of the finest grain."""
    levels = []
    for axis in range(values.ndim):
        along = np.moveaxis(np.pad(values, [(1, 1) if a == axis else (0, 0) for a in range(3)], "edge"), axis, 0)
        rough = values - np.moveaxis(along[:-2] + along[2:], 0, axis) / 2
        sample = rough[inside]
        if sample.size:
            levels.append(1.4826 * float(np.median(np.abs(sample))) / np.sqrt(1.5))
    return min(levels, default=0.0)
