"""`tumorsynth audit`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer

from cases import Answer, assert_refused
from lesion_textures import smooth_blobs, textured
from training.slices import SliceSet
from TumorSynthLib.cli_audit import audit
from TumorSynthLib.cli_exit import run
from TumorSynthLib.host import HostBrain
from TumorSynthLib.realism.archives import write_archive
from TumorSynthLib.realism.audit_sources import learned_from, read_for_audit
from TumorSynthLib.realism.patches import LesionPatches, joined
from TumorSynthLib.realism.planted_copies import planted

RECORDS = 42


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    application = typer.Typer(rich_markup_mode="rich")
    application.command("audit")(audit)

    def ask(*arguments: object) -> Answer:
        capfd.readouterr()
        code = run(application, [str(argument) for argument in arguments], "tumorsynth audit")
        return Answer(code, *capfd.readouterr())

    return ask


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Archives of records, of lesions nobody copied, and of those with one copy among them."""
    place = tmp_path_factory.mktemp("audit")
    records, fresh = textured(RECORDS, seed=0), textured(5, seed=1)
    copy = planted(records, fresh, 1, seed=2, kind="exact").patches
    write_archive(place / "records.npz", records)
    write_archive(place / "fresh.npz", fresh)
    write_archive(place / "copied.npz", joined([fresh, copy]))
    return place


def test_a_copy_among_synthetic_lesions_is_named(command, folder, tmp_path):
    copied = folder / "copied.npz"
    answer = command(copied, "--against", folder / "records.npz", "--copies", 10, "-o", tmp_path / "report", "--json")
    assert answer.code == 0, answer.err
    facts = answer.facts
    assert facts["flagged"] == 1 and facts["synthetic"] == 6
    pair = facts["pairs_flagged"][0]
    assert pair["synthetic"] == f"copy of {pair['pattern']['record']}"
    assert facts["power"]["planted"] == 10 and facts["power"]["found"] >= 0.7
    classes = facts["power"]["by_size"]
    assert sum(each["planted"] for each in classes) == 10 and sum(each["synthetic"] for each in classes) == 6
    assert sum(each["found"] for each in classes) == round(10 * facts["power"]["found"])
    written = json.loads((tmp_path / "report" / "audit.json").read_text())
    assert written["flagged"] == 1
    page = (tmp_path / "report" / "audit.html").read_text()
    assert "1 repeats a record" in page and pair["synthetic"] in page and page.count("data:image/png") == 2


