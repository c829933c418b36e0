"""The brain's outline: when the foreground is it, and that a host's grid does not change the answer."""

from __future__ import annotations

import numpy as np
import pytest

from TumorSynthLib import brain_mask
from TumorSynthLib.brain_mask import filled, find_brain, largest_component, stripped_foreground
from TumorSynthLib.errors import InputError
from TumorSynthLib.grid import Grid
from TumorSynthLib.host import HostBrain
from volumes import oblique_affine

HALF_AXES_MM = np.array([62.0, 78.0, 55.0])
BUMP_CENTER_RAS, BUMP_MM = np.array([30.0, 45.0, 25.0]), 35.0


def grid_around_origin(voxel_mm, shape, angles=(0, 0, 0), flips=(1, 1, 1), axes=(0, 1, 2)) -> Grid:
    affine = oblique_affine(np.array(voxel_mm)[list(axes)], angles, flips, axes, (0, 0, 0))
    shape = tuple(int(n) for n in np.array(shape)[list(axes)])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(affine, shape)


def brain_on(grid: Grid) -> np.ndarray:
    """An ellipsoid with a bump at one side, so that a flip or a swap of axes would show."""
    points = grid.to_ras(np.moveaxis(np.indices(grid.shape), 0, -1))
    body = (((points / HALF_AXES_MM) ** 2).sum(-1)) < 1
    return body | (((points - BUMP_CENTER_RAS) ** 2).sum(-1) < BUMP_MM**2)


def head_on(grid: Grid) -> np.ndarray:
    points = grid.to_ras(np.moveaxis(np.indices(grid.shape), 0, -1))
    outside = (((points / (HALF_AXES_MM + 25)) ** 2).sum(-1)) < 1
    brain = brain_on(grid)
    generator = np.random.default_rng(5)
    return outside * 300.0 + brain * 700.0 + generator.normal(0, 20, grid.shape)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second))


@pytest.fixture(scope="module")
def bright_is_brain():
    """Stands in for the trained network: what is bright, or what it was told before, is brain."""
    import torch

    class Threshold(torch.nn.Module):
        def forward(self, shown):
            return 30 * (shown[:, :1] - 0.65)

    return Threshold()


# -- images without skull


def test_a_stripped_brain_is_its_filled_foreground() -> None:
    grid = grid_around_origin((1.5, 1.5, 1.5), (100, 120, 90))
    brain = brain_on(grid)
    voxels = (brain * np.random.default_rng(0).integers(50, 200, grid.shape)).astype(np.uint8)
    voxels[45:55, 55:65, 40:50] = 0  # a ventricle as dark as the ground
    voxels[2, 2, 2] = 9  # a speck that the stripping left
    found = find_brain(HostBrain.from_array(voxels, grid.affine))
    assert found.method == "foreground"
    assert np.array_equal(found.mask, brain)
    assert found.seconds > 0


@pytest.mark.parametrize("ground", [-1024.0, 0.0, 12.5])
def test_the_ground_may_be_any_one_value(ground: float) -> None:
    grid = grid_around_origin((2, 2, 2), (80, 96, 72))
    brain = brain_on(grid)
    voxels = np.where(brain, 300.0, ground).astype(np.float32)
    assert np.array_equal(stripped_foreground(voxels, grid), brain)


def test_a_head_a_noisy_ground_or_two_pieces_are_not_stripped() -> None:
    grid = grid_around_origin((2, 2, 2), (112, 128, 112))
    head = head_on(grid)
    assert stripped_foreground(head.astype(np.float32), grid) is None
    points = grid.to_ras(np.moveaxis(np.indices(grid.shape), 0, -1))
    clean_head = np.where((((points / (HALF_AXES_MM + 25)) ** 2).sum(-1)) < 1, head, 0)
    assert stripped_foreground(clean_head.astype(np.int16), grid) is None
    apart = brain_on(grid) & (np.abs(points[..., 0]) > 12)
    assert stripped_foreground(apart.astype(np.uint8), grid) is None


def test_without_a_network_a_head_is_refused_with_advice() -> None:
    grid = grid_around_origin((2, 2, 2), (112, 128, 112))
    with pytest.raises(InputError, match="--brain-mask"):
        find_brain(HostBrain.from_array(head_on(grid), grid.affine))


def test_a_second_opinion_overrules_a_foreground_that_is_mostly_not_brain(bright_is_brain) -> None:
    grid = grid_around_origin((2, 2, 2), (96, 112, 96))
    small_head = np.where(brain_on(grid), 300, 0)
    points = grid.to_ras(np.moveaxis(np.indices(grid.shape), 0, -1))
    core = (((points / (HALF_AXES_MM - 18)) ** 2).sum(-1)) < 1
    small_head[core] = 1000
    found = find_brain(HostBrain.from_array(small_head.astype(np.int16), grid.affine), bright_is_brain)
    assert found.method == "network"
    assert dice(found.mask, core) > 0.95


