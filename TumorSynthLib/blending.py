"""Finishing a painted lesion: smoothing, contrast, and the soft seam to the brain. Pure functions on cubes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

# The painter filled this far beyond the mask; a blend that reached further would fade into what it never saw.
SOLID_MARGIN_VOXELS = 0.5
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


def with_contrast(painted: np.ndarray, inside: np.ndarray, gain: float) -> np.ndarray:
    """The lesion's difference from white matter (1) times `gain`, where `inside` (0..1) says lesion."""
    if gain == 1:
        return painted
    return painted + (gain - 1) * (painted - 1) * inside


def soft_mask(mask: np.ndarray, voxel_mm: float, width_mm: float) -> np.ndarray:
    """1 in the lesion and half a voxel around it, falling smoothly to 0 over the blend's width."""
    reach = int(np.ceil(SOLID_MARGIN_VOXELS + width_mm / voxel_mm)) + 2
    box = tuple(
        slice(max(s.start - reach, 0), s.stop + reach) for s in ndimage.find_objects(mask.astype(np.uint8))[0]
    )
    outside_mm = ndimage.distance_transform_edt(~mask[box]) * voxel_mm
    share = 1 - (outside_mm - (0.5 + SOLID_MARGIN_VOXELS) * voxel_mm) / max(width_mm, 1e-3)
    share = np.clip(share, 0, 1)
    out = np.zeros(mask.shape, np.float32)
    out[box] = share * share * (3 - 2 * share)
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
        rough = values - ndimage.convolve1d(values, [0.5, 0, 0.5], axis=axis)
        sample = rough[inside]
        if sample.size:
            levels.append(1.4826 * float(np.median(np.abs(sample))) / np.sqrt(1.5))
    return min(levels, default=0.0)
