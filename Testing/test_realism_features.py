"""Features of lesions: each group sees its own part, and what a quarter turn does not change they do not either."""

from __future__ import annotations

import time

import numpy as np
import pytest

from realism_lesions import lesions
from TumorSynthLib.errors import InputError
from TumorSynthLib.realism.features import FEATURES, columns, features_of
from TumorSynthLib.realism.patches import LesionPatches

NAMES = [feature.name for feature in FEATURES]


def changed(patches: LesionPatches, image: np.ndarray) -> LesionPatches:
    return LesionPatches(image, patches.mask, patches.block)


def value(table: np.ndarray, name: str) -> np.ndarray:
    return table[:, NAMES.index(name)]


@pytest.fixture(scope="module")
def flat() -> LesionPatches:
    return lesions(6, seed=3)


@pytest.fixture(scope="module")
def solid() -> LesionPatches:
    return lesions(2, seed=4, shape=(28, 28, 28))


def test_every_feature_has_a_name_of_its_own_and_a_column():
    assert len(set(NAMES)) == len(NAMES)
    groups = [columns(group) for group in ("core", "edge", "shape", "surroundings")]
    assert sorted(np.concatenate(groups)) == list(range(len(FEATURES)))
    assert set(columns("core", "shape")) == set(groups[0]) | set(groups[2])


@pytest.mark.parametrize("groups", [(), ("rim",)])
def test_an_unknown_group_is_refused(groups):
    with pytest.raises(InputError, match="choose of core"):
        columns(*groups)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_flips_and_quarter_turns_change_nothing(flat, solid, dimensions):
    patches = flat if dimensions == 2 else solid
    expected = features_of(patches)
    for turn in (lambda a: np.flip(a, 1), lambda a: np.flip(a, -1), lambda a: np.rot90(a, 1, (1, a.ndim - 1))):
        turned = LesionPatches(turn(patches.image), turn(patches.mask), patches.block)
        np.testing.assert_allclose(features_of(turned), expected, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_surroundings_see_nothing_within_four_pixels_and_all_else_nothing_beyond(flat, solid, dimensions):
    from scipy.ndimage import distance_transform_edt

    patches = flat if dimensions == 2 else solid
    away = np.stack([distance_transform_edt(~mask) for mask in patches.mask])
    before = features_of(patches)
    noise = np.random.default_rng(0).normal(0, 0.3, patches.image.shape)
    near = features_of(changed(patches, np.where(away <= 4.5, patches.image + noise, patches.image)))
    far = features_of(changed(patches, np.where(away > 4.5, patches.image + noise, patches.image)))
    around = columns("surroundings")
    np.testing.assert_array_equal(near[:, around], before[:, around])
    assert np.abs(near - before)[:, columns("core")].max() > 0.1
    # Beside surroundings: the one thing in the core group that is meant to look further.
    others = [c for c in columns("core", "edge", "shape") if "beside" not in NAMES[c]]
    np.testing.assert_array_equal(far[:, others], before[:, others])
    assert np.abs(far - before)[:, around].max() > 0.1


def test_the_core_does_not_see_the_edge(flat):
    from scipy.ndimage import distance_transform_edt

    depth = np.stack([distance_transform_edt(mask) for mask in flat.mask])
    at_edge = flat.mask & (depth <= 1.5)
    before, after = features_of(flat), features_of(changed(flat, flat.image + 0.5 * at_edge))
    np.testing.assert_array_equal(after[:, columns("core")], before[:, columns("core")])
    assert (value(after, "edge: inner mean") > value(before, "edge: inner mean") + 0.4).all()


def test_only_the_mask_makes_the_shape(flat):
    other = features_of(changed(flat, flat.image[::-1]))
    np.testing.assert_array_equal(other[:, columns("shape")], features_of(flat)[:, columns("shape")])


def disc(radius: float, dimensions: int = 2, stretch: float = 1.0, size: int = 32) -> np.ndarray:
    place = np.indices((size,) * dimensions) - (size - 1) / 2
    place[0] *= stretch
    return (place**2).sum(0) < radius**2


def of_masks(*masks: np.ndarray, image: np.ndarray | None = None) -> np.ndarray:
    stack = np.stack(masks)
    images = np.ones(stack.shape) if image is None else np.broadcast_to(image, stack.shape)
    return features_of(LesionPatches(images, stack, np.arange(len(stack))))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_shape_in_both_dimensions(dimensions):
    torn = disc(13, dimensions)
    torn[..., 14:18, :] = False
    ball, long, torn = of_masks(disc(13, dimensions), disc(13, dimensions, 2.0), torn)
    names = [NAMES[column] for column in columns("shape")]
    ball, long, torn = (dict(zip(names, row[columns("shape")], strict=True)) for row in (ball, long, torn))
    assert ball["shape: roundness"] == pytest.approx(1, abs=0.05)
    assert ball["shape: solidity"] > 0.85 and ball["shape: eccentricity"] < 0.1
    assert long["shape: eccentricity"] == pytest.approx(np.sqrt(3) / 2, abs=0.02)
    assert torn["shape: solidity"] < ball["shape: solidity"] - 0.1
    assert torn["shape: roundness"] < ball["shape: roundness"] - 0.1


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_where_the_edge_lies_against_the_mask(offset):
    from scipy.ndimage import gaussian_filter

    image = 1 + gaussian_filter(disc(12 + offset).astype(float), 0.6)
    assert value(of_masks(disc(12), image=image), "edge: place")[0] == pytest.approx(offset, abs=0.3)


def test_a_sharper_edge_is_sharper_and_follows_the_outline():
    from scipy.ndimage import gaussian_filter

    sharp, soft = (of_masks(disc(12), image=1 + gaussian_filter(disc(12).astype(float), sigma)) for sigma in (0.4, 1.5))
    assert value(sharp, "edge: sharpness")[0] > 1.5 * value(soft, "edge: sharpness")[0]
    assert value(sharp, "edge: slope peak")[0] > value(soft, "edge: slope peak")[0]
    assert value(sharp, "edge: alignment")[0] > 0.95


@pytest.mark.parametrize("dimensions", [2, 3])
def test_tiny_featureless_and_cornered_lesions_give_numbers(dimensions):
    size = 16
    masks = np.zeros((4, *(size,) * dimensions), bool)
    masks[(0, *(8,) * dimensions)] = True  # one pixel
    masks[(1, *(0,) * dimensions)] = True  # in the corner
    masks[2] = True  # nothing around it
    masks[3][(slice(4, 6),) * dimensions] = True
    for image in (np.ones(masks.shape), np.zeros(masks.shape), np.random.default_rng(0).normal(1, 0.1, masks.shape)):
        assert np.isfinite(features_of(LesionPatches(image, masks, np.arange(4)))).all()


def test_rounded_intensities_are_not_taken_for_texture():
    """Ties between neighbours come from eight bits, not from lesions."""
    patches = lesions(20, seed=9)
    rounded = changed(patches, np.round(patches.image * 120) / 120)
    before, after = features_of(patches), features_of(rounded)
    assert abs(value(after, "core: extrema") - value(before, "core: extrema")).mean() < 0.01


def test_a_patch_takes_milliseconds(flat):
    features_of(flat)
    began = time.process_time()
    features_of(flat)
    assert (time.process_time() - began) / len(flat) < 0.05
