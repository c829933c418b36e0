"""The host: one brain volume, where its voxels lie, and its intensity scale."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from TumorSynthLib.errors import InputError
from TumorSynthLib.grid import Grid
from TumorSynthLib.itk_files import StoredVolume, require_one_volume, times
from TumorSynthLib.volume_files import read_volume, write_volume_file

MINIMUM_SLICES = 4
SPACING_RANGE_MM = (0.1, 10.0)
WINDOW_PERCENTILE = 98
SPACES = ("ras", "lps", "ijk")
# The cosine between two axes that should be at right angles; writers that keep few digits stay well below.
LARGEST_SHEAR = 1e-3
GRID_TOLERANCE_MM = 1e-3


@dataclass(frozen=True, eq=False)
class HostBrain:
    """A brain MRI as stored: nothing is resampled, reoriented or rescaled.

    `voxels` (i, j, k) hold the file's own values in its own data type; `affine` takes ijk to RAS millimetres. `slope`
    and `intercept` are the rescale of a NIfTI file or DICOM series, carried only so that it can be written back.
    `notes` are what a person should know about the file, such as series that lay beside it.
    """

    voxels: np.ndarray
    affine: np.ndarray
    source: Path | None = None
    slope: float = 1.0
    intercept: float = 0.0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        name = self.source or "volume"
        voxels = _storable(np.asarray(self.voxels), name).view()
        affine = np.array(self.affine, dtype=float)
        _check_shape(voxels.shape, name)
        _check_affine(affine, name)
        _check_values(voxels, name)
        if self.slope < 0:
            raise InputError(f"{name}: a negative rescale slope ({self.slope:g}); save it with a positive one")
        voxels.flags.writeable = affine.flags.writeable = False
        object.__setattr__(self, "voxels", voxels)
        object.__setattr__(self, "affine", affine)

    @classmethod
    def read(cls, path: str | Path, *, series: str | None = None) -> HostBrain:
        """A host from NIfTI, NRRD, MetaImage or DICOM: a folder, or a file of the series.

        `series` is the UID or description of one of several DICOM series in a folder.
        """
        path = Path(path)
        stored = read_volume(path, series)
        source = stored.source or path
        return cls(stored.voxels, stored.affine, source, stored.slope, stored.intercept, stored.notes)

    @classmethod
    def from_array(cls, voxels: np.ndarray, affine: np.ndarray) -> HostBrain:
        """A host from memory; the array is copied, so that later changes to it do not reach the host."""
        return cls(np.array(voxels, order="K"), affine)

    # -- where the voxels are

    @cached_property
    def grid(self) -> Grid:
        return Grid(self.affine, self.shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.voxels.shape

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        return tuple(self.grid.voxel_mm.tolist())

    @property
    def voxel_volume_mm3(self) -> float:
        return self.grid.voxel_volume_mm3

    @property
    def axes_ras(self) -> np.ndarray:
        """Unit directions of i, j and k in RAS, as columns."""
        return self.affine[:3, :3] / self.grid.voxel_mm

    def ijk_to_ras(self, points: np.ndarray) -> np.ndarray:
        return self.grid.to_ras(points)

    def ras_to_ijk(self, points: np.ndarray) -> np.ndarray:
        return self.grid.to_index(points)

    def contains(self, center_ras: Sequence[float]) -> bool:
        """Whether a point lies within a voxel of the volume, its outermost half voxels included."""
        index = self.ras_to_ijk(np.asarray(center_ras, float))
        return bool(np.all((index >= -0.5) & (index <= np.array(self.shape) - 0.5)))

    def same_grid(self, other_shape: Sequence[int], other_affine: np.ndarray) -> bool:
        """Equal shape, and every corner of the volume within a thousandth of a millimetre."""
        if tuple(other_shape) != self.shape:
            return False
        return _corner_distance_mm(self.shape, self.affine, other_affine) <= GRID_TOLERANCE_MM

    # -- its intensity scale

    @cached_property
    def intensity_window(self) -> tuple[float, float]:
        """Minimum and 98th percentile of the stored values."""
        low = self.voxels.min()
        high = np.percentile(self.voxels, WINDOW_PERCENTILE)
        if high <= low:  # a tightly defaced or stripped brain in a large empty box
            high = np.percentile(self.voxels[self.voxels > low], WINDOW_PERCENTILE)
        return float(low), float(high)

    def normalized(self, array: np.ndarray) -> np.ndarray:
        """Stored values to the networks' scale: the window becomes 0..1, brighter values go above 1."""
        low, high = self.intensity_window
        return ((np.asarray(array, self._float_type) - low) / (high - low)).astype(np.float32, copy=False)

    def denormalized(self, array: np.ndarray) -> np.ndarray:
        """The networks' scale back to stored values, not yet rounded."""
        low, high = self.intensity_window
        return np.asarray(array, self._float_type) * (high - low) + low

    def to_stored(self, values: np.ndarray) -> np.ndarray:
        """Values in the host's own data type: rounded and clipped for integers, cast for floating point."""
        dtype = self.voxels.dtype
        if dtype.kind == "f":
            return np.asarray(values, dtype)
        limits = np.iinfo(dtype)
        rounded = np.rint(np.asarray(values, self._float_type))
        with np.errstate(invalid="ignore"):
            stored = np.clip(rounded, limits.min, limits.max).astype(dtype)
        if dtype.itemsize == 8:  # the largest 64-bit integer has no exact float, and its nearest would wrap around
            stored[rounded >= float(limits.max)] = limits.max
        return stored

    @property
    def _float_type(self) -> np.dtype:
        """The lightest floating-point type that holds every stored value exactly."""
        return np.dtype(np.float32 if np.can_cast(self.voxels.dtype, np.float32) else np.float64)

    # -- identity and output

    def checksum(self) -> str:
        """SHA-256 of grid and voxels, whatever file or memory layout they came in."""
        digest = hashlib.sha256()
        little_endian = self.voxels.dtype.newbyteorder("<")
        digest.update(repr((self.shape, little_endian.str)).encode())
        digest.update((np.round(self.affine, 5) + 0.0).astype("<f8").tobytes())  # + 0.0 makes one zero of -0 and 0
        digest.update(np.ascontiguousarray(self.voxels.T, little_endian))
        return digest.hexdigest()

    def write_volume(
        self, path: str | Path, array: np.ndarray, description: str = "SYNTHETIC", *, keep_scale: bool = False
    ) -> None:
        """Writes an array on this host's grid, in the array's data type; the suffix of `path` decides the format.

        With `keep_scale` the file carries the host's rescale: for arrays of stored values, not for masks and maps.
        """
        path = Path(path)
        array = _storable(np.asarray(array), path)
        if array.shape != self.shape:
            raise ValueError(f"an array of shape {array.shape} is not on the host's grid {self.shape}")
        slope, intercept = (self.slope, self.intercept) if keep_scale else (1.0, 0.0)
        write_volume_file(path, StoredVolume(array, self.affine, slope, intercept), description)


