"""Spheres: what a person may ask for, and how it is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from TumorSynthLib.errors import InputError
from TumorSynthLib.grid import Grid
from TumorSynthLib.parameters import Appearance, ranges
from TumorSynthLib.spheres import STRUCTURES, ConcentricSpheres

RADII = st.lists(st.floats(1.0, 30.0), min_size=2, max_size=5, unique=True).map(
    lambda r: tuple(sorted(r, reverse=True))
)


@pytest.mark.parametrize(
    ("radii", "values", "structure", "says"),
    [
        ((10, 10, 5), None, None, "strictly decrease"),
        ((5, 10), None, None, "strictly decrease"),
        ((10,), None, None, "two or more"),
        ((10, -5), None, None, "positive"),
        ((10, float("nan")), None, None, "positive"),
        ((90, 5), None, None, "at most 40"),
        ((10, 5), (0.5, 0.75, 1.0), None, "one per radius"),
        ((10, 5), (0.5, 1.5), None, "at most 1"),
        ((10, 5), (0.5, 0.5), None, "two grey levels"),
        ((10, 5), (0.5, 1.0), "ring", "exclude"),
        ((10, 5), None, "fluffy", "solid, ring, heterogeneous"),
    ],
)
def test_impossible_spheres_are_refused_with_the_reason(radii, values, structure, says):
    with pytest.raises(InputError, match=says):
        ConcentricSpheres((0, 0, 0), radii, values, structure)


@pytest.mark.parametrize("center", [(0, 0), (0, 0, float("inf"))])
def test_a_center_is_three_finite_numbers(center):
    with pytest.raises(InputError, match="three finite numbers"):
        ConcentricSpheres(center, (10, 5))


@given(RADII)
def test_shells_and_classes_share_out_the_whole_volume(radii):
    spheres = ConcentricSpheres((0, 0, 0), radii, structure="ring")
    assert np.isclose(spheres.shell_fractions.sum(), 1)
    values, shares = spheres.classes()
    assert np.isclose(shares.sum(), 1) and (np.diff(values) > 0).all()


def test_the_drawing_has_each_shells_value_and_the_spheres_volume():
    spheres = ConcentricSpheres((1.3, -0.4, 0.2), (12.4, 9.0, 5.0))
    grid = Grid(np.eye(4) + np.eye(4, k=3) * 0, (41, 41, 41))
    affine = np.eye(4)
    affine[:3, 3] = -20
    image = spheres.image(Grid(affine, grid.shape))
    assert np.isclose((image > 0.25).sum(), spheres.volume_mm3, rtol=0.02)
    for distance, value in ((11, 0.5), (7, 0.75), (0, 1.0)):
        index = np.rint(np.array([1.3 + distance, -0.4, 0.2]) + 20).astype(int)
        assert np.isclose(image[tuple(index)], value, atol=1e-5)


def test_a_solid_lesion_brightens_inwards_and_a_ring_outwards():
    depth = np.linspace(0, 1, 50)
    solid = ConcentricSpheres((0, 0, 0), (10, 8, 5), structure="solid").order_along_depth(depth)
    ring = ConcentricSpheres((0, 0, 0), (10, 8, 5), structure="ring").order_along_depth(depth)
    assert (np.diff(solid) >= 0).all() and solid[0] == -1 and solid[-1] == 1
    assert (np.diff(ring) <= 0).all() and ring[0] == 1 and ring[-1] == -1


@given(st.integers(2, 6))
def test_every_structure_works_with_any_number_of_spheres(count):
    radii = tuple(np.linspace(15, 4, count))
    for name in STRUCTURES:
        structure = ConcentricSpheres((0, 0, 0), radii, structure=name).resolved_structure
        assert len(structure.values) == count


@pytest.mark.parametrize("name", list(ranges()))
def test_appearance_outside_its_range_is_refused_with_the_range(name):
    limits = ranges()[name]
    for bad in (limits.low - 0.5, limits.high + 0.5, float("nan")):
        with pytest.raises(InputError, match=f"{limits.low:g} to {limits.high:g}"):
            Appearance(**{name: bad})
