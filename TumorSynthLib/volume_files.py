"""Volume files in and out: NIfTI, NRRD, MetaImage and DICOM, with the stored values left as they are.

Geometry comes from ITK, so that a point picked in 3D Slicer means the same millimetre here. The voxels of a NIfTI file
do not: ITK applies the rescale slope while it reads and thereby changes the data type.
"""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from TumorSynthLib.errors import InputError, ResourceError
from TumorSynthLib.itk_files import (
    HIGHEST_COMPRESSION,
    StoredVolume,
    affine_of,
    begins_as_dicom,
    itk_reader,
    quiet,
    read_itk,
    require_one_volume,
    truncated,
    without_single_volumes,
    write_itk,
)

NIFTI_SUFFIXES = (".nii.gz", ".nii")
ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
DICOM_SUFFIXES = (".dcm", ".ima")
WRITABLE_SUFFIXES = (*NIFTI_SUFFIXES, ".nrrd", ".mha")

DESCRIPTION_LENGTH = 79
COMPRESSION_LEVEL = 4
SAME_DIRECTION = 1e-3
SAME_ORIGIN_MM = 1e-3

_NIFTI_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_NIFTI_COLOURS = (128, 2304)
_NIFTI_HEADER_BYTES = 348
_NIFTI_RESCALE_OFFSET = 112
_NIFTI_SFORM_OFFSET = 280


def suffix_of(path: Path) -> str:
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def read_volume(path: Path, series: str | None = None) -> StoredVolume:
    """The volume in a file or DICOM folder; every failure is an InputError of one line.

    `series` is the UID or description of one of several DICOM series in a folder.
    """
    try:
        read = _reader_for(path)
        if read is _read_dicom:
            return _read_dicom(path, series)
        if series is not None:
            raise InputError(f"{path}: no DICOM, so there is no series '{series}' in it; leave --series out")
        return read(path)
    except MemoryError as error:
        raise ResourceError(f"{path}: too large for this machine's memory; give a smaller volume") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({_reason(error)}); check the path and its permissions") from error


def write_volume_file(path: Path, volume: StoredVolume, description: str = "") -> None:
    """Writes the whole file or nothing; the same volume always gives the same bytes."""
    suffix = suffix_of(path)
    if suffix not in WRITABLE_SUFFIXES:
        raise InputError(f"{path}: cannot write this kind of file; end its name in {', '.join(WRITABLE_SUFFIXES)}")
    try:
        with _draft_beside(path) as folder:
            write = _draft_nifti if suffix in NIFTI_SUFFIXES else _draft_itk
            os.replace(write(folder, suffix, volume, description), path)
    except MemoryError as error:
        raise ResourceError(f"{path}: not enough memory to write it; close other programs") from error
    except (OSError, RuntimeError) as error:
        raise ResourceError(
            f"{path}: cannot be written ({_reason(error)}); choose a writable folder with enough free space"
        ) from error


def _reader_for(path: Path) -> Callable[[Path], StoredVolume]:
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path")
    if path.is_dir():
        return _read_dicom
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); export or copy it again")
    suffix = suffix_of(path)
    if suffix in NIFTI_SUFFIXES:
        return _read_nifti
    if suffix in ITK_SUFFIXES:
        return read_itk
    if is_dicom(path):
        return _read_dicom
    known = ", ".join((*NIFTI_SUFFIXES, *ITK_SUFFIXES))
    raise InputError(f"{path}: not a volume this program knows; give {known} or a DICOM folder")


def _read_dicom(path: Path, series: str | None = None) -> StoredVolume:
    from TumorSynthLib.dicom.reading import read_dicom

    return read_dicom(path, series)


def is_dicom(path: Path) -> bool:
    """Whether a path is read as DICOM: a folder always is."""
    return path.is_dir() or suffix_of(path) in DICOM_SUFFIXES or begins_as_dicom(path)


@dataclass(frozen=True)
class _NiftiHeader:
    shape: tuple[int, ...]
    dtype: np.dtype
    data_offset: int
    slope: float
    intercept: float
    sform: np.ndarray | None

    @property
    def data_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


def _read_nifti(path: Path) -> StoredVolume:
    try:
        with _open_nifti(path) as stream:
            header = _parse_nifti_header(stream.read(_NIFTI_HEADER_BYTES), path)
            if header.data_bytes > path.stat().st_size * HIGHEST_COMPRESSION:
                raise truncated(path)
            stream.read(header.data_offset - _NIFTI_HEADER_BYTES)
            data = stream.read(header.data_bytes)
            stream.read(1)  # reaching the end makes gzip compare its checksum
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise truncated(path) from error
    if len(data) < header.data_bytes:
        raise truncated(path)
    voxels = np.frombuffer(data, header.dtype).reshape(header.shape, order="F")
    native = voxels.astype(header.dtype.newbyteorder("="), copy=False)
    return StoredVolume(native, _nifti_affine(path, header), header.slope, header.intercept)


def _open_nifti(path: Path) -> BinaryIO:
    with path.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    if compressed and suffix_of(path) == ".nii":
        raise InputError(f"{path}: compressed although its name ends in .nii; rename it to end in .nii.gz")
    return gzip.open(path, "rb") if compressed else path.open("rb")


