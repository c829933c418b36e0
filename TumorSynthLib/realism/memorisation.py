"""Whether synthetic lesions repeat lesions that their makers learned from.

The rule, in plain words. Every synthetic lesion is compared with every record (a real lesion learned from), in two
ways: by its pattern (`likeness`: laid over each other in any turn, mirrored, shifted, scaled) and by features that do
not need laying over. Either way a lesion's likeness to its nearest record is a multiple of that to the next ones, since
to a copy one record alone is near. The same is done for real lesions, each against the records of other patients:
that tells how far one record stands out where nobody copied. What real lesions' upper fifth shows is continued by an
exponential law, as excesses over a high threshold nearly always follow, and the limit set so high that in the whole
audit half a false flag is to be expected; it is never below the likest real pair. What is beyond the limit is flagged.
A lesion with too few independent spots cannot be judged, and is counted apart. In every audit copies of records,
changed by chance, are planted among the synthetic lesions; the share of them that is flagged, by size, says what "none
flagged" is worth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..errors import InputError
from .likeness import Nearest, Patterns, Progress, nearest_by_correlation, patterns_of
from .looks import nearest_by_features, own_features
from .patches import LesionPatches
from .planted_copies import Changes, planted

Features = Callable[[LesionPatches], np.ndarray]
FEWEST_RECORDS, FEWEST_BLOCKS = 30, 8
FALSE_ALARMS = 0.5
# Of those, what comparing by pattern may raise: by features, far fewer copies are found.
PATTERN_SHARE = 0.9
FEWEST_SPOTS = 8.0
# A patient can straddle two blocks; in the gap between them nobody is compared.
NEIGHBOURING_BLOCKS = 1
# Real lesions of "different patients" that are surely the same are set aside, but no more of them than this share.
SET_ASIDE_SHARE = 0.01
SURELY_THE_SAME = 0.05
LEAST_LIKENESS = 0.05
# The law begins where a fifth of real lesions lie beyond, or, of few, so many of them, but no more than half. Its scale
# is read from a high quantile with a few beyond it still: the very largest may be pairs of one patient.
BEYOND_THRESHOLD, LESIONS_BEYOND, LARGEST_BEYOND = 0.2, 50, 0.5
BEYOND_UPPER, LESIONS_ABOVE = 0.02, 5
NULL_LESIONS = 2500
PLANTED = 100


@dataclass(frozen=True, eq=False)
class Limit:
    """How like unrelated lesions get, as logarithms: what real lesions show, and a law for the share `beyond` the
    threshold."""

    known: np.ndarray
    threshold: float
    beyond: float
    scale: float
    at: float
    real_largest: float
    set_aside: tuple[int, ...] = ()

    def excess(self, likeness: np.ndarray) -> np.ndarray:
        """Above 0 where beyond the limit."""
        return _log(likeness) - self.at

    def p_value(self, likeness: np.ndarray) -> np.ndarray:
        """Chance of so much likeness, or more, between a lesion and the nearest of unrelated records."""
        value = _log(likeness)
        counted = 1 - np.searchsorted(self.known, value) / len(self.known)
        continued = self.beyond * np.exp(-np.maximum(value - self.threshold, 0) / self.scale)
        return np.where(value > self.threshold, continued, counted)


def _log(likeness: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(likeness, LEAST_LIKENESS))


def fit_limit(likeness: np.ndarray, lesions: int, false_alarms: float = FALSE_ALARMS) -> Limit:
    """From the nearest likenesses of unrelated lesions, a limit that `lesions` more of them pass `false_alarms` times.

    The law is read from two quantiles, so that a few pairs of one patient, mistaken for two, cannot raise the limit and
    hide copies.
    """
    known = _log(likeness)
    beyond = float(np.clip(LESIONS_BEYOND / len(known), BEYOND_THRESHOLD, LARGEST_BEYOND))
    few = max(BEYOND_UPPER, min(LESIONS_ABOVE / len(known), beyond / 2))
    threshold, upper = (float(value) for value in np.quantile(known, (1 - beyond, 1 - few)))
    scale = max((upper - threshold) / float(np.log(beyond / few)), 1e-6)

    def passed_by(share: float) -> float:
        return threshold + scale * float(np.log(beyond / min(share, beyond)))

    aside = np.flatnonzero(known > passed_by(SURELY_THE_SAME / len(known)))
    if len(aside) > SET_ASIDE_SHARE * len(known):
        aside = aside[:0]
    largest = float(np.delete(known, aside).max())
    at = max(passed_by(false_alarms / max(lesions, 1)), largest)
    return Limit(np.sort(known), threshold, beyond, scale, at, largest, tuple(aside.tolist()))


@dataclass(frozen=True, eq=False)
class Route:
    """One way of comparing: for each lesion the nearest record, how like it is, and how far beyond the limit."""

    record: np.ndarray
    likeness: np.ndarray
    excess: np.ndarray
    p_value: np.ndarray

    @property
    def flagged(self) -> np.ndarray:
        return self.excess > 0


@dataclass(frozen=True, eq=False)
class Findings:
    by_pattern: Route
    by_features: Route
    correlation: np.ndarray
    pose: np.ndarray
    judged: np.ndarray

    @property
    def flagged(self) -> np.ndarray:
        return self.judged & (self.by_pattern.flagged | self.by_features.flagged)


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found among the synthetic lesions, and of the copies that were planted among them."""

    synthetic: Findings
    copies: Findings
    copied_record: np.ndarray
    copied_pixels: np.ndarray
    changes: tuple[Changes, ...]
    limits: dict[str, Limit]
    records: int
    real_compared: int

    @property
    def flagged(self) -> np.ndarray:
        """Rows of synthetic lesions that repeat a record."""
        return np.flatnonzero(self.synthetic.flagged)

    @property
    def power(self) -> float:
        """Share of planted copies that were flagged, those that cannot be judged among the missed."""
        return float(self.copies.flagged.mean())

    @property
    def power_of_judged(self) -> float:
        judged = self.copies.judged
        return float(self.copies.flagged[judged].mean()) if judged.any() else float("nan")

    @property
    def traced(self) -> float:
        """Share of planted copies whose nearest record by pattern is the one they were made from."""
        return float((self.copies.by_pattern.record == self.copied_record).mean())


