"""The measures of a study, each with its names in the table and how it is taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .patches import LesionPatches

if TYPE_CHECKING:
    from .two_sample import TwoSampleResult

# Each takes milliseconds, and their mean is known to a hundredth with so many.
DIVERSITY_PAIRS = 200


@dataclass(frozen=True, eq=False)
class Side:
    """Lesions with what was measured of each, once for all comparisons; those of a part are looked up in the whole."""

    patches: LesionPatches
    whole: Side | None = None
    rows: np.ndarray | None = None

    def part(self, rows: np.ndarray) -> Side:
        return Side(self.patches.select(rows), self, rows)

    def in_blocks(self, block: np.ndarray) -> Side:
        own = self.patches
        return Side(LesionPatches(own.image, own.mask, block, own.name, own.base), self, np.arange(len(own)))

    @cached_property
    def features(self) -> np.ndarray:
        from .features import features_of

        return features_of(self.patches) if self.whole is None else self.whole.features[self.rows]

    @cached_property
    def encoded(self) -> np.ndarray:
        from .encoder import encoded

        return encoded(self.patches) if self.whole is None else self.whole.encoded[self.rows]


@dataclass(frozen=True)
class Measured:
    """One number of the table, with its 95 % interval where it has one; `why` there is none, in words."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Scores:
    """What a judge thought of each lesion, higher for synthetic, and what told most to it."""

    real: tuple[float, ...]
    made: tuple[float, ...]
    method: str
    telling: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Taken:
    figures: dict[str, Measured]
    scores: Scores | None = None


@dataclass(frozen=True)
class Measure:
    """`names` are its columns; `ideal` says what a set that cannot be told from real would have."""

    title: str
    names: tuple[str, ...]
    ideal: str
    take: Callable[[Side, Side, int], Taken]
    needs_network: bool = False
    trains_network: bool = False


def figure(value: float, low: float | None = None, high: float | None = None) -> Measured:
    """Numbers only: what could not be computed is said, not written as one."""
    if not math.isfinite(value):
        return Measured(None, why="not defined for these lesions")
    ends = [None if end is None or not math.isfinite(end) else float(end) for end in (low, high)]
    return Measured(float(value), *ends)


# -- two-sample tests

Judge = Callable[[Side, Side, int], "TwoSampleResult"]


def _by_features(*groups: str) -> Judge:
    def take(real: Side, made: Side, seed: int) -> TwoSampleResult:
        from .features import FEATURES, columns
        from .two_sample import check_comparable, table_test

        check_comparable(real.patches, made.patches)
        chosen = columns(*groups)
        names = tuple(FEATURES[column].name for column in chosen)
        tables = [side.features[:, chosen] for side in (real, made)]
        return table_test(*tables, real.patches.block, made.patches.block, names, seed)

    return take


def _by_network(region: str) -> Judge:
    def take(real: Side, made: Side, seed: int) -> TwoSampleResult:
        from .two_sample import network_test

        # A mask would tell the surroundings' judge of shapes, which it is not asked about.
        with_mask = region != "surroundings"
        return network_test(real.patches, made.patches, region, with_mask, seed=seed)

    return take


def _test(name: str, title: str, judge: Judge, trains_network: bool = False) -> Measure:
    def take(real: Side, made: Side, seed: int) -> Taken:
        found = judge(real, made, seed)
        telling = tuple((str(feature), float(auc)) for feature, auc in found.telling)
        scores = [tuple(float(score) for score in part) for part in (found.scores_real, found.scores_synthetic)]
        return Taken({name: figure(found.auc, found.low, found.high)}, Scores(*scores, found.method, telling))

    return Measure(title, (name,), "0.5", take, trains_network, trains_network)


# -- distances


def _encoder(real: Side, made: Side, seed: int) -> Taken:
    from .distances import manifold, maximum_mean_discrepancy, standardised

    one, other = standardised(real.encoded, made.encoded)
    blocks = real.patches.block, made.patches.block
    figures = _frechet("encoder Fréchet", one, other, blocks, seed)
    discrepancy = maximum_mean_discrepancy(one, other, *blocks, seed=seed)
    among = manifold(one, other, real_block=blocks[0], synthetic_block=blocks[1], seed=seed)
    figures |= {"MMD": figure(discrepancy.squared), "MMD p": figure(discrepancy.p)}
    figures |= {name: figure(getattr(among, name)) for name in _MANIFOLD}
    return Taken(figures)


