"""Volumes as ITK sees them, and DICOM folders; ITK's geometry is also that of 3D Slicer."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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
    """Voxels (i, j, k) exactly as stored, and what is needed to store them again."""

    voxels: np.ndarray
    affine: np.ndarray
    slope: float = 1.0
    intercept: float = 0.0


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


def read_dicom_folder(folder: Path) -> StoredVolume:
    import SimpleITK as sitk

    series = _image_series(folder)
    if not series:
        raise InputError(f"{folder}: no DICOM images in this folder; give the folder that holds one series")
    if len(series) > 1:
        named = "; ".join(f"{name} ({len(files)} files)" for name, files in series.items())
        raise InputError(f"{folder}: {len(series)} image series ({named}); give a folder that holds only one of them")
    (files,) = series.values()
    if len(files) == 1:
        return read_dicom_file(Path(files[0]))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(_ordered_slices(folder, files))
    with _as_input_error(folder):
        image = reader.Execute()
    return _stored(image, folder)


def _image_series(folder: Path) -> dict[str, tuple[str, ...]]:
    import SimpleITK as sitk

    series = {}
    listed = set()
    with _as_input_error(folder):
        for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
            files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid)
            listed.update(Path(file).name for file in files)
            first = itk_reader(Path(files[0]))
            with suppress(RuntimeError):  # reports, presentation states and the like hold no picture
                first.ReadImageInformation()
                description = _dicom_text(first, "0008|103e") or "unnamed"
                series[f"'{description}' {uid}"] = files
    _refuse_damaged(folder, listed)
    return series


def _refuse_damaged(folder: Path, listed: set[str]) -> None:
    """GDCM passes over files that it cannot read; at an end of the stack nobody would notice the missing slice."""
    for file in sorted(folder.iterdir()):
        if file.name not in listed and file.name != "DICOMDIR" and file.is_file() and begins_as_dicom(file):
            raise InputError(f"{folder}: {file.name} is a damaged DICOM file; copy the series again")


def begins_as_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _ordered_slices(folder: Path, files: Sequence[str]) -> list[str]:
    """ITK stacks whatever it is given; only evenly spaced, parallel, straight stacks make a true volume."""
    readers = [itk_reader(Path(file)) for file in files]
    with _as_input_error(folder):
        for reader in readers:
            reader.ReadImageInformation()
    positions = np.array([_dicom_numbers(reader, "0020|0032", 3, folder) for reader in readers])
    orientations = np.array([_dicom_numbers(reader, "0020|0037", 6, folder) for reader in readers])
    if len({reader.GetSize()[:2] for reader in readers}) > 1 or np.ptp(orientations, axis=0).max() > 1e-3:
        raise InputError(f"{folder}: slices of different size or direction; give a folder with one stack of slices")
    normal = np.cross(orientations[0, :3], orientations[0, 3:])
    order = np.argsort(positions @ normal)
    _check_stack(folder, positions[order], normal)
    return [files[index] for index in order]


def _check_stack(folder: Path, positions: np.ndarray, normal: np.ndarray) -> None:
    gaps = np.diff(positions @ normal)
    usual = np.median(gaps)
    if gaps.min() < 1e-3:
        raise InputError(f"{folder}: several slices at the same place (time points or echoes?); keep one of each")
    if np.abs(gaps - usual).max() > 0.05 * usual:
        raise InputError(
            f"{folder}: irregular slice spacing, {gaps.min():.2f} to {gaps.max():.2f} mm;"
            " a slice may be missing: give the complete series"
        )
    step = (positions[-1] - positions[0]) / len(gaps)
    if np.linalg.norm(step - (step @ normal) * normal) > 2e-3 * usual:
        raise InputError(f"{folder}: the slices are sheared (tilted gantry); resample the series to a straight volume")


def read_dicom_file(path: Path) -> StoredVolume:
    """All frames of a single file."""
    volume = read_itk(path)
    # GDCM answers 1 mm, without a word, where frames lie unevenly or do not say where they lie.
    if abs(np.linalg.norm(volume.affine[:3, 2]) - 1.0) < 1e-6:
        _check_frames(path)
    return volume


def _check_frames(path: Path) -> None:
    try:
        import pydicom
    except ImportError as error:
        raise InputError(
            f"{path}: the distance between its frames needs a check; install tumorsynth[dicom] or convert it to NIfTI"
        ) from error
    steps = np.empty((0, 3))
    with suppress(AttributeError, IndexError, TypeError, ValueError):  # whatever is missing, the answer is the same
        frames = pydicom.dcmread(path, stop_before_pixels=True, force=True).PerFrameFunctionalGroupsSequence
        places = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames]
        steps = np.diff(np.array(places, float), axis=0)
    if len(steps) == 0 or np.abs(steps - steps.mean(axis=0)).max() > 0.05:
        raise InputError(f"{path}: its frames lie unevenly or do not say where they lie; convert it to an even volume")


def _dicom_text(reader: SimpleITK.ImageFileReader, tag: str) -> str:
    text = reader.GetMetaData(tag) if reader.HasMetaDataKey(tag) else ""
    return " ".join(text.encode(errors="replace").decode(errors="replace").split())


def _dicom_numbers(reader: SimpleITK.ImageFileReader, tag: str, count: int, folder: Path) -> list[float]:
    with suppress(ValueError):
        numbers = [float(number) for number in _dicom_text(reader, tag).split("\\")]
        if len(numbers) == count:
            return numbers
    raise InputError(
        f"{folder}: {Path(reader.GetFileName()).name} does not say where its slice lies; give a cross-sectional series"
    )


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
