"""Outlines and maps on trial: the engine's lesions are made like the real ones, and what differs in form is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("skimage")

from training.realism_shapes import NoOpinion, judged, made_patches, numbers_of, of_like_size, real_patches, trial
from training.records import LesionRecords, lesion_records
from training.slices import BLOCK, SliceSet
from TumorSynthLib.errors import InputError

SIZE = 96
PATIENTS = 8


def planted(roughness: float, count: int = 40, seed: int = 0) -> LesionRecords:
    """Slices of lesions with a bright core, their outlines the rougher the more their radius wavers."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    images, masks = [], []
    for _ in range(count):
        waves = np.arange(3, 9)[:, None, None]
        phases, heights = rng.uniform(0, 2 * np.pi, waves.shape), rng.normal(0, roughness, waves.shape)
        wavering = (heights * np.cos(waves * np.arctan2(y, x) + phases)).sum(0)
        depth = np.hypot(x, y) / (rng.uniform(7, 13) * (1 + wavering))
        image = 100 + 80 * ndimage.gaussian_filter(np.clip(1.4 - depth, 0, 1), 1) + rng.normal(0, 6, depth.shape)
        images.append(np.clip(image, 0, 255).astype(np.uint8))
        masks.append(depth < 1)
    index = BLOCK * (np.arange(count) % PATIENTS)
    return lesion_records(SliceSet(np.stack(images), np.stack(masks), index, np.ones(count), True))


def test_each_lesion_is_made_as_large_as_its_real_one_and_in_its_shares(synthesizer):
    records = planted(0.05, 4)
    made, real = made_patches(records, synthesizer, seed=3), real_patches(records)
    assert np.array_equal(made.block, real.block)
    assert made.size == pytest.approx(real.size, rel=0.1)
    for row in range(4):
        shares = [np.mean(np.isclose(made.image[row][made.mask[row]], c / 3)) for c in (1, 2, 3)]
        assert shares == pytest.approx(records.fractions[row], abs=1 / made.size[row])
    assert np.array_equal(made.image, made_patches(records, synthesizer, seed=3).image)


def test_a_lesion_told_to_have_a_bright_core_has_one(synthesizer):
    records = planted(0.05, 6)
    assert (records.order > 0.5).all()
    made = made_patches(records, synthesizer, seed=1)
    for image, mask in zip(made.image, made.mask, strict=True):
        depth = ndimage.distance_transform_edt(mask)
        assert depth[mask & (image > 0.9)].mean() > depth[mask & (image < 0.4)].mean()


def test_the_mask_network_has_a_say_in_outlines(synthesizer):
    records = planted(0.05, 2)
    by_network = made_patches(records, synthesizer, seed=1)
    networks = dict(synthesizer.networks)
    try:
        synthesizer.networks["mask"] = NoOpinion()
        procedural = made_patches(records, synthesizer, seed=1)
    finally:
        synthesizer.networks.update(networks)
    assert (procedural.mask != by_network.mask).any((1, 2)).all()
    assert procedural.size == pytest.approx(by_network.size, rel=0.2)


def test_outlines_that_waver_more_are_told_apart_and_others_are_not():
    smooth, rough, alike = (real_patches(planted(waver, 96, seed)) for waver, seed in ((0.02, 0), (0.08, 1), (0.02, 2)))
    found = judged(smooth, rough)
    assert found.outline.auc > 0.9 and found.outline.low > 0.7
    nothing = judged(smooth, alike)
    assert nothing.outline.low < 0.5 < nothing.outline.high


def test_maps_that_are_arranged_otherwise_are_told_apart():
    records = planted(0.02, 64)
    turned = replace(records, classes=np.where(records.classes > 0, 4 - records.classes, 0).astype(np.uint8))
    found = judged(real_patches(records), real_patches(turned))
    assert found.map.auc > 0.9 and found.outline.auc == pytest.approx(0.5, abs=0.1)


def test_a_trial_reports_the_engine_beside_real_halves(synthesizer):
    records = of_like_size(planted(0.05, 24))
    figures = numbers_of(trial(records, synthesizer, seed=0))
    assert set(figures) == {"engine", "real of other patients"}
    for row in figures.values():
        for area, low, high in row.values():
            assert 0 <= low <= area <= high <= 1


def test_dots_and_what_no_cube_holds_stay_out(synthesizer):
    records = planted(0.05, 12)
    small, large = (replace(records, classes=_grown(records.classes, radius)) for radius in (3, 20))
    assert len(of_like_size(records)) == 12
    for others in (small, large):
        assert len(of_like_size(others)) == 0
        with pytest.raises(InputError, match="no lesion slice of 4 to 17 pixels"):
            trial(of_like_size(others), synthesizer, seed=0)


def _grown(classes: np.ndarray, radius: float) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    return np.repeat((np.hypot(y, x) <= radius).astype(np.uint8)[None], len(classes), 0)
