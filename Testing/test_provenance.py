"""What a case was made from is recorded to the last digit, and read back as the same wish."""

from __future__ import annotations

import copy
import json
import re

import numpy as np
import pytest

from cases import brain_host, brain_of, bundle_by_hand, case_by_hand, facts_of_lesion
from TumorSynthLib import __version__, provenance
from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain
from TumorSynthLib.parameters import Appearance
from TumorSynthLib.replay import Recipe
from TumorSynthLib.spheres import ConcentricSpheres


@pytest.fixture(scope="module")
def record():
    return case_by_hand().provenance


def save(folder, record):
    path = folder / "provenance.json"
    path.write_text(json.dumps(record))
    return path


def changed(record, *keys, value):
    """The record with one of its parts replaced, or taken out where the value is `...`."""
    record = copy.deepcopy(record)
    part = record
    for key in keys[:-1]:
        part = part[key]
    if value is ...:
        del part[keys[-1]]
    else:
        part[keys[-1]] = value
    return record


# -- what is recorded


def test_a_record_is_json_and_survives_it_exactly(tmp_path, record):
    assert provenance.read(save(tmp_path, record)) == record


def test_a_record_names_tool_host_brain_bundle_machine_and_libraries(record):
    host = brain_host()
    assert record["synthetic"] is True
    assert record["tool"]["name"] == "TumorSynth" and record["tool"]["version"] == __version__
    assert record["host"]["checksum"] == host.checksum()
    assert record["host"]["shape"] == list(host.shape)
    assert record["host"]["data_type"] == "int16"
    assert np.array_equal(record["host"]["affine"], host.affine)
    assert record["brain_mask"] == {
        "method": "network",
        "file": None,
        "checksum": provenance.mask_checksum(brain_of(host)),
    }
    assert record["bundle"] == provenance.describe_bundle(bundle_by_hand())
    assert record["device"] == "cpu" and record["precision"] == "float32" and record["threads"] >= 1
    assert all(record["libraries"][name] for name in ("torch", "numpy", "scipy", "SimpleITK", "monai", "python"))
    assert record["seconds"] == 1.25
    assert record["created"].endswith("+00:00")


def test_a_host_from_a_file_is_recorded_with_its_whole_path(tmp_path, monkeypatch):
    brain_host(tmp_path / "t1.nii.gz")
    monkeypatch.chdir(tmp_path)
    case = case_by_hand(HostBrain.read("t1.nii.gz"))
    assert case.provenance["host"]["file"] == str((tmp_path / "t1.nii.gz").resolve())


def test_numpy_s_numbers_become_plain_ones_without_losing_a_digit():
    given = {"a": np.float32(0.1), "b": (np.int64(3), np.array([1 / 3])), "c": None, "_private": 1}
    assert provenance.plain(given) == {"a": float(np.float32(0.1)), "b": [3, [1 / 3]], "c": None}


# -- checksums


def test_checksums_depend_on_voxels_not_on_their_layout():
    voxels = np.random.default_rng(0).integers(0, 900, (5, 6, 7)).astype(np.int16)
    expected = provenance.voxel_checksum(voxels)
    for same in (np.asfortranarray(voxels), voxels.astype(">i2"), np.repeat(voxels, 2, axis=0)[::2]):
        assert provenance.voxel_checksum(same) == expected
    voxels[0, 0, 0] += 1
    assert provenance.voxel_checksum(voxels) != expected


def test_a_mask_s_checksum_is_that_of_its_voxels_whatever_their_type():
    mask = np.random.default_rng(0).random((5, 6, 7)) > 0.5
    expected = provenance.mask_checksum(mask)
    assert provenance.mask_checksum(mask.astype(np.uint8) * 255) == expected
    assert provenance.mask_checksum(np.asfortranarray(mask)) == expected
    assert provenance.mask_checksum(~mask) != expected


# -- what is read back


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        ("not JSON", "not a JSON file"),
        ("[]", "not a provenance file"),
        ('{"tool": {"name": "another"}}', "not a provenance file"),
        ('{"tool": {"name": "TumorSynth"}}', "without host"),
    ],
)
def test_a_file_that_is_no_provenance_is_refused(tmp_path, content, says):
    path = tmp_path / "provenance.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match="provenance.json") as error:
        provenance.read(path)
    assert says in str(error.value)


