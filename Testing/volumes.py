"""Makers of small volumes for tests: any orientation, any data type, as arrays or as files."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

SHAPE = (14, 12, 10)


def oblique_affine(
    spacing_mm: Sequence[float] = (0.9, 1.1, 2.5),
    angles_degrees: Sequence[float] = (12, -25, 31),
    flips: Sequence[int] = (1, 1, 1),
    axes: Sequence[int] = (0, 1, 2),
    origin_ras: Sequence[float] = (-31.5, 20.25, 7.0),
) -> np.ndarray:
    """Orthogonal axes turned by Euler angles, then each flipped, permuted and stretched as asked."""
    affine = np.eye(4)
    rotation = Rotation.from_euler("xyz", angles_degrees, degrees=True).as_matrix()
    affine[:3, :3] = (rotation * flips)[:, list(axes)] * spacing_mm
    affine[:3, 3] = origin_ras
    return affine


def voxels_of(dtype: np.dtype | type | str = np.int16, shape: Sequence[int] = SHAPE, seed: int = 0) -> np.ndarray:
    """A bright ellipsoid with texture in a dark box, using the range of an 8-bit type or 0..2000 of a larger one."""
    generator = np.random.default_rng(seed)
    steps = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    inside = sum(step**2 for step in steps) < 0.8
    brightest = 120 if np.dtype(dtype).itemsize == 1 else 2000
    values = inside * generator.uniform(0.4, 1.0, tuple(shape)) * brightest + generator.uniform(0, 5, tuple(shape))
    return values.astype(dtype)


def save_nifti(path: Path, voxels: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """Written by nibabel: a second opinion on what a NIfTI file is."""
    import nibabel

    nibabel.Nifti1Image(voxels, oblique_affine() if affine is None else affine).to_filename(path)
    return path


def patch(path: Path, offset: int, code: str, *values: float) -> Path:
    """Overwrites bytes of a file, as damage or as a header field that no writer offers."""
    data = bytearray(path.read_bytes())
    struct.pack_into(code, data, offset, *values)
    path.write_bytes(data)
    return path


def assert_one_clear_line(error: Exception, name: str) -> None:
    message = str(error)
    assert name in message
    assert "\n" not in message
    assert ";" in message, "after what is wrong follows what would be right"


def write_dicom_slices(
    folder: Path,
    voxels: np.ndarray,
    affine: np.ndarray,
    series_uid: str = "1.2.826.0.1.3680043.8.498.1",
    description: str = "T1 axial",
    skip: Sequence[int] = (),
) -> None:
    """One MR image per slice k, in files whose names say nothing about the order."""
    folder.mkdir(exist_ok=True)
    order = list(range(voxels.shape[2]))
    random.Random(0).shuffle(order)
    for number, k in enumerate(order):
        if k not in skip:
            dataset = _dicom_slice(voxels[:, :, k], affine, k, f"{series_uid}.{k + 1}")
            dataset.SeriesInstanceUID = series_uid
            dataset.SeriesDescription = description
            dataset.save_as(folder / f"{description[:2]}{number:03d}.dcm", enforce_file_format=True)


def write_dicom_frames(path: Path, voxels: np.ndarray, affine: np.ndarray, planes: Sequence[int] | None = None) -> None:
    """One enhanced MR file; `planes` chooses which slices k become frames, and in what order."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence as DicomSequence

    def group(**values) -> DicomSequence:
        item = Dataset()
        for name, value in values.items():
            setattr(item, name, value)
        return DicomSequence([item])

    planes = list(range(voxels.shape[2]) if planes is None else planes)
    dataset = _dicom_image(voxels[:, :, planes], "1.2.826.0.1.3680043.8.498.4", "1.2.840.10008.5.1.4.1.1.4.1")
    geometry = _dicom_geometry(affine)
    measures = {name: geometry[name] for name in ("PixelSpacing", "SliceThickness")}
    shared = group(
        PixelMeasuresSequence=group(**measures),
        PlaneOrientationSequence=group(ImageOrientationPatient=geometry["ImageOrientationPatient"]),
    )
    places = [group(ImagePositionPatient=_dicom_geometry(affine, k)["ImagePositionPatient"]) for k in planes]
    dataset.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.5"
    dataset.NumberOfFrames = len(planes)
    dataset.SharedFunctionalGroupsSequence = shared
    dataset.PerFrameFunctionalGroupsSequence = [group(PlanePositionSequence=place)[0] for place in places]
    dataset.save_as(path, enforce_file_format=True)


def _dicom_slice(plane: np.ndarray, affine: np.ndarray, k: int, uid: str):
    dataset = _dicom_image(plane, uid, "1.2.840.10008.5.1.4.1.1.4")
    for name, value in _dicom_geometry(affine, k).items():
        setattr(dataset, name, value)
    return dataset


def _dicom_geometry(affine: np.ndarray, k: int = 0) -> dict[str, object]:
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / spacing
    return {
        "PixelSpacing": [f"{spacing[1]:.8f}", f"{spacing[0]:.8f}"],
        "SliceThickness": f"{spacing[2]:.8f}",
        "ImageOrientationPatient": [f"{value:.10f}" for value in (*axes[:, 0], *axes[:, 1])],
        "ImagePositionPatient": [f"{value:.8f}" for value in (lps @ (0, 0, k, 1))[:3]],
    }


def _dicom_image(voxels: np.ndarray, uid: str, kind: str):
    """Everything about an int16 MR image but its place."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = kind
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid
    dataset.Modality = "MR"
    dataset.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.2"
    dataset.FrameOfReferenceUID = "1.2.826.0.1.3680043.8.498.3"
    dataset.Rows, dataset.Columns = voxels.shape[1], voxels.shape[0]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.PixelData = np.ascontiguousarray(voxels.T, "<i2").tobytes()
    return dataset
