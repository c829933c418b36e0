"""What a person writes, as options or in a list, becomes the lesion they meant or one clear line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from TumorSynthLib.cli_numbers import gathered
from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain
from TumorSynthLib.lesion_lists import parse_numbers, plan_from_options, plans_from_file
from TumorSynthLib.parameters import Appearance
from volumes import oblique_affine, voxels_of

OPTIONS = {"space": "ras", "structure": None, "seed": 0}
CENTER_AND_RADII = {"center": (-10.0, 20.0, 30.0), "radii": (14.0, 10.0, 5.0)}


def save(folder, content):
    path = folder / "lesions.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


# -- numbers on the command line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--center", "-10", "20", "30"], ["--center=-10 20 30"]),
        (["h.nii", "--radii", "14", "10", "5", "-o", "out"], ["h.nii", "--radii=14 10 5", "-o", "out"]),
        (["--radii", "14", "10", "h.nii"], ["--radii=14 10", "h.nii"]),
        (["--radii", "14,10,5"], ["--radii=14,10,5"]),
        (["--radii", "14, 10", "-.5e1"], ["--radii=14, 10 -.5e1"]),
        (["--center=-10 20 30"], ["--center=-10 20 30"]),
        (["--center", "--seed", "3"], ["--center", "--seed", "3"]),
        (["--center", "nan", "-inf", "0"], ["--center=nan -inf 0"]),
        (["--seed", "3", "4"], ["--seed", "3", "4"]),
        (["--", "--center", "1", "2"], ["--", "--center", "1", "2"]),
        ([], []),
    ],
)
def test_numbers_after_their_option_are_gathered(arguments, expected):
    assert gathered(arguments) == expected


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=5))
def test_any_numbers_come_through_unchanged(numbers):
    (argument,) = gathered(["--radii", *map(repr, numbers)])
    assert parse_numbers(argument.removeprefix("--radii="), "--radii", "") == tuple(numbers)


def test_words_among_numbers_are_refused():
    with pytest.raises(InputError, match="--radii 14 ten: not numbers; give for example --radii 14 10 5"):
        parse_numbers("14 ten", "--radii", "14 10 5")


# -- one lesion from options


def test_options_become_a_lesion():
    plan = plan_from_options({**OPTIONS, **CENTER_AND_RADII, "structure": "ring", "seed": 4, "blend-width": 2.5})
    assert plan.spheres.center_ras == (-10.0, 20.0, 30.0)
    assert plan.spheres.radii_mm == (14.0, 10.0, 5.0)
    assert plan.spheres.resolved_structure.name == "ring"
    assert (plan.seed, plan.appearance) == (4, Appearance(blend_width_mm=2.5))


BAD_OPTIONS = {
    "no center": ({"center": None}, "--center is missing"),
    "no radii": ({"radii": None}, "--radii is missing"),
    "two coordinates": ({"center": (1.0, 2.0)}, "--center (1.0, 2.0)"),
    "nan in center": ({"center": (1.0, 2.0, float("nan"))}, "--center (1.0, 2.0, nan)"),
    "one radius": ({"radii": (14.0,)}, "--radii (14.0,)"),
    "rising radii": ({"radii": (5.0, 10.0)}, "--radii (5.0, 10.0) must strictly decrease"),
    "equal radii": ({"radii": (10.0, 10.0)}, "must strictly decrease"),
    "negative radius": ({"radii": (10.0, -5.0)}, "--radii (10.0, -5.0)"),
    "nan radius": ({"radii": (float("nan"), 5.0)}, "--radii (nan, 5.0)"),
    "huge radius": ({"radii": (200.0, 5.0)}, "--radii: outermost radius 200 mm is too large"),
    "too few values": ({"values": (1.0, 0.5)}, "--values (1.0, 0.5)"),
    "values above 1": ({"values": (1.0, 0.5, 2.0)}, "--values"),
    "equal values": ({"values": (0.5, 0.5, 0.5)}, "--values"),
    "unknown structure": ({"structure": "cubic"}, "--structure 'cubic' is unknown"),
    "unknown space": ({"space": "mni"}, "--space 'mni' is unknown"),
    "negative seed": ({"seed": -1}, "--seed -1"),
    "enormous seed": ({"seed": 2**63}, "--seed"),
    "smoothing out of range": ({"smoothing": 9.0}, "--smoothing 9 is out of range: 0 to 5 mm"),
    "blend width out of range": ({"blend-width": -1.0}, "--blend-width -1 is out of range"),
    "nan contrast": ({"contrast": float("nan")}, "--contrast nan"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_a_bad_option_is_named_with_its_value(name):
    wrong, says = BAD_OPTIONS[name]
    with pytest.raises(InputError) as error:
        plan_from_options({**OPTIONS, **CENTER_AND_RADII, **wrong})
    assert says in str(error.value)
    assert str(error.value).startswith("--")


# -- where the centre lies


def test_a_centre_means_the_same_place_in_every_space():
    host = HostBrain.from_array(voxels_of(), oblique_affine())
    ijk = np.array([3.0, 4.25, 5.5])
    ras = host.ijk_to_ras(ijk)
    for space, center in (("ras", ras), ("lps", ras * (-1, -1, 1)), ("ijk", ijk)):
        options = {**OPTIONS, **CENTER_AND_RADII, "space": space, "center": tuple(center.tolist())}
        assert np.allclose(plan_from_options(options).request(host).spheres.center_ras, ras, atol=1e-9)


# -- several lesions from a list


def test_a_list_s_lesions_take_what_they_leave_out_from_the_options(tmp_path):
    entries = [
        {"center": [1, 2, 3], "radii": [9, 4]},
        {"center": [4, 5, 6], "radii": [8, 3], "seed": 3, "structure": "solid", "contrast": 2, "space": "lps"},
        {"center": [4, 5, 6], "radii": [8, 3], "values": [0.3, 0.9], "mass_effect": 0.5, "blend-width": 2},
    ]
    options = {**OPTIONS, "structure": "ring", "seed": 10, "contrast": 1.5}
    first, second, third = plans_from_file(save(tmp_path, entries), options)
    assert (first.seed, second.seed, third.seed) == (10, 3, 12)
    assert [plan.appearance.contrast for plan in (first, second, third)] == [1.5, 2.0, 1.5]
    assert first.spheres.resolved_structure.name == "ring"
    assert second.spheres.resolved_structure.name == "solid" and second.space == "lps"
    assert third.spheres.values == (0.3, 0.9)
    assert (third.appearance.mass_effect, third.appearance.blend_width_mm) == (0.5, 2.0)


GOOD = {"center": [1, 2, 3], "radii": [9, 4]}
BAD_LISTS = {
    "not JSON": ("center 1 2 3", "not a JSON file"),
    "an object": (GOOD, "not a list"),
    "empty": ([], "not a list"),
    "too many": ([GOOD] * 1001, "at most 1000"),
    "numbers": ([GOOD, 5], "lesion 2: not an object"),
    "unknown key": ([GOOD, {**GOOD, "colour": 1}], "lesion 2: 'colour' is unknown"),
    "no radii": ([{"center": [1, 2, 3]}], "lesion 1: radii is missing"),
    "text for a number": ([{**GOOD, "center": ["a", 2, 3]}], "lesion 1: center ['a', 2, 3] is not a list of numbers"),
    "text for numbers": ([{**GOOD, "radii": "9 4"}], "lesion 1: radii 9 4 is not a list of numbers"),
    "rising radii": ([{**GOOD, "radii": [4, 9]}], "lesion 1: radii (4.0, 9.0)"),
    "values and structure": ([{**GOOD, "values": [1, 0.5], "structure": "ring"}], "exclude each other"),
    "structure of another kind": ([{**GOOD, "structure": 3}], "lesion 1: structure 3"),
    "seed of another kind": ([{**GOOD, "seed": 1.5}], "lesion 1: seed 1.5"),
    "smoothing too wide": ([{**GOOD, "smoothing": 50}], "lesion 1: smoothing 50 is out of range"),
    "a number beyond all bounds": ([{**GOOD, "radii": [10**400, 4]}], "lesion 1: radii: a number beyond"),
    "contrast beyond all bounds": ([{**GOOD, "contrast": 10**400}], "lesion 1: contrast: a number beyond"),
    "nested without end": ("[" * 100_000, "not a JSON file"),
    "contrast as text": ([{**GOOD, "contrast": "high"}], "lesion 1: contrast high"),
    "contrast as yes": ([{**GOOD, "contrast": True}], "lesion 1: contrast True"),
    "unknown space": ([{**GOOD, "space": "mni"}], "lesion 1: space 'mni'"),
    "two spellings": ([{**GOOD, "blend_width": 1, "blend-width": 2}], "lesion 1: 'blend-width' and 'blend_width' are"),
    "two spellings in turn": ([{**GOOD, "mass-effect": 1, "mass_effect": 0}], "'mass-effect' and 'mass_effect' are"),
    "a key twice": ('[{"center": [1, 2, 3], "radii": [9, 4], "seed": 1, "seed": 2}]', "'seed' is given twice"),
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_a_bad_list_is_refused_by_file_and_lesion(tmp_path, name):
    content, says = BAD_LISTS[name]
    path = save(tmp_path, content)
    with pytest.raises(InputError) as error:
        plans_from_file(path, OPTIONS)
    assert str(error.value).startswith(f"{path}: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        plans_from_file(tmp_path / "none.json", OPTIONS)
