"""Real and synthetic lesions of every kind of source, cut out by one and the same path.

Whatever a file's grid is, a lesion is laid on 1 mm cubes along its scan's own axes in the order S, A, R, relative to
the white matter around it. A lesion too large for the window is scaled to fit, on both sides alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import provenance
from ..case_files import PROVENANCE
from ..cohorts.layout import SIDECAR_SUFFIX
from ..errors import InputError
from ..grid import Grid, box_of, canonical_axes, resample
from ..host import HostBrain
from ..reading.lesions import labelled
from ..reading.sources import Source, real_sources, synthetic_sources
from .archives import read_archive
from .patches import LesionPatches, joined

ARCHIVE = ".npz"
# Around a lesion that just fits, so much of its surroundings is still seen on either side.
RIM_MM = 10
FEWEST_VOXELS = 30  # on 1 mm pixels or voxels; what is smaller has no texture to compare
# Of a lesion's slices, those whose area is this share of the largest one's may be taken.
LEAST_AREA_SHARE = 0.3
# White matter is looked for within so many mm of the lesion's middle, on 2 mm cubes.
NEIGHBOURHOOD_MM, COARSE_MM = 48.0, 2.0
# Of all tissue, fat and vessels included, white matter is the upper middle; darker than this share of the brightest is
# no tissue.
WHITE_MATTER_PERCENTILE, LEAST_TISSUE = 60, 0.15
AIR_PERCENTILE = 0.5

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Cutting:
    """How lesions become patches; the same for both sides of a comparison."""

    dimensions: int = 2
    slices_per_lesion: int = 1
    size: int = 64
    lesion_values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3):
            raise InputError(f"dimensions {self.dimensions}: choose 2 (slices) or 3 (cubes)")
        if self.size < 2 * RIM_MM + 8:
            raise InputError(f"a window of {self.size} pixels is too small: {2 * RIM_MM + 8} are the least")
        if self.slices_per_lesion < 1:
            raise InputError(f"{self.slices_per_lesion} slices a lesion: one is the least")


def read_patches(
    path: str | Path,
    dimensions: int = 2,
    slices_per_lesion: int = 1,
    size: int = 64,
    *,
    lesion_values: Sequence[float] = (),
    progress: Progress = lambda stage, share: None,
) -> LesionPatches:
    """Lesions of an archive (.npz), a folder or CSV table of images with masks, a cohort or folders of cases.

    `lesion_values` are the values of masks that make up a lesion; all above 0 if empty. In cases every label is a
    lesion, elsewhere every connected part of a mask is.
    """
    path = Path(path)
    cutting = Cutting(dimensions, slices_per_lesion, size, tuple(lesion_values))
    if path.suffix.lower() == ARCHIVE:
        return read_archive(path, dimensions)
    parts = []
    sources = sources_of(path)
    for number, source in enumerate(sources):
        progress(f"reading {path.name}", number / len(sources))
        parts += _patches_of(source, cutting)
    if not parts:
        raise InputError(f"{path}: no lesion of {FEWEST_VOXELS} mm{dimensions} or more; give larger lesions")
    return joined(parts)


def sources_of(path: Path) -> list[Source]:
    """The scans below a folder, or in a table: cases of ours where there are any, else images with masks."""
    try:
        is_of_cases = path.is_dir() and has_cases(path)
        return synthetic_sources([path]) if is_of_cases else real_sources([path])
    except InputError as error:  # the words of another command's options would puzzle
        raise type(error)(
            str(error).replace("--real ", "").replace("--real: ", "").replace("--synthetic ", "")
        ) from None


def has_cases(folder: Path) -> bool:
    return any(True for name in (PROVENANCE, f"*_{SIDECAR_SUFFIX}") for _ in folder.rglob(name))


def block_of(patient: str) -> int:
    """The same number for the same patient in every source."""
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:6], "big")


def _patches_of(source: Source, cutting: Cutting) -> list[LesionPatches]:
    """All lesions of one scan."""
    host = HostBrain.read(source.image)
    labels = labelled(source, host, cutting.lesion_values or None)
    record = provenance.read(source.provenance) if source.provenance else None
    before = _host_of(record, host)
    patient = source.patient or (record["host"]["checksum"] if record else host.checksum())
    parts = []
    for number in np.unique(labels[labels > 0]).tolist():
        if source.label is not None and number != source.label:
            continue
        scan = _Scan(host, labels, number, before)
        parts += scan.patches(cutting, block_of(patient), f"{_name_of(source)} {number}")
    return parts


def _name_of(source: Source) -> str:
    name = source.image.name.split(".")[0]
    return source.image.parent.name if name == "image" else name


def _host_of(record: dict | None, case: HostBrain) -> HostBrain | None:
    """The brain a case was made from, if it still lies where it did and is the same."""
    file = record["host"].get("file") if record else None
    if record is None or not file or not Path(file).exists():
        return None
    try:
        host = HostBrain.read(file)
    except InputError:
        return None
    is_same = provenance.host_checksum(host) == record["host"]["checksum"]
    return host if is_same and host.same_grid(case.shape, case.affine) else None


@dataclass(frozen=True)
class _Scan:
    """One lesion in its scan."""

    host: HostBrain
    labels: np.ndarray
    number: int
    before: HostBrain | None

    def patches(self, cutting: Cutting, block: int, name: str) -> list[LesionPatches]:
        lattice = self._lattice(cutting.size)
        mask = resample(self.labels == self.number, self.host.grid, lattice) >= 0.5
        air, white = self._levels(lattice)
        image = (resample(self.host.voxels, self.host.grid, lattice, air) - air) / (white - air)
        base = None
        if self.before is not None:
            base = (resample(self.before.voxels, self.host.grid, lattice, air) - air) / (white - air)
        if cutting.dimensions == 3:
            whole = [(slice(None),)] if mask.sum() >= FEWEST_VOXELS else []
            return [_one(image, mask, base, where, block, name) for where in whole]
        planes = _planes(mask, cutting.slices_per_lesion)
        return [_one(image, mask, base, (plane,), block, f"{name} slice {plane}") for plane in planes]

    def _lattice(self, size: int) -> Grid:
        """A cube of voxels around the lesion's middle, its axes S, from A to P, and from R to L."""
        axes = canonical_axes(self.host.affine)[:, (2, 1, 0)] * (1, -1, -1)
        grid, box = self.host.grid, box_of(self.labels == self.number)
        corners = np.array(np.meshgrid(*[(s.start - 0.5, s.stop - 0.5) for s in box], indexing="ij")).reshape(3, -1).T
        along = grid.to_ras(corners) @ axes
        low, high = along.min(0), along.max(0)
        spacing = max(1.0, float((high - low).max()) / (size - 2 * RIM_MM))
        return _cube(axes, axes @ ((low + high) / 2), spacing, size)

    def _levels(self, lattice: Grid) -> tuple[float, float]:
        """Air, and the white matter around the lesion, in stored values."""
        middle = lattice.to_ras((np.array(lattice.shape) - 1) / 2)
        axes = lattice.affine[:3, :3] / lattice.voxel_mm
        around = _cube(axes, middle, COARSE_MM, int(2 * NEIGHBOURHOOD_MM / COARSE_MM))
        air = float(np.percentile(self.host.voxels[::2, ::2, ::2], AIR_PERCENTILE))
        values = resample(self.host.voxels, self.host.grid, around, air) - air
        values = values[resample(self.labels > 0, self.host.grid, around) == 0]
        tissue = values[values > LEAST_TISSUE * np.percentile(values, 99)] if values.size else values
        white = float(np.percentile(tissue, WHITE_MATTER_PERCENTILE)) if tissue.size else 0.0
        if white <= 0:
            raise InputError(
                f"{self.host.source}: no tissue around lesion {self.number}; give a scan that shows a brain"
            )
        return air, air + white


def _cube(axes: np.ndarray, middle: np.ndarray, spacing: float, size: int) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = middle - affine[:3, :3] @ np.full(3, (size - 1) / 2)
    return Grid(affine, (size,) * 3)


def _planes(mask: np.ndarray, count: int) -> list[int]:
    """The slice of the largest area, or several spread evenly over those not much smaller."""
    area = mask.sum((1, 2))
    if area.max() < FEWEST_VOXELS:
        return []
    if count == 1:
        return [int(area.argmax())]
    fit = np.flatnonzero(area >= max(LEAST_AREA_SHARE * area.max(), FEWEST_VOXELS))
    return sorted({int(fit[round(place)]) for place in np.linspace(0, len(fit) - 1, count)})


def _one(
    image: np.ndarray, mask: np.ndarray, base: np.ndarray | None, where: tuple, block: int, name: str
) -> LesionPatches:
    shown = [None if part is None else part[where][None] for part in (image, mask, base)]
    return LesionPatches(shown[0], shown[1], np.array([block]), (name,), shown[2])
