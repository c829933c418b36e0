"""Where in one host's brain lesions may lie: each place's depth, its tissue, and how likely the recipe wants it.

Worked out once a host, on a lattice of 1.5 mm along the host's own axes, and kept as whole numbers, so that a draw does
not hang on the last digit of a sum.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..brain_mask import bounding_box, canonical_grid, largest_component
from ..errors import InputError
from ..grid import Grid, resample
from ..host import HostBrain
from ..volume_files import read_volume
from .hosts import read_table

LATTICE_MM = 1.5
JUNCTION_WIDTH_MM = 1.0
# Deeper interfaces are those of the basal ganglia and ventricles, not of cortex.
JUNCTION_DEPTH_MM = 25.0
BIAS_MM = 25.0
LARGEST_WEIGHT = 10_000
FARTHEST_MM = 300.0
# On the host's 0..1 scale; tissue lies far above it, also where hardly anything but a brain is bright.
DARKEST_BRAIN = 0.02


@dataclass(frozen=True, eq=False)
class Terrain:
    """Places in the brain, in rows: `index` on the lattice, `depth_mm` to the brain's border, `clear_mm` to what is to
    be kept out of, and a weight for each way of placing. `points_ras` are places that a person listed.

    The lattice is a part, from `start` on, of one laid over the `whole` image: it does not shift with the brain mask.
    """

    affine: np.ndarray
    start: np.ndarray
    whole: np.ndarray
    index: np.ndarray
    depth_mm: np.ndarray
    clear_mm: np.ndarray
    tissue: np.ndarray
    junction: np.ndarray
    map: np.ndarray
    points_ras: np.ndarray
    points_depth_mm: np.ndarray
    points_clear_mm: np.ndarray

    @cached_property
    def places_ras(self) -> np.ndarray:
        return Grid(self.affine, (1, 1, 1)).to_ras(self.index)

    def anywhere(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points drawn from the whole of the host's image: where they are, the row of the place that each is nearest
        to (-1 beyond the brain), and how far from it."""
        index = rng.uniform(-0.5, self.whole - 0.5, (count, 3)) - self.start
        nearest = np.round(index).astype(int)
        fit = ((nearest >= 0) & (nearest < self._rows.shape)).all(1)
        rows = np.full(count, -1)
        rows[fit] = self._rows[tuple(nearest[fit].T)]
        away = np.linalg.norm(index - nearest, axis=1) * LATTICE_MM
        return Grid(self.affine, (1, 1, 1)).to_ras(index), rows, away

    @cached_property
    def _rows(self) -> np.ndarray:
        """The row of every place on the lattice, -1 off the brain."""
        rows = np.full(self.index.max(0).astype(int) + 1, -1, np.int32)
        rows[tuple(self.index.T)] = np.arange(len(self.index))
        return rows

    def arrays(self) -> dict[str, np.ndarray]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def survey(
    host: HostBrain, brain: np.ndarray, *, keep_out: list[Path], probability: Path | None, points: Path | None
) -> Terrain:
    """The terrain of one host."""
    box = bounding_box(brain)
    if box is None:
        raise InputError("the brain mask is empty: mark the brain with 1")
    part = host.grid.part(box)
    whole = canonical_grid(host.grid, LATTICE_MM)
    covering = whole.box_covering(part, brain[box])
    lattice = whole.part(covering)
    inside = resample(brain[box], part, lattice) > 0.5
    if not inside.any():
        raise InputError(f"the brain mask is smaller than {LATTICE_MM:g} mm: give one of the whole brain")
    depth = _depth(inside)
    values = resample(host.normalized(host.voxels[box]), part, lattice)
    if np.median(values[inside]) <= DARKEST_BRAIN:
        raise InputError(
            "no brain found: what looked like one is as dark as air; check that it is a head MRI, or give a brain mask"
        )
    tissue, junction = tissue_and_junction(values, inside, depth)
    clear = _clearance(keep_out, lattice)
    chance = _probability(probability, lattice) if probability else np.zeros(lattice.shape)
    listed = read_points(points, host) if points else np.zeros((0, 3))
    rows = np.argwhere(inside)
    at = tuple(rows.T)
    near = tuple(np.clip(np.round(lattice.to_index(listed)).astype(int), 0, np.array(lattice.shape) - 1).T)
    return Terrain(
        affine=lattice.affine,
        start=np.array([side.start for side in covering]),
        whole=np.array(whole.shape),
        index=rows.astype(np.int16),
        depth_mm=depth[at],
        clear_mm=clear[at],
        tissue=tissue[at].astype(np.uint8),
        junction=_whole(junction[at]),
        map=_whole(chance[at]),
        points_ras=listed,
        points_depth_mm=depth[near],
        points_clear_mm=clear[near],
    )


def _depth(inside: np.ndarray) -> np.ndarray:
    """Distance to the brain's border, to a hundredth of a mm; the border lies half a voxel before the outside."""
    away = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=LATTICE_MM)[1:-1, 1:-1, 1:-1]
    return np.round(np.maximum(away - LATTICE_MM / 2, 0), 2).astype(np.float32)