# -- other images


GRIDS = {
    "straight": grid_around_origin((2, 2, 2), (96, 112, 96)),
    "flipped": grid_around_origin((2, 2, 2), (96, 112, 96), flips=(-1, -1, 1)),
    "permuted": grid_around_origin((2, 2, 2), (96, 112, 96), axes=(2, 0, 1), flips=(1, -1, -1)),
    "oblique": grid_around_origin((2, 2, 2), (96, 112, 96), angles=(9, -12, 14)),
    "all of that": grid_around_origin((1.7, 2.2, 2), (112, 102, 96), (14, 8, -10), (-1, 1, -1), (1, 2, 0)),
    "thick slices": grid_around_origin((1.2, 1.2, 5), (160, 180, 40)),
    "wide field of view": grid_around_origin((3, 3, 3), (110, 110, 110)),
}  # fmt: skip


@pytest.mark.parametrize("name", GRIDS)
def test_every_grid_shows_the_same_brain(name: str, bright_is_brain) -> None:
    grid = GRIDS[name]
    found = find_brain(HostBrain.from_array(head_on(grid).astype(np.float32), grid.affine), bright_is_brain)
    brain = brain_on(grid)
    assert found.method == "network"
    assert found.mask.shape == grid.shape
    assert dice(found.mask, brain) > 0.97
    centers = [grid.to_ras(np.argwhere(m)).mean(0) for m in (found.mask, brain)]
    assert np.linalg.norm(centers[0] - centers[1]) < 0.3


def test_an_image_without_brain_is_refused(bright_is_brain) -> None:
    noise = np.random.default_rng(1).normal(100, 20, (60, 60, 60))
    with pytest.raises(InputError, match="no brain found.*--brain-mask"):
        find_brain(HostBrain.from_array(noise, np.diag([3.0, 3, 3, 1])), bright_is_brain)


def test_the_same_host_gives_the_same_mask(bright_is_brain) -> None:
    grid = GRIDS["oblique"]
    host = HostBrain.from_array(head_on(grid).astype(np.float32), grid.affine)
    assert np.array_equal(find_brain(host, bright_is_brain).mask, find_brain(host, bright_is_brain).mask)


# -- the parts


@pytest.mark.parametrize("voxel_mm", [(0.4, 0.9, 1.2), (1, 1, 1), (3, 2, 0.7)])
def test_block_means_stay_where_they_were(voxel_mm: tuple[float, ...]) -> None:
    grid = Grid(oblique_affine(voxel_mm), (51, 40, 33))
    steps = (np.indices(grid.shape).T - np.array([24.3, 18.1, 15.8])) / 4
    values = np.rint(10000 * np.exp(-(steps**2).sum(-1).T)).astype(np.int16)
    small, small_grid = brain_mask.reduced(values, grid)
    assert small.shape == small_grid.shape
    centers = []
    for array, its_grid in ((values, grid), (small, small_grid)):
        weight = array.ravel() / array.sum()
        centers.append(weight @ its_grid.to_ras(np.indices(array.shape).reshape(3, -1).T))
    assert np.linalg.norm(centers[0] - centers[1]) < 0.01


@pytest.mark.parametrize("length", [3, 40, 64, 65, 112])
def test_the_box_holds_the_brain_and_suits_the_network(length: int) -> None:
    brain = np.zeros((130, 120, 125), bool)
    brain[4 : 4 + length, 2:50, 60:125] = True
    start, shape = brain_mask._box_around(brain)
    assert all(n % brain_mask.MULTIPLE == 0 for n in shape)
    cut = brain_mask._cut(brain.astype(np.float32), start, shape)
    assert cut.sum() == brain.sum()
    assert np.array_equal(brain_mask._placed(cut, start, brain.shape) > 0, brain)


def test_holes_are_filled_and_dents_are_not() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[3:17, 3:17, 3:17] = True
    solid = mask.copy()
    mask[8:12, 8:12, 8:12] = False
    dented = mask.copy()
    dented[8:12, 8:12, 8:] = False
    assert np.array_equal(filled(mask), solid)
    assert np.array_equal(filled(dented), dented)
    at_the_border = np.ones((6, 6, 6), bool)
    at_the_border[0, 2, 2] = False
    assert np.array_equal(filled(at_the_border), at_the_border)


def test_the_largest_component_is_kept_alone() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[2:5, 2:5, 2:5] = mask[10:18, 10:18, 10:18] = True
    kept = largest_component(mask)
    assert kept[12, 12, 12] and not kept[3, 3, 3]
    assert not largest_component(np.zeros((4, 4, 4), bool)).any()