def test_lesions_nobody_copied_pass_with_the_power_told_and_an_older_audit_is_replaced(command, folder, tmp_path):
    report = tmp_path / "report"
    report.mkdir()
    (report / "audit.json").write_text("older")
    answer = command(folder / "fresh.npz", "--against", folder / "records.npz", "--copies", 10, "-o", report)
    assert answer.code == 0, answer.err
    assert "none repeats a record" in answer.out and "Of 10 copies planted" in answer.out
    assert json.loads((report / "audit.json").read_text())["flagged"] == 0
    assert sorted(path.name for path in report.iterdir()) == ["audit.html", "audit.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_what_is_no_audit_is_neither_written_over_nor_worked_for(command, folder, tmp_path):
    letters = tmp_path / "letters"
    letters.mkdir()
    (letters / "audit.json").write_text("mine")
    (letters / "notes.txt").write_text("mine")
    given = (folder / "fresh.npz", "--against", folder / "records.npz", "-o")
    assert_refused(command(*given, letters), "letters", "is no report")
    assert_refused(command(*given, tmp_path / "missing" / "report"), "missing", "does not exist")
    assert {path.read_text() for path in letters.iterdir()} == {"mine"}


def test_without_the_copied_patient_among_the_records_nothing_is_flagged(command, folder):
    source = folder / "copied.npz"
    with np.load(source) as archive:
        patient = int(archive["block"][-1])
    given = (source, "--against", folder / "records.npz", "--copies", 10, "--exclude-patient", patient, "--json")
    answer = command(*given)
    assert answer.code == 0, answer.err
    assert answer.facts["flagged"] == 0 and answer.facts["records"] == RECORDS - 3


def test_annotated_slices_and_folders_of_volumes_are_read(command, folder, tmp_path):
    _write_annotated_slices(tmp_path / "slices.npz")
    _write_volumes(tmp_path / "volumes", textured(2, seed=4))
    answer = command(tmp_path / "volumes", "--against", tmp_path / "slices.npz", "--copies", 10, "--json")
    assert answer.code == 0, answer.err
    assert answer.facts["records"] == 38 and answer.facts["synthetic"] >= 2 and answer.facts["flagged"] == 0


def test_of_annotated_slices_only_those_learned_from_are_records(tmp_path):
    _write_annotated_slices(tmp_path / "slices.npz")
    index = np.arange(40) * 9
    slices = SliceSet(np.zeros(40), np.zeros(40), index, np.ones(40), is_contiguous=True)
    learned = tuple(f"slice {number}" for number in index[slices.rows("train")])
    assert read_for_audit(tmp_path / "slices.npz", part="train").name == learned
    assert len(read_for_audit(tmp_path / "slices.npz")) == 40 > len(learned)
    everything = np.arange(3100)
    whole = SliceSet(np.zeros(3100), np.zeros(3100), everything, np.ones(3100), is_contiguous=True)
    assert np.array_equal(np.flatnonzero(learned_from(everything)), whole.rows("train"))


def _write_annotated_slices(path: Path) -> None:
    lesions = textured(40, seed=3)
    wide = [np.pad(part, ((0, 0), (56, 56), (56, 56)), mode="edge") for part in (lesions.image, lesions.mask)]
    image = (wide[0] * 80).clip(0, 255).astype(np.uint8)
    np.savez(path, image=image, mask=np.packbits(wide[1], axis=-1), index=np.arange(40) * 9)


def _write_volumes(folder: Path, lesions: LesionPatches) -> None:
    """Each lesion the same over a few slices."""
    folder.mkdir()
    for row in range(len(lesions)):
        image = np.repeat((1000 * lesions.image[row]).astype(np.int16)[..., None], 12, 2)
        mask = np.zeros(image.shape, np.uint8)
        mask[..., 3:9] = lesions.mask[row][..., None]
        host = HostBrain.from_array(image, np.eye(4))
        host.write_volume(folder / f"p{row}.nii.gz", image)
        host.write_volume(folder / f"p{row}_mask.nii.gz", mask)


def test_records_that_are_missing_are_refused(command, folder, tmp_path):
    assert_refused(command(folder / "fresh.npz", "--against", tmp_path / "no.npz"), "no.npz", "check the path")


def test_an_empty_folder_is_refused(command, folder, tmp_path):
    assert_refused(command(tmp_path, "--against", folder / "records.npz"), str(tmp_path))


def test_three_records_are_refused(command, folder, tmp_path):
    write_archive(tmp_path / "three.npz", textured(3, seed=5))
    answer = command(folder / "fresh.npz", "--against", tmp_path / "three.npz")
    assert_refused(answer, "3 records", "at least 30")


def test_a_cohort_without_lesions_is_refused(command, folder, tmp_path):
    np.savez(tmp_path / "none.npz", image=np.zeros((0, 64, 64)), mask=np.zeros((0, 64, 64)), block=np.zeros(0, int))
    assert_refused(command(tmp_path / "none.npz", "--against", folder / "records.npz"), "none.npz: no lesion")


def test_an_unknown_patient_or_way_of_comparing_is_refused(command, folder):
    given = folder / "fresh.npz", "--against", folder / "records.npz"
    assert_refused(command(*given, "--exclude-patient", 999), "patient 999")
    assert_refused(command(*given, "--exclude-patient", "anna"), "whole numbers")
    assert_refused(command(*given, "--features", "guess"), "own or encoder")
    assert_refused(command(*given, "--part", "some"), "train or all")


def test_records_that_are_all_plain_are_refused(command, folder, tmp_path):
    write_archive(tmp_path / "plain.npz", smooth_blobs(40, seed=1))
    answer = command(folder / "fresh.npz", "--against", tmp_path / "plain.npz")
    assert answer.code == 2 and "large and structured" in answer.err
