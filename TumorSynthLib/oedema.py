"""Oedema: white matter around a lesion swells and darkens on T1; cortex is spared."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .grid import Grid
from .random_fields import smooth_field

# Published series see oedema from about 9.4 mm of lesion diameter (doi 10.1371/journal.pone.0177217) and oedema plus
# lesion about 2 to 2.5 times as wide as the lesion alone.
STARTS_AT_RADIUS_MM = 3.0
FULL_AT_RADIUS_MM = 8.0
REACH_RADII = 1.3
# T1 signal of fully swollen white matter falls to about grey matter's level and a little below.
DARKEST = 0.45


def reach_mm(radius_mm: float, extent: float) -> float:
    """How far beyond the lesion's surface oedema reaches."""
    ramp = np.clip((radius_mm - STARTS_AT_RADIUS_MM) / (FULL_AT_RADIUS_MM - STARTS_AT_RADIUS_MM), 0, 1)
    return float(extent * REACH_RADII * radius_mm * (0.15 + 0.85 * ramp))


def spread(grid: Grid, lesion: np.ndarray, brain: np.ndarray, reach: float, seed: int) -> np.ndarray:
    """Share of swelling (0..1) on a cubic grid: full at the lesion, fading with distance, with an uneven front."""
    away = ndimage.distance_transform_edt(~lesion, sampling=grid.voxel_mm).astype(np.float32) / max(reach, 1e-3)
    length = max(reach * 0.3 / float(grid.voxel_mm[0]), 1.0)
    unevenness = smooth_field(np.random.default_rng([seed, 6]), grid.shape[0], ((1.0, length),))
    share = np.clip((1.15 - away * (1 - 0.25 * unevenness)) / 0.8, 0, 1)
    share *= np.clip((1.6 - away) / 0.4, 0, 1) * brain
    return ndimage.gaussian_filter(share, 0.7).astype(np.float32) * (brain > 0)


def darkened(
    base: np.ndarray, share: np.ndarray, white_matter: float, amount: float, voxel_mm: np.ndarray
) -> np.ndarray:
    """The base with white matter darkened by `amount` of the most it can be, where the share says."""
    return darkened_by(base, share, whiteness(base, white_matter, voxel_mm), amount)


def whiteness(base: np.ndarray, white_matter: float, voxel_mm: np.ndarray) -> np.ndarray:
    """From 0 to 1, how far a voxel's surroundings look like white matter: neither grey nor brighter than a brain is."""
    smooth = ndimage.gaussian_filter(base, 0.8 / np.asarray(voxel_mm))
    smooth /= white_matter
    not_bright = np.clip((1.45 - smooth) / 0.2, 0, 1)
    smooth -= 0.72
    smooth /= 0.2
    np.clip(smooth, 0, 1, out=smooth)
    smooth *= not_bright
    return smooth


def darkened_by(base: np.ndarray, share: np.ndarray, whiteness: np.ndarray, amount: float) -> np.ndarray:
    return base * (1 - amount * DARKEST * share * whiteness)
