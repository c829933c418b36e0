"""Hosts and recipes that cannot be used: each one clear line that says what would be right, and nothing written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cases import assert_refused
from cohort_cases import little_brain, options, two_hosts
from test_host_refusals import BAD_FILES
from TumorSynthLib.host import HostBrain


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    return two_hosts(tmp_path_factory.mktemp("hosts"))


@pytest.fixture(scope="module")
def good(hosts):
    return hosts.entries[0].image


# -- hosts


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_host_alone_is_refused_in_one_line_that_names_it(here, tmp_path, name):
    make, says = BAD_FILES[name]
    scans = tmp_path / "scans of März"
    scans.mkdir()
    make(scans / name)
    answer = here("cohort", scans / name, "-o", tmp_path / "cohort", "--cases", 2)
    assert_refused(answer, name, says)
    assert not (tmp_path / "cohort").exists()


def without_brain(path):
    values = np.zeros((40, 40, 40), np.int16)
    values[15:20, 15:20, 15:20] = 100
    HostBrain.from_array(values, np.diag([2.0, 2, 2, 1])).write_volume(path, values)


def test_a_host_without_a_brain_is_refused_and_so_are_several(here, tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        without_brain(tmp_path / name)
    answer = here("cohort", tmp_path / "?.nii.gz", "-o", tmp_path / "cohort", "--cases", 2)
    assert_refused(answer, "a.nii.gz: no brain found", "and 1 other hosts")
    assert not (tmp_path / "cohort").exists()


def _wrong_grid(folder):
    other = little_brain(2)
    grid = HostBrain.from_array(other.voxels[:-4], other.affine)
    grid.write_volume(folder / "brain.nii.gz", (grid.voxels > 0).astype(np.uint8))


def _empty(folder):
    host = little_brain(0)
    host.write_volume(folder / "brain.nii.gz", np.zeros(host.shape, np.uint8))


def _two_values(folder):
    host = little_brain(0)
    values = np.zeros(host.shape, np.uint8)
    values[10:20], values[20:30] = 1, 2
    host.write_volume(folder / "brain.nii.gz", values)


@pytest.mark.parametrize(
    ("make", "says"), [(_wrong_grid, "brain.nii.gz"), (_empty, "empty mask"), (_two_values, "not a binary mask")]
)
def test_a_bad_brain_mask_is_refused(good, here, tmp_path, make, says):
    make(tmp_path)
    (tmp_path / "hosts.csv").write_text(f"image,brain_mask\n{good},brain.nii.gz\n")
    assert_refused(here("cohort", tmp_path / "hosts.csv", "-o", tmp_path / "cohort", "--cases", 1), says)
    assert not (tmp_path / "cohort").exists()


TABLES = {
    "a column nobody knows": ("image,colour\n{good},red\n", "column 'colour' is unknown"),
    "no column with images": ("name\nx\n", "column 'name' is unknown"),
    "an image that is not there": ("image\ngone.nii.gz\n", "line 2: gone.nii.gz: no such file"),
    "a row without an image": ("image,patient\n,p1\n", "line 2: names no image"),
    "a mask that is not there": ("image,brain_mask\n{good},gone.nii\n", "gone.nii: no such file"),
    "a longer row": ("image\n{good},1,2\n", "line 2 has more columns"),
    "no row": ("image\n", "lists no host"),
    "no line": ("", "lists no host"),
    "another encoding": (b"image\n\xff\xfe\n", "not a text file"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table_of_hosts_is_refused(good, here, tmp_path, name):
    text, says = TABLES[name]
    data = text if isinstance(text, bytes) else text.format(good=good).encode()
    (tmp_path / "hosts.csv").write_bytes(data)
    assert_refused(here("cohort", tmp_path / "hosts.csv", "-o", tmp_path / "c", "--cases", 1), "hosts.csv", says)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("written", "says"),
    [("gone.nii.gz", "gone.nii.gz: no such file"), ("gone*.nii", "no file matches"), (".", "holds no volume")],
)
def test_hosts_that_are_not_there_are_refused(here, tmp_path, monkeypatch, written, says):
    monkeypatch.chdir(tmp_path)
    assert_refused(here("cohort", written, "-o", tmp_path / "c", "--cases", 1), says)


# -- options

OPTIONS = {
    "no number of cases": ([], "--cases is missing"),
    "no case": (["--cases", 0], "--cases 0 is not a whole number from 1"),
    "cases in words": (["--cases", "many"], "--cases", "integer"),
    "both numbers": (["--cases", 1, "--cases-per-host", 1], "--cases excludes cases-per-host"),
    "a negative seed": (["--cases", 1, "--seed", -1], "--seed -1 is not a whole number"),
    "no lesion": (["--cases", 1, "--lesions-per-case", "0:2"], "--lesions-per-case 0:2 is out of range: 1 to 100"),
    "half a lesion": (["--cases", 1, "--lesions-per-case", "1.5"], "not of whole numbers"),
    "a range the wrong way": (["--cases", 1, "--sizes", "9:3"], "--sizes '9:3' is not a range"),
    "lesions larger than a head": (["--cases", 1, "--sizes", "10:300"], "--sizes 10:300 is out of range: 0.5 to 80 mm"),
    "an unknown distribution": (["--cases", 1, "--sizes", "gauss,mean=3"], "'gauss' is unknown"),
    "an unknown structure": (["--cases", 1, "--structures", "ring=1,cystic=1"], "structure 'cystic' is unknown"),
    "weights of nothing": (["--cases", 1, "--structures", "ring=0"], "not all 0"),
    "a core beyond its shell": (["--cases", 1, "--core", "0.95"], "--core 0.95 never lies inside middle"),
    "too much contrast": (["--cases", 1, "--contrast", "1:9"], "--contrast 1:9 is out of range: 0 to 3"),
    "an unknown placement": (["--cases", 1, "--placement", "ventricle"], "choose one of junction, brain, map, points"),
    "a map without its file": (["--cases", 1, "--placement", "map"], "--map is missing"),
    "points beside another placement": (["--cases", 1, "--points", "{points}"], "--points is given, but placement is"),
    "a mask that is not there": (["--cases", 1, "--keep-out", "gone.nii"], "--keep-out", "no such file"),
    "records that are not there": (["--cases", 1, "--records", "gone.tsv"], "--records", "no such file"),
    "records without radii": (["--cases", 1, "--records", "{points}"], "not a table of lesion records"),
    "an unknown bundle": (["--cases", 1, "--bundle", "huge"], "bundle 'huge' is unknown"),
    "an unknown format": (["--cases", 1, "--format", "png"], "--format 'png' is unknown"),
    "an identity without DICOM": (["--cases", 1, "--keep-identity"], "--keep-identity belongs to format dicom"),
    "no worker": (["--cases", 1, "--workers", 0], "--workers 0 is out of range"),
    "an unknown device": (["--cases", 1, "--device", "abacus"], "--device 'abacus' is unknown"),
    "a device that is not here": (["--cases", 1, "--device", "mps"], "device 'mps' is not available"),
    "resume and overwrite": (["--cases", 1, "--resume", "--overwrite"], "exclude each other"),
    "a preview of nothing": (["--cases", 1, "--preview", 0], "--preview 0 is out of range"),
    "a border nobody reaches": (["--cases", 1, "--border", "99"], "--border 99 is out of range"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_makes_no_sense_is_refused(good, here, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "points.csv").write_text("R,A,S\n0,0,0\n")
    given, *says = OPTIONS[name]
    words = [str(word).format(points="points.csv") for word in given]
    assert_refused(here("cohort", good, "-o", tmp_path / "cohort", *words), *says)
    assert [path.name for path in tmp_path.iterdir()] == ["points.csv"]


def test_a_folder_for_the_cohort_must_be_named_and_have_a_parent(good, here, tmp_path):
    assert_refused(here("cohort", good, "--cases", 1), "-o OUT is missing")
    assert_refused(here("cohort", good, "-o", tmp_path / "no" / "cohort", "--cases", 1), "create it first")
    (tmp_path / "file").write_text("mine")
    assert_refused(here("cohort", good, "-o", tmp_path / "file", "--cases", 1), "a file, not a folder")
    assert_refused(here("cohort", "-o", tmp_path / "cohort", "--cases", 1), "HOSTS are missing")


def test_a_host_inside_the_cohort_is_refused(hosts, here):
    folder = hosts.table.parent
    assert_refused(here("cohort", hosts.table, "-o", folder, *options()), "holds other files than a cohort")


# -- recipe files

FILES = {
    "not there": ("gone.yaml", None, "no such file"),
    "another kind": ("recipe.txt", "cases: 1", "not a recipe by its name"),
    "no YAML": ("recipe.yaml", "hosts: [a, b\ncases: 1", "not a YAML file in line"),
    "no JSON": ("recipe.json", "{'cases': 1}", "not a JSON file"),
    "a list": ("recipe.yaml", "- a\n- b\n", "not a recipe"),
    "words": ("recipe.yaml", "two hundred cases", "not a recipe"),
    "nothing": ("recipe.yaml", "", "not a recipe"),
    "code": ("recipe.yaml", "hosts: !!python/object/apply:os.system ['true']", "not a YAML file"),
    "a twin in YAML": ("recipe.yaml", "cases: 1\ncases: 2\n", "'cases' is given twice"),
    "a twin in JSON": ("recipe.json", '{"cases": 1, "cases": 2}', "'cases' is given twice"),
    "a twin with another spelling": ("recipe.yaml", "hosts: x\nring-from: 1\nring_from: 2\n", "with - and with _"),
    "an unknown word": ("recipe.yaml", "hosts: {good}\ncases: 1\nsize: 4\n", "'size' is unknown; known are"),
    "no hosts": ("recipe.yaml", "cases: 1\n", "hosts: are missing"),
    "a bad range": ("recipe.yaml", "hosts: {good}\ncases: 1\nsizes: 8:2\n", "sizes: '8:2' is not a range"),
    "bytes": ("recipe.yaml", b"\xff\xfe\x00", "not a text file"),
    "a loop": ("recipe.yaml", "a: &a [*a]\nhosts: *a\n", "recipe.yaml"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_recipe_file_is_refused_by_name(good, here, tmp_path, name):
    file, text, says = FILES[name]
    if isinstance(text, bytes):
        (tmp_path / file).write_bytes(text)
    elif text is not None:
        (tmp_path / file).write_text(text.replace("{good}", json.dumps(str(good))))
    assert_refused(here("cohort", "--recipe", tmp_path / file, "-o", tmp_path / "cohort"), file, says)
    assert not (tmp_path / "cohort").exists()


# -- what is read with a host


def test_bad_maps_masks_and_points_are_refused(hosts, here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    host = little_brain(0)
    host.write_volume(tmp_path / "negative.nii.gz", np.where(host.voxels > 0, -1, 0).astype(np.int16))
    (tmp_path / "words.nii.gz").write_bytes(b"words")
    (tmp_path / "names.csv").write_text("x,y\n1,2\n")
    (tmp_path / "nan.csv").write_text("R,A,S\n1,2,nan\n")
    (tmp_path / "other.csv").write_text("R,A,S,host\n1,2,3,carl.nii.gz\n")
    for words, says in (
        (("--placement", "map", "--map", "negative.nii.gz"), "none below 0"),
        (("--placement", "map", "--map", "words.nii.gz"), "not a NIfTI image"),
        (("--keep-out", "words.nii.gz"), "not a NIfTI image"),
        (("--placement", "points", "--points", "names.csv"), "give columns R, A and S"),
        (("--placement", "points", "--points", "nan.csv"), "line 2: R, A and S must be finite"),
        (("--placement", "points", "--points", "other.csv"), "lists no place for anna.nii.gz"),
    ):
        assert_refused(here("cohort", hosts.table, "-o", "cohort", "--cases", 1, *words), says)
        assert not (tmp_path / "cohort").exists()


# -- the other commands


def test_verify_export_and_records_refuse_what_is_no_cohort_or_pair(good, here, tmp_path):
    (tmp_path / "empty").mkdir()
    assert_refused(here("verify", tmp_path / "empty"), "recipe.json: no such file")
    assert_refused(here("export", tmp_path / "empty", "-o", tmp_path / "out"), "recipe.json: no such file")
    assert_refused(here("export", tmp_path / "empty", "-o", tmp_path / "out", "--to", "keras"), "choose nnunet")
    assert_refused(here("records", good, "-o", tmp_path / "r.tsv"), "give every image followed by its mask")
    assert_refused(here("records", good, good, "-o", tmp_path / "r.csv"), "end its name in .tsv")
    other = HostBrain.from_array(little_brain(0).voxels[:-4], little_brain(0).affine)
    other.write_volume(tmp_path / "mask.nii.gz", (other.voxels > 0).astype(np.uint8))
    assert_refused(here("records", good, tmp_path / "mask.nii.gz", "-o", tmp_path / "r.tsv"), "on another grid")
    other = little_brain(0)
    other.write_volume(tmp_path / "mask.nii.gz", np.zeros(other.shape, np.uint8))
    assert_refused(here("records", good, tmp_path / "mask.nii.gz", "-o", tmp_path / "r.tsv"), "no lesion of at least")
    assert not (tmp_path / "r.tsv").exists()
