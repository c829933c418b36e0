"""Lesions from chance alone: blobs filled with random fields, for tests of what compares lesions."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from TumorSynthLib.realism.patches import LesionPatches


def textured(count: int, seed: int, radius: tuple[float, float] = (11, 17), grain: float = 1.2) -> LesionPatches:
    """Independent lesions, three of each patient."""
    rng = np.random.default_rng(seed)
    pairs = [_lesion(rng, rng.uniform(*radius), grain) for _ in range(count)]
    image, mask = (np.stack(part) for part in zip(*pairs, strict=True))
    return LesionPatches(image, mask, np.arange(count) // 3, tuple(f"lesion {seed}-{row}" for row in range(count)))


def smooth_blobs(count: int, seed: int, radius: float = 4.0) -> LesionPatches:
    """Small lesions that are bright in the middle, and nothing else but a little noise."""
    rng = np.random.default_rng([seed, 1])
    lesions = []
    for _ in range(count):
        mask = _outline(rng, radius)
        bright = 1 + ndimage.gaussian_filter(mask.astype(float), 1.5)
        lesions.append((bright + rng.normal(0, 0.01, mask.shape), mask))
    image, mask = (np.stack(part) for part in zip(*lesions, strict=True))
    return LesionPatches(image, mask, np.arange(count), tuple(f"blob {row}" for row in range(count)))


def _lesion(rng: np.random.Generator, radius: float, grain: float) -> tuple[np.ndarray, np.ndarray]:
    mask = _outline(rng, radius)
    texture = ndimage.gaussian_filter(rng.normal(0, 1, mask.shape), grain)
    coarse = ndimage.gaussian_filter(rng.normal(0, 1, mask.shape), 4.0)
    inside = 1.3 + 0.2 * texture / texture.std() + 0.2 * coarse / coarse.std()
    around = 0.9 + 0.04 * ndimage.gaussian_filter(rng.normal(0, 1, mask.shape), 0.7)
    weight = ndimage.gaussian_filter(mask.astype(float), 0.7)
    return np.maximum(weight * inside + (1 - weight) * around, 0), mask


def _outline(rng: np.random.Generator, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:64, :64] - 32.0
    angle = np.arctan2(rows, columns)
    wave = sum(rng.normal(0, 0.06) * np.cos(k * angle + rng.uniform(0, 6.28)) for k in (2, 3, 4, 5))
    return np.hypot(rows, columns) < radius * (1 + wave)
