"""A case as DICOM: the source's own voxels and place, a segmentation, and files that other programs accept."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from cases import ROOT, case_by_hand
from dicom_files import FRAME, STUDY, complaints, needs_dciodvfy, write_enhanced, write_series
from TumorSynthLib.case_files import DICOM_FILES, write_case
from TumorSynthLib.dicom.case import write_dicom_case
from TumorSynthLib.dicom.series import DicomSeries
from TumorSynthLib.dicom.uids import replaced, uid_of
from TumorSynthLib.errors import InputError, ResourceError
from TumorSynthLib.host import HostBrain
from TumorSynthLib.synthesis import SynthesizedCase
from volumes import oblique_affine, voxels_of

PLACES = {
    "oblique": oblique_affine(),
    "anisotropic": oblique_affine((0.5, 0.5, 6.0)),
    "flipped": oblique_affine(flips=(1, 1, -1)),
    "sagittal": oblique_affine(axes=(1, 2, 0)),
}
# dciodvfy's dictionary is older than Synthetic Data (0008,001C): it has to complain of what has to be there.
KNOWN_ERRORS = ("Error - </(0008,001c)> - Attribute with an even group number is not a recognized standard attribute",)
KNOWN_WARNINGS = (
    "(0008,001c)",  # the same
    "99TUMORSYNTH",  # the standard has no code for synthesis; a private one is allowed
    "Rescale",  # MR images need none, but scanners write them, and tools read them
)


def small_case(host: HostBrain) -> SynthesizedCase:
    """Two touching lesions made by hand; outside the zone the image is the host."""
    case = case_by_hand()
    image, mask = host.voxels.copy(order="K"), np.zeros(host.shape, np.uint8)
    mask[4:7, 4:8, 3:6], mask[7:9, 4:6, 2:5] = 1, 2
    zone = mask > 0
    low, high = host.intensity_window
    image[zone] = host.to_stored(np.linspace(low, high * 1.2, zone.sum()))
    grey = (mask * np.float32(0.5)).astype(np.float32)
    grey[5, 5, 4] = 0.3
    record = {**case.provenance, "lesions": case.provenance["lesions"] * 2}
    record["host"] = {**record["host"], "checksum": host.checksum(), "file": str(host.source)}
    return SynthesizedCase(host, image, mask, grey, zone, mask > 0, case.lesions * 2, record)


def read_by_itk(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "provenance.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[SynthesizedCase, Path]:
    """A case of an oblique 12-bit host with a rescale, written once for tests that only look at it."""
    folder = tmp_path_factory.mktemp("written")
    write_series(folder / "in", voxels_of("uint16"), bits=12, rescale=(1.25, -3.0))
    case = small_case(HostBrain.read(folder / "in"))
    write_dicom_case(case, folder / "out")
    return case, folder / "out"


# -- voxels and place


@pytest.mark.parametrize("place", PLACES)
def test_outside_the_zone_the_stored_values_are_the_source_s_in_their_place(tmp_path, place):
    write_series(tmp_path / "in", voxels_of("int16") - 300, PLACES[place])
    host = HostBrain.read(tmp_path / "in")
    case = small_case(host)
    write_dicom_case(case, tmp_path / "out")
    back = HostBrain.read(tmp_path / "out" / "image")
    assert back.same_grid(host.shape, host.affine)
    assert np.array_equal(back.voxels, case.image)
    source = {str(each.ImagePositionPatient): each for each in map(dcmread, (tmp_path / "in").iterdir())}
    for each in map(dcmread, (tmp_path / "out" / "image").iterdir()):
        twin = source.pop(str(each.ImagePositionPatient))
        assert each.ImageOrientationPatient == twin.ImageOrientationPatient
        assert each.PixelSpacing == twin.PixelSpacing and each.SliceThickness == twin.SliceThickness
    assert not source


@pytest.mark.parametrize(
    ("dtype", "bits", "rescale"),
    [
        ("uint8", None, None),
        ("uint16", None, (1.2345678901, -7.5)),
        ("uint16", 12, None),
        ("int16", 12, (0.25, 100.0)),
        ("uint16", 12, [(1.5 + k / 7, -3.0 * k) for k in range(10)]),
    ],
)
def test_every_pixel_type_and_rescale_comes_back_to_the_bit(tmp_path, dtype, bits, rescale):
    write_series(tmp_path / "in", voxels_of(dtype), bits=bits, rescale=rescale)
    case = small_case(HostBrain.read(tmp_path / "in"))
    write_dicom_case(case, tmp_path / "out")
    inside = sum(case.zone.sum((0, 1)))
    stored = {str(each.ImagePositionPatient): each for each in map(dcmread, (tmp_path / "in").iterdir())}
    different = 0
    for each in map(dcmread, (tmp_path / "out" / "image").iterdir()):
        twin = stored[str(each.ImagePositionPatient)]
        different += np.count_nonzero(each.pixel_array.astype(int) != twin.pixel_array.astype(int))
        assert each.get("RescaleSlope") == twin.get("RescaleSlope")
        assert each.get("RescaleIntercept") == twin.get("RescaleIntercept")
        assert each.BitsStored >= twin.BitsStored and each.BitsAllocated == 16
    assert 0 < different <= inside


def test_a_lesion_brighter_than_twelve_bits_gets_more_of_them(tmp_path):
    write_series(tmp_path / "in", voxels_of("uint16"), bits=12)
    case = small_case(HostBrain.read(tmp_path / "in"))
    assert dcmread(write_dicom_case(case, tmp_path / "a").folder / "image" / "0001.dcm").BitsStored == 12
    case.image[5, 5, 4] = 9000
    write_dicom_case(case, tmp_path / "b")
    assert dcmread(tmp_path / "b" / "image" / "0001.dcm").BitsStored == 14
    assert HostBrain.read(tmp_path / "b" / "image").voxels.max() == 9000


def test_other_programs_see_the_same_numbers(written):
    case, folder = written
    image = read_by_itk(folder / "image")
    meant = case.image * case.host.slope + case.host.intercept
    assert np.allclose(sitk.GetArrayFromImage(image).T, meant)
    grey = sitk.GetArrayFromImage(read_by_itk(folder / "intensity_map")).T
    assert np.abs(grey - case.intensity_map).max() < 2e-5
    assert np.array_equal(grey == 0.5, case.intensity_map == 0.5)


def test_3d_slicer_s_reader_sees_the_same_voxels_in_the_same_place(written):
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    case, folder = written
    code = """
