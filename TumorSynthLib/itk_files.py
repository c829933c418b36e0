"""Volumes as ITK sees them; ITK's geometry is also that of 3D Slicer."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from TumorSynthLib.errors import InputError

if TYPE_CHECKING:
    import SimpleITK

HEADER_SUFFIXES = (".nhdr", ".mhd")
MAXIMUM_VOXELS = 1024**3
# Deflate cannot shrink anything further than this, so a header that claims more is wrong.
HIGHEST_COMPRESSION = 1100

_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_standard_error_lock = threading.RLock()


@dataclass(frozen=True)
class StoredVolume:
    """Voxels (i, j, k) exactly as stored, and what is needed to store them again.

    `source` is where to find the volume again, if the path that was given does not say; `notes` what to tell a person.
    """

    voxels: np.ndarray
    affine: np.ndarray
    slope: float = 1.0
    intercept: float = 0.0
    source: Path | None = None
    notes: tuple[str, ...] = ()


def require_one_volume(shape: Sequence[int], name: object) -> None:
    """Refuses everything that is not one 3D volume of a size a computer can hold."""
    if len(shape) > 4:
        raise InputError(f"{name}: a vector image of shape {times(shape)}; give a 3D volume with one value per voxel")
    if len(shape) == 4:
        raise InputError(f"{name}: a 4D image of {shape[3]} volumes; save one of them as a 3D volume")
    if len(shape) < 3 or min(shape) == 1:
        raise InputError(f"{name}: a 2D image of shape {times(shape)}; give a 3D volume")
    if min(shape) < 1:
        raise InputError(f"{name}: empty, of shape {times(shape)}; give a 3D volume with voxels in it")
    if np.prod(shape, dtype=float) > MAXIMUM_VOXELS:
        raise InputError(f"{name}: {times(shape)} voxels claimed; at most {MAXIMUM_VOXELS} can be worked on")


def read_itk(path: Path) -> StoredVolume:
    reader = itk_reader(path)
    with _as_input_error(path):
        reader.ReadImageInformation()
    _check_itk_header(reader, path)
    with _as_input_error(path):
        image = reader.Execute()
    return _stored(image, path)


def _check_itk_header(reader: SimpleITK.ImageFileReader, path: Path) -> None:
    import SimpleITK as sitk

    shape = without_single_volumes(reader.GetSize())
    if reader.GetNumberOfComponents() > 1:
        shape = (*shape, 1, reader.GetNumberOfComponents())
    require_one_volume(shape, path)
    if "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        raise InputError(f"{path}: complex values; save the magnitude image")
    if path.suffix.lower() not in HEADER_SUFFIXES and np.prod(shape) > path.stat().st_size * HIGHEST_COMPRESSION:
        raise truncated(path)


def _stored(image: SimpleITK.Image, path: Path) -> StoredVolume:
    import SimpleITK as sitk

    if image.GetNumberOfComponentsPerPixel() > 1:
        raise InputError(f"{path}: a colour or vector image; give a volume with one value per voxel")
    voxels = sitk.GetArrayFromImage(image).T
    return StoredVolume(voxels.reshape(without_single_volumes(voxels.shape), order="F"), affine_of(image))


def itk_reader(path: Path) -> SimpleITK.ImageFileReader:
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    return reader


def write_itk(volume: StoredVolume, path: Path, description: str, *, compressed: bool) -> None:
    import SimpleITK as sitk

    image = _itk_image(volume)
    image.SetMetaData("ITK_FileNotes", description)  # ITK's name for the NIfTI field `descrip`
    with quiet():
        sitk.WriteImage(image, str(path), useCompression=compressed)


def _itk_image(volume: StoredVolume) -> SimpleITK.Image:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(volume.voxels.T)
    lps = _RAS_FROM_LPS @ volume.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def affine_of(image: SimpleITK.Image | SimpleITK.ImageFileReader) -> np.ndarray:
    dimension = image.GetDimension()
    direction = np.reshape(image.GetDirection(), (dimension, dimension))[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = direction * np.asarray(image.GetSpacing())[:3]
    affine[:3, 3] = image.GetOrigin()[:3]
    return _RAS_FROM_LPS @ affine


def begins_as_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the C++ readers' own chatter off the terminal: only redirecting the descriptor reaches it."""
    import SimpleITK as sitk

    with _standard_error_lock:
        warned = sitk.ProcessObject.GetGlobalWarningDisplay()
        sitk.ProcessObject.SetGlobalWarningDisplay(False)
        try:
            kept = os.dup(2)
        except OSError:  # a windowed program may have no standard error
            kept = None
        try:
            if kept is not None:
                with open(os.devnull, "wb") as nowhere:
                    os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            if kept is not None:
                os.dup2(kept, 2)
                os.close(kept)
            sitk.ProcessObject.SetGlobalWarningDisplay(warned)


@contextmanager
def _as_input_error(path: Path) -> Iterator[None]:
    try:
        with quiet():
            yield
    except RuntimeError as error:
        raise InputError(f"{path}: damaged, incomplete or not such an image; export or copy it again") from error


def without_single_volumes(shape: Sequence[int]) -> tuple[int, ...]:
    """Many programs store one 3D volume as a 4D series of length one."""
    shape = tuple(int(size) for size in shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def truncated(path: Path) -> InputError:
    return InputError(f"{path}: truncated or damaged; the file holds less than its header says: copy it again")


def times(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in shape)
