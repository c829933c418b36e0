"""The classifier two-sample test: chance where there is nothing to find, and every planted flaw found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter

from realism_lesions import lesions
from TumorSynthLib.errors import InputError
from TumorSynthLib.reading.statistics.roc import Auc, placements
from TumorSynthLib.realism.features import columns, features_of
from TumorSynthLib.realism.network_judge import shown, visible
from TumorSynthLib.realism.patches import LesionPatches
from TumorSynthLib.realism.two_sample import Trial, block_bootstrap, feature_test, network_test, table_test

COUNT = 40
NAMES = tuple("abcdef")


def altered(patches: LesionPatches, image: np.ndarray) -> LesionPatches:
    return LesionPatches(image, patches.mask, patches.block)


def blurred(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask, gaussian_filter(image, 0.5), image)


def without_noise(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask, gaussian_filter(image, 1.2), image)


def edge_on_the_mask(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return image + 0.15 * (mask - gaussian_filter(mask.astype(float), 1.5))


def brighter(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return image + 0.2 * gaussian_filter(mask.astype(float), 0.9)


def darker_around(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(distance_transform_edt(~mask) > 4.5, image - 0.15, image)


def flawed(patches: LesionPatches, flaw) -> LesionPatches:
    pairs = zip(patches.image, patches.mask, strict=True)
    return altered(patches, np.stack([flaw(image, mask) for image, mask in pairs]))


@pytest.fixture(scope="module")
def real() -> LesionPatches:
    return lesions(COUNT, seed=0)


@pytest.fixture(scope="module")
def other() -> LesionPatches:
    """Lesions of the same kind and the same patients, but not the same lesions."""
    return lesions(COUNT, seed=1)


def null_tables(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same distribution; lesions of a patient are alike."""
    random = np.random.default_rng(seed)
    block = np.arange(100) // 5
    patient = random.normal(size=(20, len(NAMES)))[block]
    return *(patient + random.normal(size=(100, len(NAMES))) for _ in range(2)), block


def test_the_same_distribution_is_chance_and_the_larger_of_two_judges_would_not_be():
    results = [table_test(*null_tables(seed), null_tables(seed)[2], NAMES, seed, rounds=1) for seed in range(6)]
    headline = np.mean([result.auc for result in results])
    assert headline == pytest.approx(0.5, abs=0.06)
    assert np.mean([max(area for _, area in result.judges) for result in results]) > headline
    assert np.mean([result.low <= 0.5 <= result.high for result in results]) > 0.6


def test_scores_are_compared_within_a_fold_only():
    """Judges of different folds lean to different sides: only what one judge said of two lesions may be compared."""
    real, synthetic, block = null_tables(0)
    trial = Trial.of(block, block, np.concatenate([real, synthetic]), seed=0, rounds=2)
    column = np.concatenate([real, synthetic])[trial.order, 0]
    plain = trial.out_of_fold(lambda trained, labels, tested: column[tested])
    leaning = trial.out_of_fold(lambda trained, labels, tested: column[tested] + 100 * tested[0] * len(trained))
    assert trial.auc(leaning) == trial.auc(plain)
    assert trial.together.sum() < 0.5 * 2 * len(real) * len(synthetic)
    knowing = trial.out_of_fold(lambda trained, labels, tested: 1.0 * trial.is_synthetic[tested] - 100 * tested[0])
    assert trial.auc(knowing) == 1


def test_what_tells_patients_apart_does_not_tell_real_from_synthetic():
    """Every patient is wholly real or wholly synthetic. Split by lesions instead, judges would know the patients again:
    that is what blocks are for."""
    by_block, by_lesion = [], []
    for seed in range(3):
        random = np.random.default_rng(seed)
        block = np.arange(80) // 4
        table = random.normal(size=(20, len(NAMES)))[block] + random.normal(0, 0.1, (80, len(NAMES)))
        real, synthetic = block % 2 == 0, block % 2 == 1
        for areas, groups in ((by_block, block), (by_lesion, np.arange(80))):
            result = table_test(table[real], table[synthetic], groups[real], groups[synthetic], NAMES, seed, rounds=1)
            areas.append(result.auc)
    assert np.mean(by_block) < 0.65
    assert np.mean(by_lesion) > 0.85


