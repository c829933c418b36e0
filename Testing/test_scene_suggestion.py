"""Where a click puts a lesion, and how large; and lesions at random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantoms import BRAIN_HALF_MM, phantom
from TumorSynthLib.errors import InputError
from TumorSynthLib.painting import Brain, check_place
from TumorSynthLib.scene.nesting import MIN_GAP_MM
from TumorSynthLib.scene.suggestion import place_beside, random_spheres, suggested_spheres
from TumorSynthLib.spheres import ConcentricSpheres

MIDDLE = np.array([5.0, -10.0, 15.0])  # of the phantom


def brain_in(**options):
    host, mask = phantom(**options)
    return Brain(mask, "given", host.grid), host


@pytest.fixture(scope="module")
def head():
    return brain_in(spacing_mm=(1.5, 1.5, 1.5))


OTHERS = {
    "oblique": dict(spacing_mm=(1.2, 1.5, 2.0), angles_degrees=(20, -10, 15)),
    "thick slices": dict(spacing_mm=(0.9, 0.9, 5.0)),
    "flipped": dict(spacing_mm=(1.5, 1.5, 1.5), flips=(-1, 1, -1)),
}


def assert_accepted(host, brain, suggestion):
    center, radii = suggestion
    assert all(outer - inner >= MIN_GAP_MM for outer, inner in zip(radii, radii[1:], strict=False))
    check_place(host, brain, ConcentricSpheres(center, radii))


def test_a_click_deep_in_the_brain_gets_a_lesion_of_usual_size_just_there(head):
    brain, host = head
    center, radii = suggested_spheres(brain, host, MIDDLE + (30, 5, 5))
    assert center == tuple(MIDDLE + (30, 5, 5))
    assert radii == (10.0, 8.2, 6.2)


def test_a_click_in_the_outermost_brain_stays_there_and_the_lesion_shrinks(head):
    brain, host = head
    point = MIDDLE + (BRAIN_HALF_MM[0] - 1.5, 0, 0)
    center, radii = suggested_spheres(brain, host, point, radius_mm=30)
    assert np.allclose(center, point)
    assert radii[0] < 30
    assert_accepted(host, brain, (center, radii))


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, -1, 0), (1, -1, -1)])
def test_a_click_just_outside_moves_to_the_nearest_place_with_room(kind, direction):
    brain, host = brain_in(**OTHERS[kind])
    direction = np.array(direction) / np.linalg.norm(direction)
    border = MIDDLE + direction / np.linalg.norm(direction / BRAIN_HALF_MM)
    suggestion = suggested_spheres(brain, host, border + 6 * direction)
    assert_accepted(host, brain, suggestion)
    assert suggestion[1][0] == 10.0
    assert np.linalg.norm(suggestion[0] - border) < 9


def test_a_click_far_from_the_brain_is_refused(head):
    brain, host = head
    with pytest.raises(InputError, match="no room for a lesion near 5 -10 115"):
        suggested_spheres(brain, host, MIDDLE + (0, 0, 100))


def test_a_brain_too_thin_for_any_lesion_is_refused_in_words():
    host, mask = phantom((3, 3, 3))
    thin = np.zeros_like(mask)
    thin[:, :, mask.shape[2] // 2] = mask[:, :, mask.shape[2] // 2]
    brain = Brain(thin, "given", host.grid)
    try:
        suggestion = suggested_spheres(brain, host, MIDDLE)
    except InputError as error:
        assert "no room" in str(error)
    else:
        assert_accepted(host, brain, suggestion)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1.3), longitude=st.floats(0, 6.28), latitude=st.floats(-1.5, 1.5), radius=st.floats(4, 40))
def test_whatever_is_suggested_is_accepted(head, share, longitude, latitude, radius):
    brain, host = head
    direction = np.array(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )
    try:
        suggestion = suggested_spheres(brain, host, MIDDLE + share * direction * BRAIN_HALF_MM, radius)
    except InputError as error:
        assert share > 1 and "no room" in str(error)
    else:
        assert_accepted(host, brain, suggestion)
        assert suggestion[1][0] <= round(radius, 1)


# -- random


def test_random_lesions_lie_apart_in_the_brain_and_are_of_all_sizes(head):
    brain, host = head
    rng, made = np.random.default_rng(1), []
    for _ in range(12):
        suggestion = random_spheres(brain, host, rng, made)
        assert_accepted(host, brain, suggestion)
        made.append(ConcentricSpheres(*suggestion))
    radii = [spheres.outer_radius_mm for spheres in made]
    assert min(radii) >= 5 and max(radii) <= 20 and np.std(radii) > 1
    for number, one in enumerate(made):
        for other in made[:number]:
            distance = np.linalg.norm(np.subtract(one.center_ras, other.center_ras))
            assert distance > one.outer_radius_mm + other.outer_radius_mm


def test_random_places_are_spread_over_the_whole_brain(head):
    brain, host = head
    rng = np.random.default_rng(2)
    centers = np.array([random_spheres(brain, host, rng)[0] for _ in range(150)]) - MIDDLE
    in_ellipsoid = BRAIN_HALF_MM / np.sqrt(5)  # the standard deviation of a uniform distribution
    assert np.all(np.abs(centers.mean(0)) < 0.35 * in_ellipsoid)
    assert np.allclose(centers.std(0), in_ellipsoid, rtol=0.2)


def test_the_same_chance_gives_the_same_lesion(head):
    brain, host = head
    assert random_spheres(brain, host, np.random.default_rng(3)) == random_spheres(
        brain, host, np.random.default_rng(3)
    )


def test_a_full_brain_takes_overlapping_lesions(head):
    brain, host = head
    full = [ConcentricSpheres(tuple(MIDDLE + offset), (40, 20)) for offset in ((0, 30, 0), (0, -30, 0), (0, 0, 0))]
    full += [ConcentricSpheres(tuple(MIDDLE + (0, side, up)), (40, 20)) for side in (-50, 50) for up in (-30, 30)]
    assert_accepted(host, brain, random_spheres(brain, host, np.random.default_rng(4), full))


# -- beside


def distances(center, others):
    return [np.linalg.norm(np.subtract(center, other.center_ras)) for other in others]


def test_a_duplicate_lies_beside_its_original(head):
    brain, host = head
    spheres = ConcentricSpheres(tuple(MIDDLE + (20, 0, 0)), (9, 6, 3))
    center = place_beside(brain, host, spheres, [spheres])
    assert np.allclose(distances(center, [spheres]), 20)
    check_place(host, brain, ConcentricSpheres(center, spheres.radii_mm))


def test_duplicates_do_not_pile_up(head):
    brain, host = head
    made = [ConcentricSpheres(tuple(MIDDLE), (9, 6, 3))]
    for _ in range(5):
        center = place_beside(brain, host, made[-1], made)
        assert min(distances(center, made)) > 18
        made.append(ConcentricSpheres(center, (9, 6, 3)))


def test_a_duplicate_without_room_beside_it_comes_nearer(head):
    brain, host = head
    spheres = ConcentricSpheres(tuple(MIDDLE), (40, 20))
    center = place_beside(brain, host, spheres, [spheres])
    assert 0 < distances(center, [spheres])[0] < 82
    check_place(host, brain, ConcentricSpheres(center, spheres.radii_mm))
