"""Where the brain is: the foreground of an image without skull, or else the brain network's answer.

One small network is asked twice: for the whole head at 4 mm, then, knowing that, for the brain alone at 2 mm.
Everything happens on lattices along the host's own axes put in the order R, A, S, so that flipped, permuted and oblique
hosts look alike.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from .errors import InputError
from .grid import Grid, box_of, canonical_axes, is_empty, resample

if TYPE_CHECKING:
    import torch

    from .host import HostBrain

FINE_MM = 2.0
CUBE = (64, 64, 64)
# What the network halves four times must divide by this.
MULTIPLE = 16
LARGEST_BOX = (128, 144, 128)
STEP_FACTOR = 2  # from the fine lattice to the coarse one
PERCENTILES = (1, 99)
BRIGHTEST = 1.3
# The coarse cube is laid so that the brain lies as far above its middle as in training, where necks hang below.
BRAIN_ABOVE_MIDDLE_MM = 25.0
BRAIN_VOLUME_ML = (250.0, 2500.0)
STRIPPED_VOLUME_ML = (500.0, 2300.0)
MARGIN = 6


@dataclass(frozen=True, eq=False)
class BrainMask:
    """`mask` lies on the host's grid; `method` is "foreground" (already skull-stripped), "network" or "file"."""

    mask: np.ndarray
    method: str
    seconds: float


def find_brain(
    host: HostBrain, network: torch.nn.Module | None = None, device: str = "cpu", *, allow_foreground: bool = True
) -> BrainMask:
    """The brain's outline, ventricles and sulci included."""
    began = time.perf_counter()
    grid = Grid(np.asarray(host.affine, float), host.voxels.shape)
    foreground = stripped_foreground(host.voxels, grid) if allow_foreground else None
    if network is None and foreground is None:
        raise InputError(
            "the host is not skull-stripped and no brain network is at hand: give a mask with --brain-mask"
        )
    mask, method = foreground, "foreground"
    if network is not None:
        search = _Search(host.voxels, grid, network, device)
        coarse = search.coarse()
        if foreground is None or not _agrees(foreground, grid, coarse, search.fine_grid):
            mask, method = _on_host(search.fine(coarse), search.fine_grid, grid), "network"
    return BrainMask(mask, method, time.perf_counter() - began)


# -- images without skull


def stripped_foreground(voxels: np.ndarray, grid: Grid) -> np.ndarray | None:
    """The filled foreground, if the image looks skull-stripped: one solid brain-sized piece on a constant ground."""
    ground = _constant_ground(voxels)
    if ground is None:
        return None
    tolerance = 2e-3 * float(np.ptp(voxels[::3, ::3, ::3])) if voxels.dtype.kind == "f" else 0
    foreground = np.abs(voxels - ground) > tolerance if tolerance else voxels != ground
    box = bounding_box(foreground)
    if box is None:
        return None
    part = grid.part(box)
    low, high = STRIPPED_VOLUME_ML
    if not low / 2 < np.count_nonzero(foreground[box]) * grid.voxel_volume_mm3 / 1000 < high:
        return None
    solid = filled(largest_component(foreground[box]))
    is_one_piece = np.count_nonzero(solid) > 0.9 * np.count_nonzero(foreground[box])
    volume_ml = np.count_nonzero(solid) * grid.voxel_volume_mm3 / 1000
    if not (is_one_piece and low < volume_ml < high and _is_compact(solid, part)):
        return None
    mask = np.zeros(voxels.shape, bool)
    mask[box] = solid
    return mask


def _constant_ground(voxels: np.ndarray) -> float | None:
    """The one value that fills most of the image's outermost layers, if there is one."""
    faces = [np.moveaxis(voxels, axis, 0)[i, ::2, ::2].ravel() for axis in range(3) for i in (0, -1)]
    values, counts = np.unique(np.concatenate(faces), return_counts=True)
    most = counts.argmax()
    # A brain may be cut by one face of a tight box, but not by most of them.
    return float(values[most]) if counts[most] > 0.6 * counts.sum() else None


def _is_compact(solid: np.ndarray, part: Grid) -> bool:
    """Whether a piece fills its box as an egg does (pi / 6 = 0.52, a brain a little less, a head with its neck more
    or much less) and is no longer than a brain."""
    extent = np.array(solid.shape) * part.voxel_mm
    return 0.33 < solid.mean() < 0.72 and extent.max() < 230


