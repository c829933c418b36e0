"""Cohorts as they are made: what is written, that it is the same however it is made, and made again."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from cases import ROOT, assert_refused, brain_of, tumorsynth
from cohort_cases import SMALL, lasting, little_brain, options, small, two_hosts
from TumorSynthLib import LesionSynthesizer, provenance
from TumorSynthLib.cohorts import Cancelled, HostEntry, Recipe, make_cohort, verify_cohort
from TumorSynthLib.cohorts.contact_sheet import cases_to_show
from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain
from volumes import write_dicom_slices


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    return two_hosts(tmp_path_factory.mktemp("two hosts"))


@pytest.fixture(scope="module")
def made(hosts, tmp_path_factory):
    """Three cases by the command line, in one process of its own."""
    folder = tmp_path_factory.mktemp("made") / "cohort"
    answer = tumorsynth("cohort", hosts.table, "-o", folder, *options(), "--json")
    assert answer.code == 0, answer.err
    return folder, answer


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def sidecar(folder: Path, case: int) -> Path:
    return folder / f"sub-{case:05d}" / "anat" / f"sub-{case:05d}_desc-synthetic_T1w.json"


def volume(folder: Path, case: int, what: str) -> Path:
    return folder / f"sub-{case:05d}" / "anat" / f"sub-{case:05d}_{what}.nii.gz"


# -- what is written


def test_json_tells_what_was_made(made):
    facts = made[1].facts
    assert (facts["cases"], facts["made"], facts["existing"], facts["failures"]) == (3, 3, 0, [])
    assert facts["synthetic"] is True and facts["folder"] == str(made[0])


def test_every_case_holds_its_lesions_and_no_other_change(made, hosts):
    folder = made[0]
    for case in range(1, 4):
        host = HostBrain.read(hosts.entries[(case - 1) % 2].image)
        image = HostBrain.read(volume(folder, case, "desc-synthetic_T1w"))
        labels = np.asarray(nibabel.load(volume(folder, case, "desc-lesions_dseg")).dataobj)
        mask = np.asarray(nibabel.load(volume(folder, case, "desc-lesion_mask")).dataobj)
        grey = np.asarray(nibabel.load(volume(folder, case, "desc-intensity_map")).dataobj)
        lesions = json.loads(sidecar(folder, case).read_text())["lesions"]
        assert image.same_grid(host.shape, host.affine) and image.voxels.dtype == host.voxels.dtype
        assert set(np.unique(labels)) == set(range(len(lesions) + 1))
        assert np.array_equal(mask, labels > 0) and np.array_equal(grey > 0, labels > 0)
        changed = image.voxels != host.voxels
        assert changed[mask > 0].mean() > 0.9 and not (changed & ~brain_of(host)).any()
        for number, lesion in enumerate(lesions, 1):
            middle = host.ijk_to_ras(np.argwhere(labels == number).mean(0))
            assert np.linalg.norm(middle - lesion["center_ras"]) < 2


def test_the_tables_agree_with_the_cases(made):
    folder = made[0]
    cases, lesions = rows_of(folder, "participants.tsv"), rows_of(folder, "lesions.tsv")
    assert [row["participant_id"] for row in cases] == [f"sub-{case:05d}" for case in range(1, 4)]
    assert [row["patient"] for row in cases] == ["anna", "björn", "anna"]
    assert [row["host"] for row in cases] == ["anna.nii.gz", "björn scan.nii.gz", "anna.nii.gz"]
    for case, row in enumerate(cases, 1):
        record = json.loads(sidecar(folder, case).read_text())
        own = [lesion for lesion in lesions if lesion["participant_id"] == row["participant_id"]]
        assert len(own) == int(row["lesions"]) == len(record["lesions"])
        for lesion, facts in zip(own, record["lesions"], strict=True):
            assert [float(x) for x in lesion["radii_mm"].split()] == pytest.approx(facts["radii_mm"], rel=1e-5)
            assert float(lesion["volume_mm3"]) == pytest.approx(facts["volume_mm3"], rel=1e-5)
            assert 4 <= float(lesion["diameter_mm"]) <= 7
    assert (folder / "failures.tsv").read_text() == "participant_id\thost\tstage\treason\n"


def test_a_derivative_data_set_says_what_it_is(made):
    folder = made[0]
    description = json.loads((folder / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative" and "SYNTHETIC" in description["Name"]
    assert description["GeneratedBy"][0]["Name"] == "TumorSynth"
    for case in range(1, 4):
        assert nibabel.load(volume(folder, case, "desc-synthetic_T1w")).header["descrip"].tobytes()[:9] == b"SYNTHETIC"
        assert json.loads(sidecar(folder, case).read_text())["synthetic"] is True
    assert "Not for diagnosis" in (folder / "README.md").read_text()


def test_sha256sum_agrees(made):
    command = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    done = subprocess.run(command, cwd=made[0], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_monai_reads_the_list(made):
    from monai.data import load_decathlon_datalist
    from monai.transforms import LoadImaged

    found = load_decathlon_datalist(made[0] / "dataset.json", True, "training", base_dir=str(made[0]))
    assert [item["fold"] for item in found] == [0, 1, 0]
    loaded = LoadImaged(keys=("image", "label"))(found[2])
    assert loaded["image"].shape == loaded["label"].shape and set(np.unique(loaded["label"])) == {0, 1}


def test_an_export_is_laid_out_for_nnunet(made, here, tmp_path):
    folder = tmp_path / "Dataset501_Synthetic"
    answer = here("export", made[0], "-o", folder, "--json")
    assert answer.code == 0 and answer.facts["cases"] == 3, answer.err
    description = json.loads((folder / "dataset.json").read_text())
    assert description["labels"] == {"background": 0, "lesion": 1} and description["numTraining"] == 3
    for case in range(1, 4):
        image = nibabel.load(folder / "imagesTr" / f"sub-{case:05d}_0000.nii.gz")
        label = np.asarray(nibabel.load(folder / "labelsTr" / f"sub-{case:05d}.nii.gz").dataobj)
        assert image.shape == label.shape and set(np.unique(label)) == {0, 1}
    splits = json.loads((folder / "splits_final.json").read_text())
    assert splits[0] == {"train": ["sub-00002"], "val": ["sub-00001", "sub-00003"]}
    assert_refused(here("export", made[0], "-o", folder), "exists already")


# -- the same however it is made


WITH_WORKERS = """
import sys
sys.path.insert(0, sys.argv[1])
from TumorSynthLib.cohorts import Recipe, make_cohort
from TumorSynthLib.cohorts.recipe_files import read_recipe_file
print(make_cohort(Recipe.of(read_recipe_file(Path(sys.argv[2]))), "cohort", workers=2).made)
"""


def test_two_worker_processes_make_the_same_bytes_wherever_one_stands(made, tmp_path):
    """From another folder, by a script without a main guard, and without the library on the workers' path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", "from pathlib import Path" + WITH_WORKERS, str(ROOT), str(made[0] / "recipe.json")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "3\n", done.stderr
    assert lasting(tmp_path / "cohort") == lasting(made[0])


