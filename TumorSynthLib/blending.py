"""Finishing a painted lesion: smoothing, contrast, and the soft seam to the brain. Pure functions on cubes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .grid import box_of

# Of what a host's data type can store above white matter, lesions use this much; the rest is for their noise.
HEADROOM = 0.92
# Of a step blurred by a Gaussian, in standard deviations.
TEN_TO_NINETY_PERCENT = 2.563
# Detail of the host finer than a cube's voxel stays inside a lesion as far as it may be noise, not anatomy.
NOISE_REACH = 2.5


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
    sigma = width_mm / voxel_mm / TEN_TO_NINETY_PERCENT
    reach = int(np.ceil(3 * sigma)) + 1
    box = box_of(mask, reach)
    ramp = ndimage.gaussian_filter(mask[box].astype(np.float32), sigma, mode="constant", truncate=3.0)
    out = np.zeros(mask.shape, np.float32)
    out[box] = np.clip((ramp - 0.1) / 0.8, 0, 1)
    return out


def blended(
    base: np.ndarray, base_at_cube: np.ndarray, lesion: np.ndarray, share: np.ndarray, noise: float
) -> np.ndarray:
    """`lesion` over `base` by `share`, on the host's own voxels. Only the difference that the lesion makes was
    resampled: what the host has beyond the cube's resolution (`base - base_at_cube`) stays, up to the noise's size."""
    detail = np.clip(base - base_at_cube, -NOISE_REACH * noise, NOISE_REACH * noise)
    return base + share * (lesion + detail - base)


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
