"""Where a voxel is: the one owner of the map between array indices and millimetres."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Box = tuple[slice, slice, slice]


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

    def box(self, center_ras: np.ndarray, half_mm: float) -> Box:
        """The slices that hold every voxel within `half_mm` of a point along the grid's own axes."""
        center = self.to_index(center_ras)
        reach = half_mm / self.voxel_mm
        low = np.clip(np.floor(center - reach), 0, self.shape).astype(int)
        high = np.clip(np.ceil(center + reach) + 1, 0, self.shape).astype(int)
        return tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]

    def box_covering(self, other: Grid, where: np.ndarray) -> Box:
        """The slices that hold every voxel touched by the voxels of another lattice that `where` marks."""
        marked = [np.flatnonzero(where.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
        if not marked[0].size:
            return (slice(0, 0),) * 3
        ends = [(m[0] - 1.0, m[-1] + 1.0) for m in marked]
        corners = self.to_index(other.to_ras(np.array(list(itertools.product(*ends)))))
        low = np.clip(np.floor(corners.min(0)), 0, self.shape).astype(int)
        high = np.clip(np.ceil(corners.max(0)) + 1, 0, self.shape).astype(int)
        return tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]

    def part(self, box: Box) -> Grid:
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


def box_of(mask: np.ndarray, margin: int = 0) -> tuple[slice, ...]:
    """The smallest box around all that is marked, and so many voxels more on every side that has them."""
    box = [slice(None)] * mask.ndim
    for axis in range(mask.ndim):
        marked = np.flatnonzero(mask[tuple(box)].any(tuple(a for a in range(mask.ndim) if a != axis)))
        if not marked.size:
            return (slice(0, 0),) * mask.ndim
        box[axis] = slice(int(marked[0]), int(marked[-1]) + 1)
    ends = zip(box, mask.shape, strict=True)
    return tuple(slice(max(s.start - margin, 0), min(s.stop + margin, size)) for s, size in ends)


def union_of(boxes: Sequence[Box]) -> Box:
    """The smallest box that holds them all; empty ones count for nothing."""
    boxes = [box for box in boxes if not is_empty(box)] or list(boxes)
    return tuple(slice(min(b[a].start for b in boxes), max(b[a].stop for b in boxes)) for a in range(3))  # type: ignore[return-value]


def common_part(one: Box, other: Box) -> Box:
    ends = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True)]
    return tuple(slice(low, max(low, high)) for low, high in ends)  # type: ignore[return-value]


def within(box: Box, outer: Box) -> Box:
    """A box counted from the corner of another that holds it."""
    if is_empty(box):
        return (slice(0, 0),) * 3
    return tuple(slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True))  # type: ignore[return-value]


def is_empty(box: Box) -> bool:
    return any(s.stop <= s.start for s in box)


def canonical_axes(affine: np.ndarray) -> np.ndarray:
    """A grid's own axis directions, reordered and flipped to lie nearest to R, A and S (as columns)."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    order, signs = canonical_order(affine)
    return axes[:, order] * signs


def canonical_order(affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of a grid's axes runs most along R, A and S, and whether with (1) or against it (-1)."""
    from scipy.optimize import linear_sum_assignment

    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    rows, columns = linear_sum_assignment(-np.abs(axes))
    return columns, np.sign(axes[rows, columns])


def resample(values: np.ndarray, source: Grid, target: Grid, fill: float = 0.0, nearest: bool = False) -> np.ndarray:
    """Values of `source`'s lattice at `target`'s voxels, by linear interpolation (or `nearest`), as float32.

    A target coarser than its source averages the source over the target's voxel, as a scanner does (partial
    volume), so that nothing thin is lost between thick slices. Both lattices must have the same axes, up to order and
    sign, as every lattice laid along a host's has: axes are then interpolated one after another, by three small matrix
    products. Where the lattices coincide this is exact.
    """
    matrix = source._inverse[:3, :3] @ target.affine[:3, :3]
    offset = source.to_index(target.affine[:3, 3])
    values = np.asarray(values)
    from_axis = np.abs(matrix).argmax(axis=0)
    step = matrix[from_axis, np.arange(3)]
    if len(set(from_axis)) < 3 or np.abs(matrix).sum() - np.abs(step).sum() > 1e-4 * np.abs(step).sum():
        raise ValueError("lattices to resample between must have parallel axes")
    values = np.transpose(values, from_axis)
    stencils = [
        _Stencil.of(offset[source_axis], step[axis], target.shape[axis], values.shape[axis], nearest)
        for axis, source_axis in enumerate(from_axis)
    ]
    # What shrinks most first; a large source is never copied whole in floating point.
    for axis in sorted(range(3), key=lambda a: target.shape[a] / values.shape[a]):
        values = stencils[axis].applied(values, axis)
    if fill:
        a, b, c = (stencil.coverage for stencil in stencils)
        values = values + fill * (1 - a[:, None, None] * b[None, :, None] * c[None, None, :])
    return np.ascontiguousarray(values, np.float32)


@dataclass(frozen=True)
class _Stencil:
    """Along one axis: each target position's value is a sum of `amounts` times the source's samples at `places`.

    Gathered by index rather than as a matrix product: BLAS threads go on spinning after a product, and what torch
    computes next then takes twice as long.
    """

    size: int
    places: tuple[np.ndarray, ...]
    amounts: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, offset: float, step: float, size: int, source_size: int, nearest: bool) -> _Stencil:
        """For positions offset + step * k; a long step is averaged over; nothing comes from beyond the ends."""
        samples = 1 if nearest else max(1, round(abs(step)))
        places, amounts = [], []
        for within in (np.arange(samples) + 0.5) / samples - 0.5:
            position = np.round(offset + step * (np.arange(size) + within), 5)
            low = np.round(position) if nearest else np.floor(position)
            share = np.zeros(size) if nearest else position - low
            for place, amount in ((low.astype(int), 1 - share), (low.astype(int) + 1, share)):
                inside = (place >= 0) & (place < source_size)
                amount = np.where(inside, amount / samples, 0).astype(np.float32)
                if amount.any():
                    places.append(np.clip(place, 0, source_size - 1))
                    amounts.append(amount)
        return cls(size, tuple(places), tuple(amounts))

    @property
    def coverage(self) -> np.ndarray:
        return np.sum(self.amounts, axis=0) if self.amounts else np.zeros(self.size)

    def applied(self, values: np.ndarray, axis: int) -> np.ndarray:
        across = [1, 1, 1]
        across[axis] = -1
        total: np.ndarray | None = None
        for place, amount in zip(self.places, self.amounts, strict=True):
            part = _picked(values, place, axis).astype(np.float32, copy=False)
            if not (amount == 1).all():
                part *= amount.reshape(across)
            total = part if total is None else np.add(total, part, out=total)
        if total is None:
            shape = list(values.shape)
            shape[axis] = self.size
            return np.zeros(shape, np.float32)
        return total


def _picked(values: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    """`take`, which first copies all of an array that is not laid out in C's order; a fine host's takes seconds."""
    if values.flags.c_contiguous:
        return values.take(places, axis)
    return values[(slice(None),) * axis + (places,)]
