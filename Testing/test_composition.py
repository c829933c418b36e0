"""Putting lesions into the host again and again: what is remembered never shows, and work that is not needed is not
done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from phantoms import phantom
from TumorSynthLib import Appearance, ConcentricSpheres, LesionRequest
from TumorSynthLib.calibration import dilated
from TumorSynthLib.composition import compose, compose_part
from TumorSynthLib.composition_memory import CompositionMemory
from TumorSynthLib.grid import Grid, resample
from TumorSynthLib.host import HostBrain
from TumorSynthLib.random_fields import smooth_field
from TumorSynthLib.synthesis import LesionSynthesizer

PLACES = ((20.0, -20.0, 20.0), (27.0, -12.0, 22.0), (-25.0, 10.0, 10.0), (-20.0, -40.0, 15.0))
RADII = ((9, 6, 3), (5, 4, 2), (7, 5, 2), (6, 4, 2))


class Case:
    """Four painted lesions in a made-up brain: two that overlap, two by themselves."""

    def __init__(self, synthesizer: LesionSynthesizer) -> None:
        self.host, mask = phantom()
        self.brain = synthesizer.brain_from(self.host, mask)
        places = enumerate(zip(PLACES, RADII, strict=True))
        requests = [LesionRequest(ConcentricSpheres(place, radii), seed) for seed, (place, radii) in places]
        self.lesions = [synthesizer.paint(self.host, self.brain, request) for request in requests]

    def compose(self, appearances, memory=None, which=(0, 1, 2, 3)):
        lesions = [self.lesions[number] for number in which]
        return compose(self.host, self.brain, lesions, appearances, memory)


@pytest.fixture(scope="module")
def case(synthesizer) -> Case:
    return Case(synthesizer)


def assert_same(one, other) -> None:
    for name in ("image", "mask", "intensity_map", "zone"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert one.lesions == other.lesions


def random_edit(rng: np.random.Generator, appearances: list[Appearance]) -> list[Appearance]:
    """Somebody moves one slider of one lesion."""
    limits = {"smoothing_mm": 2, "contrast": 2, "blend_width_mm": 4, "mass_effect": 1, "oedema": 1, "oedema_extent": 2}
    name = rng.choice(list(limits))
    value = float(rng.choice([0.3, 0.5 * limits[name], limits[name]]))
    number = rng.integers(len(appearances))
    return [replace(a, **{name: value}) if k == number else a for k, a in enumerate(appearances)]


def test_what_is_remembered_never_shows_however_sliders_are_moved(case):
    rng = np.random.default_rng(4)
    memory = CompositionMemory()
    appearances = [Appearance()] * 4
    for _ in range(12):
        appearances = random_edit(rng, appearances)
        assert_same(case.compose(appearances, memory), case.compose(appearances))


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.6, 0.6, 0.6), (1, 1, 5), (1.2, 0.9, 2)])
@pytest.mark.parametrize("height", [0.0, 33.0])
def test_a_lesion_of_tissue_in_even_tissue_cannot_be_seen(synthesizer, spacing, height):
    """Nor anything beside it, at the edge of the field of view either (height 33)."""
    shape = tuple(round(72 / s) for s in spacing)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    values = np.full(shape, 700.0, np.float32)
    values[:3] = 0  # air
    host, mask = HostBrain.from_array(values, affine), values > 0
    brain = synthesizer.brain_from(host, mask)
    lesion = synthesizer.paint(host, brain, LesionRequest(ConcentricSpheres((4.0, 3.0, height), (8, 6, 4)), 3))
    tissue = replace(lesion, painted=np.ones_like(lesion.painted), strands=np.zeros_like(lesion.strands))
    made = compose(host, brain, [tissue], [Appearance(mass_effect=0, oedema=0)])
    assert made.mask.any()
    assert np.abs(made.image - values).max() < 0.005 * 700


def test_a_memory_too_small_for_anything_changes_nothing(case, monkeypatch):
    monkeypatch.setattr("TumorSynthLib.composition_memory.MEMORY_BYTES", 1000)
    memory = CompositionMemory()
    for strength in (0.2, 0.8, 0.2):
        appearances = [Appearance(mass_effect=strength)] * 4
        assert_same(case.compose(appearances, memory), case.compose(appearances))


def test_memory_does_not_grow_with_use(case, monkeypatch):
    monkeypatch.setattr("TumorSynthLib.composition_memory.MEMORY_BYTES", 60 << 20)
    memory = CompositionMemory()
    for step in range(30):
        case.compose([Appearance(mass_effect=0.2 + 0.01 * step)] * 4, memory)
    assert sum(size for _, size in memory._kept.values()) < 100 << 20


def test_work_given_up_in_the_middle_leaves_no_trace(case):
    class GivenUp(Exception):
        pass

    steps = []

    def until_the_fourth_step():
        steps.append(1)
        if len(steps) == 4:
            raise GivenUp

    memory = CompositionMemory()
    appearances = [Appearance(mass_effect=0.7, oedema=0.7)] * 4
    with pytest.raises(GivenUp):
        compose_part(case.host, case.brain, case.lesions, appearances, memory, until_the_fourth_step)
    assert_same(case.compose(appearances, memory), case.compose(appearances))


def test_changing_one_lesion_costs_nothing_for_those_it_does_not_touch(case):
    """Steps of work are counted: those of one lesion, not of four."""
    memory = CompositionMemory()
    calm = [Appearance(mass_effect=0, oedema=0)] * 4
    case.compose(calm, memory)
    steps = []
    changed = [*calm[:3], replace(calm[3], contrast=1.4)]
    part = compose_part(case.host, case.brain, case.lesions, changed, memory, lambda: steps.append(1))
    assert len(steps) == 1
    assert np.array_equal(part.on_host(case.host).image, case.compose(changed).image)


def test_a_part_lies_in_a_fraction_of_the_host(case):
    part = compose_part(case.host, case.brain, case.lesions[:1], [Appearance(mass_effect=0, oedema=0)])
    assert part.image.size < 0.1 * case.host.voxels.size
    outside = np.ones(case.host.shape, bool)
    outside[part.box] = False
    assert np.array_equal(part.on_host(case.host).image[outside], case.host.voxels[outside])


@pytest.mark.parametrize("radius", [1.0, 1.5, 2.0, 2.8, 0.2 * 15, 3.6])
def test_dilating_by_a_ball_is_all_within_a_distance(radius):
    mask = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((30, 25, 28)), 2) > 0.1
    assert np.array_equal(dilated(mask, radius), ndimage.distance_transform_edt(~mask) <= radius)


def test_a_field_of_chance_is_the_same_from_memory_and_leaves_chance_where_it_was():
    def drawn():
        rng = np.random.default_rng(8)
        return smooth_field(rng, 24, ((1.0, 2.0),)), rng.standard_normal()

    (first, after_first), (again, after_again) = drawn(), drawn()
    assert np.array_equal(first, again) and after_first == after_again
    rng = np.random.default_rng(8)
    rng.standard_normal((24, 24, 24), dtype=np.float32)
    assert rng.standard_normal() == after_again


def test_resampling_does_not_depend_on_the_layout_in_memory():
    source, target = Grid(np.eye(4), (40, 30, 20)), Grid(np.diag([2.3, 2.0, 0.7, 1.0]), (15, 14, 25))
    values = np.random.default_rng(0).random(source.shape, np.float32)
    assert np.array_equal(resample(values, source, target), resample(np.asfortranarray(values), source, target))
