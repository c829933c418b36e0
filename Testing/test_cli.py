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
from pathlib import Path

import nibabel
import numpy as np
import pytest

from cases import BRAIN_SHAPE, CENTER_RAS, LESION, ROOT, Answer, assert_refused, tumorsynth
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


def test_the_help_of_synthesize_tells_ranges_defaults_and_examples():
    help_text = " ".join(tumorsynth("synthesize", "--help").out.replace("│", " ").split())
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
    assert lesion["volume_mm3"] == pytest.approx(4 / 3 * np.pi * 14**3, rel=0.05)
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


def test_the_three_spaces_mean_the_same_place(made, host_file, brain_file, tmp_path):
    ijk = HostBrain.read(host_file).ras_to_ijk(np.array(CENTER_RAS))
    lps = np.array(CENTER_RAS) * (-1, -1, 1)
    for space, center in (("ijk", ijk), ("lps", lps)):
        answer = tumorsynth(
            "synthesize", host_file, "-o", tmp_path / space, "--brain-mask", brain_file, "--space", space,
            "--center", *center.tolist(), "--radii", 14, 10, 5,
        )  # fmt: skip
        assert answer.code == 0, answer.err
        assert voxel_bytes(tmp_path / space) == voxel_bytes(made[0])


def test_another_seed_is_another_lesion_of_the_same_size_and_place(made, host_file, brain_file, tmp_path):
    answer = tumorsynth(
        "synthesize", host_file, "-o", tmp_path / "case", "--brain-mask", brain_file, *LESION, "--seed", 2, "--json"
    )
    assert answer.code == 0, answer.err
    assert voxel_bytes(tmp_path / "case")["image.nii.gz"] != voxel_bytes(made[0])["image.nii.gz"]
    first, second = (facts["lesions"][0]["volume_mm3"] for facts in (made[1].facts, answer.facts))
    assert second == pytest.approx(first, rel=0.02)


def test_several_lesions_are_numbered_in_their_order(host_file, brain_file, tmp_path):
    lesions = [
        {"center": [-25, 10, 5], "radii": [9, 4]},
        {"center": [25, 10, 5], "radii": [8, 5, 3], "structure": "ring"},
    ]
    (tmp_path / "lesions.json").write_text(json.dumps(lesions))
    answer = tumorsynth(
        "synthesize", host_file, "-o", tmp_path / "case", "--brain-mask", brain_file,
        "--lesions", tmp_path / "lesions.json", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    labels = np.asarray(nibabel.load(tmp_path / "case" / "lesion_mask.nii.gz").dataobj)
    host = HostBrain.read(host_file)
    for number, lesion in enumerate(lesions, 1):
        middle = host.ijk_to_ras(np.argwhere(labels == number).mean(axis=0))
        assert np.linalg.norm(middle - lesion["center"]) < 2


def test_overwrite_replaces_a_case(made, host_file, brain_file, tmp_path):
    shutil.copytree(made[0], tmp_path / "case")
    arguments = ("synthesize", host_file, "-o", tmp_path / "case", "--brain-mask", brain_file, *LESION, "--seed", 4)
    assert_refused(tumorsynth(*arguments), "case", "--overwrite")
    assert voxel_bytes(tmp_path / "case") == voxel_bytes(made[0])
    assert tumorsynth(*arguments, "--overwrite").code == 0
    assert voxel_bytes(tmp_path / "case") != voxel_bytes(made[0])
    assert [path.name for path in tmp_path.iterdir()] == ["case"]


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


def test_the_same_case_again_is_the_same_to_the_bit(made, tmp_path):
    answer = tumorsynth("synthesize", "--from", made[0] / "provenance.json", "-o", tmp_path / "again", "--json")
    assert answer.code == 0, answer.err
    assert "warning" not in answer.err
    assert answer.facts["identical"] is True
    assert voxel_bytes(tmp_path / "again") == voxel_bytes(made[0])
    before, after = (provenance.read(folder / "provenance.json") for folder in (made[0], tmp_path / "again"))
    for volatile in ("created", "seconds"):
        before.pop(volatile), after.pop(volatile)
    assert before == after


def test_a_host_that_was_moved_and_changed_its_format_serves_too(made, host_file, tmp_path):
    host = HostBrain.read(host_file)
    host.write_volume(tmp_path / "moved.nrrd", host.voxels)
    recipe = edited(made[0], tmp_path / "p.json", "host", "file", value="/gone/brain.nii.gz")
    assert_refused(tumorsynth("synthesize", "--from", recipe, "-o", tmp_path / "again"), "/gone/brain.nii.gz")
    answer = tumorsynth("synthesize", "--from", recipe, "-o", tmp_path / "again", "--host", tmp_path / "moved.nrrd")
    assert answer.code == 0, answer.err
    assert voxel_bytes(tmp_path / "again") == voxel_bytes(made[0])


def test_what_is_not_the_same_is_refused_by_name(made, here, tmp_path):
    for keys, says in (
        (("host", "checksum"), "not the host"),
        (("bundle", "checksum"), "bundle 'default' is not the one"),
        (("brain_mask", "checksum"), "not the brain mask"),
    ):
        recipe = edited(made[0], tmp_path / "p.json", *keys, value="0" * 64)
        assert_refused(here("synthesize", "--from", recipe, "-o", tmp_path / "again"), says)
        assert not (tmp_path / "again").exists()


def test_other_libraries_and_devices_are_warned_about_in_one_line(made, tmp_path):
    recipe = edited(made[0], tmp_path / "p.json", "libraries", "torch", value="1.0")
    recipe = edited_again(recipe, "device", "cuda:7")
    answer = tumorsynth("synthesize", "--from", recipe, "-o", tmp_path / "again")
    assert answer.code == 0, answer.err
    (warning,) = (line for line in answer.err.splitlines() if line.startswith("warning: "))
    assert "instead of 1.0" in warning and "instead of cuda:7" in warning


def edited_again(path: Path, key: str, value: object) -> Path:
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, key: value}))
    return path


# -- the other commands


def test_a_brain_mask_is_written_on_the_host_s_grid(host_file, tmp_path):
    answer = tumorsynth("brain-mask", host_file, "-o", tmp_path / "mask.nii.gz", "--json")
    assert answer.code == 0, answer.err
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    assert mask.shape == BRAIN_SHAPE and mask.get_data_dtype() == np.uint8
    assert mask.header["descrip"].tobytes().rstrip(b"\0") == b"TumorSynth brain mask"
    host = HostBrain.read(host_file)
    inside = np.asarray(mask.dataobj) > 0
    assert np.array_equal(inside, LesionSynthesizer.from_bundle().find_brain(host).mask)
    assert answer.facts["volume_ml"] == pytest.approx(inside.sum() * host.voxel_volume_mm3 / 1000, abs=0.1)
    assert list(tmp_path.iterdir()) == [tmp_path / "mask.nii.gz"]


def test_bundles_are_listed_shown_and_verified(here):
    listed = here("bundle", "list")
    assert listed.code == 0 and "default" in listed.out
    shown = here("bundle", "show", "default")
    assert shown.code == 0 and "checksum" in shown.out and "paint network" in shown.out
    verified = here("bundle", "verify", "--json")
    assert verified.code == 0 and "default" in verified.facts["intact"]
