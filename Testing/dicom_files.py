"""Series as scanners write them: full headers with a made-up patient, classic and enhanced, in any pixel type."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import format_number_as_ds

from volumes import oblique_affine, voxels_of

STUDY, SERIES, FRAME = (f"1.2.826.0.1.3680043.8.498.77.{number}" for number in (1, 2, 3))
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"

# Everything that names somebody, each with a word that is found nowhere else.
IDENTITY = {
    "PatientName": "Zwiebelmüller^Ottokar",
    "PatientID": "MRN-4711-0815",
    "PatientBirthDate": "19611103",
    "PatientSex": "F",
    "PatientAge": "058Y",
    "PatientWeight": "71.25",
    "IssuerOfPatientID": "PASSPORT-99123",
    "PatientComments": "Neighbour of Zwiebelmueller",
    "StudyDate": "20190417",
    "StudyTime": "143759.104729",
    "SeriesDate": "20190417",
    "SeriesTime": "144512.224737",
    "AcquisitionDate": "20190417",
    "AcquisitionTime": "144600.350377",
    "ContentDate": "20190417",
    "ContentTime": "144601.479909",
    "InstanceCreationDate": "20190418",
    "AccessionNumber": "ACC0042",
    "StudyID": "STUDY-17",
    "StudyDescription": "Head for Dr Quaddel",
    "SeriesDescription": "T1 Zwiebelmueller",
    "ReferringPhysicianName": "Quaddel^Iris",
    "PerformingPhysicianName": "Pfropf^Hans",
    "OperatorsName": "Knopf^Emil",
    "InstitutionName": "Klinik am Weiher",
    "InstitutionAddress": "Teichweg 3",
    "StationName": "SCANNER7",
    "DeviceSerialNumber": "SN-556677",
    "ProtocolName": "Weiher Protocol",
    "SequenceName": "weiher3d",
    "SoftwareVersions": "syngo weiher 9",
    "ReceiveCoilName": "WeiherCoil",
    "ContrastBolusAgent": "Weihervist 8 ml",
    "ImageComments": "Zwiebelmueller moved",
    "PositionReferenceIndicator": "Weihermark",
    "StudyInstanceUID": STUDY,
    "FrameOfReferenceUID": FRAME,
}
MR = {
    "Manufacturer": "MAKER",
    "ManufacturerModelName": "Model 3",
    "MagneticFieldStrength": "3",
    "ScanningSequence": ["GR", "IR"],
    "SequenceVariant": ["SP", "MP"],
    "ScanOptions": "",
    "MRAcquisitionType": "3D",
    "RepetitionTime": "1900",
    "EchoTime": "2.26",
    "InversionTime": "900",
    "EchoTrainLength": "1",
    "FlipAngle": "9",
    "PatientPosition": "HFS",
    "SeriesNumber": "4",
    "AcquisitionNumber": "1",
    "BurnedInAnnotation": "NO",
    "BodyPartExamined": "HEAD",
}


def write_series(
    folder: Path,
    voxels: np.ndarray | None = None,
    affine: np.ndarray | None = None,
    *,
    rescale: tuple[float, float] | Sequence[tuple[float, float]] | None = None,
    bits: int | None = None,
    skip: Sequence[int] = (),
    uid: str = SERIES,
    change: Callable[[Dataset, int], None] = lambda dataset, k: None,
    **attributes: object,
) -> np.ndarray:
    """One file for each slice k, in files whose names say nothing about the order. Returns the voxels."""
    voxels = voxels_of() if voxels is None else voxels
    affine = oblique_affine() if affine is None else affine
    folder.mkdir(parents=True, exist_ok=True)
    numbers = list(range(voxels.shape[2]))
    random.Random(1).shuffle(numbers)
    for number, k in enumerate(numbers):
        if k in skip:
            continue
        dataset = _image(voxels[:, :, k], MRImageStorage, f"{uid}.{k + 1}", bits)
        dataset.SeriesInstanceUID, dataset.InstanceNumber = uid, k + 1
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
        _set(dataset, {**_geometry(affine, k), **attributes})
        if rescale is not None:
            slope, intercept = rescale[k] if isinstance(rescale, list) else rescale
            _set(dataset, {"RescaleSlope": ds(slope), "RescaleIntercept": ds(intercept), "RescaleType": "US"})
        block = dataset.private_block(0x0029, "WEIHER HEADER", create=True)
        block.add_new(0x10, "LO", "Zwiebelmueller private")
        change(dataset, k)
        dataset.save_as(folder / f"IM{number:04d}", enforce_file_format=True)
    return voxels


def write_enhanced(
    path: Path,
    voxels: np.ndarray | None = None,
    affine: np.ndarray | None = None,
    *,
    rescale: tuple[float, float] | None = None,
    order: Sequence[int] | None = None,
) -> np.ndarray:
    """One enhanced MR file; `order` says which slice k is in each frame."""
    voxels = voxels_of() if voxels is None else voxels
    affine = oblique_affine() if affine is None else affine
    order = list(range(voxels.shape[2]) if order is None else order)
    dataset = _image(voxels[:, :, order], ENHANCED_MR, f"{SERIES}.1", None)
    for classic in ("ScanningSequence", "SequenceVariant", "RepetitionTime", "EchoTime", "InversionTime", "FlipAngle"):
        del dataset[classic]
    dataset.SeriesInstanceUID, dataset.InstanceNumber, dataset.NumberOfFrames = SERIES, 1, len(order)
    dataset.ImageType, dataset.AcquisitionDateTime = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "20190417144600.12"
    dataset.EchoPulseSequence, dataset.PresentationLUTShape = "GRADIENT", "IDENTITY"
    geometry = [_geometry(affine, k) for k in order]
    shared = {
        "PixelMeasuresSequence": {name: geometry[0][name] for name in ("PixelSpacing", "SliceThickness")},
        "PlaneOrientationSequence": {"ImageOrientationPatient": geometry[0]["ImageOrientationPatient"]},
        "MREchoSequence": {"EffectiveEchoTime": 2.26},
        "MRTimingAndRelatedParametersSequence": {"RepetitionTime": "1900", "FlipAngle": "9", "EchoTrainLength": "1"},
    }
    if rescale is not None:
        slope, intercept = map(ds, rescale)
        shared["PixelValueTransformationSequence"] = {
            "RescaleSlope": slope,
            "RescaleIntercept": intercept,
            "RescaleType": "US",
        }
    places = [{"ImagePositionPatient": each["ImagePositionPatient"]} for each in geometry]
    dataset.SharedFunctionalGroupsSequence = [_nested(shared)]
    dataset.PerFrameFunctionalGroupsSequence = [_nested({"PlanePositionSequence": place}) for place in places]
    dataset.save_as(path, enforce_file_format=True)
    return voxels


def _nested(groups: dict[str, dict[str, object]]) -> Dataset:
    item = Dataset()
    for keyword, values in groups.items():
        inner = Dataset()
        _set(inner, values)
        setattr(item, keyword, [inner])
    return item


def _image(voxels: np.ndarray, kind: str, uid: str, bits: int | None) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = kind, uid, "MR"
    _set(dataset, {**IDENTITY, **MR})
    allocated = voxels.dtype.itemsize * 8
    dataset.Rows, dataset.Columns = voxels.shape[1], voxels.shape[0]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored = allocated, bits or allocated
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(voxels.dtype.kind == "i")
    dataset.PixelData = np.ascontiguousarray(voxels.T).tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def _geometry(affine: np.ndarray, k: int) -> dict[str, object]:
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / spacing
    return {
        "PixelSpacing": [ds(spacing[1]), ds(spacing[0])],
        "SliceThickness": ds(spacing[2]),
        "ImageOrientationPatient": [ds(value) for value in (*axes[:, 0], *axes[:, 1])],
        "ImagePositionPatient": [ds(value) for value in (lps @ (0, 0, k, 1))[:3]],
    }


def _set(dataset: Dataset, values: dict[str, object]) -> None:
    for keyword, value in values.items():
        setattr(dataset, keyword, value)


def ds(number: float) -> str:
    return format_number_as_ds(float(number))


# -- dciodvfy

needs_dciodvfy = pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy, the conformance checker of dicom3tools, is not installed"
)


def complaints(file: Path) -> tuple[list[str], list[str]]:
    """What dciodvfy has against a file: errors, and warnings."""
    told = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, errors="replace").stderr
    lines = told.splitlines()
    return [line for line in lines if line.startswith("Error")], [line for line in lines if line.startswith("Warning")]
