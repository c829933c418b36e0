"""`tumorsynth` refuses what cannot be, in one line that names it, and leaves nothing behind."""

from __future__ import annotations

import numpy as np
import pytest

from cases import LESION, Answer, assert_refused, tumorsynth
from TumorSynthLib import demo
from TumorSynthLib.host import HostBrain
from volumes import oblique_affine, save_nifti, voxels_of

# -- wrong from the start: no network is loaded

USAGE = {
    "unknown command": (("synthesise",), "synthesise"),
    "unknown option": (("synthesize", "HOST", "-o", "OUT", *LESION, "--colour", 1), "--colour"),
    "no output": (("synthesize", "HOST", *LESION), "--output"),
    "no host": (("synthesize", "-o", "OUT", *LESION), "HOST is missing"),
    "two hosts": (("synthesize", "HOST", "HOST", "-o", "OUT", *LESION), "brain.nii.gz"),
    "no center": (("synthesize", "HOST", "-o", "OUT", "--radii", 14, 10), "--center is missing"),
    "no radii": (("synthesize", "HOST", "-o", "OUT", "--center", 1, 2, 3), "--radii is missing"),
    "center without numbers": (("synthesize", "HOST", "--radii", 14, 10, "-o", "OUT", "--center"), "--center"),
    "two coordinates": (
        ("synthesize", "HOST", "-o", "OUT", "--center", -1, 2, "--radii", 9, 4),
        "--center (-1.0, 2.0)",
    ),
    "nan coordinate": (("synthesize", "HOST", "-o", "OUT", "--center", 1, 2, "nan", "--radii", 9, 4), "--center"),
    "rising radii": (("synthesize", "HOST", "-o", "OUT", "--center", 1, 2, 3, "--radii", 5, 9), "--radii (5.0, 9.0)"),
    "negative radius": (("synthesize", "HOST", "-o", "OUT", "--center", 1, 2, 3, "--radii", 5, -9), "(5.0, -9.0)"),
    "nan radius": (("synthesize", "HOST", "-o", "OUT", "--center", 1, 2, 3, "--radii", "nan", 9), "--radii (nan, 9.0)"),
    "huge radius": (("synthesize", "HOST", "-o", "OUT", "--center", 1, 2, 3, "--radii", 99, 9), "99 mm is too large"),
    "values and structure": (
        ("synthesize", "HOST", "-o", "OUT", *LESION, "--values", 1, 0.7, 0.5, "--structure", "ring"),
        "--values and --structure exclude",
    ),
    "unknown structure": (("synthesize", "HOST", "-o", "OUT", *LESION, "--structure", "cubic"), "--structure 'cubic'"),
    "unknown space": (("synthesize", "HOST", "-o", "OUT", *LESION, "--space", "mni"), "--space 'mni'"),
    "seed is no number": (("synthesize", "HOST", "-o", "OUT", *LESION, "--seed", "x"), "'--seed'"),
    "negative seed": (("synthesize", "HOST", "-o", "OUT", *LESION, "--seed", -1), "--seed -1"),
    "contrast out of range": (("synthesize", "HOST", "-o", "OUT", *LESION, "--contrast", 9), "--contrast 9"),
    "nan oedema": (("synthesize", "HOST", "-o", "OUT", *LESION, "--oedema", "nan"), "--oedema nan"),
    "no threads": (("synthesize", "HOST", "-o", "OUT", *LESION, "--threads", 0), "--threads 0 is out of range: 1 to"),
    "endless threads": (("synthesize", "HOST", "-o", "OUT", *LESION, "--threads", 10**9), "the cores of this machine"),
    "threads of a mask": (("brain-mask", "HOST", "-o", "OUT.nii", "--threads", 10**9), "--threads 1000000000"),
    "unknown device": (("synthesize", "HOST", "-o", "OUT", *LESION, "--device", "abacus"), "--device 'abacus'"),
    "unknown precision": (("synthesize", "HOST", "-o", "OUT", *LESION, "--precision", "int3"), "--precision 'int3'"),
    "unknown bundle": (("synthesize", "HOST", "-o", "OUT", *LESION, "--bundle", "nonesuch"), "bundle 'nonesuch'"),
    "missing list": (("synthesize", "HOST", "-o", "OUT", "--lesions", "none.json"), "none.json: no such file"),
    "list and center": (("synthesize", "HOST", "-o", "OUT", "--lesions", "none.json", *LESION), "--lesions excludes"),
    "missing host": (("synthesize", "none.nii.gz", "-o", "OUT", *LESION), "none.nii.gz"),
    "missing brain mask": (("synthesize", "HOST", "-o", "OUT", *LESION, "--brain-mask", "none.nii"), "none.nii"),
    "missing provenance": (("synthesize", "--from", "none.json", "-o", "OUT"), "none.json: no such file"),
    "host of no recipe": (("synthesize", "HOST", "-o", "OUT", *LESION, "--host", "x.nii"), "--host x.nii"),
    "host beside a recipe": (("synthesize", "HOST", "-o", "OUT", "--from", "p.json"), "HOST and --from"),
    "seed beside a recipe": (("synthesize", "-o", "OUT", "--from", "p.json", "--seed", 0), "--seed and --from"),
    "mask of no kind": (("brain-mask", "HOST", "-o", "OUT.png"), "end it in .nii.gz"),
    "mask nowhere": (("brain-mask", "HOST", "-o", "nowhere/m.nii"), "nowhere does not exist"),
    "mask over the host": (("brain-mask", "HOST", "-o", "HOST", "--overwrite"), "is the host itself"),
    "mask of no bundle": (("brain-mask", "HOST", "-o", "OUT.nii", "--bundle", "nonesuch"), "bundle 'nonesuch'"),
    "nothing of a bundle": (("bundle", "show", "nonesuch"), "bundle 'nonesuch'"),
    "no bundle to verify": (("bundle", "verify", "nonesuch"), "bundle 'nonesuch'"),
    "no such bundle command": (("bundle", "lost"), "lost"),
    "endless output": (("synthesize", "HOST", "-o", "a" * 300, *LESION), "File name too long"),
    "endless mask": (("brain-mask", "HOST", "-o", "a" * 300 + ".nii"), "File name too long"),
    "endless bundle": (("synthesize", "HOST", "-o", "OUT", *LESION, "--bundle", "a" * 300), "File name too long"),
    "endless bundle to show": (("bundle", "show", "a" * 300), "File name too long"),
    "output below a file": (("synthesize", "HOST", "-o", "/etc/passwd/case", *LESION), "/etc/passwd"),
    "output nowhere": (("synthesize", "HOST", "-o", "nowhere/case", *LESION), "nowhere does not exist"),
    "output not writable": (("synthesize", "HOST", "-o", "/proc/case", *LESION), "/proc/case: cannot be written"),
}


