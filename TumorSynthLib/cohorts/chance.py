"""Chance that depends on nothing but its address: the recipe's seed, the case, the lesion, and what is being drawn.

Streams of a counter-based generator, so that case 7 is the same whether it is made first, last, alone, or again, and
so that drawing one thing more often leaves everything else as it was.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What is drawn. The numbers are part of what a seed means: never change them, only add."""

    BUNDLE = 1
    COUNT = 2
    SIZE = 3
    STRUCTURE = 4
    SHELLS = 5
    APPEARANCE = 6
    PLACE = 7
    LESION_SEED = 8
    RECORD = 9
    VERIFICATION = 10


def stream(seed: int, purpose: Purpose, case: int, lesion: int = 0) -> np.random.Generator:
    address = np.random.SeedSequence(entropy=seed, spawn_key=(int(purpose), case, lesion))
    return np.random.Generator(np.random.Philox(address))


def choose(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """One of the names, as likely as its weight; whatever order they were written in."""
    names = sorted(weights)
    edges = np.cumsum([weights[name] for name in names])
    return names[min(int(np.searchsorted(edges, rng.uniform() * edges[-1], side="right")), len(names) - 1)]
