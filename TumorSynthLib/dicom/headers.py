"""The header of one slice, alike for a classic file and for a frame of an enhanced one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .library import lenient

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
# What the enhanced kind names differently, and the classic name of it.
_CLASSIC_NAMES = {"EffectiveEchoTime": "EchoTime", "InversionTimes": "InversionTime"}
_PULSE_SEQUENCES = {"SPIN": ["SE"], "GRADIENT": ["GR"], "BOTH": ["SE", "GR"]}


def read_header(file: Path, keywords: Sequence[str] | None = None) -> Dataset:
    """A file's attributes without its pixels; of all, or of those named."""
    from pydicom import dcmread

    with lenient():
        return dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(keywords) if keywords else None)


def frame_count(header: Dataset) -> int:
    return int(header.get("NumberOfFrames", None) or 1)


def is_enhanced(header: Dataset) -> bool:
    return _GROUPS[1] in header


def of_frame(header: Dataset, number: int) -> Dataset:
    """The attributes of one frame in the places where a classic file has them; of a classic file, its own."""
    if not is_enhanced(header):
        return header
    from pydicom.dataset import Dataset

    flat = Dataset()
    flat.update({tag: header[tag] for tag in header.keys() if header[tag].keyword not in _GROUPS})  # noqa: SIM118
    shared = header.get(_GROUPS[0]) or []
    frames = header[_GROUPS[1]].value
    for groups in (*shared[:1], *frames[number : number + 1]):
        for group in groups:
            if group.VR == "SQ" and group.value:
                flat.update({each.tag: each for each in group.value[0] if each.VR != "SQ" and not each.tag.is_private})
    _name_as_classic(flat)
    return flat


def _name_as_classic(flat: Dataset) -> None:
    for enhanced, classic in _CLASSIC_NAMES.items():
        value = flat.get(enhanced)
        if value not in (None, "") and classic not in flat:
            setattr(flat, classic, value[0] if isinstance(value, list | tuple) else value)
    pulse = flat.get("EchoPulseSequence")
    if pulse in _PULSE_SEQUENCES and "ScanningSequence" not in flat:
        inversion = ["IR"] if flat.get("InversionRecovery") == "YES" else []
        flat.ScanningSequence = _PULSE_SEQUENCES[pulse] + inversion
    moment = str(flat.get("AcquisitionDateTime") or "")
    if len(moment) >= 14 and "AcquisitionDate" not in flat:
        flat.AcquisitionDate, flat.AcquisitionTime = moment[:8], moment[8:14]