def read_mask(path: str | Path, host: HostBrain) -> np.ndarray:
    """A binary mask file on the host's grid, as booleans."""
    path = Path(path)
    stored = read_volume(path)
    if stored.voxels.shape != host.shape:
        raise InputError(
            f"{path}: {times(stored.voxels.shape)} voxels, but the host has {times(host.shape)};"
            " give a mask on the host's grid"
        )
    if not host.same_grid(stored.voxels.shape, stored.affine):
        away = _corner_distance_mm(host.shape, host.affine, stored.affine)
        raise InputError(
            f"{path}: lies elsewhere than the host (corners up to {away:.3g} mm apart); give a mask on the host's grid"
        )
    is_rescaled = (stored.slope, stored.intercept) != (1.0, 0.0)
    values = stored.voxels * stored.slope + stored.intercept if is_rescaled else stored.voxels
    levels = np.unique(values[values != 0])
    if levels.size == 0:
        raise InputError(f"{path}: empty mask; mark the brain with 1 and everything else with 0")
    if levels.size > 1 or not np.isfinite(levels[0]):
        found = ", ".join(f"{level:g}" for level in levels[:3]) + (", ..." if levels.size > 3 else "")
        raise InputError(f"{path}: not a binary mask (values {found} besides 0); use 0 and one other number")
    return values != 0


