"""Where a voxel is: the one owner of the map between array indices and millimetres."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular lattice of voxels: `affine` takes (i, j, k) to RAS millimetres."""

    affine: np.ndarray
    shape: tuple[int, int, int]

    @cached_property
    def voxel_mm(self) -> np.ndarray:
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @cached_property
    def voxel_volume_mm3(self) -> float:
        return float(np.prod(self.voxel_mm))

    @cached_property
    def _inverse(self) -> np.ndarray:
        return np.linalg.inv(self.affine)

    def to_ras(self, index: np.ndarray) -> np.ndarray:
        return np.asarray(index, float) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_index(self, ras: np.ndarray) -> np.ndarray:
        return np.asarray(ras, float) @ self._inverse[:3, :3].T + self._inverse[:3, 3]

    def box(self, center_ras: np.ndarray, half_mm: float) -> tuple[slice, slice, slice]:
        """The slices that hold every voxel within `half_mm` of a point along the grid's own axes."""
        center = self.to_index(center_ras)
        reach = half_mm / self.voxel_mm
        low = np.clip(np.floor(center - reach), 0, self.shape).astype(int)
        high = np.clip(np.ceil(center + reach) + 1, 0, self.shape).astype(int)
        return tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]

    def box_covering(self, other: Grid, where: np.ndarray) -> tuple[slice, slice, slice]:
        """The slices that hold every voxel touched by the voxels of another lattice that `where` marks."""
        marked = [np.flatnonzero(where.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
        if not marked[0].size:
            return (slice(0, 0),) * 3
        ends = [(m[0] - 1.0, m[-1] + 1.0) for m in marked]
        corners = self.to_index(other.to_ras(np.array(list(itertools.product(*ends)))))
        low = np.clip(np.floor(corners.min(0)), 0, self.shape).astype(int)
        high = np.clip(np.ceil(corners.max(0)) + 1, 0, self.shape).astype(int)
        return tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]

    def part(self, box: tuple[slice, slice, slice]) -> Grid:
        affine = self.affine.copy()
        affine[:3, 3] = self.to_ras(np.array([s.start for s in box]))
        return Grid(affine, tuple(s.stop - s.start for s in box))  # type: ignore[arg-type]

    def squared_distance_mm2(self, point_ras: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
        """Squared distance of every voxel from a point, along the grid's axes; `scale` divides each axis."""
        offsets = self.axis_offsets_mm(point_ras)
        if scale is not None:
            offsets = [o / s for o, s in zip(offsets, scale, strict=True)]
        a, b, c = offsets
        return (a * a)[:, None, None] + (b * b)[None, :, None] + (c * c)[None, None, :]

    def axis_offsets_mm(self, point_ras: np.ndarray) -> list[np.ndarray]:
        """Per axis, how far each voxel lies from a point (float32): axes are orthogonal, so three vectors suffice."""
        center = self.to_index(point_ras)
        return [
            ((np.arange(n) - c) * s).astype(np.float32)
            for n, c, s in zip(self.shape, center, self.voxel_mm, strict=True)
        ]


def canonical_axes(affine: np.ndarray) -> np.ndarray:
    """A grid's own axis directions, reordered and flipped to lie nearest to R, A and S (as columns)."""
    from scipy.optimize import linear_sum_assignment

    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    rows, columns = linear_sum_assignment(-np.abs(axes))
    chosen = axes[:, columns]
    return chosen * np.sign(chosen[rows, rows])


def resample(values: np.ndarray, source: Grid, target: Grid, fill: float = 0.0, nearest: bool = False) -> np.ndarray:
    """Values of `source`'s lattice at `target`'s voxels, by linear interpolation (or `nearest`), as float32.

    A target coarser than its source averages the source over the target's voxel, as a scanner does (partial
    volume), so that nothing thin is lost between thick slices. Both lattices must have the same axes, up to order and
    sign, as every lattice laid along a host's has: axes are then interpolated one after another, by three small matrix
    products. Where the lattices coincide this is exact.
    """
    matrix = source._inverse[:3, :3] @ target.affine[:3, :3]
    offset = source.to_index(target.affine[:3, 3])
    values = np.asarray(values, np.float32)
    from_axis = np.abs(matrix).argmax(axis=0)
    step = matrix[from_axis, np.arange(3)]
    if len(set(from_axis)) < 3 or np.abs(matrix).sum() - np.abs(step).sum() > 1e-4 * np.abs(step).sum():
        raise ValueError("lattices to resample between must have parallel axes")
    values = np.transpose(values, from_axis)
    weights = [
        _interpolation(offset[source_axis], step[axis], target.shape[axis], values.shape[axis], nearest)
        for axis, source_axis in enumerate(from_axis)
    ]
    for axis in sorted(range(3), key=lambda a: weights[a].shape[0] / weights[a].shape[1]):
        values = _along(values, weights[axis], axis)
    if fill:
        a, b, c = (w.sum(1) for w in weights)
        values = values + fill * (1 - a[:, None, None] * b[None, :, None] * c[None, None, :])
    return np.ascontiguousarray(values, np.float32)


def _along(values: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Weights times values along one axis, skipping samples that count nowhere and copies that change nothing."""
    used, filled = np.flatnonzero(weights.any(0)), np.flatnonzero(weights.any(1))
    if not used.size:
        shape = list(values.shape)
        shape[axis] = len(weights)
        return np.zeros(shape, np.float32)
    window = [slice(None)] * 3
    window[axis] = slice(used[0], used[-1] + 1)
    values, core = values[tuple(window)], weights[filled[0] : filled[-1] + 1, used[0] : used[-1] + 1]
    if core.shape[0] != core.shape[1] or not np.array_equal(core, np.eye(len(core), dtype=np.float32)):
        values = _product(core, values, axis)
    ends = [(0, 0)] * 3
    ends[axis] = (int(filled[0]), len(weights) - int(filled[-1]) - 1)
    return np.pad(values, ends) if any(ends[axis]) else values


def _product(weights: np.ndarray, values: np.ndarray, axis: int) -> np.ndarray:
    """Matrix products on contiguous memory: on any other, NumPy leaves its fast path."""
    values, weights = np.ascontiguousarray(values), np.ascontiguousarray(weights)
    first, second, third = values.shape
    if axis == 0:
        return (weights @ values.reshape(first, -1)).reshape(-1, second, third)
    if axis == 1:
        return np.matmul(weights, values)
    return (values.reshape(-1, third) @ weights.T).reshape(first, second, -1)


def _interpolation(offset: float, step: float, size: int, source_size: int, nearest: bool) -> np.ndarray:
    """The matrix that takes one axis' samples to positions offset + step * k; nothing comes from beyond the ends."""
    samples = 1 if nearest else max(1, round(abs(step)))
    inside = (np.arange(samples) + 0.5) / samples - 0.5
    positions = np.round(offset + step * (np.arange(size)[:, None] + inside[None, :]), 5)
    if nearest:
        positions = np.round(positions)
    low = np.floor(positions).astype(int)
    share = positions - low
    weights = np.zeros((size, source_size), np.float32)
    rows = np.broadcast_to(np.arange(size)[:, None], low.shape)
    for place, amount in ((low, 1 - share), (low + 1, share)):
        is_inside = (place >= 0) & (place < source_size)
        np.add.at(weights, (rows[is_inside], place[is_inside]), (amount[is_inside] / samples).astype(np.float32))
    return weights
