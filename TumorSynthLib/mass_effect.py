"""Mass effect: a growing lesion pushes the brain aside.

Tissue moves outwards as if the lesion's volume (the share `amount` of it) had been squeezed in at its centre: for an
incompressible medium a point now at distance r came from (r^3 - amount R^3)^(1/3), a map whose Jacobian is 1. That
push fades with distance and towards the brain's border, which stops at the skull; the field is then weakened until
its Jacobian is safely positive everywhere.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .grid import Grid, resample

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
    grid: Grid,
    brain: np.ndarray,
    center_ras: np.ndarray,
    radius_mm: float,
    amount: float,
    room: np.ndarray | None = None,
) -> np.ndarray:
    """(3, ...) along the grid's axes: where, relative to each voxel, its tissue came from. `room` is `room_to_move` of
    the same place, for those who ask about several amounts."""
    offsets = grid.axis_offsets_mm(center_ras)
    distance = np.sqrt(grid.squared_distance_mm2(center_ras))
    share = amount * LARGEST_SHARE
    origin = np.where(
        distance < radius_mm,
        distance * (1 - share) ** (1 / 3),
        np.cbrt(np.maximum(distance**3 - share * radius_mm**3, 0)),
    )
    room = room_to_move(grid, brain, center_ras, radius_mm) if room is None else room
    strength = (origin - distance) / np.maximum(distance, 1e-3) * room
    field = np.stack([strength * o.reshape([-1 if k == a else 1 for k in range(3)]) for a, o in enumerate(offsets)])
    field = np.stack([ndimage.gaussian_filter(f, 1.0) for f in field]) * brain
    return weakened_to_diffeomorphic(field, grid.voxel_mm).astype(np.float32)


def room_to_move(grid: Grid, brain: np.ndarray, center_ras: np.ndarray, radius_mm: float) -> np.ndarray:
    """From 1 near the lesion to 0 far away and at the brain's border."""
    distance = np.sqrt(grid.squared_distance_mm2(center_ras))
    fade = np.clip(1 - distance / reach_mm(radius_mm), 0, 1)
    border = np.clip(ndimage.distance_transform_edt(brain, sampling=grid.voxel_mm) / BORDER_MM, 0, 1)
    return _smooth(fade) * _smooth(border)


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


def shift_in_voxels(field: np.ndarray, around: Grid, grid: Grid) -> np.ndarray:
    """A displacement along a cube's axes, as voxels along another lattice's."""
    turn = (grid.affine[:3, :3] / grid.voxel_mm).T @ (around.affine[:3, :3] / around.voxel_mm)
    shift = np.empty((3, *grid.shape), np.float32)
    for component, along in enumerate(np.abs(turn).argmax(0)):
        shift[along] = resample(field[component], around, grid) * (turn[along, component] / grid.voxel_mm[along])
    return shift


def displaced(values: np.ndarray, shift_voxels: np.ndarray, grain: np.ndarray, start: int = 0) -> np.ndarray:
    """For each voxel of a slab of `values`, beginning at `start` along the first axis: the value fetched from where the
    shift (3, slab) points, by linear interpolation.

    Interpolation averages neighbours and so takes noise away; as much as it took is put back from `grain` (slab), noise
    like the scan's, or the displaced zone would show as a halo of smoothness.
    """
    import torch
    import torch.nn.functional as F

    shape = shift_voxels.shape[1:]
    shift = torch.from_numpy(shift_voxels).view(3, -1)
    made = torch.from_numpy(values[start : start + shape[0]].copy())
    # About half of a box does not move: only the rest is fetched.
    moving = (shift.abs().amax(0) > LEAST_SHIFT_VOXELS).nonzero().view(-1)
    put_back = torch.from_numpy(np.ascontiguousarray(grain)).view(-1)[moving]
    places = shift[:, moving]
    places[0] += start
    scale = []
    rest = moving
    for axis in (2, 1, 0):
        places[axis] += rest % shape[axis]
        rest = rest.div(shape[axis], rounding_mode="floor")
        scale.append(2 / max(values.shape[axis] - 1, 1))
    wanted = (places.flip(0).T * torch.tensor(scale) - 1).view(1, 1, 1, -1, 3)
    source = torch.from_numpy(values)[None, None]
    fetched = F.grid_sample(source, wanted, padding_mode="border", align_corners=True).view(-1)
    share = places.frac_().abs_()
    kept = (1 - 2 * share * (1 - share)).prod(0)
    made.view(-1)[moving] = fetched + (1 - kept).sqrt() * put_back
    return made.numpy()
