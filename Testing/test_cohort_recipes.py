"""Recipes: what a person may write, how it is read, and that it reads back as the same."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import ROOT
from cohort_cases import small, two_hosts
from TumorSynthLib.cohorts import HostEntry, Recipe
from TumorSynthLib.cohorts.distributions import Distribution, weights_of
from TumorSynthLib.cohorts.hosts import expand_hosts
from TumorSynthLib.cohorts.recipe_files import read_recipe_file
from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain
from volumes import voxels_of, write_dicom_slices


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    return two_hosts(tmp_path_factory.mktemp("hosts"))


# -- distributions

numbers = st.floats(0.01, 1e4).map(lambda x: float(f"{x:.6g}"))


@st.composite
def distributions(draw) -> Distribution:
    kind = draw(st.sampled_from(("constant", "uniform", "normal", "lognormal", "poisson")))
    if kind == "constant":
        return Distribution.of(draw(numbers))
    if kind == "uniform":
        return Distribution.of(":".join(map(str, sorted([draw(numbers), draw(numbers)]))))
    given = {"mean": draw(numbers)} | ({} if kind == "poisson" else {"sd": draw(numbers)})
    return Distribution.of({kind: given})


@given(distributions())
def test_a_distribution_reads_back_from_its_own_words(distribution):
    assert Distribution.of(str(distribution)) == distribution


@given(distributions(), st.integers(0, 2**32))
def test_what_is_drawn_lies_within_the_bounds(distribution, seed):
    rng = np.random.default_rng(seed)
    assert all(distribution.low <= distribution.draw(rng) <= distribution.high for _ in range(20))


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 2**32))
def test_whole_numbers_of_a_range_reach_both_ends_and_no_further(low, more, seed):
    rng = np.random.default_rng(seed)
    drawn = {Distribution.of(f"{low}:{low + more}").draw_whole(rng) for _ in range(200)}
    assert drawn == set(range(low, low + more + 1))


def test_mean_and_spread_of_a_lognormal_distribution_are_those_of_the_number_itself():
    rng = np.random.default_rng(1)
    distribution = Distribution.of("lognormal,mean=4.3,sd=3.7")
    drawn = np.array([distribution.draw(rng) for _ in range(20_000)])
    assert drawn.mean() == pytest.approx(4.3, rel=0.03)
    assert drawn.std() == pytest.approx(3.7, rel=0.1)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("8:2", "smaller number first"), ("a", "not a finite number"), ("nan", "not a finite number"),
        ("1:2:3", "range"), ("gamma,mean=2", "unknown"), ("normal,mean=2", "sd is missing"),
        ("normal,mean=2,sd=1,skew=3", "skew"), ("lognormal,mean=0,sd=1", "above 0"), (None, "not understood"),
        ("normal,mean=2,sd=1,min=90", "hardly anything"), ("normal,mean=2,sd=1,min=3,max=1", "min is above max"),
        (True, "not understood"), ([1, 2], "not understood"), ("normal,mean=2,mean=3,sd=1", "not understood"),
        ("poisson,mean=-1", "from 0"), (math.inf, "not a finite number"),
    ],
)  # fmt: skip
def test_a_distribution_that_makes_no_sense_is_refused(written, says):
    with pytest.raises(InputError, match=says):
        Distribution.of(written)


@given(st.dictionaries(st.sampled_from("abcdef"), numbers, min_size=1))
def test_weights_sum_to_one_and_reading_them_again_changes_nothing(weights):
    once = weights_of(weights, "letter")
    assert sum(once.values()) == pytest.approx(1)
    assert weights_of(once, "letter") == once


# -- recipes


def test_a_recipe_reads_back_from_its_own_words(hosts):
    recipe = small(hosts, structures="ring=2,solid=1", border=1.5, contrast="normal,mean=1,sd=0.2")
    again = Recipe.of(json.loads(json.dumps(recipe.as_dict())))
    assert again.as_dict() == recipe.as_dict() and again.checksum() == recipe.checksum()


def test_what_decides_a_case_changes_the_checksum_and_the_number_of_cases_does_not(hosts):
    recipe = small(hosts)
    assert small(hosts, cases=9).checksum() == recipe.checksum()
    for other in ({"seed": 4}, {"sizes": "4:8"}, {"placement": "junction"}, {"oedema": 0.1}):
        assert small(hosts, **other).checksum() != recipe.checksum()


def test_cases_per_host_counts_hosts(hosts):
    assert small(hosts, cases=None, cases_per_host=3).cases == 6


YAML = """
# two brains
hosts: [anna.nii.gz, "björn scan.nii.gz"]
cases: 12
lesions-per-case: 1:5       # YAML 1.1 would make 65 of this
sizes: {lognormal: {mean: 4.3, sd: 3.7, max: 30}}
structures: {ring: 0.5, solid: 0.5}
mass_effect: 0.5
"""


def test_yaml_and_json_say_the_same(hosts):
    folder = hosts.table.parent
    (folder / "recipe.yaml").write_text(YAML, encoding="utf-8")
    said = read_recipe_file(folder / "recipe.yaml")
    assert said["lesions-per-case"] == "1:5" and said["mass_effect"] == 0.5
    (folder / "recipe.json").write_text(json.dumps(said), encoding="utf-8")
    recipes = [Recipe.of(read_recipe_file(folder / f"recipe.{kind}"), folder) for kind in ("yaml", "json")]
    assert recipes[0].as_dict() == recipes[1].as_dict()
    assert [entry.image.name for entry in recipes[0].hosts] == ["anna.nii.gz", "björn scan.nii.gz"]


# -- hosts


def test_files_patterns_folders_and_tables_name_the_same_hosts(hosts):
    folder = hosts.table.parent
    images = [entry.image for entry in hosts.entries]
    by_file = expand_hosts([str(image) for image in images], folder)
    by_pattern = expand_hosts(["ann?.nii.gz", "b*scan.nii.gz"], folder)
    by_table = expand_hosts("hosts.csv", folder)
    for found in (by_file, by_pattern, by_table):
        assert [entry.image for entry in found] == [image.resolve() for image in images]
    assert by_table[1].brain_mask == hosts.entries[1].brain_mask.resolve() and by_table[1].patient == "björn"


def test_a_host_that_is_named_twice_is_one_host(hosts):
    image = str(hosts.entries[0].image)
    assert len(expand_hosts([image, image, str(hosts.table)], hosts.table.parent)) == 2


def test_a_folder_is_searched_for_volumes_and_for_folders_of_dicom_slices(tmp_path):
    (tmp_path / "a").mkdir()
    host = HostBrain.from_array(voxels_of(), np.eye(4))
    host.write_volume(tmp_path / "a" / "scan.nrrd", host.voxels)
    write_dicom_slices(tmp_path / "series", voxels_of(), np.eye(4))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".hidden.nii").write_text("not mine")
    assert [entry.image for entry in expand_hosts(tmp_path, tmp_path)] == [
        (tmp_path / "a" / "scan.nrrd").resolve(), (tmp_path / "series").resolve()
    ]  # fmt: skip


def test_images_in_memory_are_hosts(hosts):
    host = HostBrain.read(hosts.entries[0].image)
    assert expand_hosts(host, hosts.table.parent)[0].image is host
    assert expand_hosts([HostEntry(host)], hosts.table.parent)[0].image is host


# -- the house


@pytest.mark.parametrize("file", sorted((ROOT / "TumorSynthLib" / "cohorts").glob("*.py")), ids=lambda f: f.stem)
def test_cohorts_know_the_engine_and_nothing_above_it(file):
    pattern = r"^ *from (?:\.\.|TumorSynthLib\.?)(cli\w*|demo|bench|replay|scene|reading)\b"
    above = re.findall(pattern, file.read_text(), re.M)
    assert not above and "training" not in re.findall(r"^ *(?:from|import) (\w+)", file.read_text(), re.M)


def test_importing_cohorts_and_their_recipes_costs_nothing():
    heavy = "{'torch', 'numpy', 'scipy', 'yaml', 'distributed'}"
    code = f"import sys, TumorSynthLib.cohorts.recipe; print(sorted({heavy} & {{*sys.modules}}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == "[]\n", done.stderr
