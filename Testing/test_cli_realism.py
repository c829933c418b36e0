"""`tumorsynth realism` from files to report, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cases import assert_refused
from cohort_cases import small, two_hosts
from reading_studies import write_real
from TumorSynthLib.cohorts import make_cohort
from TumorSynthLib.realism import study, two_sample
from TumorSynthLib.realism.archives import write_archive
from TumorSynthLib.realism.measures import ALL, CORE, SURROUNDINGS, Measured
from TumorSynthLib.realism.patches import LesionPatches
from TumorSynthLib.realism.report import FILES, findings


@pytest.fixture(autouse=True)
def judged_once_over(monkeypatch):
    """More rounds take time and show nothing else."""
    monkeypatch.setattr(study, "SPLITS", 1)
    monkeypatch.setattr(two_sample, "ROUNDS", 1)
    monkeypatch.setattr(two_sample, "TREES", 40)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return write_real(tmp_path_factory.mktemp("sources") / "real", 24)


def archive(path, count: int, seed: int, dimensions: int = 2):
    rng = np.random.default_rng(seed)
    places = np.mgrid[(slice(0, 32),) * dimensions] - 15.5
    mask = np.stack([(places**2).sum(0) < rng.uniform(5, 8) ** 2 for _ in range(count)])
    image = 1 + 0.05 * rng.standard_normal(mask.shape) + 0.4 * mask
    write_archive(path, LesionPatches(image, mask, np.arange(count) // 2))
    return path


def test_a_cohort_against_scans_gives_a_report(here, real, tmp_path):
    hosts = two_hosts(tmp_path)
    make_cohort(small(hosts, cases=12, lesions_per_case="1", sizes="14:22"), tmp_path / "cohort")
    answer = here("realism", real, tmp_path / "cohort", "-o", tmp_path / "report", "--quick", "--json", "--seed", 2)
    assert answer.code == 0, answer.err
    numbers = json.loads((tmp_path / "report" / "report.json").read_text())
    assert numbers["obedience"]["cases"] == 12
    synthetic = numbers["rows"][0]
    assert synthetic["lesions_made"] == answer.facts["pairs"] >= 10
    assert "patients (blocks)" in synthetic["figures"]["core"]["why"]  # two hosts are no two-sample test
    assert answer.facts["auc"]["procedural texture"]["core"] is not None
    assert "report.html" in answer.facts["files"][0]


def test_archives_in_two_dimensions_and_the_same_seed_gives_the_same_numbers(here, tmp_path):
    sets = [archive(tmp_path / f"{name}.npz", 12, seed) for seed, name in enumerate(("real", "synthetic"))]
    reports = []
    for name in ("one", "two"):
        answer = here("realism", *sets, "-o", tmp_path / name, "--quick")
        assert answer.code == 0, answer.err
        assert "By the surroundings" in answer.out + answer.err and "report.html" in answer.out
        reports.append((tmp_path / name / "report.json").read_text())
    assert reports[0] == reports[1]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(FILES)


@pytest.mark.parametrize(
    "low, high, says", [(0.42, 0.49, "only the lesion"), (0.46, 0.55, "only the lesion"), (0.52, 0.6, "not chance")]
)
def test_only_surroundings_that_tell_put_a_comparison_in_doubt(low, high, says):
    lesions = LesionPatches(np.ones((2, 8, 8)), np.ones((2, 8, 8), bool), np.arange(2))
    found = {CORE: Measured(0.7), ALL: Measured(0.8), SURROUNDINGS: Measured((low + high) / 2, low, high)}
    row = study.Row(study.SYNTHETIC, "", 2, 2, found)
    (sentence,) = [s for s in findings(study.Study((row,), lesions, lesions, (), 0, True)) if "surroundings" in s]
    assert says in sentence


def test_cubes_have_continuity(here, tmp_path):
    sets = [archive(tmp_path / f"{name}.npz", 12, seed, 3) for seed, name in enumerate(("real", "synthetic"))]
    answer = here("realism", *sets, "-o", tmp_path / "report", "--quick", "--dimensions", 3)
    assert answer.code == 0, answer.err
    found = json.loads((tmp_path / "report" / "report.json").read_text())["rows"][0]["figures"]
    assert abs(found["gradient ratio, difference"]["value"]) < 0.2


def test_what_cannot_be_compared_is_refused_before_anything_is_written(here, tmp_path):
    one, few = archive(tmp_path / "one.npz", 24, 0), archive(tmp_path / "few.npz", 4, 1)
    cube, output = archive(tmp_path / "cube.npz", 12, 0, 3), tmp_path / "report"
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("kept")
    assert_refused(here("realism", one, tmp_path / "absent", "-o", output), "absent")
    assert_refused(here("realism", one, few, "-o", output), "10 pairs")
    assert_refused(here("realism", one, cube, "-o", output), "cube.npz", "--dimensions")
    assert_refused(here("realism", one, one, "-o", tmp_path / "taken"), "no report")
    assert_refused(here("realism", one, one, "-o", tmp_path / "no" / "where"), "does not exist")
    assert_refused(here("realism", one, one, "-o", output, "--lesion-values", "a"), "--lesion-values 'a'")
    assert_refused(here("realism", one, one, "-o", output, "--dimensions", 4), "dimensions 4")
    assert_refused(here("realism", one, one, "-o", output, "--seed", -1), "--seed -1")
    assert not output.exists()
