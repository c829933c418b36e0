"""A study folder: real and synthetic cases differ in their lesions and in nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from cases import assert_refused
from reading_studies import AFFINE, SIZE, make_study, plan_of, scan, shared_sources, write_cohort
from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain
from TumorSynthLib.reading import Session, audit_blinding
from TumorSynthLib.reading.audit import tells
from TumorSynthLib.reading.blinding import Presentation, blinded
from TumorSynthLib.reading.lesions import lesions_of
from TumorSynthLib.reading.matching import choose, distances
from TumorSynthLib.reading.orders import opaque_name, reading_order, synthetic_is_left
from TumorSynthLib.reading.protocol import Protocol
from TumorSynthLib.reading.sources import real_sources, synthetic_sources
from TumorSynthLib.reading.study import create_study
from TumorSynthLib.reading.truth import read_truth
from TumorSynthLib.volume_files import read_volume

CASES, FEW = 28, 7


@pytest.fixture(scope="module")
def real():
    return shared_sources()[0]


@pytest.fixture(scope="module")
def cohort():
    return shared_sources()[1]


@pytest.fixture(scope="module")
def study(tmp_path_factory, real, cohort):
    folder = tmp_path_factory.mktemp("studies") / "study"
    make_study(folder, real, cohort, CASES, training_cases=4, repeats=0.25, seed=7)
    return folder


@pytest.fixture(scope="module")
def lesions(real, cohort):
    sources = [real_sources([real]), synthetic_sources([cohort])]
    return [[lesion for source in group for lesion in lesions_of(source, None)] for group in sources]


# -- what tells nothing


def test_every_case_file_has_the_same_size_header_times_and_kind_of_name(study):
    files = sorted((study / "cases").iterdir())
    assert len(files) == CASES + 8 + 4
    assert len({(path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_mode) for path in files}) == 1
    assert len({path.read_bytes()[:352] for path in files}) == 1
    assert all(path.suffix == ".nii" and int(path.stem, 16) >= 0 and len(path.stem) == 10 for path in files)
    assert b"SYNTHETIC" in files[0].read_bytes()[:352]


def test_nothing_outside_the_key_names_an_origin(study):
    record = json.loads((study / "session.json").read_text())
    training = record.pop("training")
    assert set(training.values()) == {"real", "synthetic"} and len(training) == 4
    record.pop("instructions")
    text = json.dumps(record)
    assert not any(str(word) in text for word in ("patient0", "case0", "sub-", "t1c", "origin"))


def test_the_blinding_check_scores_chance_where_there_is_nothing_to_find(study):
    check = Protocol.read(study).blinding_check
    assert check.low < 0.5 < check.high, check
    assert check.by_group["header"] == 0.5
    assert not check.tells_origin
    assert audit_blinding(study, seed=7).auc == pytest.approx(check.auc, abs=0.15)  # inode numbers and times moved


def test_the_blinding_checks_interval_covers_chance_as_promised():
    random = np.random.default_rng(0)
    flags = np.arange(32) % 2 == 1
    found = [tells(random.normal(size=(32, 25)), flags, seed) for seed in range(16)]
    assert np.mean([each.auc for each in found]) == pytest.approx(0.5, abs=0.1)  # 3 standard errors
    assert sum(each.low <= 0.5 <= each.high for each in found) >= 13


def test_the_blinding_check_finds_another_scanner(tmp_path, real):
    noisy = write_cohort(tmp_path / "noisy", 10, noise=90.0)
    made = make_study(tmp_path / "study", real, noisy, 20, repeats=0.0)
    assert made.protocol.blinding_check.auc > 0.9
    assert made.protocol.blinding_check.tells_origin
    assert any("what surrounds the lesions tells their origin" in warning for warning in made.warnings)


@pytest.mark.parametrize("flaw", ["size", "time", "header", "blur"])
def test_the_blinding_check_finds_a_planted_flaw(study, tmp_path, flaw):
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    for name, entry in read_truth(copy, Protocol.read(copy)).items():
        path = copy / "cases" / f"{name}.nii"
        path.chmod(0o644)
        if entry.origin == "synthetic":
            _plant(path, flaw)
        os.utime(path, (1e9, 1e9 + (entry.origin == "synthetic" and flaw == "time")))
    check = audit_blinding(copy)
    assert check.auc > 0.9 and check.tells_origin, check


def _plant(path, flaw):
    content = bytearray(path.read_bytes())
    if flaw == "size":
        content += b"\0"
    if flaw == "header":
        content[148:150] = b"TS"  # the description
    if flaw == "blur":  # as if it was resampled once more
        side = round((len(content) - 352) / 2) ** (1 / 3)
        voxels = np.frombuffer(content, "<i2", offset=352).reshape((round(side),) * 3)
        content[352:] = ndimage.gaussian_filter(voxels, 0.5).tobytes()
    path.write_bytes(content)


def test_order_and_names_do_not_follow_the_origin(study):
    protocol = Protocol.read(study)
    truth = read_truth(study, protocol)
    firsts = sorted(name for name, entry in truth.items() if not entry.repeat_of and not entry.training)
    for order in (firsts, *(reader.order for reader in protocol.readers)):
        flags = np.array([truth[name].origin == "synthetic" for name in order if name in firsts])
        ranks = np.arange(len(flags))
        assert abs(np.corrcoef(ranks, flags)[0, 1]) < 0.5  # about 3 standard errors
    assert protocol.readers[0].order != protocol.readers[1].order


def test_the_same_choices_make_the_same_study(tmp_path):
    real, cohort = shared_sources(FEW)
    study, again = tmp_path / "one", tmp_path / "again"
    for folder in (study, again):
        make_study(folder, real, cohort, 6, training_cases=2, repeats=0.3)
    for place in ("cases", "key/masks"):
        names = sorted(path.name for path in (study / place).iterdir())
        assert names == sorted(path.name for path in (again / place).iterdir())
        assert all((study / place / name).read_bytes() == (again / place / name).read_bytes() for name in names)
    one, two = Protocol.read(study), Protocol.read(again)
    assert one.readers == two.readers and one.key_checksum == two.key_checksum


def test_another_seed_makes_another_study(tmp_path, study):
    make_study(tmp_path / "other", *shared_sources(FEW), 6, seed=6)
    shared = {path.name for path in (study / "cases").iterdir()} & {
        path.name for path in (tmp_path / "other" / "cases").iterdir()
    }
    assert not shared


# -- how cases are cut out


def test_a_case_shows_its_lesion_in_the_middle_at_the_tissues_scale(study):
    truth = read_truth(study, Protocol.read(study))
    for name, entry in truth.items():
        stored = read_volume(study / "cases" / f"{name}.nii")
        mask = read_volume(study / "key" / "masks" / entry.images[0].mask).voxels > 0
        middle = (np.array(mask.shape) - 1) / 2
        assert np.abs(np.argwhere(mask).mean(axis=0) - middle).max() < 1  # half a voxel is by chance
        tissue = stored.voxels[(stored.voxels > 300) & ~mask]
        assert np.median(tissue) == pytest.approx(1000, rel=0.03)
        assert stored.voxels[mask].mean() == pytest.approx(1000 * 1300 / 800, rel=0.2)
        np.testing.assert_allclose(stored.affine[:3, 3], -33.0)


def test_the_lattice_falls_anywhere_between_the_scans_voxels(lesions):
    """Asked-for centres in whole millimetres must not be blurred less than real ones."""
    shifts = []
    for lesion in lesions[1]:
        centered = replace(lesion, center_ras=(0.0, 0.0, 0.0))
        mask = blinded(centered, Presentation(66, 3.0), 0).mask
        shifts.append(np.argwhere(mask).mean(axis=0) * 3 - 33 - np.array(lesion.center_ras))
    assert np.std(shifts) > 0.5


def test_an_oblique_flipped_scan_is_cut_out_alike(tmp_path):
    """The same head scanned in another orientation gives nearly the same case."""
    voxels, mask, _ = scan(3)
    turned = AFFINE.copy()
    turned[:, [0, 1]] = turned[:, [1, 0]]
    turned[:3, 3] += turned[:3, 0] * (SIZE - 1)
    turned[:, 0] *= -1
    flipped = [np.ascontiguousarray(a.transpose(1, 0, 2)[::-1]) for a in (voxels, mask)]
    cases = []
    for name, (image, label), affine in (("a", (voxels, mask), AFFINE), ("b", flipped, turned)):
        host = HostBrain.from_array(image, affine)
        (tmp_path / name).mkdir()
        host.write_volume(tmp_path / name / "x.nii.gz", image)
        host.write_volume(tmp_path / name / "x_seg.nii.gz", label)
        (lesion,) = lesions_of(real_sources([tmp_path / name])[0], None)
        cases.append((lesion, blinded(lesion, Presentation(66, 3.0, noise=0.0), 0)))
    (one, first), (two, second) = cases
    np.testing.assert_allclose(one.center_ras, two.center_ras, atol=1e-4)
    assert one.place.words == two.place.words and one.place.side == two.place.side
    assert np.corrcoef(first.voxels.ravel(), second.voxels.ravel())[0, 1] > 0.95  # the lattices fall differently


# -- which lesions


def test_matching_on_size_brings_sizes_together(lesions):
    small = [replace(lesion, diameter_mm=lesion.diameter_mm * 0.7) for lesion in lesions[1]]
    gaps = []
    for by in ((), ("size",)):
        chosen = choose(lesions[0], small, (8, 8), by, np.random.default_rng(0))
        medians = [np.median([lesion.diameter_mm for lesion in group]) for group in (chosen.real, chosen.synthetic)]
        gaps.append(abs(np.log(medians[0] / medians[1])))
        if by:
            own = distances(chosen.real, chosen.synthetic, by)
            assert np.diag(own).max() < 1  # within a ratio of 1.5
    assert gaps[1] < gaps[0]


@given(counts=st.tuples(st.integers(1, 12), st.integers(1, 12)), by=st.sampled_from([(), ("size",), ("location",)]))
@settings(max_examples=25, deadline=None)
def test_the_numbers_asked_for_are_chosen_without_repetition(lesions, counts, by):
    chosen = choose(lesions[0], lesions[1], counts, by, np.random.default_rng(1))
    assert (len(chosen.real), len(chosen.synthetic)) == counts
    names = [lesion.name for lesion in (*chosen.real, *chosen.synthetic)]
    assert len(set(names)) == len(names)


def test_patients_take_turns(lesions):
    twice = [replace(lesion, patient=f"p{number // 3}") for number, lesion in enumerate(lesions[0])]
    chosen = choose(twice, lesions[1], (6, 6), (), np.random.default_rng(0))
    assert len({lesion.patient for lesion in chosen.real}) == 6


def test_a_mask_of_several_lesions_gives_several_cases(tmp_path):
    voxels, mask, _ = scan(1)
    mask[2:7, 2:7, 2:7] = 2
    host = HostBrain.from_array(voxels, AFFINE)
    host.write_volume(tmp_path / "a.nii.gz", voxels)
    host.write_volume(tmp_path / "a_mask.nii.gz", mask)
    source = real_sources([tmp_path])[0]
    assert [lesion.others for lesion in lesions_of(source, None)] == [1, 1]
    assert len(lesions_of(source, (1.0,))) == 1
    table = tmp_path / "table.csv"
    table.write_text("image,mask,patient,label,structure\na.nii.gz,a_mask.nii.gz,p7,2,ring\n")
    (lesion,) = lesions_of(real_sources([table])[0], None)
    assert (lesion.patient, lesion.facts, lesion.diameter_mm) == (
        "p7",
        {"structure": "ring"},
        pytest.approx(18.6, 0.01),
    )


# -- orders and names


@given(st.integers(4, 60), st.floats(0, 1), st.integers(0, 2**31), st.integers(0, 6), st.sampled_from(["anna", "ben"]))
def test_repeats_come_late_and_training_first(cases, share, seed, training, reader):
    firsts = [f"c{n}" for n in range(cases)]
    repeats = {f"r{n}": f"c{n}" for n in range(round(share * cases))}
    trained = [f"t{n}" for n in range(training)]
    order = reading_order(reader, seed, trained, firsts, repeats)
    assert sorted(order) == sorted([*trained, *firsts, *repeats])
    assert set(order[:training]) == set(trained)
    gaps = [order.index(again) - order.index(first) for again, first in repeats.items()]
    assert all(gap >= min(3, cases // 4) for gap in gaps), min(gaps, default=None)
    assert order == reading_order(reader, seed, trained[::-1], firsts[::-1], repeats)


@given(st.integers(0, 1000), st.text(min_size=1), st.text(min_size=1))
def test_sides_and_names_treat_both_origins_alike(seed, one, other):
    if one != other:
        assert synthetic_is_left(seed, one, other) != synthetic_is_left(seed, other, one)
    assert opaque_name(seed, (one, other), 0) == opaque_name(seed, (other, one), 0)


# -- other tasks


def test_pairs_show_one_of_each_and_sides_are_by_chance(tmp_path):
    real, cohort = shared_sources(FEW)
    folder = tmp_path / "pairs"
    protocol = make_study(folder, real, cohort, 6, task="2afc", match=("size",), training_cases=1, repeats=0.3).protocol
    truth = read_truth(folder, protocol)
    origins = [entry.origin for entry in truth.values()]
    assert set(origins) == {"real|synthetic", "synthetic|real"} and len(origins) == 6 + 2 + 1
    assert set(protocol.training.values()) <= {"left", "right"}
    files = protocol.check_case(folder, next(iter(protocol.cases)))
    assert [path.stem[10:] for path in files] == ["_left", "_right"]


def test_locate_puts_lesions_off_the_middle_and_shows_nothing_too(tmp_path):
    real, cohort = shared_sources(FEW)
    empty = tmp_path / "empty"
    empty.mkdir()
    for seed in range(3):
        HostBrain.from_array(scan(seed)[2], AFFINE).write_volume(empty / f"h{seed}.nii.gz", scan(seed)[2])
    shown = Presentation(66, 3.0, off_center_mm=15)
    folder = tmp_path / "locate"
    protocol = make_study(
        folder, real, cohort, 8, task="locate", presentation=shown, nothing=[empty], repeats=0.0
    ).protocol
    truth = read_truth(folder, protocol)
    assert sorted(entry.origin for entry in truth.values()) == ["nothing"] * 3 + ["real"] * 4 + ["synthetic"] * 4
    away = [
        np.abs(np.argwhere(read_volume(folder / "key" / "masks" / e.images[0].mask).voxels).mean(0) - 11).max() * 3
        for e in truth.values()
        if e.origin != "nothing"
    ]
    assert max(away) > 5 and max(away) < 18


# -- warnings and refusals


def test_scans_of_another_kind_are_told(tmp_path):
    odd = tmp_path / "odd"
    for number in range(4):
        voxels, mask, _ = scan(number)
        affine = AFFINE.copy()
        affine[2, 2] *= 1.5
        host = HostBrain.from_array(voxels, affine)
        (odd / f"p{number}").mkdir(parents=True)
        host.write_volume(odd / f"p{number}" / "i.nii.gz", voxels.astype(np.float32))
        host.write_volume(odd / f"p{number}" / "i_seg.nii.gz", mask)
    text = " ".join(make_study(tmp_path / "s", odd, shared_sources(FEW)[1], 8).warnings)
    assert "4 of 4 synthetic lesions sit in scans that give no real lesion" in text
    assert "voxel volume" in text and "bits a voxel" in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cases": 90}, "45 real lesions are needed, but only 20"),
        ({"ratio": 1.5}, "--ratio 1.5 is out of range"),
        ({"margin": 0.0}, "--margin"),
        ({"task": "guess"}, "--task 'guess' is unknown: choose one of yesno"),
        ({"match": ("colour",)}, "--match 'colour' is unknown"),
        ({"readers": {"a/b": None}}, "--readers 'a/b'"),
        ({"readers": {"Anna": None, "anna": 1.0}}, "named twice"),
        ({"task": "2afc", "ratio": 0.3}, "every case is a pair"),
        ({"task": "locate", "training_cases": 2}, "--training-cases"),
        ({"window": 0.0}, "--window-level"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_wrong_plans_are_refused_and_leave_nothing(tmp_path, real, cohort, change, says):
    with pytest.raises(InputError, match=says.replace("(", r"\(")):
        create_study(tmp_path / "s", replace(plan_of(real, cohort, 10), **change))
    assert list(tmp_path.iterdir()) == []


def test_wrong_sources_are_refused_by_name(tmp_path, real, cohort):
    (tmp_path / "empty").mkdir()
    (tmp_path / "t.csv").write_text("image,masks\na,b\n")
    (tmp_path / "u.csv").write_text("image,mask\nnone.nii,none.nii\n")
    for path, says in (("none", "no such file"), ("empty", "holds no image"), ("t.csv", "'masks'"), ("u.csv", "row 2")):
        with pytest.raises(InputError, match=says):
            real_sources([tmp_path / path])
    with pytest.raises(InputError, match="holds no NIfTI case"):
        synthetic_sources([real])


def test_a_study_is_never_replaced(study, real, cohort):
    with pytest.raises(InputError, match="exists already"):
        create_study(study, plan_of(real, cohort, 10))


def test_the_command_makes_a_study_and_says_what_was_checked(tmp_path, real, cohort, here):
    made = here(
        *("reading", "new", tmp_path / "study", "--real", real, "--synthetic", cohort, "--cases", 16, "--seed", 2),
        *("--match", "size,location", "--box", 66, "--spacing", 3, "--readers", "a:3,b"),
    )
    assert made.code == 0, made.err
    assert "Blinding check: AUC 0." in made.out and "on what surrounds the lesions" in made.out
    assert "warning: 16 cases give one reader who guesses a chance of 0 %" in made.err
    given = ("--real", real, "--synthetic", cohort, "--cases", 10, "--readers", "a:x")
    refused = here("reading", "new", tmp_path / "s", *given)
    assert_refused(refused, "--readers 'a:x'")


# -- the house


def test_what_shows_cases_loads_neither_arrays_nor_statistics():
    code = (
        "import sys; from TumorSynthLib.reading import Session, Protocol;"
        "heavy = {'numpy', 'scipy', 'pandas', 'statsmodels', 'sklearn', 'torch', 'SimpleITK', 'matplotlib'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_never_opens_the_key(study, tmp_path):
    shutil.copytree(study, tmp_path / "s", ignore=shutil.ignore_patterns("key"))
    with Session.open(tmp_path / "s", "anna") as session:
        assert session.current_case() is not None
        assert session.answer("real", confidence=3) is not None  # a training case
