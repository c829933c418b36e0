"""Rings on slices: any ring can be taken hold of anywhere on it, and passes under the pointer that drags it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from TumorSynthLib.scene.ring_geometry import SlicePlane, grab, in_plane, ring_radius, sphere_radius

TOLERANCE_PX = 6.0

angles = st.tuples(*[st.floats(-180, 180)] * 3)
shifts = st.tuples(*[st.floats(-100, 100)] * 3)
around = st.floats(0, 2 * math.pi)


def affine(angles, shift, scale=(1, 1, 1)) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * scale
    matrix[:3, 3] = shift
    return matrix


def plane_of(angles, shift, mm_per_pixel, host=None) -> SlicePlane:
    """A slice view of square pixels, anyhow in the world, over a host that is anyhow in the world."""
    return SlicePlane.of(
        affine(angles, shift, (mm_per_pixel, mm_per_pixel, 1)), np.eye(4) if host is None else host
    )


def pixel_of(plane: SlicePlane, point: np.ndarray) -> np.ndarray:
    """The pixel that shows a point of the plane."""
    steps = np.stack([plane.across, plane.up], axis=1)
    return np.linalg.lstsq(steps, point - plane.origin, rcond=None)[0]


def point_on_ring(plane: SlicePlane, center: np.ndarray, ring: float, angle: float) -> np.ndarray:
    first = plane.across / np.linalg.norm(plane.across)
    second = plane.up - first * (plane.up @ first)
    second /= np.linalg.norm(second)
    return plane.foot(center) + ring * (math.cos(angle) * first + math.sin(angle) * second)


@given(angles, shifts, angles, shifts, st.booleans(), st.floats(-0.9, 0.9), around, st.integers(0, 2))
def test_a_ring_is_found_anywhere_on_it_in_any_slice_of_any_host(
    view_angles, view_shift, host_angles, host_shift, mirrored, share, angle, index
):
    host = affine(host_angles, host_shift, (-1 if mirrored else 1, 1, 1))
    plane = plane_of(view_angles, view_shift, 0.4, host)
    radii = (24.0, 16.0, 8.0)
    normal = np.cross(plane.across, plane.up)
    offset = share * radii[index]
    center = plane.origin + 30 * plane.across + offset * normal / np.linalg.norm(normal)
    ring = ring_radius(radii[index], offset)
    others = [r for i, radius in enumerate(radii) if i != index and (r := ring_radius(radius, offset))]
    assume(all(abs(ring - other) > 1 for other in others))
    found = grab(plane, center, radii, pixel_of(plane, point_on_ring(plane, center, ring, angle)), TOLERANCE_PX)
    assert found is not None and found.ring == index
    assert found.distance_px == pytest.approx(0, abs=1e-4)


@given(angles, shifts, st.floats(0, 12), st.floats(0.5, 30), around)
def test_the_sphere_for_a_place_shows_a_ring_through_that_place(view_angles, view_shift, offset, rho, angle):
    plane = plane_of(view_angles, view_shift, 0.7)
    normal = np.cross(plane.across, plane.up)
    center = plane.origin + offset * normal / np.linalg.norm(normal)
    pixel = pixel_of(plane, point_on_ring(plane, center, rho, angle))
    seen_rho, seen_offset, _ = in_plane(plane, center, pixel)
    radius = sphere_radius(seen_rho, seen_offset)
    assert ring_radius(radius, seen_offset) == pytest.approx(rho, abs=1e-4)
    assert radius == pytest.approx(np.linalg.norm(plane.point(pixel) - center), abs=1e-6)


@given(angles, st.floats(0.2, 2.0), around, st.floats(-5.5, 5.5))
def test_within_six_pixels_of_a_ring_means_pixels_at_every_zoom(view_angles, mm_per_pixel, angle, beside_px):
    plane = plane_of(view_angles, (0, 0, 0), mm_per_pixel)
    center, radii = plane.origin, (60 * mm_per_pixel, 2 * mm_per_pixel)
    point = point_on_ring(plane, center, radii[0] + beside_px * mm_per_pixel, angle)
    found = grab(plane, center, radii, pixel_of(plane, point), TOLERANCE_PX)
    assert found.ring == 0 and found.distance_px == pytest.approx(abs(beside_px), abs=1e-4)


@given(st.floats(0.3, 3.0), st.floats(0.3, 3.0), around, st.floats(1.0, 5.0), st.booleans())
def test_under_a_stretching_transform_the_distance_is_still_in_pixels(stretch_x, stretch_y, angle, beside_px, outer):
    """The circle shows as an ellipse. Its distance is measured against the nearest of many points of its outline."""
    plane = plane_of((0, 0, 0), (0, 0, 0), 1.0, affine((0, 0, 0), (0, 0, 0), (stretch_x, stretch_y, 1)))
    center, radii = np.zeros(3), (80.0, 1.0)
    turns = np.linspace(0, 2 * math.pi, 20001)
    outline = 80 * np.stack([stretch_x * np.cos(turns), stretch_y * np.sin(turns)], axis=1)
    on = 80 * np.array([stretch_x * math.cos(angle), stretch_y * math.sin(angle)])
    outward = np.array([math.cos(angle) / stretch_x, math.sin(angle) / stretch_y])
    pixel = on + outward / np.linalg.norm(outward) * beside_px * (1 if outer else -1)
    true_distance = np.linalg.norm(outline - pixel, axis=1).min()
    found = grab(plane, center, radii, pixel, tolerance_px=12)
    assert found is not None and found.ring == 0
    assert found.distance_px == pytest.approx(true_distance, rel=0.35)


def test_the_nearest_of_two_close_rings_is_taken():
    plane = plane_of((0, 0, 0), (0, 0, 0), 1.0)
    assert grab(plane, np.zeros(3), (40, 36, 10), (39.0, 0.0), TOLERANCE_PX).ring == 0
    assert grab(plane, np.zeros(3), (40, 36, 10), (37.0, 0.0), TOLERANCE_PX).ring == 1


def test_between_rings_and_in_the_core_the_whole_lesion_is_taken():
    plane = plane_of((0, 0, 0), (0, 0, 0), 1.0)
    for pixel in ((28.0, 0.0), (0.0, 0.0), (3.0, 0.0)):
        assert grab(plane, np.zeros(3), (40, 20), pixel, TOLERANCE_PX).ring is None


def test_a_sphere_of_a_few_pixels_can_still_be_moved():
    plane = plane_of((0, 0, 0), (0, 0, 0), 1.0)
    assert grab(plane, np.zeros(3), (7, 4), (1.0, 1.0), TOLERANCE_PX).ring is None
    assert grab(plane, np.zeros(3), (7, 4), (4.0, 0.0), TOLERANCE_PX).ring == 1


def test_outside_or_in_a_slice_that_misses_the_spheres_nothing_is_taken():
    plane = plane_of((0, 0, 0), (0, 0, 0), 1.0)
    assert grab(plane, np.zeros(3), (40, 20), (46.5, 0.0), TOLERANCE_PX) is None
    assert grab(plane, np.array((0, 0, 40.5)), (40, 20), (0.0, 0.0), TOLERANCE_PX) is None


def test_in_a_slice_near_the_pole_only_the_spheres_that_reach_it_are_there():
    plane = plane_of((0, 0, 0), (0, 0, 0), 1.0)
    center = np.array((0, 0, 30.0))
    assert grab(plane, center, (50, 20), (40.0, 0.0), TOLERANCE_PX).ring == 0
    assert grab(plane, center, (50, 20), (5.0, 0.0), TOLERANCE_PX).ring is None