def test_threads_of_the_caller_do_not_matter_and_stay_as_they_were(made, hosts, tmp_path):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        make_cohort(small(hosts), tmp_path / "cohort")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert lasting(tmp_path / "cohort") == lasting(made[0])


def test_more_cases_join_and_the_first_stay(made, hosts, here, tmp_path):
    """The first case alone, then all: what is there is not touched, and the rest is what it would have been."""
    folder = tmp_path / "cohort"
    assert here("cohort", hosts.table, "-o", folder, *options(cases=1)).code == 0
    first = volume(folder, 1, "desc-synthetic_T1w").stat()
    answer = here("cohort", "-o", folder, "--resume", "--cases", 3, "--json")
    assert answer.code == 0 and (answer.facts["made"], answer.facts["existing"]) == (2, 1), answer.err
    assert volume(folder, 1, "desc-synthetic_T1w").stat().st_mtime_ns == first.st_mtime_ns
    assert lasting(folder) == lasting(made[0])
    assert_refused(here("cohort", "-o", folder, "--resume", "--cases", 2), "begun for 3 cases, not 2")


def test_a_case_alone_comes_again_from_its_sidecar(made, here, tmp_path):
    answer = here("synthesize", "--from", sidecar(made[0], 2), "-o", tmp_path / "again", "--json")
    assert answer.code == 0, answer.err
    assert answer.facts["identical"] is True and "warning" not in answer.err
    for name, what in (("image", "desc-synthetic_T1w"), ("lesion_mask", "desc-lesions_dseg")):
        again = (tmp_path / "again" / f"{name}.nii.gz").read_bytes()
        assert gzip.decompress(again) == gzip.decompress(volume(made[0], 2, what).read_bytes())