def _radiomics(real: Side, made: Side, seed: int) -> Taken:
    from .distances import standardised
    from .features import columns

    chosen = columns("core", "edge", "shape")
    one, other = standardised(real.features[:, chosen], made.features[:, chosen])
    blocks = real.patches.block, made.patches.block
    return Taken(_frechet("radiomics Fréchet", one, other, blocks, seed))


def _frechet(
    name: str, one: np.ndarray, other: np.ndarray, blocks: tuple[np.ndarray, np.ndarray], seed: int
) -> dict[str, Measured]:
    from .distances import frechet_with_floor

    found = frechet_with_floor(one, other, *blocks, seed=seed)
    return {
        name: figure(found.distance),
        f"{name}, half sets": figure(found.matched),
        f"{name}, real halves": figure(found.floor),
    }


def _diversity(real: Side, made: Side, seed: int) -> Taken:
    from .distances import diversity

    ours, theirs = (diversity(side.patches, DIVERSITY_PAIRS, seed) for side in (made, real))
    return Taken({"diversity": figure(ours), "diversity of real": figure(theirs)})


# -- masks and slices


def _fidelity(real: Side, made: Side, seed: int) -> Taken:
    from .mask_fidelity import mask_fidelity

    found = mask_fidelity(real.patches, made.patches, seed)
    return Taken(
        {
            "Dice": figure(found.dice_synthetic),
            "Dice of real": figure(found.dice_real),
            "Dice gap": figure(found.gap, found.low, found.high),
        }
    )


def _continuity(real: Side, made: Side, seed: int) -> Taken:
    from .continuity import compare_continuity

    found = compare_continuity(real.patches, made.patches, axis=0, seed=seed)
    names = ("ratio", "correlation")
    parts = [[getattr(found, f"{name}_{end}") for end in ("difference", "low", "high")] for name in names]
    titles = ("gradient ratio", "slice correlation")
    return Taken({f"{title}, difference": figure(*part) for title, part in zip(titles, parts, strict=True)})


_MANIFOLD = ("precision", "recall", "density", "coverage")
CORE, ALL, SURROUNDINGS = "core", "all", "surroundings"
NETWORK, NETWORK_SURROUNDINGS = "network", "network, surroundings"
TESTS = (CORE, ALL, SURROUNDINGS, NETWORK, NETWORK_SURROUNDINGS)


def _frechet_names(name: str) -> tuple[str, ...]:
    return (name, f"{name}, half sets", f"{name}, real halves")


MEASURES = (
    _test(CORE, "features of the core", _by_features("core")),
    _test(ALL, "all features of the lesion", _by_features("core", "edge", "shape")),
    _test(SURROUNDINGS, "features of the surroundings", _by_features("surroundings")),
    _test(NETWORK, "a network that sees the lesion", _by_network("all"), True),
    _test(
        NETWORK_SURROUNDINGS, "a network that sees the surroundings", _by_network("surroundings"), trains_network=True
    ),
    Measure(
        "distances between encoder features",
        (*_frechet_names("encoder Fréchet"), "MMD", "MMD p", *_MANIFOLD),
        "as real halves; precision, recall and coverage as real",
        _encoder,
        needs_network=True,
    ),
    Measure("distance between radiomics features", _frechet_names("radiomics Fréchet"), "as real halves", _radiomics),
    Measure("diversity", ("diversity", "diversity of real"), "as real", _diversity),
    Measure("mask fidelity", ("Dice", "Dice of real", "Dice gap"), "gap 0", _fidelity, needs_network=True),
    Measure(
        "continuity",
        ("gradient ratio, difference", "slice correlation, difference"),
        "0",
        _continuity,
    ),
)
QUICK_MEASURES = tuple(measure for measure in MEASURES if not measure.needs_network)