def parse_point(values: Sequence[float], space: str, host: HostBrain) -> np.ndarray:
    """A person's coordinates as RAS millimetres."""
    if space not in SPACES:
        raise InputError(f"space '{space}' is unknown: choose one of {', '.join(SPACES)}")
    try:
        point = np.asarray(values, float)
    except (TypeError, ValueError):
        point = np.empty(0)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise InputError(f"point {values} is not a place: give three finite numbers ({space})")
    if space == "ijk":
        return host.ijk_to_ras(point)
    return point * (-1, -1, 1) if space == "lps" else point


def _storable(voxels: np.ndarray, name: object) -> np.ndarray:
    """The same values in a data type that files know, without a copy where they already are."""
    if voxels.dtype == bool:
        return voxels.view(np.uint8)
    if voxels.dtype == np.float16:
        return voxels.astype(np.float32)
    if voxels.dtype.kind not in "iuf" or voxels.dtype.itemsize > 8:
        raise InputError(f"{name}: values of type {voxels.dtype}; give real numbers of at most 64 bits")
    return voxels.astype(voxels.dtype.newbyteorder("="), copy=False)


def _check_shape(shape: tuple[int, ...], name: object) -> None:
    require_one_volume(shape, name)
    if min(shape) < MINIMUM_SLICES:
        raise InputError(f"{name}: {times(shape)} voxels; at least {MINIMUM_SLICES} are needed along every axis")


def _check_affine(affine: np.ndarray, name: object) -> None:
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or not np.array_equal(affine[3], (0, 0, 0, 1)):
        raise InputError(f"{name}: its affine is not a finite 4 x 4 matrix ending in 0 0 0 1; export it again")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    axes = affine[:3, :3] / np.where(spacing > 0, spacing, 1)
    if abs(np.linalg.det(axes)) < 1e-6:
        raise InputError(f"{name}: a singular affine (axes without length or in one plane); export it again")
    low, high = SPACING_RANGE_MM
    if spacing.min() < low or spacing.max() > high:
        sizes = " x ".join(f"{size:.3g}" for size in spacing)
        raise InputError(f"{name}: voxels of {sizes} mm; each side must lie between {low:g} and {high:g} mm")
    shear = np.abs(axes.T @ axes - np.eye(3)).max()
    if shear > LARGEST_SHEAR:
        degrees = np.degrees(np.arcsin(min(shear, 1.0)))
        raise InputError(
            f"{name}: sheared axes ({degrees:.2g} degrees from a right angle); resample it to straight ones"
        )


def _check_values(voxels: np.ndarray, name: object) -> None:
    low, high = voxels.min(), voxels.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        count = voxels.size - np.count_nonzero(np.isfinite(voxels))
        raise InputError(f"{name}: {count} voxels are not finite (NaN or infinite); replace them with numbers")
    if low == high:
        raise InputError(f"{name}: every voxel is {low:g}; give an image that shows a brain")


def _corner_distance_mm(shape: Sequence[int], affine: np.ndarray, other_affine: np.ndarray) -> float:
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(shape) - 1)
    difference = Grid(np.asarray(affine), shape).to_ras(corners) - Grid(np.asarray(other_affine), shape).to_ras(corners)
    return float(np.linalg.norm(difference, axis=1).max())
