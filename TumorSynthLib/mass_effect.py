"""Mass effect: a growing lesion pushes the brain aside.

Tissue moves outwards as if the lesion's volume (the share `amount` of it) had been squeezed in at its centre: for an
incompressible medium a point now at distance r came from (r^3 - amount R^3)^(1/3), a map whose Jacobian is 1. That
push fades with distance and towards the brain's border, which stops at the skull; the field is then weakened until
its Jacobian is safely positive everywhere.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .grid import Grid

# At amount 1, the lesion displaces this share of its own volume: even solid metastases also replace tissue.
LARGEST_SHARE = 0.85
# Twice as far out the push would be an eighth: less than a voxel, and not worth touching the host for.
REACH_RADII = 2.2
REACH_MM = 6.0
BORDER_MM = 10.0
SMALLEST_JACOBIAN = 0.2
LEAST_SHIFT_VOXELS = 1e-2


def reach_mm(radius_mm: float) -> float:
    """How far from the centre tissue moves."""
    return REACH_RADII * radius_mm + REACH_MM


def displacement_mm(
    grid: Grid, brain: np.ndarray, center_ras: np.ndarray, radius_mm: float, amount: float
) -> np.ndarray:
    """(3, ...) along the grid's axes: where, relative to each voxel, its tissue came from."""
    offsets = grid.axis_offsets_mm(center_ras)
    distance = np.sqrt(grid.squared_distance_mm2(center_ras))
    share = amount * LARGEST_SHARE
    origin = np.where(
        distance < radius_mm,
        distance * (1 - share) ** (1 / 3),
        np.cbrt(np.maximum(distance**3 - share * radius_mm**3, 0)),
    )
    fade = np.clip(1 - distance / reach_mm(radius_mm), 0, 1)
    border = np.clip(ndimage.distance_transform_edt(brain, sampling=grid.voxel_mm) / BORDER_MM, 0, 1)
    strength = (origin - distance) / np.maximum(distance, 1e-3) * _smooth(fade) * _smooth(border)
    field = np.stack([strength * o.reshape([-1 if k == a else 1 for k in range(3)]) for a, o in enumerate(offsets)])
    field = np.stack([ndimage.gaussian_filter(f, 1.0) for f in field]) * brain
    return weakened_to_diffeomorphic(field, grid.voxel_mm).astype(np.float32)


def _smooth(share: np.ndarray) -> np.ndarray:
    return share * share * (3 - 2 * share)


def weakened_to_diffeomorphic(field: np.ndarray, voxel_mm: np.ndarray) -> np.ndarray:
    """The field times the largest of 1, 0.9, 0.81 ... that keeps its Jacobian above a safe minimum."""
    for _ in range(40):
        if jacobian(field, voxel_mm).min() >= SMALLEST_JACOBIAN:
            return field
        field = field * 0.9
    return np.zeros_like(field)


def jacobian(field: np.ndarray, voxel_mm: np.ndarray) -> np.ndarray:
    """Local volume change of x -> x + field(x)."""
    rows = [[np.gradient(f, s, axis=axis) for axis, s in enumerate(voxel_mm)] for f in field]
    for k in range(3):
        rows[k][k] = rows[k][k] + 1
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def displaced(
    values: np.ndarray, shift_voxels: np.ndarray, noise: float, rng: np.random.Generator, start: int = 0
) -> np.ndarray:
    """For each voxel of a slab of `values`, beginning at `start` along the first axis: the value fetched from where the
    shift (3, slab) points, by linear interpolation.

    Interpolation averages neighbours and so takes noise away; as much as it took is put back, or the displaced zone
    would show as a halo of smoothness.
    """
    import torch
    import torch.nn.functional as F

    shape = shift_voxels.shape[1:]
    places = torch.from_numpy(shift_voxels).clone()
    places[0] += start
    for axis, count in enumerate(shape):
        places[axis] += torch.arange(count, dtype=torch.float32).view([-1 if k == axis else 1 for k in range(3)])
    size = torch.tensor([max(n - 1, 1) for n in values.shape], dtype=torch.float32).view(3, 1, 1, 1)
    grid = (places * (2 / size) - 1).flip(0).permute(1, 2, 3, 0)[None]
    source = torch.from_numpy(values)[None, None]
    fetched = F.grid_sample(source, grid, padding_mode="border", align_corners=True)[0, 0]
    share = places.frac_().abs_()
    kept = (1 - 2 * share * (1 - share)).prod(0)
    grain = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    moves = torch.from_numpy(shift_voxels).abs().amax(0) > LEAST_SHIFT_VOXELS
    still = source[0, 0, start : start + shape[0]]
    return torch.where(moves, fetched + noise * (1 - kept).sqrt() * grain, still).numpy()