def _agrees(foreground: np.ndarray, grid: Grid, coarse: np.ndarray, fine_grid: Grid) -> bool:
    """Whether the network, too, takes the foreground for a brain. It may miss parts of it, but a head is mostly not."""
    seen = resample(reduced(foreground, grid)[0], reduced_grid(grid), fine_grid) > 0.5
    return np.count_nonzero(seen & (coarse > 0.5)) > 0.6 * max(np.count_nonzero(seen), 1)


# -- any other image


class _Search:
    """The host at 2 mm and 4 mm, and the network's answers there."""

    def __init__(self, voxels: np.ndarray, grid: Grid, network: torch.nn.Module, device: str) -> None:
        self.network, self.device = network.to(device).eval(), device
        self.fine_grid = canonical_grid(grid, FINE_MM)
        values, reduced_to = reduced(voxels, grid)
        image = resample(_windowed(values), reduced_to, self.fine_grid)
        self.image = image

    def coarse(self) -> np.ndarray:
        """Brain probability from the whole head at 4 mm, already spread on the 2 mm lattice."""
        small = _pooled(self.image)
        middle = _middle_of_head(small)
        probability = self._ask_cube(small, middle)
        brain = largest_component(probability > 0.5)
        if brain.any():
            # Looking again with the brain where training had it steadies the answer in unusual fields of view.
            center = np.array(ndimage.center_of_mass(brain))
            center[2] -= BRAIN_ABOVE_MIDDLE_MM / (FINE_MM * STEP_FACTOR)
            probability = self._ask_cube(small, center)
            brain = largest_component(probability > 0.5)
        self._require_brain(brain, FINE_MM * STEP_FACTOR)
        near = ndimage.binary_dilation(brain, iterations=2)
        return _enlarged(np.where(near, probability, 0), self.image.shape)

    def fine(self, prior: np.ndarray) -> np.ndarray:
        """Brain probability on the 2 mm lattice: 0 off the brain, 1 in its holes."""
        start, shape = _box_around(prior > 0.3)
        box = np.stack([_cut(self.image, start, shape), _cut(prior, start, shape)])
        probability = _placed(self._ask(box), start, self.image.shape)
        brain = largest_component(probability > 0.5)
        self._require_brain(brain, FINE_MM)
        near = ndimage.binary_dilation(brain)
        return np.where(filled(brain) & ~brain, 1, np.where(near, probability, 0))

    def _ask_cube(self, small: np.ndarray, middle: np.ndarray) -> np.ndarray:
        start = np.round(middle).astype(int) - np.array(CUBE) // 2
        cube = _cut(small, start, CUBE)
        return _placed(self._ask(np.stack([cube, np.zeros_like(cube)])), start, small.shape)

    def _ask(self, channels: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            shown = torch.from_numpy(channels[None]).to(self.device)
            return self.network(shown).float().sigmoid()[0, 0].cpu().numpy()

    @staticmethod
    def _require_brain(brain: np.ndarray, voxel_mm: float) -> None:
        volume_ml = np.count_nonzero(brain) * voxel_mm**3 / 1000
        low, high = BRAIN_VOLUME_ML
        if not low < volume_ml < high:
            raise InputError(
                f"no brain found in the host (the most brain-like part has {volume_ml:.0f} mL; {low:.0f} to {high:.0f}"
                " would be plausible): check that it is a head MRI, or give a mask with --brain-mask"
            )


def canonical_grid(grid: Grid, voxel_mm: float) -> Grid:
    """A lattice over the same box, along the same axes but in the order R, A, S; its size is even."""
    axes = canonical_axes(grid.affine)
    own = grid.affine[:3, :3] / grid.voxel_mm
    extent = np.abs(axes.T @ own) @ (np.array(grid.shape) * grid.voxel_mm)
    shape = STEP_FACTOR * np.maximum(np.ceil(extent / voxel_mm / STEP_FACTOR - 1e-6).astype(int), 1)
    affine = np.eye(4)
    affine[:3, :3] = axes * voxel_mm
    middle = grid.to_ras((np.array(grid.shape) - 1) / 2)
    affine[:3, 3] = middle - affine[:3, :3] @ ((shape - 1) / 2)
    return Grid(affine, tuple(int(n) for n in shape))  # type: ignore[arg-type]


def reduced_grid(grid: Grid) -> Grid:
    factor = _block(grid)
    affine = grid.affine.copy()
    affine[:3, :3] = grid.affine[:3, :3] * factor
    affine[:3, 3] = grid.to_ras((factor - 1) / 2)
    return Grid(affine, tuple(int(-(-n // f)) for n, f in zip(grid.shape, factor, strict=True)))  # type: ignore[arg-type]


def reduced(voxels: np.ndarray, grid: Grid) -> tuple[np.ndarray, Grid]:
    """Means of blocks of voxels, about 2 mm wide: cheap, exact, and no full-size copy in floating point."""
    values = voxels
    for axis, factor in enumerate(_block(grid)):
        if factor > 1:
            starts = np.arange(0, values.shape[axis], factor)
            sizes = np.diff(np.append(starts, values.shape[axis]))
            sizes = sizes.reshape([-1 if a == axis else 1 for a in range(3)])
            values = np.add.reduceat(values, starts, axis=axis, dtype=np.float32) / sizes
    return np.asarray(values, np.float32), reduced_grid(grid)


def _block(grid: Grid) -> np.ndarray:
    return np.maximum(np.round(FINE_MM / grid.voxel_mm).astype(int), 1)


def _windowed(values: np.ndarray) -> np.ndarray:
    low, high = np.percentile(values[::2, ::2, ::2], PERCENTILES)
    if high <= low:  # less than a hundredth of the image is not ground
        low, high = float(values.min()), float(values.max())
    return np.clip((values - low) / max(high - low, 1e-6), 0, BRIGHTEST).astype(np.float32)


def _pooled(image: np.ndarray) -> np.ndarray:
    i, j, k = (n // 2 for n in image.shape)
    return image.reshape(i, 2, j, 2, k, 2).mean((1, 3, 5))


def _enlarged(small: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    import torch

    values = torch.from_numpy(np.ascontiguousarray(small, np.float32))[None, None]
    return torch.nn.functional.interpolate(values, size=shape, mode="trilinear", align_corners=False)[0, 0].numpy()


def _middle_of_head(small: np.ndarray) -> np.ndarray:
    """Where to lay the first coarse cube: around what is bright, from its top downwards where a neck is long."""
    bright = small > 0.15
    middle = (np.array(small.shape) - 1) / 2
    for axis in range(3):
        share = bright.mean(tuple(a for a in range(3) if a != axis))
        filled_slices = np.flatnonzero(share > 0.03)
        if filled_slices.size:
            low, high = filled_slices[[0, -1]]
            middle[axis] = max((low + high) / 2, high - CUBE[axis] / 2 + 4) if axis == 2 else (low + high) / 2
    return middle


def _box_around(brain: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """Start and shape of the box, of a size the network takes, around a brain and its margin."""
    box = bounding_box(brain)
    assert box is not None
    low, high = (np.array([getattr(s, end) for s in box]) for end in ("start", "stop"))
    shape = np.minimum(-(-(high - low + 2 * MARGIN) // MULTIPLE) * MULTIPLE, LARGEST_BOX)
    return (low + high - shape) // 2, tuple(int(n) for n in shape)


def _overlap(
    start: np.ndarray, shape: tuple[int, ...], volume_shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    low = np.clip(start, 0, volume_shape)
    high = np.clip(start + shape, low, volume_shape)
    inner = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return inner, tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))


def _cut(volume: np.ndarray, start: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    inner, outer = _overlap(start, shape, volume.shape)
    part = np.zeros(shape, np.float32)
    part[outer] = volume[inner]
    return part


def _placed(part: np.ndarray, start: np.ndarray, volume_shape: tuple[int, ...]) -> np.ndarray:
    inner, outer = _overlap(start, part.shape, volume_shape)
    volume = np.zeros(volume_shape, np.float32)
    volume[inner] = part[outer]
    return volume


def _on_host(probability: np.ndarray, fine_grid: Grid, grid: Grid) -> np.ndarray:
    box = bounding_box(probability > 0)
    assert box is not None
    corners = np.array(np.meshgrid(*[(s.start - 1, s.stop) for s in box], indexing="ij")).reshape(3, -1).T
    index = grid.to_index(fine_grid.to_ras(corners))
    low = np.clip(np.floor(index.min(0)), 0, grid.shape).astype(int)
    high = np.clip(np.ceil(index.max(0)) + 1, 0, grid.shape).astype(int)
    host_box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    mask = np.zeros(grid.shape, bool)
    mask[host_box] = resample(probability, fine_grid, grid.part(host_box)) > 0.5  # type: ignore[arg-type]
    return mask


# -- masks


def bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    """The smallest box around all that is marked."""
    box = box_of(mask)
    return None if is_empty(box) else box  # type: ignore[return-value]


def largest_component(mask: np.ndarray) -> np.ndarray:
    labels, number = ndimage.label(mask)
    if number < 2:
        return mask.copy()
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()


def filled(mask: np.ndarray) -> np.ndarray:
    """Holes closed. By components, because repeated dilation takes seconds in a full-size image."""
    labels, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    return labels[1:-1, 1:-1, 1:-1] != labels[0, 0, 0]