@pytest.mark.parametrize(
    ("flaw", "groups"),
    [
        (blurred, ("core",)),
        (without_noise, ("core",)),
        (edge_on_the_mask, ("edge",)),
        (brighter, ("core", "edge", "shape")),
    ],
)
def test_planted_flaws_are_caught(real, other, flaw, groups):
    result = feature_test(real, flawed(other, flaw), groups, rounds=1)
    assert result.auc > 0.75 and result.low > 0.55
    assert result.scores_synthetic.mean() > result.scores_real.mean()


def test_the_same_lesions_unflawed_are_not(real, other):
    result = feature_test(real, other)
    assert result.low < 0.5 < result.high


def test_darker_surroundings_are_seen_by_their_own_group_only(real):
    synthetic = flawed(real, darker_around)
    assert feature_test(real, synthetic, ("surroundings",), rounds=1).auc > 0.8
    assert feature_test(real, synthetic, ("core",), rounds=1).auc == pytest.approx(0.5, abs=0.05)


def test_what_tells_most_is_named():
    real, synthetic, block = null_tables(0)
    synthetic[:, 2] -= 2.5
    result = table_test(real, synthetic, block, block, NAMES, rounds=1)
    name, area = result.telling[0]
    assert name == "c" and area < 0.2 and len(result.telling) == len(NAMES)
    assert result.auc > 0.8


def test_the_order_of_lesions_does_not_matter():
    real, synthetic, block = null_tables(1)
    turn = np.random.default_rng(0).permutation(len(block))
    straight = table_test(real, synthetic, block, block, NAMES)
    turned = table_test(real[turn], synthetic, block[turn], block, NAMES)
    assert (turned.auc, turned.low, turned.high) == (straight.auc, straight.low, straight.high)
    np.testing.assert_array_equal(turned.scores_real, straight.scores_real[turn])
    np.testing.assert_array_equal(turned.scores_synthetic, straight.scores_synthetic)


def of_all_pairs(scores: np.ndarray, is_synthetic: np.ndarray, block: np.ndarray) -> Auc:
    wins = placements(scores, is_synthetic)
    return block_bootstrap(wins, np.ones_like(wins), is_synthetic, block, 0)


def test_many_lesions_of_few_patients_leave_a_wide_interval():
    random = np.random.default_rng(0)
    is_synthetic = np.arange(400) >= 200
    block = np.tile(np.repeat(np.arange(10), 20), 2)
    patient = random.normal(size=20)[block + 10 * is_synthetic]
    scores = patient + random.normal(0, 0.1, 400)
    by_patient = of_all_pairs(scores, is_synthetic, block)
    by_lesion = of_all_pairs(scores, is_synthetic, np.arange(400))
    assert by_patient.high - by_patient.low > 2 * (by_lesion.high - by_lesion.low)


def test_perfect_judges_are_not_taken_for_certain():
    scores, block = np.r_[np.zeros(20), np.ones(20)], np.tile(np.arange(10), 4)
    area = of_all_pairs(scores, np.arange(40) >= 20, block)
    assert area.auc == area.high == 1 and 0.5 < area.low < 0.9


@pytest.mark.parametrize(("lesion_count", "blocks", "needed"), [(6, 6, "10 or more"), (30, 3, "4 or more")])
def test_too_little_to_judge_by(lesion_count, blocks, needed):
    table, block = np.zeros((lesion_count, 1)), np.arange(lesion_count) % blocks
    with pytest.raises(InputError, match=needed):
        table_test(table, table, block, block, ("a",))


def test_few_patients_make_fewer_folds():
    table = np.random.default_rng(0).normal(size=(24, 2))
    result = table_test(table[:12], table[12:], np.arange(12) % 6, np.arange(12) % 6, ("a", "b"))
    assert "3 folds" in result.method