def audit(
    synthetic: LesionPatches,
    records: LesionPatches,
    *,
    features: Features = own_features,
    copies: int = PLANTED,
    false_alarms: float = FALSE_ALARMS,
    seed: int = 0,
    progress: Progress = lambda stage, share: None,
) -> Audit:
    """Compares slices (n, h, w) of synthetic lesions with records; see the rule above."""
    require_enough(synthetic, records)
    plants = planted(records, synthetic, copies, seed)
    null = np.sort(np.random.default_rng([seed, 1]).permutation(len(records))[:NULL_LESIONS])
    related = np.abs(records.block[:, None] - records.block[None, :]) <= NEIGHBOURING_BLOCKS
    groups = (synthetic, plants.patches, records.select(null))
    forbidden = [np.zeros((len(group), len(records)), bool) for group in groups[:2]] + [related[null]]
    patterns = [patterns_of(group) for group in groups]
    spots = [each.spots for each in patterns]
    judged = [each >= FEWEST_SPOTS for each in spots]
    if judged[2].sum() < FEWEST_RECORDS:
        raise InputError(
            f"only {judged[2].sum()} records are large and structured enough to compare: at least {FEWEST_RECORDS} are"
            " needed; give larger lesions"
        )
    near = _patterns_compared(patterns, patterns_of(records), forbidden, related, progress)
    looks = _features_compared(groups, records, forbidden, related, features)

    def limit(likeness: np.ndarray, share: float) -> Limit:
        found = fit_limit(likeness[judged[2]], len(synthetic), share * false_alarms)
        aside = null[np.flatnonzero(judged[2])[list(found.set_aside)]] if found.set_aside else ()
        return replace(found, set_aside=tuple(int(row) for row in aside))

    limits = {"pattern": limit(near[2].likeness, PATTERN_SHARE), "features": limit(looks[2][1], 1 - PATTERN_SHARE)}
    found = [_findings(near[k], looks[k], judged[k], limits) for k in range(2)]
    return Audit(
        found[0],
        found[1],
        plants.record,
        plants.patches.size,
        plants.changes,
        limits,
        len(records),
        int(judged[2].sum()),
    )


def require_enough(synthetic: LesionPatches, records: LesionPatches) -> None:
    if synthetic.dimensions != 2 or records.dimensions != 2:
        raise InputError("an audit compares slices: give patches of two dimensions (n, h, w)")
    if not len(synthetic):
        raise InputError("no synthetic lesion to audit: at least one is needed")
    blocks = len(np.unique(records.block))
    if len(records) < FEWEST_RECORDS or blocks < FEWEST_BLOCKS:
        raise InputError(
            f"{len(records)} records of {blocks} patients or blocks: at least {FEWEST_RECORDS} of {FEWEST_BLOCKS} are"
            " needed to learn how alike lesions of different patients are"
        )


def _patterns_compared(
    patterns: list[Patterns], records: Patterns, forbidden: list[np.ndarray], related: np.ndarray, progress: Progress
) -> list[Nearest]:
    names = ("synthetic lesions", "planted copies", "real lesions of other patients")
    found = []
    for name, own, apart in zip(names, patterns, forbidden, strict=True):
        found.append(nearest_by_correlation(own, records, apart, related, partial(_told, progress, name)))
    return found


def _told(progress: Progress, name: str, stage: str, share: float) -> None:
    progress(name, share)


def _features_compared(
    groups: tuple[LesionPatches, ...],
    records: LesionPatches,
    forbidden: list[np.ndarray],
    related: np.ndarray,
    features: Features,
) -> list[tuple[np.ndarray, np.ndarray]]:
    known = features(records)
    return [
        nearest_by_features(features(group), known, apart, related)
        for group, apart in zip(groups, forbidden, strict=True)
    ]


def _findings(
    near: Nearest,
    looks: tuple[np.ndarray, np.ndarray],
    judged: np.ndarray,
    limits: dict[str, Limit],
) -> Findings:
    routes = []
    for limit, record, likeness in (
        (limits["pattern"], near.record, near.likeness),
        (limits["features"], *looks),
    ):
        routes.append(Route(record, likeness, limit.excess(likeness), limit.p_value(likeness)))
    return Findings(routes[0], routes[1], near.correlation, near.pose, judged)