def test_nothing_to_do_is_done_at_once(made, here):
    before = lasting(made[0])
    answer = here("cohort", "-o", made[0], "--resume", "--json")
    assert answer.code == 0 and (answer.facts["made"], answer.facts["existing"]) == (0, 3)
    assert lasting(made[0]) == before


# -- Python


def test_images_in_memory_are_kept_with_the_cohort_and_progress_is_told(hosts, tmp_path):
    read = HostBrain.read(hosts.entries[0].image)
    host = HostBrain.from_array(read.voxels, read.affine)
    events = []
    recipe = Recipe(hosts=HostEntry(host, brain_of(host)), **{**SMALL, "cases": 2})
    summary = make_cohort(recipe, tmp_path / "cohort", progress=events.append)
    assert (summary.made, summary.failures, summary.missing) == (2, (), 0)
    assert [event.done for event in events if event.stage == "making cases"][-1] == 2
    source = Path(json.loads(sidecar(tmp_path / "cohort", 1).read_text())["host"]["file"])
    assert source.is_relative_to(tmp_path / "cohort" / "sourcedata")
    assert np.array_equal(HostBrain.read(source).voxels, host.voxels)
    again = make_cohort(recipe, tmp_path / "cohort", resume=True)
    assert (again.made, again.existing) == (0, 2)


def test_cancelling_keeps_what_is_finished_and_resume_makes_the_rest(made, hosts, tmp_path):
    done = []
    with pytest.raises(Cancelled) as end:
        make_cohort(
            small(hosts), tmp_path / "cohort", progress=lambda e: done.append(e.done), cancelled=lambda: 2 in done[-1:]
        )
    assert (end.value.summary.made, end.value.summary.cancelled) == (2, True)
    assert len(rows_of(tmp_path / "cohort", "participants.tsv")) == 2
    assert not list((tmp_path / "cohort" / ".tumorsynth" / "drafts").iterdir())
    make_cohort(None, tmp_path / "cohort", resume=True)
    assert lasting(tmp_path / "cohort") == lasting(made[0])


# -- failures of single cases


def test_a_host_that_cannot_be_used_costs_only_its_own_cases(hosts, here, tmp_path):
    (tmp_path / "broken.nii.gz").write_bytes(hosts.entries[0].image.read_bytes()[:2000])
    table = f"image,brain_mask\n{hosts.entries[0].image},{hosts.entries[0].brain_mask}\nbroken.nii.gz,\n"
    (tmp_path / "hosts.csv").write_text(table, encoding="utf-8")
    folder = tmp_path / "cohort"
    answer = here("cohort", tmp_path / "hosts.csv", "-o", folder, *options(cases=3), "--json")
    assert answer.code == 3, answer.err
    assert answer.facts["made"] == 2 and answer.facts["failures"][0]["case"] == 2
    (failure,) = rows_of(folder, "failures.tsv")
    assert failure["participant_id"] == "sub-00002" and "truncated" in failure["reason"]
    assert "failed: case 2: " in answer.err and "Traceback" not in answer.err
    assert not (folder / "sub-00002").exists()
    shutil.copyfile(hosts.entries[1].image, tmp_path / "broken.nii.gz")  # put right, and tried again
    answer = here("cohort", "-o", folder, "--resume", "--json")
    assert answer.code == 0 and answer.facts["made"] == 1, answer.err
    assert rows_of(folder, "failures.tsv") == []