def test_a_folder_is_no_provenance(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        provenance.read(tmp_path)


def test_a_recipe_asks_for_exactly_what_was_asked(tmp_path, record):
    recipe = Recipe.read(save(tmp_path, record))
    (plan,) = recipe.plans
    asked = facts_of_lesion()
    assert plan.spheres.center_ras == asked.center_ras
    assert plan.spheres.radii_mm == asked.radii_mm
    assert plan.spheres.resolved_structure.name == "ring"
    assert plan.seed == 7
    assert plan.appearance == Appearance(contrast=1.1, oedema=0.1)
    assert (recipe.bundle_name, recipe.device, recipe.precision) == ("default", "cpu", "float32")


def test_a_recipe_with_free_values_asks_for_those(tmp_path, record):
    values = (0.9, 0.2, 0.4)
    free = ConcentricSpheres((0, 0, 0), (3, 2, 1), values).resolved_structure
    levels = {name: getattr(free, name) for name in ("heterogeneity", "darkest", "brightest")}
    lesion = {**record["lesions"][0], "structure": "free", "values": values, **levels}
    recipe = Recipe.read(save(tmp_path, {**record, "lesions": [lesion]}))
    assert recipe.plans[0].spheres.values == values
    with pytest.raises(InputError, match="'free' with darkest 0.1 instead of .* made in Python"):
        Recipe.read(save(tmp_path, {**record, "lesions": [{**lesion, "darkest": 0.1}]}))
    for name in levels:  # older records do not say
        lesion.pop(name)
    assert Recipe.read(save(tmp_path, {**record, "lesions": [lesion]})).plans == recipe.plans


DAMAGE = {
    "no lesion": (("lesions",), [], "lists no lesion"),
    "lesions of another kind": (("lesions",), 5, "damaged"),
    "a lesion without a place": (("lesions", 0, "center_ras"), ..., "center_ras"),
    "a lesion with impossible radii": (("lesions", 0, "radii_mm"), [5, 10], "decrease"),
    "a lesion without contrast": (("lesions", 0, "appearance", "contrast"), ..., "contrast"),
    "a lesion too bright": (("lesions", 0, "appearance", "contrast"), 99, "out of range"),
    "a structure from Python": (("lesions", 0, "structure"), "mine", "made in Python"),
    "no host checksum": (("host", "checksum"), ..., "checksum"),
    "no bundle name": (("bundle", "name"), ..., "name"),
    "a structure from Python by one of our names": (("lesions", 0, "brightest"), 2.5, "brightest 2.5 instead of 1.5"),
    "values of another structure": (("lesions", 0, "values"), [1.0, 0.7, 0.5], "values (1.0, 0.7, 0.5) instead of"),
    "host of another kind": (("host",), "t1.nii.gz", "host 't1.nii.gz' is wrong: it must be an object"),
    "host checksum of another kind": (("host", "checksum"), 5, "host.checksum 5 is wrong: it must be a text"),
    "host file of another kind": (("host", "file"), 5, "host.file 5 is wrong: it must be a path, or null"),
    "host file of no system": (("host", "file"), "a\0b", "host.file"),
    "mask file of another kind": (("brain_mask", "file"), ["x"], "brain_mask.file ['x'] is wrong: it must be a path"),
    "networks of another kind": (("bundle", "networks"), 5, "bundle.networks 5 is wrong: it must be an object"),
    "threads of another kind": (("threads",), "two", "threads 'two' is wrong: it must be a whole number from 1"),
    "no threads": (("threads",), 0, "threads 0 is wrong: it must be a whole number from 1"),
    "parts of threads": (("threads",), 1.5, "threads 1.5 is wrong: it must be a whole number from 1"),
    "endless threads": (("threads",), 10**12, "threads 1000000000000 is wrong: it must be a whole number from 1"),
    "device of another kind": (("device",), 5, "device 5 is wrong: it must be a text"),
    "libraries of another kind": (("libraries",), [], "libraries [] is wrong: it must be an object"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_recipe_is_refused_in_one_line(tmp_path, record, name):
    keys, value, says = DAMAGE[name]
    with pytest.raises(InputError, match="provenance.json") as error:
        Recipe.read(save(tmp_path, changed(record, *keys, value=value)))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_another_host_is_refused(tmp_path, record):
    recipe = Recipe.read(save(tmp_path, record))
    host = brain_host()
    recipe.check_host(host)
    other = host.voxels.copy()
    other[0, 0, 0] += 1
    with pytest.raises(InputError, match="not the host"):
        recipe.check_host(HostBrain.from_array(other, host.affine))
    with pytest.raises(InputError, match="not the host"):
        recipe.check_host(HostBrain.from_array(host.voxels, host.affine @ np.diag([1, 1, 1.01, 1])))


def test_another_bundle_is_refused_by_the_networks_that_differ(tmp_path, record):
    bundle = bundle_by_hand()
    Recipe.read(save(tmp_path, record)).check_bundle(bundle)
    bundle.manifest["networks"]["b"]["sha256"] = "9" * 64
    with pytest.raises(InputError, match=r"'default' .* networks b differ"):
        Recipe.read(save(tmp_path, record)).check_bundle(bundle)


def test_another_brain_mask_is_refused(tmp_path, record):
    recipe = Recipe.read(save(tmp_path, record))
    mask = brain_of(brain_host())
    recipe.check_brain_mask(mask, None)
    with pytest.raises(InputError, match=r"mine\.nii: not the brain mask"):
        recipe.check_brain_mask(~mask, tmp_path / "mine.nii")
    with pytest.raises(InputError, match="found here is not the one"):
        recipe.check_brain_mask(~mask, None)


@pytest.mark.parametrize(
    ("keys", "value", "says"),
    [
        (("libraries", "torch"), "1.0", "torch .* instead of 1.0"),
        (("device",), "cuda", "device cpu instead of cuda"),
        (("threads",), 99, "threads .* instead of 99"),
        (("tool", "version"), "0.0.1", "TumorSynth .* instead of 0.0.1"),
        (("processor",), "abacus", "processor .* instead of abacus"),
    ],
)
def test_what_may_change_the_last_digit_is_named(tmp_path, record, keys, value, says):
    recipe = Recipe.read(save(tmp_path, record))
    assert recipe.differences(record) == []
    older = Recipe.read(save(tmp_path, changed(record, *keys, value=value)))
    (difference,) = older.differences(record)
    assert re.search(says, difference)
