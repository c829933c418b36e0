"""Nothing in a case tells whose head it is, unless somebody asked for that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.datadict import tag_for_keyword

from dicom_files import IDENTITY, write_enhanced, write_series
from test_dicom_writing import small_case
from TumorSynthLib.dicom.attributes import ATTRIBUTES, NO_DATE, Action
from TumorSynthLib.dicom.case import write_dicom_case
from TumorSynthLib.host import HostBrain

PATIENT_FOLDER = "Zwiebelmueller_Ottokar"
# A segmentation names the device that made it, and must have a date.
OF_THIS_PROGRAM = ("DeviceSerialNumber", "SoftwareVersions", "ContentDate", "ContentTime")
# One letter is found in any file; that the sex is empty is tested by itself.
TRACES = [value for value in IDENTITY.values() if len(value) >= 4]
TRACES += ["Zwiebelm", "Ottokar", "Quaddel", "Weiher", "weiher", "WEIHER", PATIENT_FOLDER]


def traces_in(folder: Path, traces: list[str]) -> set[tuple[str, str]]:
    """Which words are found in which file, in the encodings that DICOM files use."""
    wanted = {(trace, trace.encode(encoding)) for trace in traces for encoding in ("utf-8", "latin-1")}
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {(path.name, trace) for path in files for trace, data in wanted if data in path.read_bytes()}


@pytest.fixture(params=["classic", "enhanced"])
def source(request, tmp_path) -> Path:
    folder = tmp_path / PATIENT_FOLDER
    folder.mkdir()
    if request.param == "classic":
        write_series(folder, voxels_of_little())
    else:
        write_enhanced(folder / "enhanced", voxels_of_little())
    return folder


def voxels_of_little() -> np.ndarray:
    """Pixels of one byte repeated, which spell no word."""
    voxels = np.full((14, 12, 10), 100, np.int16)
    voxels[3:10, 3:10, 2:8] = 900
    return voxels


def test_no_identifying_value_of_the_source_is_in_any_byte(tmp_path, source):
    originals = {str(dcmread(file).SOPInstanceUID) for file in source.iterdir()}
    originals |= {str(dcmread(file).SeriesInstanceUID) for file in source.iterdir()}
    write_dicom_case(small_case(HostBrain.read(source)), tmp_path / "case")
    assert traces_in(tmp_path / "case", [*TRACES, *originals]) == set()
    assert traces_in(source, TRACES), "the search finds them where they are"


def test_the_replaced_attributes_are_those_of_nobody(tmp_path, source):
    write_dicom_case(small_case(HostBrain.read(source)), tmp_path / "case")
    for file in (tmp_path / "case").rglob("*.dcm"):
        dataset = dcmread(file)
        for keyword, action in ATTRIBUTES.items():
            if action is Action.REMOVE and keyword not in OF_THIS_PROGRAM:
                assert keyword not in dataset
            if action is Action.EMPTY:
                assert dataset.get(keyword) in ("", None)
        assert dataset.StudyDate == dataset.ContentDate == NO_DATE
        assert dataset.PatientName == f"SYNTHETIC^{dataset.PatientID.removeprefix('SYNTHETIC-')}"
        assert dataset.PatientIdentityRemoved == "YES"
        assert dataset.LongitudinalTemporalInformationModified == "REMOVED"
        assert dataset.DeidentificationMethodCodeSequence[0].CodeValue == "113100"


def test_how_the_image_was_acquired_is_kept(tmp_path):
    write_series(tmp_path / "in", voxels_of_little())
    write_dicom_case(small_case(HostBrain.read(tmp_path / "in")), tmp_path / "case")
    image = dcmread(tmp_path / "case" / "image" / "0001.dcm")
    assert (image.EchoTime, image.RepetitionTime, image.InversionTime) == (2.26, 1900, 900)
    assert image.ScanningSequence == ["GR", "IR"] and image.MagneticFieldStrength == 3
    assert (image.Manufacturer, image.EchoTrainLength) == ("MAKER", 1)


def test_with_identity_kept_all_of_it_is_there_but_private_attributes(tmp_path, source):
    write_dicom_case(small_case(HostBrain.read(source)), tmp_path / "case", keep_identity=True)
    first = min((tmp_path / "case" / "image").iterdir())
    dataset = dcmread(first)
    for keyword in set(IDENTITY) & set(ATTRIBUTES):
        assert str(dataset[keyword].value) == IDENTITY[keyword], keyword
    assert not any(element.tag.is_private for element in dataset.iterall())
    assert traces_in(tmp_path / "case", ["Zwiebelmueller private"]) == set()


def test_the_table_names_attributes_that_exist():
    assert all(tag_for_keyword(keyword) for keyword in ATTRIBUTES)


def test_values_that_the_standard_forbids_are_left_behind(tmp_path):
    """Scanners write what no archive would accept: too many digits, letters for numbers."""

    def spoil(dataset, k):
        from pydicom.dataelem import RawDataElement
        from pydicom.tag import Tag

        for keyword, kind, value in (
            ("EchoTime", "DS", b"2.2599999904632568359375 "),
            ("FlipAngle", "DS", b"nine"),
            ("EchoTrainLength", "IS", b"1.5 "),
        ):
            tag = Tag(keyword)
            dataset[tag] = RawDataElement(tag, kind, len(value), value, 0, False, True)

    write_series(tmp_path / "in", voxels_of_little(), change=spoil)
    write_dicom_case(small_case(HostBrain.read(tmp_path / "in")), tmp_path / "case")
    image = dcmread(tmp_path / "case" / "image" / "0001.dcm")
    assert image.EchoTime == pytest.approx(2.26) and len(image["EchoTime"].value.original_string) <= 16
    assert "FlipAngle" not in image and not image.EchoTrainLength
