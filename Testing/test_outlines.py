"""Drawn outlines come to lie where a lesion's edge can be seen, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from training.outlines import DEEPEST, FARTHEST, visible_outline, with_visible_outlines
from training.slices import SliceSet

SIZE = 96


def disc(radius: float, middle: tuple[float, float] = (48.0, 48.0)) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    return (y - middle[0]) ** 2 + (x - middle[1]) ** 2 <= radius**2


def scan(lesion: np.ndarray, contrast: float, seed: int = 0) -> np.ndarray:
    """Blurred by a pixel and noisy, as scans are; 100 is tissue, noise has a standard deviation of 3."""
    clean = 100 + contrast * ndimage.gaussian_filter(lesion.astype(float), 0.9)
    return clean + np.random.default_rng(seed).normal(0, 3, lesion.shape)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


DRAWN_BESIDE = {
    "error": st.floats(-2, 1.2),
    "aside": st.floats(-1, 1),
    "contrast": st.sampled_from((40.0, -40.0)),
    "seed": st.integers(0, 99),
}


def found_and_true(
    radius: float, error: float, aside: float, contrast: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    lesion = disc(radius)
    return visible_outline(scan(lesion, contrast, seed), disc(radius + error, (48 + aside, 48))), lesion


@settings(max_examples=40, deadline=None)
@given(radius=st.floats(8, 20), **DRAWN_BESIDE)
def test_an_outline_drawn_beside_the_edge_comes_to_lie_within_a_pixel_of_it(radius, **drawn):
    found, lesion = found_and_true(radius, **drawn)
    assert (found ^ lesion).sum() < 0.8 * 2 * np.pi * radius


@settings(max_examples=40, deadline=None)
@given(radius=st.floats(13, 20), **DRAWN_BESIDE)
def test_of_lesions_that_are_large_beside_a_pixel_it_finds_the_edge(radius, **drawn):
    assert dice(*found_and_true(radius, **drawn)) >= 0.95


@settings(max_examples=40, deadline=None)
@given(radius=st.floats(15, 20), **DRAWN_BESIDE)
def test_and_their_area(radius, **drawn):
    found, lesion = found_and_true(radius, **drawn)
    assert found.sum() == pytest.approx(lesion.sum(), rel=0.08)


@settings(max_examples=20, deadline=None)
@given(radius=st.floats(4, 20), seed=st.integers(0, 99))
def test_it_never_moves_farther_than_people_err(radius, seed):
    drawn = disc(radius)
    found = visible_outline(scan(disc(radius + 9), 60, seed), drawn)
    assert not found[ndimage.distance_transform_edt(~drawn) > FARTHEST].any()
    assert found[ndimage.distance_transform_edt(drawn) > max(DEEPEST, radius - 2)].all()


@settings(max_examples=20, deadline=None)
@given(radius=st.floats(7, 20), seed=st.integers(0, 99))
def test_nor_does_it_give_up_what_lies_deep_inside(radius, seed):
    drawn = disc(radius)
    found = visible_outline(scan(disc(radius - 6), 60, seed), drawn)
    assert found[ndimage.distance_transform_edt(drawn) > DEEPEST].all()


def test_several_lesions_and_the_hole_of_a_ring_stay_what_they_are():
    lesions = disc(10, (30, 30)) | disc(6, (66, 64))
    assert dice(visible_outline(scan(lesions, 60), lesions), lesions) > 0.95
    ring = disc(20) & ~disc(10)
    assert dice(visible_outline(scan(ring, 60), ring), ring) > 0.95
    assert not visible_outline(scan(ring, 60), np.zeros_like(ring)).any()


@pytest.mark.parametrize("image", [np.full((SIZE, SIZE), 7.0), np.zeros((SIZE, SIZE))])
def test_without_any_edge_the_outline_stays(image):
    assert np.array_equal(visible_outline(image, disc(9)), disc(9))


def test_a_lesion_that_fills_its_window_stays_as_it_was_drawn():
    drawn = np.ones((SIZE, SIZE), bool)
    assert np.array_equal(visible_outline(scan(disc(20), 40), drawn), drawn)


def test_a_set_keeps_its_images_and_patients():
    lesions = [disc(10), disc(14)]
    slices = SliceSet(
        np.stack([scan(lesion, 50) for lesion in lesions]),
        np.stack([disc(8.5), disc(15.2)]),
        np.arange(2),
        np.ones(2),
        is_contiguous=False,
    )
    seen = with_visible_outlines(slices)
    assert seen.image is slices.image and seen.index is slices.index
    assert all(dice(mask, lesion) > 0.96 for mask, lesion in zip(seen.mask, lesions, strict=True))
