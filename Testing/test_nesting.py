"""Radii stay nested whatever a hand, a key or a number box asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from TumorSynthLib.scene.nesting import MIN_GAP_MM, MIN_RADIUS_MM, limits, scaled, with_radius
from TumorSynthLib.spheres import MAX_RADIUS_MM, ConcentricSpheres

TINY = 1e-9


@st.composite
def nested_radii(draw, gap: float = MIN_GAP_MM):
    """Two to five radii in bounds, outermost first."""
    count = draw(st.integers(2, 5))
    radii = [draw(st.floats(MIN_RADIUS_MM, 8))]
    for _ in range(count - 1):
        radii.append(radii[-1] + draw(st.floats(gap, 7)))
    return tuple(reversed(radii))


wanted_radii = st.floats(-50, 200)


@given(nested_radii(), st.data(), wanted_radii)
def test_a_resized_sphere_stops_at_its_neighbors_and_moves_no_other(radii, data, wanted):
    index = data.draw(st.integers(0, len(radii) - 1))
    changed = with_radius(radii, index, wanted)
    assert changed[:index] + changed[index + 1 :] == radii[:index] + radii[index + 1 :]
    gaps = [outer - inner for outer, inner in zip(changed, changed[1:], strict=False)]
    assert min(gaps) >= MIN_GAP_MM - TINY
    assert changed[0] <= MAX_RADIUS_MM and changed[-1] >= MIN_RADIUS_MM


@given(nested_radii(), st.data(), wanted_radii)
def test_a_sphere_takes_exactly_the_radius_asked_for_where_there_is_room(radii, data, wanted):
    index = data.draw(st.integers(0, len(radii) - 1))
    low, high = limits(radii, index)
    assert with_radius(radii, index, wanted)[index] == pytest.approx(min(max(wanted, low), high))


@given(nested_radii(gap=0.01), st.data(), wanted_radii)
def test_spheres_closer_than_the_gap_never_jump_apart_but_may_come_apart(radii, data, wanted):
    """A script may set spheres 0.1 mm apart; touching one must not throw it across the screen."""
    index = data.draw(st.integers(0, len(radii) - 1))
    assert with_radius(radii, index, radii[index]) == radii
    ConcentricSpheres((0, 0, 0), with_radius(radii, index, wanted))


@given(nested_radii(), st.floats(0.01, 100))
def test_scaling_keeps_the_structure_and_the_bounds(radii, factor):
    changed = scaled(radii, factor)
    ConcentricSpheres((0, 0, 0), changed)
    assert changed[-1] >= min(MIN_RADIUS_MM, radii[-1]) - TINY
    share = [radius / radii[0] for radius in radii]
    assert [radius / changed[0] for radius in changed] == pytest.approx(share)
    done = changed[0] / radii[0]
    assert min(factor, 1) - TINY <= done <= max(factor, 1) + TINY, "never further than asked, never the other way"


@given(nested_radii())
def test_a_small_step_up_and_down_comes_back(radii):
    if radii[0] * 1.05 <= MAX_RADIUS_MM:
        assert scaled(scaled(radii, 1.05), 1 / 1.05) == pytest.approx(radii)


def test_the_largest_sphere_stops_at_the_largest_radius():
    assert with_radius((30, 20, 10), 0, 90) == (MAX_RADIUS_MM, 20, 10)
    assert scaled((32, 20, 10), 2) == pytest.approx((40, 25, 12.5))


def test_the_innermost_sphere_stops_before_it_vanishes():
    assert with_radius((30, 20, 10), 2, 0) == (30, 20, MIN_RADIUS_MM)
    assert scaled((8, 6, 4), 0.01) == pytest.approx((2, 1.5, 1))
