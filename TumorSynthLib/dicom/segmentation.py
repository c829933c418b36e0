"""A case's lesion mask as a DICOM segmentation of its derived series, one segment for each lesion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from TumorSynthLib import __version__
from TumorSynthLib.provenance import TOOL

from .library import lenient
from .stamp import SYNTHETIC, Stamp

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription
    from pydicom.dataset import Dataset


def write_segmentation(
    file: Path,
    labels: np.ndarray,
    lesions: int,
    images: Sequence[Dataset],
    stamp: Stamp,
    *,
    bundle: str,
    number: int,
    title: str,
) -> None:
    """`labels` are planes (k, row, column) on the derived series, whose headers are `images`."""
    with lenient():  # a kept name may not be as highdicom likes names
        seg = _segmentation(labels, lesions, images, stamp, bundle, number, title)
    stamp.mark(seg)
    _without_chance(seg, stamp)
    seg.save_as(file, enforce_file_format=True)


def _segmentation(
    labels: np.ndarray, lesions: int, images: Sequence[Dataset], stamp: Stamp, bundle: str, number: int, title: str
) -> Dataset:
    from highdicom.seg import Segmentation

    return Segmentation(
        source_images=list(images),
        pixel_array=labels,
        segmentation_type="BINARY",  # what nearly every reader knows
        segment_descriptions=[_segment(each, stamp, bundle) for each in range(1, lesions + 1)],
        series_instance_uid=stamp.uid("lesion_mask"),
        series_number=number,
        sop_instance_uid=stamp.uid("lesion_mask", 0),
        instance_number=1,
        manufacturer=TOOL,
        manufacturer_model_name=TOOL,
        software_versions=__version__,
        device_serial_number=bundle,
        content_label="LESIONS",
        content_description=f"{SYNTHETIC} lesions, numbered as they were put in",
        series_description=title,
        content_date=images[0].ContentDate,
        content_time=images[0].ContentTime,
    )


def _segment(number: int, stamp: Stamp, bundle: str) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    segment = SegmentDescription(
        segment_number=number,
        segment_label=f"Lesion {number} ({SYNTHETIC})",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=TOOL, family=codes.DCM.ArtificialIntelligence, version=__version__, parameters={"bundle": bundle}
        ),
        tracking_uid=stamp.uid("lesion", number),
        tracking_id=f"{SYNTHETIC} lesion {number}",
        anatomic_regions=[codes.SCT.Brain],
    )
    segment.SegmentDescription = f"{SYNTHETIC}: put in by {TOOL}, no finding of a patient"
    return segment


def _without_chance(seg: Dataset, stamp: Stamp) -> None:
    """highdicom takes the time and some identifiers as they come; the same case is to give the same bytes."""
    del seg.InstanceCreationDate, seg.InstanceCreationTime
    organization = stamp.uid("dimensions")

    def replace(dataset: Dataset, element: object) -> None:
        if element.keyword == "DimensionOrganizationUID":
            element.value = organization

    seg.walk(replace)