def _parse_nifti_header(header: bytes, path: Path) -> _NiftiHeader:
    order = next((mark for mark in "<>" if header[:4] == struct.pack(f"{mark}i", _NIFTI_HEADER_BYTES)), None)
    if header[:4] in (struct.pack("<i", 540), struct.pack(">i", 540)):
        raise InputError(f"{path}: NIfTI-2, which is not supported; save it as NIfTI-1")
    if order is None or len(header) < _NIFTI_HEADER_BYTES or header[344:347] != b"n+1":
        raise InputError(f"{path}: not a NIfTI image; give a NIfTI-1 file (.nii or .nii.gz)")

    def field(code: str, offset: int) -> tuple:
        return struct.unpack_from(order + code, header, offset)

    (data_offset,) = field("f", 108)
    slope, intercept = field("2f", _NIFTI_RESCALE_OFFSET)
    (sform_code,) = field("h", 254)
    if not np.isfinite(slope) or slope == 0:  # the standard's two ways of saying "no rescale"
        slope, intercept = 1.0, 0.0
    return _NiftiHeader(
        shape=_nifti_shape(field("8h", 40), path),
        dtype=_nifti_dtype(field("h", 70)[0], path).newbyteorder(order),
        data_offset=max(int(data_offset), _NIFTI_HEADER_BYTES) if np.isfinite(data_offset) else 352,
        slope=slope,
        intercept=intercept if np.isfinite(intercept) else 0.0,
        sform=np.array([*field("12f", _NIFTI_SFORM_OFFSET), 0, 0, 0, 1], dtype=float).reshape(4, 4)
        if sform_code > 0
        else None,
    )


def _nifti_shape(dim: Sequence[int], path: Path) -> tuple[int, ...]:
    if not 1 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1:
        raise InputError(f"{path}: damaged NIfTI header (sizes {list(dim)}); export it again")
    shape = without_single_volumes(dim[1 : dim[0] + 1])
    require_one_volume(shape, path)
    return shape


def _nifti_dtype(code: int, path: Path) -> np.dtype:
    if code in _NIFTI_COLOURS:
        raise InputError(f"{path}: a colour image; give a volume with one grey value per voxel")
    if code not in _NIFTI_TYPES:
        raise InputError(f"{path}: unsupported NIfTI data type {code}; save it with integer or floating-point values")
    return np.dtype(_NIFTI_TYPES[code])


def _nifti_affine(path: Path, header: _NiftiHeader) -> np.ndarray:
    reader = itk_reader(path)
    try:
        with quiet():
            reader.ReadImageInformation()
    except RuntimeError as error:
        # ITK refuses the slightest shear, also the rounding of careless writers; the host decides what is too much.
        if header.sform is not None:
            return header.sform
        raise InputError(f"{path}: its position in space cannot be read; export it again") from error
    return _exact(header.sform, affine_of(reader))


def _exact(sform: np.ndarray | None, from_itk: np.ndarray) -> np.ndarray:
    """The sform's own digits where ITK means the same place, so that they can be written back unchanged."""
    if sform is None:
        return from_itk
    difference = np.abs(sform - from_itk)
    turned = difference[:3, :3] / np.linalg.norm(from_itk[:3, :3], axis=0)
    is_same = turned.max() < SAME_DIRECTION and difference[:3, 3].max() < SAME_ORIGIN_MM
    return sform if is_same else from_itk


def _draft_nifti(folder: Path, suffix: str, volume: StoredVolume, description: str) -> Path:
    draft = folder / "draft.nii"
    write_itk(volume, draft, _plain(description), compressed=False)
    if draft.stat().st_size < _NIFTI_HEADER_BYTES + volume.voxels.nbytes:
        raise OSError("the disk is full")  # the NIfTI writer keeps silent when it runs out of space
    with draft.open("r+b") as stream:
        stream.seek(_NIFTI_RESCALE_OFFSET)
        stream.write(struct.pack("=2f", volume.slope, volume.intercept))
        stream.seek(_NIFTI_SFORM_OFFSET)
        stream.write(struct.pack("=12f", *volume.affine[:3].ravel()))
    return _gzipped(draft) if suffix == ".nii.gz" else draft


def _gzipped(draft: Path) -> Path:
    packed = draft.with_suffix(".nii.gz")
    with (
        draft.open("rb") as source,
        packed.open("wb") as target,
        gzip.GzipFile("", "wb", COMPRESSION_LEVEL, target, mtime=0) as stream,  # no name, no time: same bytes
    ):
        shutil.copyfileobj(source, stream, 1 << 20)
    return packed


def _draft_itk(folder: Path, suffix: str, volume: StoredVolume, description: str) -> Path:
    draft = folder / f"draft{suffix}"
    write_itk(volume, draft, _plain(description), compressed=True)
    with quiet():
        itk_reader(draft).Execute()  # these writers keep silent on a full disk; a short file cannot be read back
    return draft


@contextmanager
def _draft_beside(path: Path) -> Iterator[Path]:
    """A folder on the same disk, so that the finished file only has to be renamed."""
    folder = Path(tempfile.mkdtemp(prefix=".tumorsynth-", dir=path.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or " ".join(str(error).split())
    return "the image library could not write it"


def _plain(description: str) -> str:
    return description.encode("ascii", "replace").decode()[:DESCRIPTION_LENGTH]