def test_flat_and_solid_lesions_are_not_compared(real):
    with pytest.raises(InputError, match="dimensions"):
        feature_test(real, lesions(1, shape=(12, 12, 12)))


@pytest.mark.parametrize("region", ["lesion", "surroundings"])
def test_the_network_is_shown_its_region_only(real, region):
    away = np.stack([distance_transform_edt(~mask) for mask in real.mask])
    hidden = away > 3 if region == "lesion" else away <= 4
    seen, _ = visible(real, real, region)
    expected = shown(real, seen, True)
    np.testing.assert_array_equal(shown(altered(real, real.image + hidden), seen, True), expected)
    assert (shown(altered(real, real.image + ~hidden), seen, True) != expected).any()


def test_the_network_knows_its_regions(real):
    with pytest.raises(InputError, match="choose of all"):
        visible(real, real, "rim")


def stretched(patches: LesionPatches) -> LesionPatches:
    """The same patches, with masks of other outlines but the same sizes."""
    rows, columns = np.indices(patches.image.shape[1:]) - patches.image.shape[1] / 2
    away = np.hypot(rows / 1.6, columns * 1.6)
    limits = [np.partition(away.ravel(), size)[size] for size in patches.size]
    return LesionPatches(patches.image, np.stack([away < limit for limit in limits]), patches.block)


def test_a_hole_in_the_surroundings_does_not_tell_by_its_outline(real):
    other = stretched(real)
    sides = visible(real, other, "surroundings")
    own = visible(real, real, "surroundings")[0], visible(other, other, "surroundings")[0]
    # Real and synthetic lesions have the very same holes, and see nothing that their own ones hid.
    assert sorted(map(bytes, sides[0])) == sorted(map(bytes, sides[1]))
    assert sorted(map(bytes, own[0])) != sorted(map(bytes, own[1]))
    assert not (sides[0] & ~own[0]).any() and not (sides[1] & ~own[1]).any()


def test_lesions_of_the_same_outlines_keep_their_own_holes(real, other):
    same = LesionPatches(other.image, real.mask, real.block)
    seen = visible(real, same, "surroundings")
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], visible(real, real, "surroundings")[0])


def test_sets_of_different_numbers_have_holes_alike(real):
    few = stretched(real).select(np.arange(0, COUNT, 3))
    seen = visible(real, few, "surroundings")
    assert [len(side) for side in seen] == [COUNT, len(few)]
    assert (~seen[0]).mean() == pytest.approx((~seen[1]).mean(), rel=0.1)


@pytest.fixture(scope="module")
def small() -> LesionPatches:
    return lesions(48, seed=5, shape=(24, 24), per_block=6)


def test_the_network_catches_a_flaw_and_gives_the_same_twice(small):
    synthetic = flawed(small, brighter)
    first, second = (network_test(small, synthetic, "lesion", epochs=6, seed=2) for _ in range(2))
    assert first.auc > 0.75 and first.low > 0.5
    np.testing.assert_array_equal(first.scores_real, second.scores_real)


def test_the_network_finds_nothing_where_nothing_is(small):
    areas = [network_test(small, lesions(48, seed, (24, 24), 6), epochs=3, seed=seed).auc for seed in (6, 7, 8)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.1)


def test_the_network_judges_cubes_as_well():
    solid = lesions(12, seed=1, shape=(16, 16, 16), per_block=2)
    result = network_test(solid, altered(solid, solid.image + 0.5 * solid.mask), epochs=12, with_mask=False)
    assert result.auc > 0.75


def test_measured_features_give_what_lesions_give(real, other):
    chosen = columns("shape")
    names = tuple(str(column) for column in chosen)
    tables = (features_of(real)[:, chosen], features_of(other)[:, chosen])
    judged = table_test(*tables, real.block, other.block, names, rounds=1)
    assert judged.auc == feature_test(real, other, ("shape",), rounds=1).auc
