"""Opaque names and orders. Both come from the seed, and neither from where a case comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

NAME_LENGTH = 10
# A repeat comes no earlier than this share of all cases after its first showing.
REPEAT_GAP = 0.4


def opaque_name(seed: int, contents: Sequence[str], showing: int) -> str:
    """A random-looking name from what the images hold, so that it cannot tell what the images do not.

    `contents` are checksums; `showing` counts the times that a reader sees the same images.
    """
    text = "|".join((str(seed), *sorted(contents), str(showing)))
    return hashlib.sha256(text.encode()).hexdigest()[:NAME_LENGTH]


def synthetic_is_left(seed: int, synthetic: str, real: str) -> bool:
    """Which side of a pair is synthetic: by chance, as two checksums fall."""
    ranks = [hashlib.sha256(f"{seed}|side|{content}".encode()).digest() for content in (synthetic, real)]
    return ranks[0] < ranks[1]


def reading_order(
    reader: str, seed: int, training: Sequence[str], firsts: Sequence[str], repeats: Mapping[str, str]
) -> tuple[str, ...]:
    """Training first; then all cases in an order of the reader's own, each repeat well after its first showing.

    `repeats` takes the repeat's name to that of its first showing.
    """
    digest = hashlib.sha256(f"{seed}|order|{reader}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    total = len(firsts) + len(repeats)
    repeated = set(repeats.values())
    early = max(len(repeated), round((1 - REPEAT_GAP) * total) - len(repeats))
    once = _shuffled([name for name in firsts if name not in repeated], random)
    # Cases shown twice begin among the first ones, at places drawn by chance.
    early_names = _shuffled([*repeated, *once[: max(0, early - len(repeated))]], random)
    late_names = _shuffled([*once[max(0, early - len(repeated)) :], *repeats], random)
    order = [*early_names, *late_names]
    gap = min(round(REPEAT_GAP * total / 2), len(firsts) // 2)
    for name in _shuffled(list(repeats), random):
        _postpone(order, name, order.index(repeats[name]) + gap, random)
    return (*_shuffled(training, random), *order)


def _postpone(order: list[str], name: str, earliest: int, random: np.random.Generator) -> None:
    """Moves a repeat that comes too soon to a place later on."""
    place = order.index(name)
    if place >= earliest or earliest >= len(order):
        return
    order.pop(place)
    order.insert(int(random.integers(earliest, len(order) + 1)), name)


def _shuffled(names: Sequence[str], random: np.random.Generator) -> list[str]:
    names = sorted(names)
    return [names[place] for place in random.permutation(len(names))]
