"""Lesions that may become cases of a study: one connected part, or one label, of a real or synthetic lesion mask."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import provenance
from ..errors import InputError
from ..host import HostBrain
from ..volume_files import read_volume
from .place import Head, Place
from .sources import Source
from .tasks import NOTHING, SYNTHETIC

CONNECTED = np.ones((3, 3, 3), bool)
SMALLEST_MM = 3.0
NOTHING_DEPTH_MM = 15.0


@dataclass(frozen=True)
class ScanFacts:
    """What the header and the simplest statistics say of a scan: real and synthetic hosts should be alike in these."""

    checksum: str
    voxel_mm: tuple[float, float, float]
    shape: tuple[int, int, int]
    data_type: str
    empty_share: float


@dataclass(frozen=True)
class Lesion:
    """One lesion and where it comes from. `label` is the lesion's number in the mask as `labelled` numbers them."""

    origin: str
    source: Source
    label: int
    center_ras: tuple[float, float, float]
    diameter_mm: float
    others: int
    place: Place
    scan: ScanFacts
    patient: str
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.source.image} {self.label}"


def lesions_of(
    source: Source, tissue_values: Collection[float] | None, smallest_mm: float = SMALLEST_MM
) -> list[Lesion]:
    """All lesions of one scan that are large enough; `tissue_values` are the mask's values that make up a lesion."""
    host = HostBrain.read(source.image)
    record = provenance.read(source.provenance) if source.provenance else None
    labels = labelled(source, host, tissue_values)
    facts = _scan_facts(host, record)
    head = Head(host.voxels, host.grid)
    numbers, counts = np.unique(labels[labels > 0], return_counts=True)
    diameters = [_diameter_mm(int(count) * host.voxel_volume_mm3) for count in counts]
    lesions = []
    for number, diameter in zip(numbers.tolist(), diameters, strict=True):
        if diameter < smallest_mm or (source.label is not None and number != source.label):
            continue
        center = host.ijk_to_ras(np.argwhere(labels == number).mean(axis=0))
        lesions.append(
            Lesion(
                origin=source.origin,
                source=source,
                label=number,
                center_ras=tuple(center.tolist()),
                diameter_mm=round(diameter, 2),
                others=len(numbers) - 1,
                place=head.place_of(center),
                scan=facts,
                # Where nobody says who it is, a scan is a patient, under a synthetic lesion as without.
                patient=source.patient or facts.checksum[:16],
                facts={**_lesion_facts(record, number), **source.facts},
            )
        )
    return lesions


def nothing_in(source: Source, random: np.random.Generator) -> Lesion:
    """A place without a lesion, in a scan that has none."""
    host = HostBrain.read(source.image)
    head = Head(host.voxels, host.grid)
    center = head.random_point(random, NOTHING_DEPTH_MM)
    facts = _scan_facts(host, None)
    place = head.place_of(center)
    patient = source.patient or facts.checksum[:16]
    return Lesion(NOTHING, source, 0, tuple(center.tolist()), 0.0, 0, place, facts, patient)


def labelled(source: Source, host: HostBrain, tissue_values: Collection[float] | None) -> np.ndarray:
    """The source's mask with its lesions numbered from 1: as they are in a synthetic case, else connected parts."""
    from scipy import ndimage

    if source.mask is None:
        return np.zeros(host.shape, np.uint8)
    stored = read_volume(source.mask)
    if not host.same_grid(stored.voxels.shape, stored.affine):
        raise InputError(f"{source.mask}: not on the grid of {source.image}; give a mask on the image's own grid")
    values = np.asarray(stored.voxels) * stored.slope + stored.intercept
    if source.origin == SYNTHETIC or source.label is not None:
        numbers = np.rint(values).astype(np.int32)
    else:
        inside = np.isin(values, list(tissue_values)) if tissue_values else values != 0
        numbers, _ = ndimage.label(inside, CONNECTED)
    if not (numbers > 0).any():
        asked = f" with the values {', '.join(f'{v:g}' for v in tissue_values)}" if tissue_values else ""
        raise InputError(f"{source.mask}: holds no lesion{asked}; mark every lesion, or leave this scan out")
    return numbers


def all_lesions(
    sources: Sequence[Source],
    tissue_values: Collection[float] | None,
    smallest_mm: float,
    progress: Callable[[str, float], None],
    stage: str,
) -> list[Lesion]:
    found: list[Lesion] = []
    for number, source in enumerate(sources):
        progress(stage, number / len(sources))
        found += lesions_of(source, tissue_values if source.origin != SYNTHETIC else None, smallest_mm)
    return found


def _diameter_mm(volume_mm3: float) -> float:
    """Of the ball of the same volume."""
    return 2 * (3 * volume_mm3 / (4 * math.pi)) ** (1 / 3)


def _scan_facts(host: HostBrain, record: dict[str, Any] | None) -> ScanFacts:
    checksum = record["host"]["checksum"] if record else host.checksum()
    empty = float(np.mean(host.voxels == host.voxels.min()))
    spacing = tuple(round(size, 3) for size in host.spacing_mm)
    return ScanFacts(checksum, spacing, host.shape, str(host.voxels.dtype), round(empty, 4))  # type: ignore[arg-type]


def _lesion_facts(record: dict[str, Any] | None, number: int) -> dict[str, str]:
    """What to group synthetic lesions by, from their provenance."""
    if record is None:
        return {}
    facts = {"bundle": str(record["bundle"]["name"]), **_bundle_facts(record["bundle"])}
    if number <= len(record["lesions"]):
        facts["structure"] = str(record["lesions"][number - 1].get("structure") or "values")
    return facts


def _bundle_facts(bundle: dict[str, Any]) -> dict[str, str]:
    """Up-sampling strategy and training fraction, where the very bundle that made the case is installed."""
    from ..bundle import Bundle

    try:
        installed = Bundle.find(bundle["name"])
    except InputError:
        return {}
    if installed.checksum != bundle["checksum"]:
        return {}
    run = installed.manifest["networks"]["map"].get("run") or {}
    fraction = (run.get("preset") or {}).get("fraction")
    facts = {"upsampling": str(installed.upsampling)}
    return facts if fraction is None else {**facts, "training_fraction": f"{100 * fraction:g} %"}
