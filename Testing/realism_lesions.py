"""Lesions made of random fields, to plant flaws in: nobody's patients."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from TumorSynthLib.realism.patches import LesionPatches


def field(random: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """A Gaussian random field of unit variance."""
    smooth = gaussian_filter(random.standard_normal(shape), sigma, mode="wrap")
    return smooth / smooth.std()


def lesion(random: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """A bright blob with texture and a soft edge that is off its mask, in noisy tissue."""
    place = np.indices(shape) - (np.array(shape) / 2 + random.uniform(-2, 2, len(shape))).reshape(
        -1, *(1,) * len(shape)
    )
    distance = np.sqrt((place**2).sum(0)) + 0.03 * min(shape) * field(random, shape, 4)
    radius = min(shape) * random.uniform(0.2, 0.25)
    shifted = distance + 0.02 * min(shape) * field(random, shape, 3)
    soft = gaussian_filter((shifted < radius).astype(float), 0.9)
    texture = random.uniform(1.3, 1.7) + 0.12 * field(random, shape, 2.5)
    tissue = random.uniform(0.85, 0.95) + 0.06 * field(random, shape, 4)
    noise = random.uniform(0.025, 0.035) * field(random, shape, 0.5)
    return tissue * (1 - soft) + texture * soft + noise, distance < radius


def lesions(count: int, seed: int = 0, shape: tuple[int, ...] = (40, 40), per_block: int = 4) -> LesionPatches:
    random = np.random.default_rng(seed)
    images, masks = zip(*(lesion(random, shape) for _ in range(count)), strict=True)
    return LesionPatches(np.stack(images), np.stack(masks), np.arange(count) // per_block)
