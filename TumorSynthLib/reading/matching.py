"""Which lesions become cases: spread over patients, and alike in size and location where the leader asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .lesions import Lesion

SIZE, LOCATION = "size", "location"
WAYS = (SIZE, LOCATION)
# One unit of cost: a size ratio of 1.5, or a fifth of the head's half width in each direction.
SIZE_UNIT = float(np.log(1.5))
LOCATION_UNIT = 0.4
# Taking the same patient once more costs as much as a fifth of such a unit.
AGAIN_COST = 0.2
LARGEST_RATIO = 1.5


@dataclass(frozen=True)
class Chosen:
    """The lesions of a study. The first of each list are pairs, as far as the shorter list goes."""

    real: list[Lesion]
    synthetic: list[Lesion]

    @property
    def pairs(self) -> list[tuple[Lesion, Lesion]]:
        return list(zip(self.real, self.synthetic, strict=False))


def choose(
    real: Sequence[Lesion],
    synthetic: Sequence[Lesion],
    counts: tuple[int, int],
    by: Sequence[str],
    random: np.random.Generator,
) -> Chosen:
    """As many of each as `counts` says."""
    for pool, count, word in ((real, counts[0], "real"), (synthetic, counts[1], "synthetic")):
        if len(pool) < count:
            raise InputError(
                f"{count} {word} lesions are needed, but only {len(pool)} are there; give more, or lower --cases,"
                " --training-cases or --smallest"
            )
    real, synthetic = spread(real, random), spread(synthetic, random)
    if not by:
        return Chosen(real[: counts[0]], synthetic[: counts[1]])
    return _matched(real, synthetic, counts, by)


def spread(lesions: Sequence[Lesion], random: np.random.Generator) -> list[Lesion]:
    """In random order, but every patient's first lesion before anybody's second."""
    shuffled = [lesions[place] for place in random.permutation(len(lesions))]
    order = np.argsort(_turns(shuffled), kind="stable")
    return [shuffled[place] for place in order]


def _turns(lesions: Sequence[Lesion]) -> np.ndarray:
    """How many lesions of the same patient come before each."""
    seen: Counter[str] = Counter()
    turns = []
    for lesion in lesions:
        turns.append(seen[lesion.patient])
        seen[lesion.patient] += 1
    return np.array(turns, float)


def _matched(real: list[Lesion], synthetic: list[Lesion], counts: tuple[int, int], by: Sequence[str]) -> Chosen:
    """The pairs that are most alike, then more of the larger group, each like some case of the smaller one."""
    from scipy.optimize import linear_sum_assignment

    cost = distances(real, synthetic, by) + AGAIN_COST * (_turns(real)[:, None] + _turns(synthetic)[None, :])
    rows, columns = linear_sum_assignment(cost)
    best = np.argsort(cost[rows, columns], kind="stable")[: min(counts)]
    rows, columns = rows[best].tolist(), columns[best].tolist()
    while len(rows) < counts[0]:
        left = [row for row in range(len(real)) if row not in rows]
        rows.append(left[int(cost[np.ix_(left, columns)].min(axis=1).argmin())])
    while len(columns) < counts[1]:
        left = [column for column in range(len(synthetic)) if column not in columns]
        columns.append(left[int(cost[np.ix_(rows, left)].min(axis=0).argmin())])
    return Chosen([real[row] for row in rows], [synthetic[column] for column in columns])


def distances(real: Sequence[Lesion], synthetic: Sequence[Lesion], by: Sequence[str]) -> np.ndarray:
    """How unlike every real lesion is to every synthetic one, in units of what is barely tolerable."""
    squared = np.zeros((len(real), len(synthetic)))
    if SIZE in by:
        sizes = [np.log([lesion.diameter_mm for lesion in group]) for group in (real, synthetic)]
        squared += ((sizes[0][:, None] - sizes[1][None, :]) / SIZE_UNIT) ** 2
    if LOCATION in by:
        places = [np.array([lesion.place.for_matching() for lesion in group]) for group in (real, synthetic)]
        squared += (((places[0][:, None] - places[1][None, :]) / LOCATION_UNIT) ** 2).sum(axis=-1)
    return np.sqrt(squared)


def imbalance(chosen: Chosen) -> list[str]:
    """What a study leader should know of how unlike the two groups are, in size and in location."""
    notes = []
    medians = [float(np.median([lesion.diameter_mm for lesion in group])) for group in (chosen.real, chosen.synthetic)]
    if max(medians) > LARGEST_RATIO * min(medians):
        notes.append(
            f"real lesions have a median diameter of {medians[0]:.1f} mm, synthetic ones of {medians[1]:.1f} mm:"
            " size alone may tell them apart; match on size, and make a cohort of the real lesions' sizes"
        )
    places = [np.array([lesion.place.for_matching() for lesion in group]) for group in (chosen.real, chosen.synthetic)]
    apart = np.abs(places[0].mean(axis=0) - places[1].mean(axis=0))
    names = ("distance from the midline", "front to back", "height", "depth")
    if apart.max() > LOCATION_UNIT:
        notes.append(
            f"real and synthetic lesions differ in location ({names[int(apart.argmax())]}): match on location, and make"
            " a cohort of the real lesions' locations"
        )
    return notes