def test_a_host_that_was_exchanged_meanwhile_is_not_used(hosts, here, tmp_path):
    shutil.copyfile(hosts.entries[0].image, tmp_path / "host.nii.gz")
    shutil.copyfile(hosts.entries[0].brain_mask, tmp_path / "brain.nii.gz")
    (tmp_path / "hosts.csv").write_text("image,brain_mask\nhost.nii.gz,brain.nii.gz\n")
    assert here("cohort", tmp_path / "hosts.csv", "-o", tmp_path / "cohort", *options(cases=1)).code == 0
    shutil.copyfile(hosts.entries[1].image, tmp_path / "host.nii.gz")
    answer = here("cohort", "-o", tmp_path / "cohort", "--resume", "--cases", 2)
    assert answer.code == 3 and "changed since this cohort was begun" in answer.err


# -- what is in the way


def test_a_cohort_is_replaced_only_when_asked(made, hosts, here, tmp_path):
    folder = tmp_path / "cohort"
    shutil.copytree(made[0], folder)
    other = ("cohort", hosts.table, "-o", folder, *options(seed=4, cases=1))
    assert_refused(here(*other), "exists already", "--resume", "--overwrite")
    assert_refused(here(*other, "--resume"), "begun with seed 3, not 4")
    assert lasting(folder) == lasting(made[0])
    assert here(*other, "--overwrite").code == 0
    assert sorted(path.name for path in folder.glob("sub-*")) == ["sub-00001"]
    assert verify_cohort(folder, remake=0).faults == ()


