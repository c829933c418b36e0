"""Slices put in order, and where the stack lies; only evenly spaced, parallel, straight stacks make a true volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from TumorSynthLib.errors import InputError

_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SAME_DIRECTION = 1e-3
_SAME_PLACE_MM = 1e-3
_UNEVEN = 0.05
_SHEARED = 2e-3


@dataclass(frozen=True)
class Slice:
    """One slice of a series: frame `number` (from 0) of a file, and where it lies (LPS millimetres)."""

    file: Path
    number: int
    shape: tuple[int, int]  # columns and rows: i, j
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]  # between rows, between columns
    slope: float = 1.0
    intercept: float = 0.0
    is_signed: bool = False
    bits_stored: int = 16


def ordered(slices: Sequence[Slice], name: object) -> tuple[tuple[Slice, ...], np.ndarray]:
    """The slices from one end of the stack to the other, and the affine from ijk to RAS millimetres."""
    _check_alike(slices, name)
    i, j, k = _axes(slices[0])
    positions = np.array([each.position for each in slices])
    order = np.argsort(positions @ k, kind="stable")
    step = _even_step(positions[order], k, name)
    between_rows, between_columns = slices[0].spacing
    lps = np.eye(4)
    lps[:3, :3] = np.column_stack((i * between_columns, j * between_rows, k * step))
    lps[:3, 3] = positions[order[0]]
    return tuple(slices[index] for index in order), _RAS_FROM_LPS @ lps


def _check_alike(slices: Sequence[Slice], name: object) -> None:
    for each in slices:
        counts = len(each.position), len(each.orientation), len(each.spacing)
        if counts != (3, 6, 2) or not np.isfinite((*each.position, *each.orientation, *each.spacing)).all():
            where = f", frame {each.number + 1}," if each.number else ""
            raise InputError(
                f"{name}: {each.file.name}{where} does not say where its slice lies; give a cross-sectional series"
            )
        if min(each.spacing) <= 0:
            raise InputError(
                f"{name}: {each.file.name} says that its pixels are {min(each.spacing):g} mm large;"
                " export the series again"
            )
    orientations = np.array([each.orientation for each in slices])
    spacings = np.array([each.spacing for each in slices])
    same_pixels = np.ptp(spacings, axis=0).max() <= _SAME_DIRECTION * spacings.min()
    same_planes = np.ptp(orientations, axis=0).max() <= _SAME_DIRECTION
    if len({each.shape for each in slices}) > 1 or not same_pixels or not same_planes:
        raise InputError(f"{name}: slices of different size or direction; give a folder with one stack of slices")
    rows, columns = orientations[0, :3], orientations[0, 3:]
    lengths = np.linalg.norm(rows), np.linalg.norm(columns)
    if min(lengths) < 0.9 or max(lengths) > 1.1 or abs(rows @ columns) > 0.1:
        raise InputError(f"{name}: the directions of its rows and columns are damaged; export the series again")


def _axes(first: Slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit directions at right angles to the last digit; files keep few digits."""
    i, j = np.reshape(first.orientation, (2, 3))
    i = i / np.linalg.norm(i)
    j = j - (j @ i) * i
    j = j / np.linalg.norm(j)
    return i, j, np.cross(i, j)


def _even_step(positions: np.ndarray, normal: np.ndarray, name: object) -> float:
    gaps = np.diff(positions @ normal)
    if gaps.size == 0:
        raise InputError(f"{name}: a single slice, a 2D image; give a series of them")
    usual = np.median(gaps)
    if gaps.min() < _SAME_PLACE_MM:
        raise InputError(f"{name}: several slices at the same place (time points or echoes?); keep one of each")
    if np.abs(gaps - usual).max() > _UNEVEN * usual:
        raise InputError(
            f"{name}: irregular slice spacing, {gaps.min():.2f} to {gaps.max():.2f} mm;"
            " a slice may be missing: give the complete series"
        )
    step = (positions[-1] - positions[0]) / len(gaps)
    if np.linalg.norm(step - (step @ normal) * normal) > _SHEARED * usual:
        raise InputError(f"{name}: the slices are sheared (tilted gantry); resample the series to a straight volume")
    return float(gaps.mean())
