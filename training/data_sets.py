"""What each network was trained on: where it comes from, under which licence, and which bytes it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .brains import label_files
from .loop import digest
from .presets import labels_folder, slices_source
from .slices import find_pairs


@dataclass(frozen=True)
class DataSet:
    name: str
    title: str
    licence: str
    attribution: str


CHENG = DataSet(
    "cheng_t1c_2d",
    "T1-weighted contrast-enhanced slices with hand-drawn tumour outlines (glioma, meningioma, pituitary)",
    "CC BY 4.0",
    "J. Cheng, brain tumor dataset, figshare 1512427",
)
SYNTHSEG = DataSet(
    "synthseg_labels",
    "Label maps of whole heads; no grey value of any scan is used",
    "Apache-2.0",
    "SynthSeg label maps, BBillot/SynthSeg",
)
PROCEDURAL = DataSet(
    "procedural lesions",
    "Three-dimensional lesions drawn at random inside the label maps' brains",
    "Apache-2.0",
    "made by training/procedural.py while training",
)
OWN = DataSet("own images", "Images and tumour masks of whoever trained", "their own", "whoever trained")

_USES_SLICES = ("mask", "map", "paint", "encoder", "segment")
_USES_LABELS = ("mask", "map", "brain")


def data_facts(kind: str, data: Path) -> list[dict[str, Any]]:
    """The data sets behind what a task trains, each with the checksum of the file, or of the listing, that was read."""
    facts: list[dict[str, Any]] = []
    if kind in _USES_SLICES:
        source = slices_source(data)
        facts.append(_of_archive(source) if source.suffix == ".npz" else _of_pairs(source))
    if kind in _USES_LABELS:
        labels = labels_folder(data)
        facts.append(_of_files(SYNTHSEG, tuple(label_files(labels) + label_files(labels, held_out=True))))
    if kind in _USES_SLICES and kind in _USES_LABELS:
        facts.append(asdict(PROCEDURAL))
    return facts


def _of_archive(file: Path) -> dict[str, Any]:
    return asdict(CHENG) | {"sha256": _digest(file), "sha256_of": file.name}


def _of_pairs(source: Path) -> dict[str, Any]:
    return _of_files(OWN, tuple(file for pair in find_pairs(source) for file in pair))


def _of_files(data_set: DataSet, files: Iterable[Path]) -> dict[str, Any]:
    """The checksum of what `sha256sum *` prints, sorted by name."""
    lines = sorted(f"{file.name}  {_digest(file)}" for file in files)
    listing = "".join(f"{checksum}  {name}\n" for name, checksum in (line.split("  ") for line in lines))
    of = f"sorted sha256sum listing of {len(lines)} files"
    return asdict(data_set) | {"sha256": hashlib.sha256(listing.encode()).hexdigest(), "sha256_of": of}


@lru_cache(maxsize=1024)
def _digest(file: Path) -> str:
    return digest(file)
