"""Distances between features, on planted cases: nothing wrong is near the floor, each planted flaw is caught."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, ndimage

from TumorSynthLib.errors import InputError
from TumorSynthLib.realism import encoder
from TumorSynthLib.realism.distances import (
    diversity,
    frechet,
    frechet_with_floor,
    gaussian_frechet,
    manifold,
    maximum_mean_discrepancy,
    standardised,
)
from TumorSynthLib.realism.patches import LesionPatches

LESIONS, FEATURES, PER_BLOCK = 240, 12, 4
BLOCK = np.arange(LESIONS) // PER_BLOCK


def features(seed: int, count: int = LESIONS, patient_spread: float = 0.7) -> np.ndarray:
    """Correlated features; lesions of a patient are alike, as real ones are."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(FEATURES, FEATURES)) / FEATURES**0.5 + np.eye(FEATURES)
    patients = rng.normal(0, patient_spread, (count // PER_BLOCK + 1, FEATURES))[np.arange(count) // PER_BLOCK]
    return (patients + rng.normal(size=(count, FEATURES))) @ mixing


def lesions(count: int = 24, seed: int = 0, sigma: float = 1.5, side: int = 48) -> LesionPatches:
    """Discs of smooth random texture in smooth tissue, two of a patient."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    images, masks = [], []
    for _ in range(count):
        mask = x**2 + y**2 < rng.uniform(8, 14) ** 2
        field = ndimage.gaussian_filter(rng.normal(size=(side, side)), sigma)
        images.append(np.where(mask, 1.4, 1.0) + 0.25 * field / field.std())
        masks.append(mask)
    return LesionPatches(np.stack(images), np.stack(masks), np.arange(count) // 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_frechet_of_gaussians_is_the_closed_form(seed, size):
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(2, size))
    covariances = [m @ m.T + 0.05 * np.eye(size) for m in rng.normal(size=(2, size, size))]
    root = linalg.sqrtm(covariances[0] @ covariances[1])
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(sum(covariances) - 2 * root.real)
    found = gaussian_frechet(means[0], covariances[0], means[1], covariances[1])
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 60))
def test_frechet_is_symmetric_and_nothing_to_itself(seed, count):
    a, b = features(seed, count), features(seed + 1, count + 7)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-6)
    assert frechet(a, a[::-1]) == pytest.approx(0, abs=1e-6)


def test_frechet_of_a_shift_is_its_square():
    a = features(1)
    assert frechet(a, a + 2.0) == pytest.approx(4.0 * FEATURES, rel=1e-6)


def test_frechet_holds_with_fewer_lesions_than_features():
    rng = np.random.default_rng(0)
    same, other = (rng.normal(m, 1, (30, 100)) for m in (0, 1))
    assert np.isfinite(frechet(rng.normal(size=(30, 100)), same))
    assert frechet(rng.normal(size=(30, 100)), other) > 2 * frechet(rng.normal(size=(30, 100)), same)


def test_identical_distributions_are_near_the_floor_and_a_shift_is_not():
    real = features(1)
    same = frechet_with_floor(real, features(2), BLOCK, BLOCK)
    shifted = frechet_with_floor(real, features(2) + 1.0, BLOCK, BLOCK)
    assert same.matched < 1.3 * same.floor
    assert same.distance < same.floor_high
    assert shifted.floor == same.floor
    assert shifted.matched > 3 * shifted.floor_high


def test_the_floor_knows_that_lesions_of_a_patient_are_alike():
    real = features(3, patient_spread=2.0)
    alone = np.arange(LESIONS)
    assert frechet_with_floor(real, real, BLOCK, BLOCK).floor > 1.5 * frechet_with_floor(real, real, alone, alone).floor


def test_discrepancy_of_identical_distributions_is_chance():
    found = [maximum_mean_discrepancy(features(s), features(s + 50), BLOCK, BLOCK, 200) for s in range(8)]
    assert abs(np.mean([f.squared for f in found])) < 0.005
    assert min(f.p for f in found) > 0.01
    assert sum(f.p < 0.3 for f in found) <= 5


def test_discrepancy_catches_a_shift_of_the_mean():
    found = maximum_mean_discrepancy(features(1), features(2) + 0.6, BLOCK, BLOCK, 200)
    assert found.squared > 0.01
    assert found.p < 0.02


def test_discrepancy_catches_another_spread_with_the_same_mean():
    real = features(1)
    assert maximum_mean_discrepancy(real, 0.5 * features(2), BLOCK, BLOCK, 200).p < 0.02


def test_without_blocks_lesions_of_a_patient_would_pass_for_evidence():
    pairs = [(features(s, patient_spread=3.0), features(s + 50, patient_spread=3.0)) for s in range(6)]
    with_blocks = [maximum_mean_discrepancy(*pair, BLOCK, BLOCK, 200).p for pair in pairs]
    without = [maximum_mean_discrepancy(*pair, permutations=200).p for pair in pairs]
    assert np.mean(without) < 0.5 * np.mean(with_blocks)


def test_the_manifold_of_identical_distributions_is_full():
    found = manifold(features(1), features(2), real_block=BLOCK, synthetic_block=BLOCK)
    assert found.precision > 0.7
    assert found.recall > 0.7
    assert found.density == pytest.approx(1, abs=0.2)
    assert found.coverage > 0.85


def test_mode_collapse_keeps_precision_and_loses_recall_and_coverage():
    collapsed = features(1).mean(0) + 0.05 * features(2)
    found = manifold(features(1), collapsed, real_block=BLOCK, synthetic_block=BLOCK)
    assert found.precision > 0.95
    assert found.recall < 0.05
    assert found.coverage < 0.7 * manifold(features(1), features(2), real_block=BLOCK, synthetic_block=BLOCK).coverage


def test_lesions_far_away_lose_precision():
    found = manifold(features(1), features(2) + 4.0)
    assert found.precision < 0.05
    assert found.coverage < 0.05


def test_memorised_lesions_have_full_precision_and_coverage():
    real = features(1)
    found = manifold(real, real + 1e-4 * features(2))
    assert found.precision == 1
    assert found.coverage == 1
    assert found.precision > manifold(real, features(2)).precision


def test_blocks_keep_a_patients_own_slices_from_making_real_lesions_seem_rare():
    real, other = (features(seed, patient_spread=4.0) for seed in (1, 2))
    assert manifold(real, other, real_block=BLOCK, synthetic_block=BLOCK).precision > manifold(real, other).precision


def test_as_many_lesions_are_taken_of_either_set():
    many = manifold(features(1), features(2, count=4 * LESIONS)).density
    few = manifold(features(1), features(2)).density
    assert many == pytest.approx(few, abs=0.15)


def test_standardised_real_lesions_have_unit_spread_and_constant_features_are_left_out():
    real = np.column_stack([features(1), np.full(LESIONS, 3.0)])
    synthetic = np.column_stack([features(2), np.full(LESIONS, 3.1)])
    scaled, other = standardised(real, synthetic)
    assert scaled.shape == other.shape == (LESIONS, FEATURES)
    assert scaled.mean(0) == pytest.approx(np.zeros(FEATURES), abs=1e-9)
    assert scaled.std(0) == pytest.approx(np.ones(FEATURES))


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="equal columns"):
        frechet(features(1), features(2)[:, :3])
    with pytest.raises(InputError, match="at least 6"):
        manifold(features(1), features(2)[:4])
    with pytest.raises(InputError, match="not numbers"):
        frechet(np.full((9, 2), np.nan), np.ones((9, 2)))
    with pytest.raises(InputError, match="one block"):
        frechet_with_floor(features(1), features(2), np.zeros(LESIONS), BLOCK)
    with pytest.raises(InputError, match="two lesions"):
        diversity(lesions(1))


def test_one_lesion_again_and_again_has_no_diversity():
    many = lesions()
    once = np.zeros(len(many), int)
    collapsed = LesionPatches(many.image[once], many.mask[once], many.block)
    assert diversity(collapsed) == pytest.approx(0, abs=1e-4)
    assert diversity(many) > 0.3


def test_one_lesion_in_many_hosts_and_places_has_little_diversity():
    many, place = lesions(), [0, 3, -3, 6]
    image, mask = many.image.copy(), many.mask.copy()
    for row in range(len(many)):
        shifted = np.roll(many.mask[0], place[row % 4], 1)
        image[row] = np.where(shifted, np.roll(many.image[0], place[row % 4], 1), image[row])
        mask[row] = shifted
    assert diversity(LesionPatches(image, mask, many.block)) < 0.5 * diversity(many)


def test_diversity_is_the_same_every_time():
    assert diversity(lesions()) == diversity(lesions())


def test_the_encoder_gives_a_row_of_features_per_lesion_and_no_lesion_depends_on_another():
    found = encoder.encoded(lesions(6))
    assert found.shape == (6, encoder.FEATURES)
    assert np.isfinite(found).all()
    assert encoder.encoded(lesions(6).select(np.array([4])))[0] == pytest.approx(found[4], abs=1e-4)


def test_the_encoder_tells_blurred_lesions_from_sharp_ones():
    sharp = lesions(40, seed=1, sigma=0.7)
    soft = LesionPatches(ndimage.gaussian_filter(sharp.image, (0, 0.8, 0.8)), sharp.mask, sharp.block)
    again, blurred = (standardised(encoder.encoded(sharp), encoder.encoded(p)) for p in (lesions(40, 2, 0.7), soft))
    block = sharp.block
    assert maximum_mean_discrepancy(*again, block, block, 200).p > 0.05
    assert maximum_mean_discrepancy(*blurred, block, block, 200).p < 0.01


def test_of_a_volume_the_encoder_sees_each_axis_where_the_lesion_is_largest():
    flat = lesions(3, side=32)
    image, mask = np.ones((3, 32, 32, 32), np.float32), np.zeros((3, 32, 32, 32), bool)
    image[..., 5], mask[..., 5] = flat.image, flat.mask
    mask[:, 16, 16, 6:9] = True
    pictures, outlines = encoder.largest_slices(LesionPatches(image, mask, flat.block), 2)
    assert np.array_equal(pictures, flat.image)
    assert np.array_equal(outlines, flat.mask)
    assert encoder.encoded(LesionPatches(image, mask, flat.block)).shape == (3, encoder.FEATURES)


@pytest.mark.parametrize("side", [20, 64, 100])
def test_windows_have_the_lesion_in_the_middle_whatever_the_patch(side):
    image, mask = np.full((2, side, side), 0.5, np.float32), np.zeros((2, side, side), bool)
    mask[:, 2:9, 7:12] = True
    pictures, outlines = encoder.windows(image, mask)
    assert pictures.shape == outlines.shape == (2, encoder.SIDE, encoder.SIDE)
    assert (pictures == 0.5).all()
    assert outlines.sum() == mask.sum()
    middle = np.argwhere(outlines[0]).mean(0)
    assert abs(middle - (encoder.SIDE - 1) / 2).max() <= 0.5


def test_missing_and_foreign_weights_are_told_in_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder, "JUDGES_FOLDER", tmp_path)
    with pytest.raises(InputError, match="missing"):
        encoder.encoded(lesions(2))
    (tmp_path / "encoder.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(InputError, match="not a safetensors file"):
        encoder.encoded(lesions(2))
