"""Lesion records from annotated tumours: classes by multi-Otsu inside the mask, spheres by volume match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..grid import Grid
from ..host import HostBrain
from ..spheres import MAX_RADIUS_MM, ConcentricSpheres
from ..volume_files import read_volume
from .files import write_table

CLASSES = 3
VALUES_RISING = (0.5, 0.75, 1.0)
# Low-contrast lesions fall apart into salt and pepper unless noise is smoothed, inside the mask only, beforehand.
SMOOTHING_MM = 0.8
SMALLEST_VOXELS = 27
COLUMNS = ("patient", "lesion", "radii_mm", "values", "volume_mm3", "center_ras")


@dataclass(frozen=True)
class MeasuredLesion:
    """Spheres of the same volumes as a real lesion's classes, the bright class outside or inside as it runs there."""

    patient: str
    lesion: int
    radii_mm: tuple[float, ...]
    values: tuple[float, ...]
    volume_mm3: float
    center_ras: tuple[float, float, float]


def write_records(pairs: Sequence[tuple[Path, Path, str]], file: Path) -> list[MeasuredLesion]:
    """Measures every lesion of (image, mask, patient) and writes them as a table that recipes take as `records`."""
    found = [lesion for image, mask, patient in pairs for lesion in measure(image, mask, patient)]
    if not found:
        raise InputError(f"no lesion of at least {SMALLEST_VOXELS} voxels in any mask: nothing to record")
    write_table(file, COLUMNS, (vars(lesion) for lesion in found))
    return found


def measure(image: Path, mask: Path, patient: str) -> Iterator[MeasuredLesion]:
    """The lesions of one image: the connected parts of all that its mask marks."""
    host, stored = HostBrain.read(image), read_volume(mask)
    if not host.same_grid(stored.voxels.shape, stored.affine):
        raise InputError(f"{mask}: lies on another grid than {image}; give a mask on the image's grid")
    parts, _ = ndimage.label(stored.voxels > 0, np.ones((3, 3, 3)))
    values = host.normalized(host.voxels)
    for number, box in enumerate(ndimage.find_objects(parts), 1):
        inside = parts[box] == number
        if np.count_nonzero(inside) >= SMALLEST_VOXELS:
            yield _measured(values[box], inside, host.grid.part(box), patient, number)


def _measured(values: np.ndarray, inside: np.ndarray, grid: Grid, patient: str, number: int) -> MeasuredLesion:
    classes = _classes(values, inside, grid)
    shares = np.array([np.count_nonzero(classes == c) for c in range(1, CLASSES + 1)]) / np.count_nonzero(inside)
    is_ring = _bright_depth(classes, inside, grid) < 0
    order = VALUES_RISING[::-1] if is_ring else VALUES_RISING
    outwards = shares[::-1] if is_ring else shares
    volume = float(np.count_nonzero(inside) * grid.voxel_volume_mm3)
    within = 1 - np.concatenate([[0], np.cumsum(outwards)[:-1]])
    radii = min((3 * volume / (4 * np.pi)) ** (1 / 3), MAX_RADIUS_MM) * np.cbrt(within)
    center = grid.to_ras(np.argwhere(inside).mean(0))
    spheres = ConcentricSpheres(tuple(center), tuple(np.round(radii, 3)), order)
    return MeasuredLesion(patient, number, spheres.radii_mm, order, volume, tuple(np.round(center, 2).tolist()))


def _classes(values: np.ndarray, inside: np.ndarray, grid: Grid) -> np.ndarray:
    """1 dark, 2 between, 3 bright; 0 outside. Every class holds at least one voxel, so that no shell has no width."""
    from skimage.filters import threshold_multiotsu

    sigma = SMOOTHING_MM / grid.voxel_mm
    weight = ndimage.gaussian_filter(inside.astype(np.float32), sigma)
    smooth = ndimage.gaussian_filter(np.where(inside, values, 0).astype(np.float32), sigma) / np.maximum(weight, 1e-3)
    seen = smooth[inside]
    try:
        thresholds = threshold_multiotsu(seen, CLASSES, nbins=64)
    except ValueError:  # fewer distinct values than classes
        thresholds = np.quantile(seen, [1 / 3, 2 / 3])
    found = 1 + np.digitize(seen, thresholds)
    if len(np.unique(found)) < CLASSES:
        found = 1 + (CLASSES * np.argsort(np.argsort(seen, kind="stable")) // seen.size)
    out = np.zeros(inside.shape, np.uint8)
    out[inside] = found
    return out


def _bright_depth(classes: np.ndarray, inside: np.ndarray, grid: Grid) -> float:
    """How much deeper the bright class lies than the dark one, mm; negative for a bright rim."""
    depth = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=grid.voxel_mm)[1:-1, 1:-1, 1:-1]
    return float(depth[classes == CLASSES].mean() - depth[classes == 1].mean())
