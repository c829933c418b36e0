"""What of a case is not its lesion, as numbers: its file, its header, its place in the orders, the voxels around.

If a classifier can tell the origin from these, so might a reader, and the study would measure something else than
the lesions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .blinding import TISSUE_LEVEL

HEADER_BYTES = 352
BLOCKS = 3
# Beyond the mask: the soft edge of blending, and as much again of a lesion's width for oedema and displacement.
MARGIN_MM = 8.0
MARGIN_DIAMETERS = 0.75
FILE, HEADER, ORDER, VOXELS = "file", "header", "order", "voxels around the lesion"
GROUPS = (FILE, HEADER, ORDER, VOXELS)


def features_of(path: Path, mask: np.ndarray, diameter_mm: float, positions: Sequence[int]) -> dict[str, np.ndarray]:
    """All numbers of one image, by group."""
    content = path.read_bytes()
    return {
        FILE: _file_features(path),
        HEADER: np.frombuffer(content[:HEADER_BYTES], np.uint8).astype(float),
        ORDER: np.array(positions, float),
        VOXELS: _voxel_features(content, mask, diameter_mm),
    }


def _file_features(path: Path) -> np.ndarray:
    """Name, size, times and what the folder says of it."""
    state = path.stat()
    blocks = getattr(state, "st_blocks", 0)
    changed = state.st_ctime_ns % 10**12 / 1e9
    name = float(int.from_bytes(path.name.encode()[:6].ljust(6, b"\0"), "big"))
    size, time, mode = state.st_size, state.st_mtime, state.st_mode
    return np.array([name, len(path.name), size, time, changed, mode, blocks, state.st_ino])


def with_ranks(features: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """One table a group; a name, the time of a change and the place on the disk count by their order."""
    from scipy.stats import rankdata

    tables = {group: np.vstack([each[group] for each in features]) for group in GROUPS}
    file = tables[FILE]
    for column in (0, -1, -4):
        file[:, column] = rankdata(file[:, column])
    return tables


def _voxel_features(content: bytes, mask: np.ndarray, diameter_mm: float) -> np.ndarray:
    from scipy import ndimage

    count, spacing = mask.shape, float(np.frombuffer(content, "<f4", 1, 80)[0])
    offset = int(np.frombuffer(content, "<f4", 1, 108)[0])
    voxels = np.frombuffer(content, "<i2", mask.size, offset).reshape(count, order="F").astype(np.float32)
    margin = max(MARGIN_MM, MARGIN_DIAMETERS * diameter_mm)
    outside = np.ones(count, bool)
    if mask.any():
        outside = ndimage.distance_transform_edt(mask == 0, sampling=spacing) > margin
    values = voxels[outside] / TISSUE_LEVEL
    tissue = outside & (voxels > 0.3 * TISSUE_LEVEL)
    air = outside & ~tissue
    rough = np.abs(ndimage.laplace(voxels)) / TISSUE_LEVEL
    slopes = [np.abs(np.diff(voxels, axis=axis)).mean() / TISSUE_LEVEL for axis in range(3)]
    # How much rougher two steps are than one: blur of the scan or of the interpolation.
    blur = [
        np.abs(np.take(voxels, range(2, n), axis) - np.take(voxels, range(n - 2), axis)).mean() / TISSUE_LEVEL / slope
        for axis, (n, slope) in enumerate(zip(count, slopes, strict=True))
    ]
    statistics = [
        *np.percentile(values, (5, 25, 50, 75, 95, 99)),
        float(tissue.mean()),
        float(np.median(rough[tissue])) if tissue.any() else 0.0,
        float(np.median(rough[air])) if air.any() else 0.0,
        float(values.std()),
        *slopes,
        *blur,
    ]
    return np.array([*statistics, *_block_means(voxels / TISSUE_LEVEL, outside)])


def _block_means(values: np.ndarray, outside: np.ndarray) -> list[float]:
    """A very coarse picture of the surroundings, the middle left out."""
    means = []
    edges = [np.linspace(0, n, BLOCKS + 1).astype(int) for n in values.shape]
    for place in np.ndindex(BLOCKS, BLOCKS, BLOCKS):
        if place == (BLOCKS // 2,) * 3:
            continue
        block = tuple(slice(edge[at], edge[at + 1]) for edge, at in zip(edges, place, strict=True))
        inside = values[block][outside[block]]
        means.append(float(inside.mean()) if inside.size else 0.0)
    return means
