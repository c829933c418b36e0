"""Smoothing, contrast, blending, mass effect, oedema: each does what its slider says and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from TumorSynthLib import blending, mass_effect, oedema
from TumorSynthLib.grid import Grid

CENTER = np.zeros(3)


def cubic(size: int = 32, voxel_mm: float = 2.0) -> Grid:
    affine = np.diag([voxel_mm] * 3 + [1.0])
    affine[:3, 3] = -(size - 1) / 2 * voxel_mm
    return Grid(affine, (size,) * 3)


def ball(grid: Grid, radius_mm: float, center=CENTER) -> np.ndarray:
    return grid.squared_distance_mm2(np.asarray(center, float)) <= radius_mm**2


def test_smoothing_keeps_the_noise_of_the_scan():
    rng = np.random.default_rng(0)
    painted = 1 + 0.05 * rng.standard_normal((32, 32, 32)).astype(np.float32)
    smooth = blending.smoothed(painted, 1.5, 0.05, seed=3)
    assert blending.noise_level(smooth, np.ones(smooth.shape, bool)) == pytest.approx(0.05, rel=0.1)
    assert np.array_equal(smooth, blending.smoothed(painted, 1.5, 0.05, seed=3))
    assert blending.smoothed(painted, 0, 0.05, seed=3) is painted


@given(st.floats(0, 3))
def test_contrast_scales_the_difference_from_white_matter(gain):
    made = blending.with_contrast(np.array([0.6, 1.0, 1.5], np.float32), gain)
    assert made == pytest.approx([1 - 0.4 * gain, 1.0, 1 + 0.5 * gain], abs=1e-5)


def test_bright_values_stay_below_what_the_host_can_store_and_dark_ones_stay():
    values = np.array([0.5, 1.0, 1.4, 1.8])
    assert np.array_equal(blending.within_ceiling(values, 1.8, np.inf), values)
    made = blending.within_ceiling(values, 1.8, 1.5)
    assert made[:2] == pytest.approx(values[:2]) and made[3] == pytest.approx(1.5 * blending.HEADROOM)
    assert (np.diff(made) > 0).all()
    assert blending.within_ceiling(values, 1.8, 0.9).max() == 1.0


@settings(max_examples=15, deadline=None)
@given(darker=st.floats(0, 0.4), moved=st.integers(0, 3), seed=st.integers(0, 99))
def test_tissue_beside_a_lesion_keeps_the_shade_that_oedema_gave_and_replaces_the_grain(darker, moved, seed):
    rng = np.random.default_rng(seed)
    host, tissue = (1 + 0.05 * rng.standard_normal((24, 24, 24)) for _ in range(2))
    base = np.roll(host, moved, 0) - darker
    share = np.linspace(0, 1, 24)[:, None, None]
    made = base + blending.changed_beside(base, np.ones(base.shape), blending.fine_detail(tissue + 0.3), share)
    assert np.array_equal(made[0], base[0])
    inner, now, grain = (v[-1, 4:-4, 4:-4] for v in (made, blending.fine_detail(made), blending.fine_detail(tissue)))
    assert inner.mean() == pytest.approx(1 - darker, abs=0.02) and inner.std() == pytest.approx(0.05, rel=0.25)
    assert np.corrcoef(now.ravel(), grain.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("width", [0.0, 1.0, 2.0, 5.0])
def test_the_seam_has_its_middle_on_the_masks_surface_and_its_width(width):
    mask = ball(cubic(44, 1.0), 9)
    share = blending.soft_mask(mask, 1.0, width)
    away, deep = ndimage.distance_transform_edt(~mask), ndimage.distance_transform_edt(mask)
    assert (share[away > width / 2 + 1] == 0).all() and (share[deep > width / 2 + 1.2] == 1).all()
    distance = np.sqrt(cubic(44, 1.0).squared_distance_mm2(CENTER))
    surface = np.abs(distance - 9) < 0.3
    assert share[surface].mean() == pytest.approx(0.5, abs=0.1)
    assert share.sum() == pytest.approx(mask.sum(), rel=0.03 + 0.01 * width)


@pytest.mark.parametrize("sigma", [0.01, 0.05, 0.2])
def test_noise_is_measured_despite_anatomy(sigma):
    rng = np.random.default_rng(1)
    anatomy = ndimage.gaussian_filter(rng.standard_normal((40, 40, 40)), 3)
    values = anatomy / anatomy.std() * 0.2 + sigma * rng.standard_normal((40, 40, 40))
    assert blending.noise_level(values, np.ones(values.shape, bool)) == pytest.approx(sigma, rel=0.25)


def test_detail_finer_than_the_cube_survives_inside_the_lesion_only_up_to_noise():
    base = np.zeros((4, 4, 4), np.float32)
    base[1, 1, 1], base[2, 2, 2] = 0.02, 5.0
    made = blending.blended(base, np.zeros_like(base), np.ones_like(base), np.ones_like(base), noise=0.02)
    assert made[1, 1, 1] == pytest.approx(1.02) and made[2, 2, 2] == pytest.approx(1.05)


@settings(max_examples=20, deadline=None)
@given(st.floats(3, 16), st.floats(0, 1), st.tuples(*[st.floats(-15, 15)] * 3))
def test_pushing_aside_never_folds_the_brain_and_never_moves_what_is_outside_it(radius, amount, center):
    grid = cubic(36, 3.0)
    brain = ball(grid, 45)
    field = mass_effect.displacement_mm(grid, brain, np.array(center), radius, amount)
    assert mass_effect.jacobian(field, grid.voxel_mm).min() > 0.15
    assert not field[:, ~brain].any()


def test_tissue_came_from_nearer_the_lesion_and_more_so_the_stronger_the_effect():
    grid = cubic(48, 1.5)
    everywhere = np.ones(grid.shape, bool)
    outwards = np.stack(np.meshgrid(*grid.axis_offsets_mm(CENTER), indexing="ij"))
    just_outside = ball(grid, 14) & ~ball(grid, 11)
    pushes = []
    for amount in (0.0, 0.3, 0.6, 1.0):
        field = mass_effect.displacement_mm(grid, everywhere, CENTER, 10.0, amount)
        outward = (field * outwards).sum(0) / np.linalg.norm(outwards, axis=0)
        pushes.append(-float(outward[just_outside].mean()))
    assert abs(pushes[0]) < 1e-5 and (np.diff(pushes) > 0.1).all()


def test_the_push_agrees_with_an_incompressible_medium_near_the_lesion():
    grid = cubic(56, 1.5)
    field = mass_effect.displacement_mm(grid, np.ones(grid.shape, bool), CENTER, 10.0, 0.2)
    near = ball(grid, 14) & ~ball(grid, 11)
    assert np.abs(mass_effect.jacobian(field, grid.voxel_mm)[near] - 1).mean() < 0.1


def test_displacing_keeps_noise_and_leaves_still_voxels_alone():
    rng = np.random.default_rng(0)
    values = (1 + 0.05 * rng.standard_normal((40, 40, 40))).astype(np.float32)
    shift = np.zeros((3, 40, 40, 40), np.float32)
    shift[0, 20:] = 0.5
    grain = 0.05 * rng.standard_normal((40, 40, 40)).astype(np.float32)
    moved = mass_effect.displaced(values, shift, grain)
    assert np.array_equal(moved[:20], values[:20])
    assert moved[22:38].std() == pytest.approx(0.05, rel=0.1)


def test_oedema_surrounds_larger_lesions_only_and_spares_grey_matter():
    assert oedema.reach_mm(3, 1.0) < 1.0 < oedema.reach_mm(8, 1.0) < oedema.reach_mm(14, 1.0)
    grid = cubic(48, 1.5)
    brain = ball(grid, 33)
    share = oedema.spread(grid, ball(grid, 9), brain, oedema.reach_mm(9, 1.0), seed=2)
    assert share[ball(grid, 11)].mean() > 0.8
    assert share[ball(grid, 33) & ~ball(grid, 32)].mean() < 0.05
    assert not share[~brain].any()
    white, grey = np.full(grid.shape, 1.0, np.float32), np.full(grid.shape, 0.65, np.float32)
    inner = ball(grid, 11)
    whitened = oedema.darkened(white, share, 1.0, 0.5, grid.voxel_mm)
    assert whitened[inner].mean() == pytest.approx(1 - 0.5 * oedema.DARKEST, abs=0.06)
    assert np.allclose(oedema.darkened(grey, share, 1.0, 0.5, grid.voxel_mm)[inner], 0.65)
    assert np.array_equal(oedema.darkened(white, share, 1.0, 0.0, grid.voxel_mm), white)
