"""`tumorsynth` as a person runs it: what it writes, and how it refuses."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from cases import BRAIN_SHAPE, CENTER_RAS, LESION, RADII_MM, ROOT, Answer, assert_refused, case_by_hand, tumorsynth
from TumorSynthLib import provenance
from TumorSynthLib.case_files import FILES
from TumorSynthLib.host import HostBrain
from TumorSynthLib.parameters import Appearance, ranges
from TumorSynthLib.spheres import MAX_RADIUS_MM, STRUCTURES
from TumorSynthLib.synthesis import LesionSynthesizer


@pytest.fixture(scope="module")
def made(host_file, brain_file, tmp_path_factory) -> tuple[Path, Answer]:
    """One case as the command line makes it."""
    folder = tmp_path_factory.mktemp("made") / "case"
    answer = tumorsynth("synthesize", host_file, "-o", folder, "--brain-mask", brain_file, *LESION, "--json")
    assert answer.code == 0, answer.err
    return folder, answer


def voxel_bytes(folder: Path) -> dict[str, bytes]:
    return {name: gzip.decompress((folder / name).read_bytes())[352:] for name in FILES[:3]}


# -- help


def test_help_loads_neither_networks_nor_arrays():
    code = "import sys, TumorSynthLib, TumorSynthLib.cli; print({'torch', 'monai', 'numpy', 'scipy'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize(
    "arguments", [(), ("--help",), ("bundle", "--help"), ("brain-mask", "--help"), ("bench", "--help")]
)
def test_every_command_explains_itself(here, arguments):
    answer = here(*arguments)
    assert answer.code == 0
    assert "Usage: tumorsynth" in answer.out and answer.err == ""


def test_the_help_of_synthesize_tells_ranges_defaults_and_examples(here, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    help_text = " ".join(here("synthesize", "--help").out.replace("│", " ").split())
    for field, limits in ranges().items():
        assert f"From {limits.low:g} to {limits.high:g}" in help_text
        assert f"[default: {getattr(Appearance, field)}]" in help_text
    assert "|".join(STRUCTURES) in help_text
    assert f"at most {MAX_RADIUS_MM:g}." in help_text
    assert "--center 30 -20 15 --radii 14 10 5 --structure ring" in help_text


def test_the_version_is_told(here):
    assert re.fullmatch(r"TumorSynth \d+\.\d+\.\d+\n", here("--version").out)


# -- a case


def test_a_case_is_what_was_asked_and_only_that(made, host_file):
    folder, _ = made
    host = HostBrain.read(host_file)
    image = HostBrain.read(folder / "image.nii.gz")
    labels = np.asarray(nibabel.load(folder / "lesion_mask.nii.gz").dataobj)
    intensity_map = np.asarray(nibabel.load(folder / "intensity_map.nii.gz").dataobj)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert image.voxels.dtype == host.voxels.dtype and image.same_grid(host.shape, host.affine)
    assert set(np.unique(labels)) == {0, 1}
    assert np.array_equal(intensity_map > 0, labels > 0)
    changed = image.voxels != host.voxels
    assert changed[labels > 0].mean() > 0.9
    far = np.linalg.norm(host.ijk_to_ras(np.argwhere(changed)) - CENTER_RAS, axis=1)
    assert far.max() < 60


def test_json_tells_paths_lesions_and_seconds(made):
    folder, answer = made
    facts = answer.facts
    assert facts["synthetic"] is True
    assert facts["folder"] == str(folder)
    assert all(Path(path).is_file() for path in facts["files"].values())
    (lesion,) = facts["lesions"]
    assert lesion["center_ras"] == list(CENTER_RAS)
    assert lesion["volume_mm3"] == pytest.approx(4 / 3 * np.pi * RADII_MM[0] ** 3, rel=0.05)
    assert np.linalg.norm(np.subtract(lesion["centroid_ras"], CENTER_RAS)) < 2
    assert facts["seconds"] > 0


def test_progress_is_plain_lines_where_there_is_no_terminal(made):
    lines = made[1].err.splitlines()
    assert lines and all(re.fullmatch(r"[^\x1b]+: done after [\d.]+ s", line) for line in lines)


def test_provenance_names_host_mask_and_results(made, host_file, brain_file):
    record = provenance.read(made[0] / "provenance.json")
    assert record["host"]["file"] == str(host_file.resolve())
    assert record["host"]["checksum"] == HostBrain.read(host_file).checksum()
    assert record["brain_mask"]["file"] == str(brain_file.resolve())
    assert set(record["outputs"]) == set(FILES[:3])


def test_several_lesions_are_numbered_in_their_order_wherever_their_centres_count_from(
    here, host_file, brain_file, tmp_path
):
    host = HostBrain.read(host_file)
    places = np.array([[-25.0, 10, 5], [25, 10, 5]])
    lesions = [
        {"center": (places[0] * (-1, -1, 1)).tolist(), "radii": [6, 4]},
        {"center": host.ras_to_ijk(places[1]).tolist(), "radii": [5, 4, 3], "structure": "ring", "space": "ijk"},
    ]
    (tmp_path / "lesions.json").write_text(json.dumps(lesions))
    answer = here(
        "synthesize", host_file, "-o", tmp_path / "case", "--brain-mask", brain_file,
        "--lesions", tmp_path / "lesions.json", "--space", "lps", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    labels = np.asarray(nibabel.load(tmp_path / "case" / "lesion_mask.nii.gz").dataobj)
    for number, place in enumerate(places, 1):
        middle = host.ijk_to_ras(np.argwhere(labels == number).mean(axis=0))
        assert np.linalg.norm(middle - place) < 2
    assert [lesion["structure"] for lesion in answer.facts["lesions"]] == ["solid", "ring"]


def test_a_case_is_replaced_only_when_asked_and_another_seed_is_another_lesion_of_the_same_size(
    made, here, host_file, brain_file, tmp_path
):
    shutil.copytree(made[0], tmp_path / "case")
    arguments = ("synthesize", host_file, "-o", tmp_path / "case", "--brain-mask", brain_file, *LESION, "--seed", 4)
    assert_refused(here(*arguments), "case", "--overwrite")
    assert voxel_bytes(tmp_path / "case") == voxel_bytes(made[0])
    answer = here(*arguments, "--overwrite", "--json")
    assert answer.code == 0, answer.err
    assert voxel_bytes(tmp_path / "case")["image.nii.gz"] != voxel_bytes(made[0])["image.nii.gz"]
    first, second = (facts["lesions"][0]["volume_mm3"] for facts in (made[1].facts, answer.facts))
    assert second == pytest.approx(first, rel=0.02)
    assert [path.name for path in tmp_path.iterdir()] == ["case"]


def test_notes_about_a_lesion_follow_on_standard_error(here, host_file, brain_file, tmp_path, monkeypatch):
    def case_with_notes(self, host, requests, **others):
        case = case_by_hand(host)
        lesions = [{**case.provenance["lesions"][0], "notes": ["little room"]} for _ in requests]
        return replace(case, provenance={**case.provenance, "lesions": lesions})

    monkeypatch.setattr(LesionSynthesizer, "from_bundle", classmethod(lambda cls, *names, **more: object.__new__(cls)))
    monkeypatch.setattr(LesionSynthesizer, "synthesize_many", case_with_notes)
    arguments = ("synthesize", host_file, "--brain-mask", brain_file)
    assert here(*arguments, "-o", tmp_path / "one", *LESION).err == "note: little room\n"
    lesion = {"center": CENTER_RAS, "radii": RADII_MM}
    (tmp_path / "lesions.json").write_text(json.dumps([lesion, lesion]))
    answer = here(*arguments, "-o", tmp_path / "two", "--lesions", tmp_path / "lesions.json", "--json")
    assert answer.err == "note: lesion 1: little room\nnote: lesion 2: little room\n"
    assert [lesion["notes"] for lesion in answer.facts["lesions"]] == [["little room"]] * 2


def test_an_interruption_while_painting_leaves_nothing(host_file, brain_file, tmp_path):
    command = [sys.executable, "-m", "TumorSynthLib", "synthesize", host_file, "-o", tmp_path / "case"]
    command += ["--brain-mask", brain_file, *LESION]
    child = subprocess.Popen(
        [*map(str, command)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "done after" in child.stderr.readline()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 130
    assert out == "" and "Traceback" not in err
    assert not list(tmp_path.iterdir())


# -- the same case again


def edited(folder: Path, target: Path, *keys: str, value: object) -> Path:
    record = json.loads((folder / "provenance.json").read_text())
    part = record
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    target.write_text(json.dumps(record))
    return target


def test_the_same_case_again_is_the_same_to_the_bit_though_its_host_was_moved(made, here, host_file, tmp_path):
    host = HostBrain.read(host_file)
    host.write_volume(tmp_path / "moved.nrrd", host.voxels)
    recipe = edited(made[0], tmp_path / "p.json", "host", "file", value="/gone/brain.nii.gz")
    again = ("synthesize", "--from", recipe, "-o", tmp_path / "again", "--json")
    assert_refused(here(*again), "/gone/brain.nii.gz")
    answer = here(*again, "--host", tmp_path / "moved.nrrd")
    assert answer.code == 0, answer.err
    assert "warning" not in answer.err
    assert answer.facts["identical"] is True
    assert voxel_bytes(tmp_path / "again") == voxel_bytes(made[0])
    before, after = (provenance.read(folder / "provenance.json") for folder in (made[0], tmp_path / "again"))
    for volatile in ("created", "seconds"):
        before.pop(volatile), after.pop(volatile)
    assert after["host"].pop("file") == str((tmp_path / "moved.nrrd").resolve())
    assert before["host"].pop("file") == str(host_file.resolve())
    assert before == after


def test_what_is_not_the_same_is_refused_by_name(made, here, tmp_path):
    for keys, says in (
        (("host", "checksum"), "not the host"),
        (("bundle", "checksum"), "bundle 'default' is not the one"),
        (("brain_mask", "checksum"), "not the brain mask"),
    ):
        recipe = edited(made[0], tmp_path / "p.json", *keys, value="0" * 64)
        assert_refused(here("synthesize", "--from", recipe, "-o", tmp_path / "again"), says)
        assert not (tmp_path / "again").exists()


def test_other_libraries_and_devices_are_warned_about_in_one_line(made, here, tmp_path):
    recipe = edited(made[0], tmp_path / "p.json", "libraries", "torch", value="1.0")
    recipe = edited_again(recipe, "device", "cuda:7")
    answer = here("synthesize", "--from", recipe, "-o", tmp_path / "again", "--device", "cpu")
    assert answer.code == 0, answer.err
    (warning,) = (line for line in answer.err.splitlines() if line.startswith("warning: "))
    assert "instead of 1.0" in warning and "instead of cuda:7" in warning and "the same all the same" in warning


def edited_again(path: Path, key: str, value: object) -> Path:
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, key: value}))
    return path


# -- the other commands


def test_a_brain_mask_is_written_on_the_host_s_grid_and_is_the_brain_that_lesions_are_put_into(
    here, host_file, tmp_path
):
    answer = here("brain-mask", host_file, "-o", tmp_path / "mask.nii.gz", "--json")
    assert answer.code == 0, answer.err
    assert list(tmp_path.iterdir()) == [tmp_path / "mask.nii.gz"]
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    assert mask.shape == BRAIN_SHAPE and mask.get_data_dtype() == np.uint8
    assert mask.header["descrip"].tobytes().rstrip(b"\0") == b"TumorSynth brain mask"
    host = HostBrain.read(host_file)
    inside = np.asarray(mask.dataobj) > 0
    assert answer.facts["volume_ml"] == pytest.approx(inside.sum() * host.voxel_volume_mm3 / 1000, abs=0.1)
    case = here("synthesize", host_file, "-o", tmp_path / "case", *LESION, "--json")
    assert case.code == 0, case.err
    found = case.facts["brain_mask"]
    assert found["checksum"] == provenance.mask_checksum(inside) and found["method"] == answer.facts["method"]


def test_bundles_are_listed_shown_and_verified(here):
    listed = here("bundle", "list")
    assert listed.code == 0 and "default" in listed.out
    shown = here("bundle", "show", "default")
    assert shown.code == 0 and "checksum" in shown.out and "paint network" in shown.out
    verified = here("bundle", "verify", "--json")
    assert verified.code == 0 and "default" in verified.facts["intact"]
