"""Continuity through slices, on planted cases: texture alike along all axes gives 1; flicker and smoothing are told."""

import numpy as np
import pytest
from scipy import ndimage

from TumorSynthLib.errors import InputError
from TumorSynthLib.realism.continuity import compare_continuity, continuity
from TumorSynthLib.realism.patches import LesionPatches

SIDE = 22


def ball() -> np.ndarray:
    z, y, x = np.mgrid[:SIDE, :SIDE, :SIDE] - (SIDE - 1) / 2
    return x**2 + y**2 + z**2 < 8**2


def lesions(seed: int = 0, count: int = 12, sigma: float = 1.0) -> LesionPatches:
    """Balls of texture that is the same along all axes, two of a patient."""
    fields = ndimage.gaussian_filter(
        np.random.default_rng(seed).normal(size=(count, SIDE, SIDE, SIDE)), (0, *(sigma,) * 3)
    )
    image = np.where(ball(), 1.4, 1.0) + 0.2 * fields / fields.std()
    return LesionPatches(image, np.broadcast_to(ball(), image.shape), np.arange(count) // 2)


def changed(patches: LesionPatches, image: np.ndarray) -> LesionPatches:
    return LesionPatches(image, patches.mask, patches.block)


def flickering(patches: LesionPatches, amount: float = 0.2) -> LesionPatches:
    """Each slice with texture of its own, as a painter with its own noise per slice would leave it."""
    fields = ndimage.gaussian_filter(np.random.default_rng(9).normal(size=patches.image.shape), (0, 0, 1, 1))
    return changed(patches, patches.image + amount * fields / fields.std())


def test_texture_alike_along_all_axes_has_ratio_one_and_slices_that_follow_each_other():
    found = continuity(lesions())
    assert found.gradient_ratio == pytest.approx(1, abs=0.05)
    assert found.slice_correlation > 0.5
    assert found.lesions == 12


def test_noise_of_each_slices_own_raises_the_ratio_and_drops_the_correlation():
    plain, flicker = continuity(lesions()), continuity(flickering(lesions()))
    assert flicker.gradient_ratio > 1.3 * plain.gradient_ratio
    assert flicker.slice_correlation < 0.7 * plain.slice_correlation


def test_smoothing_through_slices_lowers_the_ratio_and_raises_the_correlation():
    smooth = changed(lesions(), ndimage.gaussian_filter1d(lesions().image, 1.0, axis=1))
    found = continuity(smooth)
    assert found.gradient_ratio < 0.8
    assert found.slice_correlation > continuity(lesions()).slice_correlation


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_axis_of_slices_can_be_named(axis):
    flicker = flickering(lesions())
    turned = LesionPatches(
        np.moveaxis(flicker.image, 1, axis + 1), np.moveaxis(flicker.mask, 1, axis + 1), flicker.block
    )
    assert continuity(turned, axis).gradient_ratio == pytest.approx(continuity(flicker).gradient_ratio)
    assert continuity(turned, (axis + 1) % 3).gradient_ratio < 1


def test_gain_changes_nothing():
    brighter = changed(lesions(), 3 * lesions().image)
    assert continuity(brighter).gradient_ratio == pytest.approx(continuity(lesions()).gradient_ratio, rel=1e-4)
    assert continuity(brighter).slice_correlation == pytest.approx(continuity(lesions()).slice_correlation, rel=1e-4)


def test_what_lies_outside_the_lesion_does_not_count():
    noise = np.random.default_rng(1).normal(size=lesions().image.shape)
    around = changed(lesions(), np.where(ball(), lesions().image, noise))
    assert continuity(around) == continuity(lesions())


def test_the_gap_between_like_sets_holds_nothing_and_flicker_is_told():
    same = compare_continuity(lesions(1), lesions(2))
    assert same.ratio_low < 0 < same.ratio_high
    assert abs(same.ratio_difference) < 0.05
    assert same.correlation_low < 0 < same.correlation_high
    flicker = compare_continuity(lesions(1), flickering(lesions(2)))
    assert 0.2 < flicker.ratio_low < flicker.ratio_difference < flicker.ratio_high
    assert flicker.correlation_low < flicker.correlation_difference < flicker.correlation_high < -0.1
    assert flicker.ratio_difference == pytest.approx(flicker.synthetic.gradient_ratio / flicker.real.gradient_ratio - 1)


def test_lesions_too_small_to_tell_are_left_out_and_all_of_them_refused():
    patches = lesions()
    mask = patches.mask.copy()
    mask[3] = False
    mask[3, 10:12, 10:12, 10:12] = True
    assert continuity(LesionPatches(patches.image, mask, patches.block)).lesions == 11
    with pytest.raises(InputError, match="larger ones"):
        continuity(LesionPatches(patches.image[[3]], mask[[3]], patches.block[[3]]))


def test_slices_alone_one_patient_and_unknown_axes_are_refused():
    patches = lesions()
    with pytest.raises(InputError, match="single slices"):
        continuity(LesionPatches(patches.image[:, 10], patches.mask[:, 10], patches.block))
    with pytest.raises(InputError, match="axis 3"):
        continuity(patches, 3)
    with pytest.raises(InputError, match="two patients"):
        compare_continuity(patches, patches.select(np.array([0, 1])))
