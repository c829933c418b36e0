"""Copies of records are found whatever was done to them; lesions that nobody copied are left in peace."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from lesion_textures import smooth_blobs, textured
from TumorSynthLib.errors import InputError
from TumorSynthLib.realism.likeness import Patterns, nearest_by_correlation, patterns_of
from TumorSynthLib.realism.looks import nearest_by_features, own_features
from TumorSynthLib.realism.memorisation import Audit, audit, fit_limit
from TumorSynthLib.realism.patches import LesionPatches, joined
from TumorSynthLib.realism.planted_copies import KINDS, planted

RECORDS = 60
EACH = 5


@cache
def records() -> LesionPatches:
    return textured(RECORDS, seed=0)


@cache
def patterns_of_records() -> Patterns:
    return patterns_of(records())


@cache
def among_others() -> tuple[LesionPatches, tuple[str, ...], np.ndarray, Audit]:
    """Fresh lesions, blobs, and copies of every kind in one audit, as cohorts come."""
    fresh, blobs = textured(20, seed=1), smooth_blobs(8, seed=2)
    copies = [planted(records(), fresh, EACH, number, kind) for number, kind in enumerate(KINDS)]
    kinds = ("fresh",) * len(fresh) + ("blob",) * len(blobs) + tuple(kind for kind in KINDS for _ in range(EACH))
    sources = np.concatenate([np.full(len(fresh) + len(blobs), -1), *(each.record for each in copies)])
    everything = joined([fresh, blobs, *(each.patches for each in copies)])
    return everything, kinds, sources, audit(everything, records(), copies=12)


def flagged_of(kind: str) -> np.ndarray:
    _, kinds, _, found = among_others()
    return found.synthetic.flagged[np.array(kinds) == kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_copy_is_found(kind):
    assert flagged_of(kind).mean() >= 0.8


@pytest.mark.parametrize("kind", ("exact", "mirrored", "regreyed", "blend"))
def test_a_copy_that_lost_nothing_is_always_found(kind):
    assert flagged_of(kind).all()


def test_a_copy_is_traced_to_its_record():
    _, _, sources, found = among_others()
    copied = sources >= 0
    assert (found.synthetic.by_pattern.record == sources)[copied].mean() >= 0.95


def test_lesions_nobody_copied_are_not_flagged():
    assert not flagged_of("fresh").any()


def test_small_smooth_lesions_are_neither_flagged_nor_counted_as_cleared():
    _, kinds, _, found = among_others()
    assert not flagged_of("blob").any()
    assert not found.synthetic.judged[np.array(kinds) == "blob"].any()


def test_an_audit_says_how_many_planted_copies_it_found():
    found = among_others()[-1]
    assert found.power >= 0.8
    assert len(found.changes) == 12


@pytest.mark.parametrize("seed", (3, 4, 5))
def test_no_false_flags_for_several_seeds(seed):
    found = audit(textured(12, seed=seed), textured(45, seed=seed + 100), copies=5, seed=seed)
    assert found.flagged.size == 0
    assert found.synthetic.judged.mean() > 0.8


def test_the_order_of_lesions_and_records_does_not_matter():
    lesions = planted(records(), textured(4, seed=6), 4, seed=1).patches
    apart, own = np.zeros((len(lesions), RECORDS), bool), same_patient(records())
    order, turned = np.random.default_rng(0).permutation(len(lesions)), np.arange(RECORDS)[::-1]
    plain = nearest_by_correlation(patterns_of(lesions), patterns_of_records(), apart, own)
    mixed = nearest_by_correlation(
        patterns_of(lesions.select(order)), patterns_of(records().select(turned)), apart, own[turned][:, turned]
    )
    assert np.array_equal(turned[mixed.record], plain.record[order])
    assert np.allclose(mixed.likeness, plain.likeness[order], rtol=1e-3)


def test_the_same_audit_gives_the_same_answer():
    one, other = (audit(textured(2, seed=7), textured(33, seed=8), copies=3, seed=3) for _ in range(2))
    assert np.array_equal(one.synthetic.by_pattern.excess, other.synthetic.by_pattern.excess)
    assert one.changes == other.changes


def test_a_pattern_knows_no_brightness():
    lesions = textured(3, seed=9)
    other = LesionPatches(0.4 * lesions.image + 0.3, lesions.mask, lesions.block)
    assert np.allclose(patterns_of(lesions).pattern, patterns_of(other).pattern, atol=1e-3)


def test_coarse_patterns_have_fewer_independent_spots():
    fine, coarse = (patterns_of(textured(6, seed=10, grain=grain)).spots.mean() for grain in (0.7, 2.5))
    assert fine > 1.5 * coarse


def test_records_of_the_same_patient_are_not_compared():
    own = patterns_of_records()
    same = records().block[:6, None] == records().block[None, :]
    few = Patterns(own.pattern[:6], own.support[:6], own.grain[:6])
    nearest = nearest_by_correlation(few, own, same, same_patient(records()))
    assert not same[np.arange(6), nearest.record].any()


def test_a_patient_with_many_slices_does_not_hide_a_copy_of_one():
    """All that is near a copy may be of one patient: what it stands out from are the others."""
    copy = planted(records(), textured(1, seed=20), 1, seed=5, kind="exact")
    row = int(copy.record[0])
    many = joined([records().select(np.flatnonzero(records().block != records().block[row])), *[copies_of(row)] * 25])
    own = patterns_of(copy.patches)
    found = nearest_by_correlation(own, patterns_of(many), np.zeros((1, len(many)), bool), same_patient(many))
    assert many.block[found.record[0]] == records().block[row]
    assert found.likeness[0] > 2


def copies_of(row: int) -> LesionPatches:
    return records().select([row])


def same_patient(lesions: LesionPatches) -> np.ndarray:
    return lesions.block[:, None] == lesions.block[None, :]


def test_features_do_not_change_when_a_lesion_is_turned_and_mirrored():
    lesions = textured(8, seed=11)
    turned = LesionPatches(lesions.image[:, ::-1].swapaxes(1, 2), lesions.mask[:, ::-1].swapaxes(1, 2), lesions.block)
    known = own_features(joined([lesions, textured(40, seed=12)]))
    apart = np.zeros((8, len(known)), bool)
    record, likeness = nearest_by_features(own_features(turned), known, apart, np.eye(len(known), dtype=bool))
    assert np.array_equal(record, np.arange(8))
    assert likeness.min() > 1.5


@pytest.mark.parametrize("count", (48, 150))
def test_unrelated_lesions_look_no_more_like_records_than_records_of_other_patients_do(count):
    """Of few records too: a scaling fitted to the records themselves would make every new lesion look like a copy."""
    pool = textured(count + 100, seed=13)
    known = own_features(pool)
    old, new = slice(None, count), slice(count, None)
    related = np.abs(pool.block[old, None] - pool.block[None, old]) <= 1
    null = nearest_by_features(known[old], known[old], related, related)[1]
    likeness = nearest_by_features(known[new], known[old], np.zeros((100, count), bool), related)[1]
    limit = fit_limit(null, lesions=100, false_alarms=0.025)
    assert 0.3 < np.median(limit.p_value(likeness)) < 0.75
    assert not (limit.excess(likeness) > 0).any()


def test_the_limit_is_passed_by_chance_as_seldom_as_asked():
    rng = np.random.default_rng(0)
    limit = fit_limit(unrelated(rng, 2000), lesions=5000, false_alarms=0.5)
    passed = (limit.excess(unrelated(rng, 400_000)) > 0).mean()
    assert 0.25 * 0.5 / 5000 < passed < 4 * 0.5 / 5000


def test_chances_of_likeness_are_true():
    rng = np.random.default_rng(2)
    chance = fit_limit(unrelated(rng, 2000), lesions=100).p_value(unrelated(rng, 100_000))
    for level in (0.5, 0.1, 0.01):
        assert (chance < level).mean() == pytest.approx(level, rel=0.5)


def test_a_few_pairs_of_one_patient_mistaken_for_two_do_not_raise_the_limit():
    rng = np.random.default_rng(1)
    likeness = unrelated(rng, 800)
    plain = fit_limit(likeness, lesions=500)
    likeness[[5, 9]] = 40.0
    mixed = fit_limit(likeness, lesions=500)
    assert set(mixed.set_aside) == {5, 9} | set(plain.set_aside)
    assert mixed.at == pytest.approx(plain.at, abs=0.05)


def test_the_limit_is_never_below_the_likest_real_pair():
    likeness = unrelated(np.random.default_rng(3), 800)
    limit = fit_limit(likeness, lesions=1, false_alarms=0.5)
    assert limit.at >= limit.real_largest
    assert not (limit.excess(np.delete(likeness, limit.set_aside)) > 0).any()


def unrelated(rng: np.random.Generator, count: int) -> np.ndarray:
    """Likenesses as the nearest of many unrelated records have them."""
    return np.exp(rng.gumbel(0.12, 0.06, count))


def test_three_records_are_too_few():
    with pytest.raises(InputError, match="at least 30"):
        audit(textured(3, seed=0), textured(3, seed=1))


def test_records_of_too_few_patients_are_refused():
    few = textured(40, seed=1)
    with pytest.raises(InputError, match="of 8"):
        audit(textured(3, seed=0), LesionPatches(few.image, few.mask, few.block % 3))


def test_records_too_plain_to_compare_are_refused():
    with pytest.raises(InputError, match="large and structured"):
        audit(textured(3, seed=0), smooth_blobs(40, seed=1))


def test_cubes_are_refused():
    lesions = textured(3, seed=0)
    cubes = LesionPatches(lesions.image[None], lesions.mask[None], np.array([0]))
    with pytest.raises(InputError, match="two dimensions"):
        audit(cubes, records())
