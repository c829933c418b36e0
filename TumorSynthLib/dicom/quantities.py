"""Voxels as the 16-bit integers of a DICOM image, and the rescale that leads back to what they mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain

from .series import DicomSeries

_SIXTEEN_BITS = (np.uint16, np.int16)
_MAP_STEP = 2.0**-15  # has an exact decimal string of 16 characters, and keeps 0.5, 0.75 and 1 exactly


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Planes (k, row, column) of 16-bit integers, and each plane's slope and intercept. `usual_bits` is how many of the
    bits the source uses; `rounded_by` how far values may lie from those that were to be stored."""

    planes: np.ndarray
    rescales: tuple[tuple[float, float], ...]
    usual_bits: int = 16
    rounded_by: float = 0.0

    @property
    def bits(self) -> int:
        """As many bits as the source uses, and more where a lesion is brighter than they can tell."""
        low, high = int(self.planes.min()), int(self.planes.max())
        is_signed = self.planes.dtype == np.int16
        needed = max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + is_signed
        return min(max(self.usual_bits, needed), 16)


def like_source(voxels: np.ndarray, host: HostBrain, series: DicomSeries) -> StoredPixels:
    """Voxels of a host as its DICOM source stores them. What the source holds comes back to the bit, whether the host
    has the stored integers or, as in 3D Slicer, the values that they mean."""
    kind = np.int16 if series.is_signed else np.uint16
    limits = np.iinfo(kind)
    if voxels.dtype.kind in "iu" and set(series.rescales) == {(host.slope, host.intercept)}:
        if voxels.min() < limits.min or voxels.max() > limits.max:
            raise InputError(
                f"{series.first_file.parent}: values from {voxels.min()} to {voxels.max()} do not fit into the 16 bits"
                " of a DICOM MR image; write NIfTI instead"
            )
        stored = voxels
    else:
        slopes, intercepts = np.array(series.rescales).T
        meant = voxels * float(host.slope) + float(host.intercept)
        stored = np.clip(np.rint((meant - intercepts) / slopes), limits.min, limits.max)
    return StoredPixels(_planes(stored.astype(kind, copy=False)), series.rescales, series.bits_stored)


def without_source(voxels: np.ndarray, host: HostBrain) -> StoredPixels:
    """Integers as they are if 16 bits hold them; everything else in 65536 steps from the lowest to the highest."""
    rescale = (float(host.slope), float(host.intercept))
    if voxels.dtype.kind in "iu":
        kind = _fitting_type(voxels, prefer_signed=voxels.dtype.kind == "i")
        if kind is not None:
            return StoredPixels(_planes(voxels.astype(kind, copy=False)), (rescale,) * voxels.shape[2])
    meant = voxels.astype(np.float64) * rescale[0] + rescale[1]
    low, step = as_decimal(meant.min()), as_decimal(float(np.ptp(meant)) / 65535 * (1 + 1e-6))
    stored = np.clip(np.rint((meant - low) / step), 0, 65535).astype(np.uint16)
    return StoredPixels(_planes(stored), ((step, low),) * voxels.shape[2], rounded_by=step / 2)


def grey_map(grey: np.ndarray) -> StoredPixels:
    """An intensity map, 0 to 1, in steps fine enough that nobody sees them."""
    stored = np.clip(np.rint(grey.astype(np.float64) / _MAP_STEP), 0, 65535).astype(np.uint16)
    return StoredPixels(_planes(stored), ((_MAP_STEP, 0.0),) * grey.shape[2], rounded_by=_MAP_STEP / 2)


def as_decimal(number: float) -> float:
    """The number that a reader gets who reads it from a decimal string of 16 characters."""
    from pydicom.valuerep import format_number_as_ds

    return float(format_number_as_ds(float(number)))


def _fitting_type(stored: np.ndarray, *, prefer_signed: bool) -> type | None:
    low, high = stored.min(), stored.max()
    kinds = reversed(_SIXTEEN_BITS) if prefer_signed else _SIXTEEN_BITS
    return next((kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max), None)


def _planes(voxels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(voxels.T)
