"""What was asked is what one gets: volume, place, class shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from TumorSynthLib.calibration import (
    centred_field,
    split_by_shares,
    spread_outwards,
    threshold_to_volume,
    with_levels,
)
from TumorSynthLib.random_fields import outline_field, random_rotation, smooth_field

SIZE = 32


def field_of(seed: int, center: np.ndarray, radius: float) -> np.ndarray:
    offsets = [(np.arange(SIZE) - c).astype(np.float32) for c in center]
    distance = np.sqrt(sum(o.reshape([-1 if k == a else 1 for k in range(3)]) ** 2 for a, o in enumerate(offsets)))
    return distance / radius + outline_field(np.random.default_rng(seed), offsets, radius, 0.2, 0.3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(3.0, 8.0), st.tuples(*[st.floats(13, 18)] * 3))
def test_a_lesion_has_the_volume_and_centre_asked_for(seed, radius, center):
    field = field_of(seed, np.array(center), radius)
    everywhere = np.ones(field.shape, bool)
    volume = 4 / 3 * np.pi * radius**3
    _, mask = centred_field(field, everywhere, volume, np.array(center), fill=9.0)
    assert abs(mask.sum() - volume) <= 0.01 * volume + 1
    assert np.abs(np.argwhere(mask).mean(0) - center).max() < 0.5


def test_a_lesion_is_one_piece_inside_what_is_allowed():
    field = np.minimum(field_of(1, np.array([10.0, 16, 16]), 4), field_of(2, np.array([24.0, 16, 16]), 3.8))
    allowed = np.ones(field.shape, bool)
    allowed[:8] = False
    mask = threshold_to_volume(field, allowed, 250)
    assert ndimage.label(mask)[1] == 1
    assert not mask[~allowed].any()
    assert abs(mask.sum() - 250) <= 5


def test_a_lesion_has_no_cavity():
    center = np.array([15.5, 16, 15])
    field = field_of(3, center, 7)
    field[14:17, 15:18, 14:17] += 5
    _, mask = centred_field(field, np.ones(field.shape, bool), 1437, center, fill=9.0)
    assert np.array_equal(ndimage.binary_fill_holes(mask), mask)
    assert abs(mask.sum() - 1437) <= 15


@given(st.integers(0, 1000), st.lists(st.floats(0.05, 1), min_size=2, max_size=5))
def test_classes_get_exactly_their_shares_in_order_of_score(seed, weights):
    shares = np.array(weights) / np.sum(weights)
    score = np.random.default_rng(seed).standard_normal(500)
    classes = split_by_shares(score, shares)
    counts = np.bincount(classes, minlength=len(shares))
    assert np.abs(counts - 500 * shares).max() <= 1
    for lower in range(len(shares) - 1):
        below, above = score[classes == lower], score[classes == lower + 1]
        assert not (below.size and above.size) or below.max() <= above.min()


def test_values_continue_smoothly_beyond_the_mask():
    mask = np.zeros((9, 9, 9), bool)
    mask[3:6, 3:6, 3:6] = True
    spread = spread_outwards(np.where(mask, 4.0, -100.0), mask, 1.0)
    assert np.allclose(spread, 4.0, atol=1e-4)


def test_a_seed_is_a_field_and_another_seed_another():
    first, again, other = (smooth_field(np.random.default_rng(s), 16, ((1.0, 2.0),)) for s in (3, 3, 4))
    assert np.array_equal(first, again) and not np.allclose(first, other)
    assert first.std() == pytest.approx(1, abs=1e-4)


@given(st.integers(0, 10**6))
def test_a_random_rotation_turns_and_does_not_mirror(seed):
    turn = random_rotation(np.random.default_rng(seed))
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-9) and np.isclose(np.linalg.det(turn), 1)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.floats(7, 13),
    st.floats(0.5, 1.2),
    st.lists(st.floats(0.15, 0.5), max_size=2),
    st.floats(-0.1, 0.1),
    st.floats(0.85, 1.15),
)
def test_each_class_shows_at_the_level_asked_for(seed, radius, darkest, steps, shade, gain):
    rng, asked = np.random.default_rng(seed), np.cumsum([darkest, *steps])
    field = field_of(seed, np.array([16.0, 16, 16]), radius)
    mask = field < 1
    classes = np.full(mask.shape, -1)
    classes[mask] = split_by_shares(-field[mask], np.full(len(asked), 1 / len(asked)))
    weight = ndimage.gaussian_filter(mask.astype(float), 0.7)
    level = ndimage.gaussian_filter(np.where(mask, asked[classes], 0), 0.7) / np.maximum(weight, 1e-3)
    painted = 1 + shade + gain * (level - 1) + 0.05 * rng.standard_normal(mask.shape)
    ground = 0.9 + 0.05 * rng.standard_normal(mask.shape)
    matte = ndimage.gaussian_filter(mask.astype(np.float32), 0.6)
    made = with_levels(painted, ground, matte, level, classes, asked)
    shown = ground + matte * (made - ground)
    was = ground + matte * (painted - ground)
    off, before = (np.abs([x[classes == k].mean() - asked[k] for k in range(len(asked))]) for x in (shown, was))
    # What is farther off may have a rim so thin, or edges so soft, that to reach its level would take too much.
    assert off.max() < (0.02 if before.max() < 0.06 else before.max()), (off, before)
    # It follows the level alone: where that is even, or runs softly, no border shows that was not painted.
    by_level = np.argsort(level[mask])
    change, scale = (made - painted)[mask][by_level], level[mask][by_level]
    assert (np.abs(np.diff(change)) <= 0.4 / 0.15 * np.diff(scale) + 1e-6).all()