def tissue_and_junction(values: np.ndarray, inside: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which places are tissue rather than fluid, and how near each lies to where grey and white matter meet (0 to 1).

    On T1 fluid is dark, grey matter in between, white matter bright. Shading is divided out, three classes are split
    by Otsu's thresholds, white matter is what hangs together of the brightest, and the junction is its surface towards
    grey matter, at the depth where there is cortex.
    """
    from skimage.filters import threshold_multiotsu

    values = values / np.maximum(_local_mean(values, inside, BIAS_MM), 1e-3)
    smooth = _local_mean(values, inside, 0.6)
    seen = smooth[inside]
    low, high = np.percentile(seen, (1, 99))
    try:
        fluid, white = threshold_multiotsu(np.clip(seen, low, high), 3, nbins=128)
    except ValueError:  # nearly constant: no tissues to tell apart
        return inside, np.zeros(inside.shape)
    tissue = inside & (smooth > fluid)
    bright = largest_component(inside & (smooth > white) & (depth > 2 * LATTICE_MM))
    grey = tissue & ~bright & (smooth <= white)
    if not bright.any() or not grey.any():
        return tissue, np.zeros(inside.shape)
    from_white = ndimage.distance_transform_edt(~bright, sampling=LATTICE_MM)
    from_grey = ndimage.distance_transform_edt(~grey, sampling=LATTICE_MM)
    away = np.maximum(from_white, from_grey) - LATTICE_MM  # next to each other: 0
    near = np.exp(-0.5 * (np.maximum(away, 0) / JUNCTION_WIDTH_MM) ** 2)
    near[(away > 2.5 * JUNCTION_WIDTH_MM) | (depth > JUNCTION_DEPTH_MM) | ~tissue] = 0
    return tissue, near


def _local_mean(values: np.ndarray, inside: np.ndarray, sigma_mm: float) -> np.ndarray:
    sigma = sigma_mm / LATTICE_MM
    weight = ndimage.gaussian_filter(inside.astype(np.float32), sigma, truncate=3.0)
    total = ndimage.gaussian_filter(np.where(inside, values, 0).astype(np.float32), sigma, truncate=3.0)
    return total / np.maximum(weight, 1e-3)


def _clearance(files: list[Path], lattice: Grid) -> np.ndarray:
    """Distance of every place to the nearest that a mask marks."""
    marked = np.zeros(lattice.shape, bool)
    for file in files:
        stored = read_volume(file)
        if stored.voxels.ndim != 3:
            raise InputError(f"{file}: not a 3D mask; mark with 1 where no lesion may lie")
        grid = Grid(stored.affine, stored.voxels.shape)
        # Both ways, so that neither a thin mask nor a coarse one leaves gaps.
        places = np.round(lattice.to_index(grid.to_ras(np.argwhere(stored.voxels != 0)))).astype(int)
        fit = ((places >= 0) & (places < lattice.shape)).all(1)
        marked[tuple(places[fit].T)] = True
        marked |= _nearest(stored.voxels, grid, lattice) != 0
    if not marked.any():
        return np.full(lattice.shape, FARTHEST_MM, np.float32)
    away = ndimage.distance_transform_edt(~marked, sampling=LATTICE_MM)
    return np.round(np.maximum(away - LATTICE_MM / 2, 0) * (away > 0), 2).astype(np.float32)


def _probability(file: Path, lattice: Grid) -> np.ndarray:
    stored = read_volume(file)
    if stored.voxels.ndim != 3:
        raise InputError(f"{file}: not a 3D map; give one value per voxel, larger where lesions are likelier")
    values = stored.voxels * stored.slope + stored.intercept
    if not np.isfinite(values).all() or values.min() < 0:
        raise InputError(f"{file}: a probability map must hold finite numbers, none below 0")
    return _nearest(values, Grid(stored.affine, stored.voxels.shape), lattice).astype(float)


def _nearest(values: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Values at the target's places, whatever way the two lattices are turned; 0 beyond the source."""
    out = np.zeros(target.shape, values.dtype)
    for first in range(target.shape[0]):  # by planes, so that no gigabyte of coordinates is needed
        plane = np.indices((1, *target.shape[1:])).reshape(3, -1).T + (first, 0, 0)
        index = np.round(source.to_index(target.to_ras(plane))).astype(int)
        fit = ((index >= 0) & (index < source.shape)).all(1)
        row = np.zeros(len(index), values.dtype)
        row[fit] = values[tuple(index[fit].T)]
        out[first] = row.reshape(target.shape[1:])
    return out


def read_points(file: Path, host: HostBrain) -> np.ndarray:
    """The places of a table with columns R, A and S; a column 'host' keeps a place for the host of that file name."""
    rows = read_table(file)
    names = {name.lower(): name for name in (rows[0] if rows else {})}
    if any(axis not in names for axis in "ras"):
        raise InputError(f"{file}: not a table of places; give columns R, A and S (RAS, mm)")
    here = host.source.name if host.source else ""
    points = []
    for number, row in enumerate(rows, 2):
        if "host" in names and Path(row[names["host"]]).name not in ("", here):
            continue
        try:
            point = [float(row[names[axis]]) for axis in "ras"]
        except ValueError:
            point = [np.nan]
        if not np.isfinite(point).all():
            raise InputError(f"{file}: line {number}: R, A and S must be finite numbers")
        points.append(point)
    if not points:
        raise InputError(f"{file}: lists no place for {here or 'this host'}; add one, or leave the column 'host' empty")
    return np.array(points)


def _whole(weight: np.ndarray) -> np.ndarray:
    """Weights as whole numbers, relative to the largest."""
    most = float(weight.max(initial=0))
    return np.round(weight / most * LARGEST_WEIGHT).astype(np.uint16) if most > 0 else np.zeros(len(weight), np.uint16)
