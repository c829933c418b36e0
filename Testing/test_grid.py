"""Where voxels are: resampling agrees with an independent interpolation, on any lattice."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from TumorSynthLib.cube import CUBE_SIZE, MAX_RADIUS_VOXELS, cube_around
from TumorSynthLib.grid import Grid, canonical_axes, resample
from volumes import oblique_affine

ANGLES = st.tuples(*[st.floats(-180, 180)] * 3)
FLIPS = st.tuples(*[st.sampled_from([-1, 1])] * 3)
AXES = st.sampled_from(list(itertools.permutations(range(3))))
SPACING = st.tuples(*[st.floats(0.5, 1.4)] * 3)


def smooth_volume(shape: tuple[int, ...]) -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(1).standard_normal(shape), 2).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(ANGLES, FLIPS, AXES, SPACING)
def test_resampling_agrees_with_scipy_wherever_both_lattices_lie(angles, flips, axes, spacing):
    source = Grid(oblique_affine(spacing, angles), (20, 24, 18))
    middle = source.to_ras((np.array(source.shape) - 1) / 2)
    affine = oblique_affine((0.7, 0.6, 0.74), angles, flips, axes)
    affine[:3, 3] = middle - affine[:3, :3] @ np.full(3, 4.3)
    target = Grid(affine, (9, 10, 8))
    values = smooth_volume(source.shape)
    index = np.moveaxis(source.to_index(target.to_ras(np.moveaxis(np.indices(target.shape), 0, -1))), -1, 0)
    expected = ndimage.map_coordinates(values, index, order=1, cval=0)
    inside = ((index >= 0) & (index <= np.array(source.shape).reshape(3, 1, 1, 1) - 1)).all(0)
    assert inside.mean() > 0.5
    np.testing.assert_allclose(resample(values, source, target)[inside], expected[inside], atol=2e-4)


def test_lattices_at_an_angle_are_refused():
    source, turned = (Grid(oblique_affine((1, 1, 1), angles), (8, 8, 8)) for angles in ((0, 0, 0), (0, 0, 5)))
    with pytest.raises(ValueError, match="parallel"):
        resample(np.ones(source.shape), source, turned)


@given(ANGLES, FLIPS, AXES)
def test_a_covering_box_holds_all_that_is_marked(angles, flips, axes):
    host = Grid(oblique_affine((0.8, 1.0, 3.0), angles), (40, 36, 14))
    cube = cube_around(host, host.to_ras(np.array([18.0, 20, 6])), 5.0)
    marked = cube.squared_distance_mm2(host.to_ras(np.array([17.2, 19.1, 6.3]))) < 36
    near = resample(marked, cube, host) > 1e-3
    near[host.box_covering(cube, marked)] = False
    assert not near.any()
    assert host.box_covering(cube, np.zeros(cube.shape, bool)) == (slice(0, 0),) * 3


@given(FLIPS, AXES)
def test_coinciding_lattices_are_cropped_exactly(flips, axes):
    source = Grid(oblique_affine((1.0, 1.0, 1.0), (0, 0, 0), (1, 1, 1), (0, 1, 2), (3, 4, 5)), (12, 13, 14))
    values = np.random.default_rng(0).standard_normal(source.shape).astype(np.float32)
    affine = oblique_affine((1.0, 1.0, 1.0), (0, 0, 0), flips, axes, source.to_ras(np.array([6, 6, 6])))
    target = Grid(affine, (4, 4, 4))
    index = np.rint(source.to_index(target.to_ras(np.moveaxis(np.indices((4, 4, 4)), 0, -1)))).astype(int)
    assert np.array_equal(resample(values, source, target), values[tuple(np.moveaxis(index, -1, 0))])


def test_what_lies_beyond_the_source_gets_the_fill():
    source = Grid(np.eye(4), (6, 6, 6))
    far = np.eye(4)
    far[:3, 3] = 100
    assert (resample(np.ones(source.shape), source, Grid(far, (3, 3, 3)), fill=7.0) == 7).all()
    assert not resample(np.ones(source.shape), source, Grid(far, (3, 3, 3))).any()


def test_a_thick_slice_averages_what_it_covers():
    fine = Grid(np.eye(4), (8, 8, 24))
    thin = np.zeros(fine.shape)
    thin[:, :, 10] = 1.0
    thick = np.diag([1.0, 1.0, 6.0, 1.0])
    thick[2, 3] = 2.5
    seen = resample(thin, fine, Grid(thick, (8, 8, 4)))
    assert np.isclose(seen[4, 4].sum() * 6, 1.0, atol=0.01)


@given(ANGLES, FLIPS, AXES, st.tuples(*[st.floats(0.3, 6.0)] * 3))
def test_the_cube_runs_along_the_hosts_axes_nearest_to_r_a_s(angles, flips, axes, spacing):
    affine = oblique_affine(spacing, angles, flips, axes)
    chosen = canonical_axes(affine)
    host_axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    along = np.abs(host_axes.T @ chosen)
    assert np.allclose(np.sort(along.ravel())[-3:], 1) and np.allclose(np.sort(along.ravel())[:-3], 0, atol=1e-6)
    assert (np.diag(chosen) > -1e-9).all()


@given(ANGLES, FLIPS, AXES, st.tuples(*[st.floats(0.3, 6.0)] * 3), st.floats(1.0, 40.0))
def test_the_cube_holds_the_lesion_with_room_around(angles, flips, axes, spacing, radius):
    host = Grid(oblique_affine(spacing, angles, flips, axes), (60, 60, 40))
    center = host.to_ras(np.array([30.3, 28.9, 20.4]))
    cube = cube_around(host, center, radius)
    assert cube.shape == (CUBE_SIZE,) * 3
    assert np.ptp(cube.voxel_mm) < 1e-9
    place = cube.to_index(center)
    assert np.abs(place - CUBE_SIZE / 2).max() <= 0.76
    assert radius / cube.voxel_mm[0] <= MAX_RADIUS_VOXELS + 1e-6


@given(st.floats(1, 20), ANGLES)
def test_a_box_holds_every_voxel_within_reach(reach, angles):
    grid = Grid(oblique_affine((1.0, 1.3, 2.0), angles), (30, 24, 16))
    center = grid.to_ras(np.array([14.2, 11.7, 8.1]))
    near = grid.squared_distance_mm2(center) <= reach**2
    outside = near.copy()
    outside[grid.box(center, reach)] = False
    assert not outside.any()
    assert np.allclose(grid.part(grid.box(center, reach)).affine[:3, :3], grid.affine[:3, :3])
