"""Every run by name: which task, which preset. The README's table of commands is this table."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from TumorSynthLib.errors import InputError

from .loop import Task

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Preset = TypeVar("Preset", bound="DataclassInstance")


def _paint(data: Path, name: str, changes: Sequence[str]) -> Task:
    from .paint_task import PRESETS, PaintTask

    return PaintTask(slices_source(data), _preset(PRESETS, name, changes))


def _mask(data: Path, name: str, changes: Sequence[str]) -> Task:
    from .mask_task import PRESETS, MaskTask

    return MaskTask(labels_folder(data), slices_source(data), _preset(PRESETS, name, changes))


def _map(data: Path, name: str, changes: Sequence[str]) -> Task:
    from .map_task import PRESETS, MapTask

    return MapTask(labels_folder(data), slices_source(data), _preset(PRESETS, name, changes))


def _brain(data: Path, name: str, changes: Sequence[str]) -> Task:
    from .brain_task import PRESETS, BrainTask

    return BrainTask(labels_folder(data), _preset(PRESETS, name, changes))


def _encoder(data: Path, name: str, changes: Sequence[str]) -> Task:
    from .encoder_task import PRESETS, EncoderTask

    return EncoderTask(slices_source(data), _preset(PRESETS, name, changes))


def _segment(data: Path, name: str, changes: Sequence[str]) -> Task:
    from .segment_task import PRESETS, SegmentTask

    return SegmentTask(slices_source(data), _preset(PRESETS, name, changes))


_TASKS: dict[str, Callable[[Path, str, Sequence[str]], Task]] = {
    "mask": _mask,
    "map": _map,
    "paint": _paint,
    "brain": _brain,
    "encoder": _encoder,
    "segment": _segment,
}
NETWORKS = tuple(sorted(_TASKS))


def task_of(network: str, data: Path, preset: str = "default", changes: Sequence[str] = ()) -> Task:
    """What to train, by its preset, of which single settings may be changed: `sliced=0`."""
    return _TASKS[network](data, preset, changes)


def slices_source(data: Path) -> Path:
    """The 2D set where it lies in the data folder; else the folder, or a CSV, is the user's own set."""
    archive = data / "cheng_t1c_2d.npz"
    return archive if archive.exists() else data


def labels_folder(data: Path) -> Path:
    """The folder with `synthseg_labels/`: the data folder, or the one that a CSV lies in."""
    return data.parent if data.suffix == ".csv" else data


def _preset(presets: Mapping[str, Preset], name: str, changes: Sequence[str]) -> Preset:
    if name not in presets:
        raise InputError(f"preset '{name}' is unknown: choose one of {', '.join(presets)}")
    return replace(presets[name], **dict(_change(presets[name], change) for change in changes))


def _change(preset: Preset, change: str) -> tuple[str, Any]:
    """A setting's name and its new value, of the type that it has."""
    name, _, value = change.partition("=")
    before = getattr(preset, name, None)
    if before is None:
        known = ", ".join(field.name for field in fields(preset))
        raise InputError(f"--change {change}: no such setting; give NAME=VALUE with one of {known}")
    try:
        new = value if isinstance(before, str) else ast.literal_eval(value)
        return name, type(before)(new)
    except (ValueError, SyntaxError, TypeError):
        raise InputError(f"--change {change}: a value like {before!r} is right") from None
