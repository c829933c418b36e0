"""Real and synthetic made alike in all that is not the question: sizes, and the path that the numbers took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .patches import LesionPatches

# Largest ratio of sizes, area or volume, within a pair.
CALIPER = 1.35
MOST_PAIRED = 2000
ELSEWHERE = 0.05
# Grey levels from air to white matter, and noise under them: an image stored in few levels shows them as gaps, which
# noise of a level's width fills. Brain MRI has three to six times as much noise of its own.
LEVELS = 100
NOISE = 0.01


@dataclass(frozen=True)
class Matched:
    """Pairs of alike size: row i of both sides is one."""

    real: LesionPatches
    synthetic: LesionPatches
    real_left_out: int
    synthetic_left_out: int

    def __str__(self) -> str:
        return (
            f"{len(self.real)} pairs of like size (ratio up to {CALIPER:g}); left out: {self.real_left_out} real,"
            f" {self.synthetic_left_out} synthetic"
        )


def matched(real: LesionPatches, synthetic: LesionPatches, seed: int = 0) -> Matched:
    """The largest set of pairs whose sizes are alike, each lesion in one pair at most, with the least difference."""
    from scipy.optimize import linear_sum_assignment

    _require_alike(real, synthetic)
    rng = np.random.default_rng([seed, 9])
    ours, theirs = (rng.permutation(len(each))[:MOST_PAIRED] for each in (real, synthetic))
    apart = np.abs(np.log(real.size[ours][:, None] / synthetic.size[theirs][None, :]))
    limit = np.log(CALIPER)
    # Of equals, one in the same patient's brain: what lies around the lesion is then alike as well.
    elsewhere = ELSEWHERE * (real.block[ours][:, None] != synthetic.block[theirs][None, :])
    # A pair too far apart costs more than any number of good ones, so that as many as possible are good.
    rows, columns = linear_sum_assignment(
        np.where(apart <= limit, apart + elsewhere, 2 * limit * (min(apart.shape) + 1))
    )
    good = apart[rows, columns] <= limit
    if not good.any():
        raise InputError("no synthetic lesion is as large as any real one; make them of the real lesions' sizes")
    order = np.argsort(ours[rows[good]], kind="stable")
    chosen = ours[rows[good]][order], theirs[columns[good]][order]
    count = len(order)
    return Matched(real.select(chosen[0]), synthetic.select(chosen[1]), len(real) - count, len(synthetic) - count)


def _require_alike(real: LesionPatches, synthetic: LesionPatches) -> None:
    one, other = real.image.shape[1:], synthetic.image.shape[1:]
    if one != other:
        shown = (" x ".join(map(str, shape)) for shape in (one, other))
        raise InputError("real patches of {} and synthetic ones of {}: give both the same window".format(*shown))


def through_the_same_noise(
    real: LesionPatches, synthetic: LesionPatches, seed: int = 0
) -> tuple[LesionPatches, LesionPatches]:
    return in_common_levels(real, seed, 0), in_common_levels(synthetic, seed, 1)


def in_common_levels(patches: LesionPatches, seed: int = 0, number: int = 0) -> LesionPatches:
    """The same few grey levels for all, under the same little noise: where numbers were rounded before cannot tell.
    `number` is another for each set, so that no two have the same noise."""
    rng = np.random.default_rng([seed, 10, number])

    def through(values: np.ndarray) -> np.ndarray:
        noisy = values + NOISE * rng.standard_normal(values.shape, dtype=np.float32)
        return np.maximum(np.rint(noisy * LEVELS) / LEVELS, 0).astype(np.float32)

    base = None if patches.base is None else through(patches.base)
    return LesionPatches(through(patches.image), patches.mask, patches.block, patches.name, base)