@pytest.mark.parametrize("name", USAGE)
def test_wrong_usage_is_one_line_and_nothing_is_written(tmp_path, monkeypatch, here, host_file, name):
    arguments, says = USAGE[name]
    monkeypatch.chdir(tmp_path)
    answer = here(*(host_file if argument == "HOST" else argument for argument in arguments))
    assert_refused(answer, says)
    assert not list(tmp_path.iterdir())


def test_a_refusal_in_a_process_of_its_own_is_one_line_too(tmp_path, host_file):
    answer = tumorsynth("synthesize", host_file, "-o", tmp_path / "out", "--center", -1, 2, 3, "--radii", 5, 9)
    assert_refused(answer, "--radii (5.0, 9.0) must strictly decrease")
    assert not list(tmp_path.iterdir())


def _cut(path):
    save_nifti(path, voxels_of())
    path.write_bytes(path.read_bytes()[:2000])


BAD_HOSTS = {
    "truncated.nii": (_cut, "truncated"),
    "words.nii": (lambda path: path.write_text("no image"), "not a NIfTI"),
    "empty.nii.gz": (lambda path: path.touch(), "empty"),
    "flat.nii": (lambda path: save_nifti(path, voxels_of()[:, :, 0]), "2D"),
    "series.nii": (lambda path: save_nifti(path, np.stack([voxels_of()] * 2, -1)), "4D"),
    "nan.nii": (lambda path: save_nifti(path, np.full((8, 8, 8), np.nan, np.float32)), "not finite"),
    "constant.nii": (lambda path: save_nifti(path, np.full((8, 8, 8), 3, np.int16)), "every voxel is 3"),
    "coarse.nii": (lambda path: save_nifti(path, voxels_of(), oblique_affine((1, 1, 30))), "30 mm"),
    "folder": (lambda path: path.mkdir(), "no DICOM"),
}


