"""A file's pixels exactly as stored: neither rescaled nor windowed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from TumorSynthLib.errors import InputError
from TumorSynthLib.itk_files import itk_reader, quiet

from .headers import frame_count
from .library import lenient

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_MULTI_FRAME_GREY = "1.2.840.10008.5.1.4.1.1.7.3"
_PIXEL_ATTRIBUTES = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "PixelData"),
)


def stored_frames(file: Path, numbers: Sequence[int]) -> np.ndarray:
    """The asked frames of a file, as (frame, row, column)."""
    from pydicom import dcmread

    try:
        with lenient():
            dataset = dcmread(file, force=True)
            frames = _decoded(dataset, file)
        frames = frames.reshape(frame_count(dataset), int(dataset.Rows), int(dataset.Columns))
        return frames[list(numbers)].astype(frames.dtype.newbyteorder("="), copy=False)
    except (OSError, MemoryError, InputError):
        raise
    except Exception as error:  # pydicom has no one kind of error for damaged files
        raise InputError(f"{file}: a damaged DICOM file; copy the series again") from error


def _decoded(dataset: Dataset, file: Path) -> np.ndarray:
    if "PixelData" not in dataset and ("FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset):
        raise InputError(f"{file}: floating-point pixels, which MR images never have; convert the series to NIfTI")
    if int(dataset.get("HighBit", dataset.BitsStored - 1)) != dataset.BitsStored - 1:
        raise InputError(f"{file}: values in the upper bits (High Bit {dataset.HighBit}); export the series again")
    if "TransferSyntaxUID" not in dataset.file_meta:  # old files without a preamble
        dataset.file_meta.TransferSyntaxUID = _native_syntax(dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    return _decoded_by_itk(dataset, file) if syntax.is_encapsulated else dataset.pixel_array


def _native_syntax(dataset: Dataset) -> str:
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    is_implicit, is_little_endian = dataset.original_encoding
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little_endian else ExplicitVRBigEndian


def _decoded_by_itk(dataset: Dataset, file: Path) -> np.ndarray:
    """ITK is always there and knows every common compression. It gets the pixels alone, so that it rescales nothing."""
    import SimpleITK as sitk
    from pydicom.dataset import Dataset
    from pydicom.uid import MRImageStorage, generate_uid

    bare = Dataset()
    bare.update({dataset[keyword].tag: dataset[keyword] for keyword in _PIXEL_ATTRIBUTES})
    bare.SOPClassUID = _MULTI_FRAME_GREY if frame_count(dataset) > 1 else MRImageStorage
    bare.SOPInstanceUID = generate_uid()
    if frame_count(dataset) > 1:
        bare.NumberOfFrames = frame_count(dataset)
    bare.file_meta = type(dataset.file_meta)()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    with tempfile.TemporaryDirectory(prefix="tumorsynth-") as folder:
        pixels = Path(folder) / "pixels.dcm"
        bare.save_as(pixels, enforce_file_format=True)
        try:
            with quiet():
                return sitk.GetArrayFromImage(itk_reader(pixels).Execute())
        except RuntimeError as error:
            kind = dataset.file_meta.TransferSyntaxUID.name
            raise InputError(
                f"{file}: damaged, or compressed in a way that cannot be read here ({kind});"
                " copy the series again, or export it uncompressed"
            ) from error