import sys, numpy as np, slicer, vtk
from vtk.util.numpy_support import vtk_to_numpy
scene = slicer.vtkMRMLScene()
for name in sys.argv[1:3]:
    from pathlib import Path
    files = sorted(map(str, Path(name).iterdir()))
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(files[0])
    for file in files: storage.AddFileName(file)
    storage.SetSingleFile(0)
    assert storage.ReadData(node), name
    image = node.GetImageData()
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    affine = np.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)])
    voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions(), order="F")
    np.savez(sys.argv[3] + "/" + Path(name).name, affine=affine, voxels=voxels)
"""
    environment = {**os.environ, "VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow"}
    arguments = [str(folder / "image"), str(folder / "intensity_map"), str(folder.parent)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    for name, values in (("image", case.image * 1.25 - 3.0), ("intensity_map", case.intensity_map)):
        seen = np.load(folder.parent / f"{name}.npz")
        node = HostBrain.from_array(seen["voxels"], seen["affine"])
        index = np.argwhere(np.ones(case.host.shape, bool))
        there = np.rint(node.ras_to_ijk(case.host.ijk_to_ras(index))).astype(int)
        assert np.abs(node.ijk_to_ras(there) - case.host.ijk_to_ras(index)).max() < 1e-3
        assert np.allclose(seen["voxels"][tuple(there.T)], values[tuple(index.T)], atol=2e-5)


def test_a_multi_frame_source_gives_single_frame_files(tmp_path):
    write_enhanced(tmp_path / "enhanced", order=(9, 0, 8, 1, 7, 2, 6, 3, 5, 4), rescale=(0.5, 3.0))
    case = small_case(HostBrain.read(tmp_path / "enhanced"))
    write_dicom_case(case, tmp_path / "out", keep_identity=True)
    back = HostBrain.read(tmp_path / "out" / "image")
    assert np.array_equal(back.voxels, case.image) and back.same_grid(case.host.shape, case.host.affine)
    files = [dcmread(file) for file in sorted((tmp_path / "out" / "image").iterdir())]
    assert len(files) == 10 and {file.EchoTime for file in files} == {2.26}
    assert files[0].ScanningSequence == "GR" and files[0].AcquisitionDate == "20190417"
    frames = [file.SourceImageSequence[0].ReferencedFrameNumber for file in files]
    assert sorted(frames) == list(range(1, 11)) and frames in ([2, 4, 6, 8, 10, 9, 7, 5, 3, 1], frames[::-1])


# -- the host in other hands


@pytest.mark.parametrize("turn", ["slicer", "nifti converter"])
def test_a_host_with_turned_axes_or_rescaled_values_finds_its_slices(tmp_path, turn):
    """3D Slicer shows what stored values mean; converters to NIfTI flip rows and turn axes."""
    write_series(tmp_path / "in", voxels_of("uint16"), rescale=(1.2345678901, -7.5))
    host = HostBrain.read(tmp_path / "in")
    if turn == "slicer":
        other = HostBrain.from_array((host.voxels * host.slope + host.intercept).astype(np.float32), host.affine)
        case = small_case(other)
    else:
        move = np.array([[0, 0, 1, 0], [0, -1, 0, 11], [1, 0, 0, 0], [0, 0, 0, 1]], float)
        flipped = np.flip(host.voxels.transpose(2, 1, 0), 1)
        turned = HostBrain(flipped, host.affine @ move, None, host.slope, host.intercept)
        plain = small_case(host)
        parts = {
            name: np.flip(getattr(plain, name).transpose(2, 1, 0), 1)
            for name in ("image", "mask", "intensity_map", "zone", "brain_mask")
        }
        case = replace(plain, host=turned, **parts)
    write_dicom_case(case, tmp_path / "out", source=tmp_path / "in")
    back = HostBrain.read(tmp_path / "out" / "image")
    zone = small_case(host).zone
    assert np.array_equal(back.voxels[~zone], host.voxels[~zone])
    if turn != "slicer":
        assert np.array_equal(back.voxels, small_case(host).image)


def test_a_series_of_other_voxels_is_refused(tmp_path):
    write_series(tmp_path / "in")
    write_series(tmp_path / "other", affine=oblique_affine(origin_ras=(0, 0, 0)))
    case = small_case(HostBrain.read(tmp_path / "in"))
    with pytest.raises(InputError, match="lies on other voxels"):
        write_dicom_case(case, tmp_path / "out", source=DicomSeries.find(tmp_path / "other"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "int32"])
def test_a_host_that_was_no_dicom_gets_a_study_of_its_own(tmp_path, dtype):
    voxels = voxels_of(dtype) * (1 if np.dtype(dtype).kind != "f" else np.float32(0.001))
    HostBrain.from_array(voxels, oblique_affine()).write_volume(tmp_path / "t1.nii.gz", voxels)
    host = HostBrain.read(tmp_path / "t1.nii.gz")
    case = small_case(host)
    record = write_dicom_case(case, tmp_path / "out").provenance
    back = HostBrain.read(tmp_path / "out" / "image")
    meant = back.voxels * back.slope + back.intercept
    index = np.argwhere(np.ones(host.shape, bool))
    there = np.rint(back.ras_to_ijk(host.ijk_to_ras(index))).astype(int)
    rounded_by = record["dicom"]["image_rounded_by"]
    difference = np.abs(meant[tuple(there.T)] - case.image[tuple(index.T)].astype(float)).max()
    assert difference <= rounded_by * 1.001 + 1e-9
    assert (rounded_by == 0) == (np.dtype(dtype).kind != "f")
    first = dcmread(tmp_path / "out" / "image" / "0001.dcm")
    assert str(first.PatientName).startswith("SYNTHETIC^") and first.PatientIdentityRemoved == "YES"
    with pytest.raises(InputError, match="no identity to keep"):
        write_dicom_case(case, tmp_path / "kept", keep_identity=True)


# -- the segmentation


def test_each_lesion_is_a_segment_in_its_place(written):
    case, folder = written
    seg = highdicom.seg.segread(folder / "lesion_mask.dcm")
    assert seg.number_of_segments == 2
    volume = seg.get_volume(combine_segments=True, rescale_fractional=False)
    lps_from_seg = volume.affine
    found = np.argwhere(volume.array > 0)
    lps = (lps_from_seg[:3, :3] @ found.T).T + lps_from_seg[:3, 3]
    index = np.rint(case.host.ras_to_ijk(lps * (-1, -1, 1))).astype(int)
    labels = np.zeros(case.host.shape, int)
    labels[tuple(index.T)] = volume.array[tuple(found.T)]
    assert np.array_equal(labels, case.mask)


def test_the_segmentation_says_what_it_is_of_and_who_made_it(written):
    _, folder = written
    seg = dcmread(folder / "lesion_mask.dcm")
    images = {dcmread(file).SOPInstanceUID for file in (folder / "image").iterdir()}
    (reference,) = seg.ReferencedSeriesSequence
    assert reference.SeriesInstanceUID == dcmread(folder / "image" / "0001.dcm").SeriesInstanceUID
    assert {item.ReferencedSOPInstanceUID for item in reference.ReferencedInstanceSequence} <= images
    for number, segment in enumerate(seg.SegmentSequence, start=1):
        assert segment.SegmentNumber == number and "SYNTHETIC" in segment.SegmentLabel
        assert segment.SegmentAlgorithmType == "AUTOMATIC" and segment.SegmentAlgorithmName == "TumorSynth"
        assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
        assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "108369006"
        assert segment.AnatomicRegionSequence[0].CodeValue == "12738006"


# -- what the files say of themselves


def test_every_file_says_that_it_is_synthetic_and_derived(written):
    _, folder = written
    for file in folder.rglob("*.dcm"):
        dataset = dcmread(file)
        assert dataset.SyntheticData == "YES"
        assert dataset.SeriesDescription.startswith("SYNTHETIC") and len(dataset.SeriesDescription) <= 64
        assert "ContributingEquipmentSequence" in dataset
        assert dataset.ImageType[:1] == ["DERIVED"]
        if dataset.Modality == "MR":
            assert dataset.ImageType == ["DERIVED", "SECONDARY", "OTHER", "SYNTHETIC"]
            assert dataset.DerivationDescription.startswith("SYNTHETIC") and dataset.DerivationCodeSequence
            assert dataset.BurnedInAnnotation == "NO"
            (item,) = dataset.SourceImageSequence
            assert item.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
        assert not any(element.tag.is_private for element in dataset.iterall())


def test_a_long_description_of_the_source_is_cut(tmp_path):
    write_series(tmp_path / "in", SeriesDescription="T1 " + "very " * 12)
    write_dicom_case(small_case(HostBrain.read(tmp_path / "in")), tmp_path / "out", keep_identity=True)
    for file in (tmp_path / "out").rglob("*.dcm"):
        description = dcmread(file).SeriesDescription
        assert description.startswith("SYNTHETIC") and "T1 very" in description and len(description) <= 64


def test_three_series_share_one_study_and_one_frame_of_reference(written):
    _, folder = written
    datasets = [dcmread(file) for file in folder.rglob("*.dcm")]
    assert len({each.StudyInstanceUID for each in datasets}) == 1
    assert len({each.FrameOfReferenceUID for each in datasets}) == 1
    assert len({each.SeriesInstanceUID for each in datasets}) == 3
    assert len({each.SOPInstanceUID for each in datasets}) == len(datasets)
    assert len({str(each.PatientID) for each in datasets}) == 1
    record = json.loads((folder / "provenance.json").read_text())
    assert set(record["dicom"]["series"].values()) == {each.SeriesInstanceUID for each in datasets}
    for name, checksum in record["dicom"]["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum


@needs_dciodvfy
@pytest.mark.parametrize("kind", ["classic", "classic, identity kept", "enhanced", "nifti"])
def test_the_conformance_checker_finds_no_error(tmp_path, kind):
    if kind == "nifti":
        host = HostBrain.from_array(voxels_of(), oblique_affine())
    elif kind == "enhanced":
        write_enhanced(tmp_path / "in")
        host = HostBrain.read(tmp_path / "in")
    else:
        write_series(tmp_path / "in", voxels_of("uint16"), bits=12, rescale=(1.25, -3.0))
        host = HostBrain.read(tmp_path / "in")
    write_dicom_case(small_case(host), tmp_path / "out", keep_identity="kept" in kind)
    for name in ("image/0002.dcm", "intensity_map/0005.dcm", "lesion_mask.dcm"):
        errors, warnings = complaints(tmp_path / "out" / name)
        assert [error for error in errors if error not in KNOWN_ERRORS] == [], name
        assert [each for each in warnings if not any(known in each for known in KNOWN_WARNINGS)] == [], name


# -- the same again


def test_the_same_case_gives_the_same_bytes_and_another_case_other_uids(tmp_path):
    write_series(tmp_path / "in")
    case = small_case(HostBrain.read(tmp_path / "in"))
    later = replace(case, provenance={**case.provenance, "seconds": 99.0, "created": "2031-01-01T00:00:00+00:00"})
    for name, each in (("one", case), ("two", later)):
        write_dicom_case(each, tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    case.image[5, 5, 4] += 1
    write_dicom_case(case, tmp_path / "other")
    one, other = ({dcmread(f).SOPInstanceUID for f in (tmp_path / n).rglob("*.dcm")} for n in ("one", "other"))
    assert not one & other
    first, second = (dcmread(tmp_path / name / "lesion_mask.dcm") for name in ("one", "other"))
    assert first.StudyInstanceUID == second.StudyInstanceUID, "cases of one study stay together"
    assert first.FrameOfReferenceUID == second.FrameOfReferenceUID and first.PatientID == second.PatientID


def test_with_identity_kept_the_case_is_in_the_source_s_study(tmp_path):
    write_series(tmp_path / "in")
    write_dicom_case(small_case(HostBrain.read(tmp_path / "in")), tmp_path / "out", keep_identity=True)
    originals = {dcmread(file).SOPInstanceUID for file in (tmp_path / "in").iterdir()}
    referenced = set()
    for file in (tmp_path / "out").rglob("*.dcm"):
        dataset = dcmread(file)
        assert (dataset.StudyInstanceUID, dataset.FrameOfReferenceUID) == (STUDY, FRAME)
        assert dataset.PatientName == "Zwiebelmüller^Ottokar" and dataset.StudyDate == "20190417"
        assert dataset.SOPInstanceUID not in originals and "PatientIdentityRemoved" not in dataset
        if dataset.Modality == "MR":
            referenced |= {item.ReferencedSOPInstanceUID for item in dataset.SourceImageSequence}
    assert referenced == originals


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=4), st.lists(st.text(max_size=20), max_size=4))
def test_uids_are_valid_and_tell_their_parts_apart(one, other):
    for uid in (uid_of(*one), replaced("".join(one))):
        assert uid.startswith("2.25.") and len(uid) <= 64 and uid[5:].isdigit() and uid[5] != "0"
    assert uid_of(*one) == uid_of(*one) and replaced("".join(one)) == replaced("".join(one))
    assert (uid_of(*one) == uid_of(*other)) == (one == other)


def test_a_secret_makes_replaced_uids_nobody_else_s(monkeypatch):
    public = replaced(STUDY)
    monkeypatch.setenv("TUMORSYNTH_IDENTITY_KEY", "a secret")
    assert replaced(STUDY) != public and replaced(STUDY) == replaced(STUDY)


# -- whole or not at all


def test_a_dicom_case_takes_the_place_of_a_case_only_when_asked(tmp_path, written):
    case, _ = written
    folder = tmp_path / "case"
    files = write_dicom_case(case, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(DICOM_FILES)
    assert files.files["image"] == folder / "image" and files.files["image"].is_dir()
    with pytest.raises(InputError, match="exists already"):
        write_dicom_case(case, folder)
    write_case(case, folder, overwrite=True)
    write_dicom_case(case, folder, overwrite=True)
    assert list(tmp_path.iterdir()) == [folder]
    (folder / "image" / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match=r"image/mine\.txt"):
        write_dicom_case(case, folder, overwrite=True)


def test_what_fails_half_way_leaves_nothing(tmp_path, written, monkeypatch):
    case, _ = written

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("TumorSynthLib.dicom.case.write_segmentation", full)
    with pytest.raises(ResourceError, match="No space left"):
        write_dicom_case(case, tmp_path / "case")
    assert list(tmp_path.iterdir()) == []


def test_without_highdicom_one_line_says_what_to_install(tmp_path):
    write_series(tmp_path / "in")
    code = (
        "import sys; sys.modules['highdicom'] = None\n"
        "from TumorSynthLib.dicom.case import check_dicom\n"
        "from TumorSynthLib.host import HostBrain\n"
        f"check_dicom(HostBrain.read({str(tmp_path / 'in')!r}))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stderr
    assert "highdicom, which is not installed; install tumorsynth[dicom]" in told.splitlines()[-1]


@pytest.mark.parametrize(
    ("attributes", "says"), [({"Modality": "CT"}, "of MR only"), ({"BurnedInAnnotation": "YES"}, "carry text")]
)
def test_what_must_not_be_written_is_refused(tmp_path, attributes, says):
    write_series(tmp_path / "in", **attributes)
    with pytest.raises(InputError, match=says):
        write_dicom_case(small_case(HostBrain.read(tmp_path / "in")), tmp_path / "out")