@pytest.mark.parametrize("command", ["synthesize", "brain-mask"])
@pytest.mark.parametrize("name", BAD_HOSTS)
def test_a_bad_host_is_refused_by_name_before_networks_load(tmp_path, here, name, command):
    make, says = BAD_HOSTS[name]
    make(tmp_path / name)
    before = sorted(tmp_path.iterdir())
    lesion = LESION if command == "synthesize" else ()
    assert_refused(here(command, tmp_path / name, "-o", tmp_path / "out.nii", *lesion), name, says)
    assert sorted(tmp_path.iterdir()) == before


def _other_grid(path, host):
    save_nifti(path, np.ones((8, 8, 8), np.uint8))


def _empty_mask(path, host):
    host.write_volume(path, np.zeros(host.shape, np.uint8))


def _grey_mask(path, host):
    host.write_volume(path, host.voxels)


@pytest.mark.parametrize(
    ("make", "says"), [(_other_grid, "8 x 8 x 8"), (_empty_mask, "empty mask"), (_grey_mask, "not a binary mask")]
)
def test_a_bad_brain_mask_is_refused_by_name(tmp_path, here, host_file, make, says):
    make(tmp_path / "mine.nii", HostBrain.read(host_file))
    answer = here("synthesize", host_file, "-o", tmp_path / "out", *LESION, "--brain-mask", tmp_path / "mine.nii")
    assert_refused(answer, "mine.nii", says)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.nii"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_output_that_is_not_ours_is_left_alone(tmp_path, here, host_file, overwrite):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("three years of work")
    options = ("--overwrite",) if overwrite else ()
    assert_refused(here("synthesize", host_file, "-o", tmp_path / "out", *LESION, *options), str(tmp_path / "out"))
    assert (tmp_path / "out" / "thesis.txt").read_text() == "three years of work"


def test_an_older_mask_is_replaced_only_when_asked(tmp_path, here, host_file):
    (tmp_path / "mask.nii").write_text("older")
    assert_refused(here("brain-mask", host_file, "-o", tmp_path / "mask.nii"), "mask.nii", "--overwrite")
    assert (tmp_path / "mask.nii").read_text() == "older"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--seed", -1), "seed -1 is not a whole number from 0"),
        (("--structure", "cubic"), "structure 'cubic' is unknown"),
        (("--seed", "x"), "'--seed'"),
        ((), "not a case"),
        (("--out", "output/demo/thesis.txt/here/case"), "output/demo/thesis.txt"),
    ],
)
def test_the_demonstration_refuses_in_one_line_before_it_paints(tmp_path, monkeypatch, capfd, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "output" / "demo").mkdir(parents=True)
    (tmp_path / "output" / "demo" / "thesis.txt").write_text("three years of work")
    with pytest.raises(SystemExit) as end:
        demo.main([str(argument) for argument in arguments])
    assert_refused(Answer(end.value.code, *capfd.readouterr()), says)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["thesis.txt"]


# -- wrong for this host: known once the brain is

WRONG_PLACE = {
    "outside the image": (("--center", 500, 0, 0, "--radii", 9, 4), ("mm", "nearest place inside")),
    "outside the brain": (("--center", 0, 0, 71, "--radii", 9, 4), ("mm", "nearest place inside")),
    "smaller than a voxel": (("--center", -20, 10, 5, "--radii", 0.3, 0.1), ("0.3", "voxel")),
    "larger than its place": (("--center", 0, 0, 58, "--radii", 40, 9), ("40 mm",)),
}


@pytest.mark.parametrize("name", WRONG_PLACE)
def test_a_place_that_cannot_be_is_refused_with_what_could(tmp_path, here, host_file, brain_file, name):
    lesion, says = WRONG_PLACE[name]
    answer = here("synthesize", host_file, "-o", tmp_path / "out", "--brain-mask", brain_file, *lesion)
    assert_refused(answer, *says)
    assert not list(tmp_path.iterdir())


def test_a_device_that_is_absent_is_refused(tmp_path, here, host_file):
    import torch

    absent = "mps" if torch.cuda.is_available() else "cuda"
    answer = here("synthesize", host_file, "-o", tmp_path / "out", *LESION, "--device", absent)
    assert_refused(answer, absent)
    assert not list(tmp_path.iterdir())
