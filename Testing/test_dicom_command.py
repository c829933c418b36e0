"""The command line from DICOM to DICOM, with the real engine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from cases import LESION, assert_refused, brain_host, brain_of
from dicom_files import SERIES, write_series
from TumorSynthLib.case_files import DICOM_FILES, FILES
from TumorSynthLib.host import HostBrain


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A made-up brain as a series of uint16 with a rescale, another series beside it, and its brain mask."""
    folder = tmp_path_factory.mktemp("dicom")
    host = brain_host()
    voxels = np.clip(host.voxels, 0, None).astype(np.uint16)
    write_series(folder / "in", voxels, host.affine, bits=12, rescale=(2.0, -10.0))
    dicom = HostBrain.read(folder / "in")
    dicom.write_volume(folder / "mask.nii.gz", brain_of(dicom).astype(np.uint8))
    return folder


@pytest.fixture
def made(folder, here, tmp_path) -> Path:
    out = tmp_path / "case"
    mask = ("--brain-mask", folder / "mask.nii.gz")
    answer = here("synthesize", folder / "in", "-o", out, *mask, *LESION, "--format", "dicom", "--json")
    assert answer.code == 0, answer.err
    assert {Path(path) for path in answer.facts["files"].values()} == {out / name for name in DICOM_FILES}
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.dcm")}


def test_dicom_in_dicom_out_and_the_same_again(folder, made, here, tmp_path):
    host, image = HostBrain.read(folder / "in"), HostBrain.read(made / "image")
    assert image.same_grid(host.shape, host.affine) and (image.slope, image.intercept) == (2.0, -10.0)
    changed = image.voxels != host.voxels
    assert 0 < changed.sum() < 0.05 * changed.size
    record = json.loads((made / "provenance.json").read_text())
    assert record["host"]["file"] is None and record["format"] == "dicom"

    onto_itself = ("synthesize", made / "image", "-o", made, *LESION, "--format", "dicom", "--overwrite")
    assert_refused(here(*onto_itself), "holds the input")

    same = ("--from", made / "provenance.json", "--brain-mask", folder / "mask.nii.gz")
    assert_refused(here("synthesize", *same, "-o", tmp_path / "no"), "--host FILE")
    for name, options in (("again", ()), ("nifti", ("--format", "nifti"))):
        answer = here("synthesize", *same, "--host", folder / "in", "-o", tmp_path / name, *options, "--json")
        assert answer.code == 0 and answer.facts["identical"] is True, answer.err
    assert contents(tmp_path / "again") == contents(made)
    assert sorted(path.name for path in (tmp_path / "nifti").iterdir()) == sorted(FILES)
    nifti = HostBrain.read(tmp_path / "nifti" / "image.nii.gz")
    assert np.array_equal(nifti.voxels, image.voxels) and nifti.slope == 2.0


def test_one_of_several_series_is_chosen_and_found_again_with_identity_kept(folder, here, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(folder / "in", both)
    write_series(tmp_path / "flair", uid=f"{SERIES}.9", SeriesDescription="FLAIR")
    for file in (tmp_path / "flair").iterdir():
        file.rename(both / f"F{file.name}")
    command = ("synthesize", both, "--brain-mask", folder / "mask.nii.gz", *LESION)
    assert_refused(here(*command, "-o", tmp_path / "no"), "2 image series", "FLAIR", "--series")
    kept = ("--series", SERIES, "--format", "dicom", "--keep-identity")
    answer = here(*command, *kept, "-o", tmp_path / "case", "--json")
    assert answer.code == 0, answer.err
    image = dcmread(tmp_path / "case" / "image" / "0001.dcm")
    assert image.PatientID == "MRN-4711-0815" and image.SeriesDescription.startswith("SYNTHETIC")
    again = here("synthesize", "--from", tmp_path / "case" / "provenance.json", "-o", tmp_path / "again", "--json")
    assert again.code == 0 and again.facts["identical"] is True, again.err
    assert contents(tmp_path / "again") == contents(tmp_path / "case")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--format", "jpeg"), "--format 'jpeg' is unknown: choose one of nifti, dicom"),
        (("--keep-identity",), "--keep-identity belongs to --format dicom"),
        (("--series", "T9"), "no series 'T9'"),
    ],
)
def test_wrong_options_are_refused_before_networks_load(folder, here, tmp_path, options, says):
    command = ("synthesize", folder / "in", "-o", tmp_path / "case", *LESION)
    assert_refused(here(*command, *options), says)
    assert list(tmp_path.iterdir()) == []
