"""Blinded images: real and synthetic lesions take one path from the scan to the file that a reader sees.

Every case is cut out around its lesion on the same lattice, scaled by the tissue around the lesion, given the same
faint noise and written with the same header, size, name pattern and time. What differs afterwards differed in the
scans; `audit.py` measures whether that tells the origin.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..grid import Grid, resample
from ..host import HostBrain
from ..itk_files import StoredVolume
from ..pictures import view_grid
from ..volume_files import write_volume_file
from .lesions import Lesion, labelled

DESCRIPTION = "Reading study: may be SYNTHETIC, not for diagnosis"
# The same moment for every file: 1 January 2000.
TIME_STAMP = 946684800
TISSUE_LEVEL = 1000.0
BRIGHTEST = 4095
ABOVE_AIR = 0.1
SMALLEST_BOX_MM, LARGEST_BOX_MM = 20.0, 300.0


@dataclass(frozen=True)
class Presentation:
    """How every case is shown. The box is a cube; `noise` is a share of the tissue's grey value; `off_center_mm` is how
    far, at most and along each axis, the box's middle lies from the lesion (for `locate`)."""

    box_mm: float = 120.0
    spacing_mm: float = 1.0
    noise: float = 0.01
    off_center_mm: float = 0.0

    def __post_init__(self) -> None:
        if not SMALLEST_BOX_MM <= self.box_mm <= LARGEST_BOX_MM:
            raise InputError(f"--box {self.box_mm:g} is out of range: {SMALLEST_BOX_MM:g} to {LARGEST_BOX_MM:g} mm")
        if not 0.25 <= self.spacing_mm <= 4:
            raise InputError(f"--spacing {self.spacing_mm:g} is out of range: 0.25 to 4 mm")
        if not 0 <= self.noise <= 0.1:
            raise InputError(f"--noise {self.noise:g} is out of range: 0 to 0.1 of the tissue's grey value")


@dataclass(frozen=True, eq=False)
class BlindedVolume:
    """A case as readers see it, and its lesion's mask for the key, both on one lattice centred on 0, 0, 0."""

    voxels: np.ndarray
    mask: np.ndarray
    affine: np.ndarray

    def checksum(self) -> str:
        return hashlib.sha256(np.ascontiguousarray(self.voxels.T)).hexdigest()


def blinded(
    lesion: Lesion, presentation: Presentation, seed: int, tissue_values: Collection[float] | None = None
) -> BlindedVolume:
    """The lesion's surroundings, cut out, scaled and given noise; the seed and the lesion decide all that is random."""
    host = HostBrain.read(lesion.source.image)
    random = _random_of(lesion, seed)
    around = _lattice(host, lesion, presentation, random)
    box = host.grid.box_covering(around, np.ones(around.shape, bool))
    air = float(host.voxels.min())
    part = host.grid.part(box)
    values = resample(host.voxels[box], part, around, fill=air)
    labels = labelled(lesion.source, host, tissue_values)[box] if lesion.label else np.zeros(part.shape)
    mask = resample(labels == lesion.label, part, around) >= 0.5 if lesion.label else np.zeros(around.shape, bool)
    values = _scaled(values, mask, air)
    values += random.normal(0, presentation.noise * TISSUE_LEVEL, values.shape)
    voxels = np.clip(np.rint(values), 0, BRIGHTEST).astype(np.int16)
    affine = np.diag([*(presentation.spacing_mm,) * 3, 1.0])
    affine[:3, 3] = -(around.shape[0] // 2) * presentation.spacing_mm
    return BlindedVolume(voxels, mask.astype(np.uint8), affine)


def _random_of(lesion: Lesion, seed: int) -> np.random.Generator:
    text = f"{seed}|{lesion.scan.checksum}|{lesion.label}|{lesion.center_ras}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def _lattice(host: HostBrain, lesion: Lesion, presentation: Presentation, random: np.random.Generator) -> Grid:
    """Along the scan's axes. Its place between the scan's voxels is random: a synthetic lesion's centre was asked for,
    often in whole millimetres, and how much interpolation blurs depends on where it falls between voxels."""
    between_voxels = host.axes_ras @ (random.uniform(-0.5, 0.5, 3) * host.spacing_mm)
    away = host.axes_ras @ random.uniform(-1, 1, 3) * presentation.off_center_mm
    center = np.array(lesion.center_ras) + between_voxels + away
    return view_grid(host.grid, center, presentation.box_mm / 2, presentation.spacing_mm)


def _scaled(values: np.ndarray, mask: np.ndarray, air: float) -> np.ndarray:
    """Air to 0 and the median of the tissue outside the lesion to 1000: the lesion has no say in its own scale."""
    outside = values[~mask]
    bright = float(np.percentile(outside, 99))
    tissue = outside[outside > air + ABOVE_AIR * (bright - air)]
    if bright <= air or tissue.size == 0:
        raise InputError("a lesion has no tissue around it in its box; choose a larger --box, or leave its scan out")
    low = min(float(np.percentile(outside, 1)), float(np.median(tissue)) * 0.5 + air * 0.5)
    return (values - low) * (TISSUE_LEVEL / (float(np.median(tissue)) - low))


def write_case_image(path: Path, volume: BlindedVolume) -> None:
    """Uncompressed: every case has the same size. Nothing in the header or the time stamps is a case's own."""
    write_volume_file(path, StoredVolume(volume.voxels, volume.affine, 1.0, 0.0), DESCRIPTION)
    with path.open("r+b") as stream:  # fields that a writer may fill in from the voxels: cal_max and cal_min
        stream.seek(124)
        stream.write(struct.pack("=2f", 0.0, 0.0))
    level_time_stamps(path)


def write_case_mask(path: Path, volume: BlindedVolume) -> None:
    write_volume_file(path, StoredVolume(volume.mask, volume.affine, 1.0, 0.0), "Reading study: key")
    level_time_stamps(path)


def level_time_stamps(path: Path) -> None:
    os.utime(path, (TIME_STAMP, TIME_STAMP))
