"""A DICOM series as a host's voxels: the stored integers, and the rescale beside them."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np

from TumorSynthLib.errors import InputError
from TumorSynthLib.itk_files import StoredVolume

from .pixels import stored_frames
from .series import DicomSeries


def read_dicom(path: Path, series: str | None = None) -> StoredVolume:
    """The series in a folder, or of a file; `series` is the UID or description of one among several."""
    found = DicomSeries.find(path, series)
    # A folder with several series says which one only together with `series`, a file of it by itself.
    source = found.first_file if series is not None else None
    return read_series(found, path, source)


def read_series(series: DicomSeries, name: Path | None = None, source: Path | None = None) -> StoredVolume:
    stored = _stored(series)
    (slope, intercept), *others = set(series.rescales)
    if not others:
        return StoredVolume(stored, series.affine, slope, intercept, source, series.notes)
    values = _rescaled(stored, series, name or series.first_file.parent)
    note = f"{name}: every slice has its own rescale; worked on the rescaled values"
    return StoredVolume(values, series.affine, source=source, notes=(*series.notes, note))


def _stored(series: DicomSeries) -> np.ndarray:
    """Voxels (i, j, k), with i running fastest in memory as in the files."""
    planes: list[np.ndarray] = []
    for file, slices in groupby(series.slices, key=lambda each: each.file):
        planes.extend(stored_frames(file, [each.number for each in slices]))
    return np.stack(planes).T


def _rescaled(stored: np.ndarray, series: DicomSeries, name: Path) -> np.ndarray:
    """The values that the slices mean, in the lightest type from which the stored ones come back exactly."""
    slopes, intercepts = np.array(series.rescales).T
    exact = stored * slopes + intercepts
    for dtype in (np.float32, np.float64):
        values = exact.astype(dtype)
        if np.array_equal(np.rint((values.astype(float) - intercepts) / slopes), stored):
            return values
    raise InputError(f"{name}: the rescale of its slices loses their values; export the series without it")
