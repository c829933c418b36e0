"""A case's image and intensity map as DICOM series on the source's slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from TumorSynthLib.host import HostBrain

from .attributes import carried_over, code, decimal
from .library import lenient
from .quantities import StoredPixels
from .series import DicomSeries
from .stamp import IMPLEMENTATION_UID, Stamp
from .uids import replaced, uid_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SERIES_NUMBERS = {"image": 1, "lesion_mask": 2, "intensity_map": 3}


@dataclass(frozen=True, eq=False)
class Template:
    """What the derived image of one slice has beside its pixels, and the source's own attributes."""

    attributes: Dataset
    source: Dataset


# -- what is carried over


def templates_of(series: DicomSeries, keep_identity: bool) -> list[Template]:
    """One for each slice of a source, in order."""
    with lenient():
        return [
            Template(_with_reference(carried_over(header, keep_identity), header, each.number, keep_identity), header)
            for header, each in zip(series.headers(), series.slices, strict=True)
        ]


def templates_without_source(host: HostBrain, host_checksum: str) -> list[Template]:
    """One for each slice of a host that was no DICOM, with a made-up study that all cases of this host share."""
    from pydicom.dataset import Dataset

    nothing = Dataset()
    nothing.StudyInstanceUID = uid_of("study", host_checksum)
    nothing.FrameOfReferenceUID = uid_of("frame of reference", host_checksum)
    nothing.PatientPosition = "HFS"
    templates = []
    for k in range(host.shape[2]):
        attributes = carried_over(nothing, keep_identity=False)
        for keyword, numbers in _geometry(host, k).items():
            setattr(attributes, keyword, [decimal(number) for number in numbers])
        templates.append(Template(attributes, nothing))
    return templates


def _geometry(host: HostBrain, k: int) -> dict[str, Sequence[float]]:
    lps = _LPS_FROM_RAS @ host.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / spacing
    return {
        "PixelSpacing": [spacing[1], spacing[0]],
        "SliceThickness": [spacing[2]],
        "SpacingBetweenSlices": [spacing[2]],
        "ImageOrientationPatient": [*axes[:, 0], *axes[:, 1]],
        "ImagePositionPatient": (lps @ (0, 0, k, 1))[:3],
    }


def _with_reference(attributes: Dataset, header: Dataset, number: int, keep_identity: bool) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID = header.get("SOPClassUID") or _MR_IMAGE
    original = str(header.get("SOPInstanceUID") or "unknown")
    item.ReferencedSOPInstanceUID = original if keep_identity else replaced(original)
    if header.get("NumberOfFrames"):
        item.ReferencedFrameNumber = number + 1
    item.PurposeOfReferenceCodeSequence = [code("121322", "DCM", "Source image for image processing operation")]
    attributes.SourceImageSequence = [item]
    return attributes


# -- what is written


def series_number(templates: Sequence[Template], what: str) -> int:
    """Beside the source's own number, so that a study's list shows a series and what was made of it together."""
    original = templates[0].source.get("SeriesNumber")
    first = int(original) if original else 90
    return min(max(first, 0), 2**31 // 100 - 1) * 100 + _SERIES_NUMBERS[what]


def write_image_series(
    folder: Path,
    what: str,
    templates: Sequence[Template],
    pixels: StoredPixels,
    stamp: Stamp,
    *,
    title: str,
    window: tuple[float, float] | None,
) -> list[Dataset]:
    """One file for each slice. Returns their headers. `window` (lowest, highest) replaces the source's."""
    folder.mkdir()
    written = []
    for number, dataset in enumerate(_images(what, templates, pixels, stamp, title, window)):
        dataset.save_as(folder / f"{number + 1:04d}.dcm", enforce_file_format=True)
        del dataset.PixelData
        written.append(dataset)
    return written


def _images(
    what: str,
    templates: Sequence[Template],
    pixels: StoredPixels,
    stamp: Stamp,
    title: str,
    window: tuple[float, float] | None,
) -> Iterator[Dataset]:
    bits = pixels.bits
    for k, (template, plane, rescale) in enumerate(zip(templates, pixels.planes, pixels.rescales, strict=True)):
        dataset = _new_file(template.attributes, stamp.uid(what, k))
        stamp.mark_image(dataset)
        dataset.Modality = "MR"
        dataset.SeriesInstanceUID = stamp.uid(what)
        dataset.SeriesNumber = series_number(templates, what)
        dataset.SeriesDescription = stamp.titled(title, template.source)
        dataset.InstanceNumber = k + 1
        _set_pixels(dataset, plane, bits)
        _set_rescale(dataset, rescale, template.source)
        if window is not None:
            _set_window(dataset, window)
        yield dataset


def _new_file(attributes: Dataset, uid: str) -> Dataset:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = Dataset(attributes)
    dataset.SOPClassUID, dataset.SOPInstanceUID = _MR_IMAGE, uid
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
    dataset.file_meta.ImplementationVersionName = "TUMORSYNTH"
    return dataset


def _set_pixels(dataset: Dataset, plane: np.ndarray, bits: int) -> None:
    dataset.Rows, dataset.Columns = plane.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = int(plane.dtype == np.int16)
    dataset.PixelData = plane.astype(plane.dtype.newbyteorder("<"), copy=False).tobytes()
    dataset["PixelData"].VR = "OW"


def _set_rescale(dataset: Dataset, rescale: tuple[float, float], source: Dataset) -> None:
    """An MR image needs none, so one that changes nothing is written only where the source has it too."""
    if rescale == (1.0, 0.0) and "RescaleSlope" not in source:
        return
    dataset.RescaleSlope, dataset.RescaleIntercept = decimal(rescale[0]), decimal(rescale[1])
    dataset.RescaleType = "US"


def _set_window(dataset: Dataset, window: tuple[float, float]) -> None:
    low, high = window
    dataset.WindowCenter, dataset.WindowWidth = decimal((low + high) / 2), decimal(high - low)
    dataset.VOILUTFunction = "LINEAR_EXACT"  # the only one that knows widths below 1
