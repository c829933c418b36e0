"""Every run by name: which task, which preset. The README's table of commands is this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from TumorSynthLib.errors import InputError

from .loop import Task

Preset = TypeVar("Preset")


def _paint(data: Path, name: str) -> Task:
    from .paint_task import PRESETS, PaintTask

    return PaintTask(slices_source(data), _preset(PRESETS, name))


def _mask(data: Path, name: str) -> Task:
    from .mask_task import PRESETS, MaskTask

    return MaskTask(labels_folder(data), slices_source(data), _preset(PRESETS, name))


def _map(data: Path, name: str) -> Task:
    from .map_task import PRESETS, MapTask

    return MapTask(labels_folder(data), slices_source(data), _preset(PRESETS, name))


def _brain(data: Path, name: str) -> Task:
    from .brain_task import PRESETS, BrainTask

    return BrainTask(labels_folder(data), _preset(PRESETS, name))


TASKS: dict[str, Callable[[Path, str], Task]] = {"mask": _mask, "map": _map, "paint": _paint, "brain": _brain}


def slices_source(data: Path) -> Path:
    """The 2D set where it lies in the data folder; else the folder, or a CSV, is the user's own set."""
    archive = data / "cheng_t1c_2d.npz"
    return archive if archive.exists() else data


def labels_folder(data: Path) -> Path:
    """The folder with `synthseg_labels/`: the data folder, or the one that a CSV lies in."""
    return data.parent if data.suffix == ".csv" else data


def _preset(presets: Mapping[str, Preset], name: str) -> Preset:
    if name not in presets:
        raise InputError(f"preset '{name}' is unknown: choose one of {', '.join(presets)}")
    return presets[name]