def test_a_folder_of_something_else_is_left_alone(made, hosts, here, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    command = ("cohort", hosts.table, *options())
    for flag in ((), ("--overwrite",), ("--resume",)):
        assert_refused(here(*command, "-o", tmp_path / "notes", *flag), "diary.txt")
    shutil.copytree(made[0], tmp_path / "cohort")
    (tmp_path / "cohort" / "diary.txt").write_text("mine")
    assert_refused(here(*command, "-o", tmp_path / "cohort", "--overwrite"), "diary.txt")
    assert lasting(made[0]).items() <= lasting(tmp_path / "cohort").items()


# -- verify


def test_verify_compares_all_and_makes_some_again(made, here):
    answer = here("verify", made[0], "--remake", 2, "--json")
    assert answer.code == 0, answer.err
    assert answer.facts["intact"] is True and len(answer.facts["remade"]) == 2 and answer.facts["cases"] == 3


def test_verify_finds_what_was_changed_lost_or_added(made, here, tmp_path):
    folder = tmp_path / "cohort"
    shutil.copytree(made[0], folder)
    changed = volume(folder, 1, "desc-lesion_mask")
    data = bytearray(changed.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(data)
    volume(folder, 2, "desc-intensity_map").unlink()
    (folder / "sub-00002" / "anat" / "note.txt").write_text("mine")
    shutil.rmtree(folder / "sub-00003")
    answer = here("verify", folder, "--remake", 0)
    assert answer.code == 2 and answer.err.splitlines()[-1].startswith("error: ") and "Traceback" not in answer.err
    for says in ("sub-00001_desc-lesion_mask.nii.gz: was changed", "sub-00002_desc-intensity_map.nii.gz: is missing",
                 "note.txt: is not of this cohort", "sub-00003: is missing"):  # fmt: skip
        assert says in answer.out


def test_verify_notices_voxels_that_a_recipe_does_not_give(made, tmp_path):
    """Checksums all agree, but case and sidecar are not what the recipe leads to."""
    folder = tmp_path / "cohort"
    shutil.copytree(made[0], folder)
    record = json.loads(sidecar(folder, 1).read_text())
    record["outputs"]["image.nii.gz"] = "0" * 64
    sidecar(folder, 1).write_text(json.dumps(record))
    sums = subprocess.run(["sha256sum", sidecar(folder, 1)], capture_output=True, text=True).stdout.split()[0]
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    name = sidecar(folder, 1).relative_to(folder).as_posix()
    (folder / "SHA256SUMS").write_text("".join(f"{sums}  {name}\n" if x.endswith(name) else x + "\n" for x in lines))
    found = verify_cohort(folder, remake=3)
    assert len(found.faults) == 1 and "made again has other voxels in image.nii.gz" in found.faults[0]


# -- before it is made


def test_a_dry_run_tells_the_lesions_that_will_be_made(made, hosts, here, tmp_path):
    answer = here("cohort", hosts.table, "-o", tmp_path / "cohort", *options(), "--dry-run", "--json")
    assert answer.code == 0 and not list(tmp_path.iterdir()), answer.err
    told = answer.facts["first_cases"]
    for case in told:
        lesions = json.loads(sidecar(made[0], case["case"]).read_text())["lesions"]
        assert case["diameters_mm"] == [round(2 * lesion["radii_mm"][0], 1) for lesion in lesions]
    assert answer.facts["lesions"] == sum(len(case["diameters_mm"]) for case in told)


def test_a_preview_is_a_picture_and_nothing_else(hosts, here, tmp_path):
    answer = here("cohort", hosts.table, "-o", tmp_path / "cohort", *options(cases=2), "--preview", 4, "--json")
    assert answer.code == 0, answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.png"]
    assert (tmp_path / "cohort.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert cases_to_show(small(hosts, cases=100), 3) == [1, 50, 100]


# -- DICOM


def test_a_cohort_of_dicom_comes_again_to_the_byte_and_from_each_sidecar(here, tmp_path):
    pytest.importorskip("highdicom")
    host = little_brain(0)
    write_dicom_slices(tmp_path / "series", host.voxels, host.affine)
    host.write_volume(tmp_path / "brain.nii.gz", brain_of(host).astype(np.uint8))
    (tmp_path / "hosts.csv").write_text("image,brain_mask\nseries,brain.nii.gz\n")
    arguments = ("--cases", 1, "--sizes", 6, "--placement", "brain", "--format", "dicom")
    for name in ("one", "two"):
        answer = here("cohort", tmp_path / "hosts.csv", "-o", tmp_path / name, *arguments)
        assert answer.code == 0, answer.err
    assert lasting(tmp_path / "one") == lasting(tmp_path / "two")
    case = sidecar(tmp_path / "one", 1)
    assert sorted(path.name for path in (case.parent / "dicom").iterdir()) == [
        "image", "intensity_map", "lesion_mask.dcm"
    ]  # fmt: skip
    image = HostBrain.read(case.parent / "dicom" / "image")
    assert image.shape == host.shape and json.loads(case.read_text())["host"]["file"] is None
    masks = ("--brain-mask", tmp_path / "brain.nii.gz")
    again = here("synthesize", "--from", case, "--host", tmp_path / "series", *masks, "-o", tmp_path / "c", "--json")
    assert again.code == 0 and again.facts["identical"] is True, again.err
    assert_refused(here("export", tmp_path / "one", "-o", tmp_path / "x"), "make it with --format nifti")


# -- cross-placement


def test_spheres_of_other_patients_are_put_into_this_brain(made, hosts, here, tmp_path):
    """The lesions of one cohort, as records for another: each host gets only what another patient had."""
    answer = here(
        "cohort", hosts.table, "-o", tmp_path / "cohort", "--cases", 2, "--placement", "brain",
        "--records", made[0] / "lesions.tsv", "--lesions-per-case", 1,
    )  # fmt: skip
    assert answer.code == 0, answer.err
    source = {row: lesion for row, lesion in enumerate(rows_of(made[0], "lesions.tsv"), 2)}
    for lesion in rows_of(tmp_path / "cohort", "lesions.tsv"):
        taken_from = source[int(lesion["record"])]
        assert taken_from["patient"] != lesion["patient"]
        assert taken_from["radii_mm"] == lesion["radii_mm"] and taken_from["values"] == lesion["values"]


def test_records_measured_on_images_have_their_volumes_and_their_rims(here, hosts, tmp_path):
    host = HostBrain.read(hosts.entries[0].image)
    image, mask = host.voxels.copy(), np.zeros(host.shape, np.uint8)
    distance = {c: np.linalg.norm(np.indices(host.shape).T - c, axis=-1).T for c in ((15, 30, 24), (36, 30, 24))}
    for (center, away), levels in zip(distance.items(), ((1500, 1100, 500), (500, 1000, 1600)), strict=True):
        for radius, level in zip((6, 5, 3.5), levels, strict=True):
            image[away <= radius] = level
        mask[away <= 6] = 1
        assert mask[center]
    host.write_volume(tmp_path / "t1c.nii.gz", image)
    host.write_volume(tmp_path / "tumour.nii.gz", mask)
    answer = here("records", tmp_path / "t1c.nii.gz", tmp_path / "tumour.nii.gz", "-o", tmp_path / "r.tsv", "--json")
    assert answer.code == 0 and answer.facts["lesions"] == 2, answer.err
    ring, solid = rows_of(tmp_path, "r.tsv")
    assert ring["values"] == "1 0.75 0.5" and solid["values"] == "0.5 0.75 1"
    for row in (ring, solid):
        outer, middle, core = (float(r) / 2 for r in row["radii_mm"].split())  # voxels of 2 mm
        assert outer == pytest.approx(6, abs=0.15)
        assert middle == pytest.approx(5, abs=0.5) and core == pytest.approx(3.5, abs=0.7)


# -- provenance


def test_a_sidecar_tells_everything_and_nothing_of_when(made):
    record = provenance.read(sidecar(made[0], 3))
    assert record["threads"] == 1 and record["device"] and record["libraries"]["torch"]
    assert record["cohort"]["case"] == 3 and record["cohort"]["seed"] == 3
    assert record["tool"]["code"] == provenance.code_checksum()
    assert "created" not in record and "seconds" not in record
    log = rows_of(made[0], "run_log.tsv")
    assert {row["what"] for row in log} >= {f"sub-{case:05d}" for case in range(1, 4)}
    assert all(float(row["seconds"]) > 0 for row in log)


def test_networks_and_hosts_are_loaded_once(hosts, tmp_path, monkeypatch):
    loaded, read = [], []
    of_bundle, of_file = LesionSynthesizer.from_bundle.__func__, HostBrain.read.__func__
    monkeypatch.setattr(
        LesionSynthesizer, "from_bundle", classmethod(lambda c, *a, **k: loaded.append(a) or of_bundle(c, *a, **k))
    )
    monkeypatch.setattr(HostBrain, "read", classmethod(lambda c, path, **k: read.append(path) or of_file(c, path, **k)))
    make_cohort(small(hosts), tmp_path / "cohort")
    assert len(loaded) == 1 and sorted(read) == sorted(entry.image.resolve() for entry in hosts.entries)


def test_help_tells_every_entry_of_a_recipe(here, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = here("cohort", "--help").out
    assert all(f"--{name.replace('_', '-')}" in text for name in Recipe.names())
    for command in ("verify", "export", "records"):
        assert "Usage: tumorsynth" in here(command, "--help").out


def test_without_a_recipe_there_is_nothing_to_begin(tmp_path):
    with pytest.raises(InputError, match="nothing to resume"):
        make_cohort(None, tmp_path / "cohort", resume=True)
