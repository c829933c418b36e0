"""The working frame: 64 voxels a side around one lesion, along the host's own axes."""

from __future__ import annotations

import numpy as np

from .grid import Grid, canonical_axes

CUBE_SIZE = 64
FINEST_VOXEL_MM = 1.0
# Beyond this many voxels of radius a lesion, irregular as it is, and the tissue the painter needs around it would no
# longer fit, so the cube's voxels grow instead.
MAX_RADIUS_VOXELS = 18.0

# The networks look at the smallest of these windows that holds the lesion, in training as well: most lesions are small,
# and a 3D network's time grows with the window's volume. Not 32: its deepest features would be 2 voxels wide, for which
# oneDNN (PyTorch 2.13, CPU, bfloat16) returns unset memory as the gradient of a 3D convolution's weights.
WINDOWS = (48, 64)
WINDOW_RADII = 1.7
WINDOW_MARGIN = 3
PRIOR_SPREADS = 1.5


def cube_voxel_mm(radius_mm: float) -> float:
    return max(FINEST_VOXEL_MM, radius_mm / MAX_RADIUS_VOXELS)


def cube_around(host: Grid, center_ras: np.ndarray, radius_mm: float) -> Grid:
    """The cube for a lesion. Where the host's voxels are about as fine as the cube's, the lattices are made to
    coincide, so that the host is cropped, not interpolated."""
    voxel = cube_voxel_mm(radius_mm)
    axes = canonical_axes(host.affine)
    index = host.to_index(center_ras)
    snapped = np.where(host.voxel_mm <= 1.5 * voxel, np.round(index), index)
    affine = np.eye(4)
    affine[:3, :3] = axes * voxel
    affine[:3, 3] = host.to_ras(snapped) - affine[:3, :3] @ np.full(3, CUBE_SIZE // 2)
    return Grid(affine, (CUBE_SIZE,) * 3)


def window_for_radius(radius_voxels: float, size: int = CUBE_SIZE) -> slice:
    """The middle of a cube, wide enough for the outline of a lesion of this radius."""
    return _window(WINDOW_RADII * radius_voxels, size)


def window_for_mask(mask: np.ndarray, margin: int = WINDOW_MARGIN) -> slice:
    """The middle of a cube, or of a slice of one, wide enough for a mask and a margin."""
    half = mask.shape[0] / 2
    reach = float(np.abs(np.argwhere(mask) + 0.5 - half).max()) + 0.5
    return _window(reach + margin, mask.shape[0])


def _window(reach: float, size: int) -> slice:
    side = next((s for s in WINDOWS if s >= 2 * reach and s <= size), size)
    return slice((size - side) // 2, (size + side) // 2)


def brain_prior(cube: Grid, brain_center: np.ndarray, brain_spread_mm: float) -> np.ndarray:
    """A Gaussian over the whole brain, seen from a cube: multiplied with the brain mask it tells the network not only
    where the brain ends but whereabouts in it the cube lies. The spread is the brain voxels' standard deviation."""
    return np.exp(-0.5 * cube.squared_distance_mm2(brain_center) / (PRIOR_SPREADS * brain_spread_mm) ** 2)
