"""Every measure on a synthetic set, and on every control beside it in the same table.

A measure that cannot be taken stays in the table, with the reason in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import InputError
from .alike import in_common_levels, matched
from .comparisons import CONTROLS, real_halves
from .healing import with_base
from .measures import MEASURES, Measured, Scores, Side
from .obedience import Obedience, obedience
from .patches import LesionPatches
from .sources import ARCHIVE, has_cases, read_patches

SYNTHETIC, OTHER_PATIENTS = "synthetic", "real of other patients"
FEWEST_LESIONS = 10
# Halves of few patients differ by chance: of 15 blocks of real ones, single areas scatter by .15.
SPLITS = 6
# Networks take minutes to train: for other controls, which features tell already, that would say nothing new.
JUDGED_BY_NETWORKS = (SYNTHETIC, OTHER_PATIENTS, "copy and paste")

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Row:
    """One set of lesions against real ones. `figures` holds every measure by name, taken or not."""

    name: str
    explanation: str
    lesions_real: int
    lesions_made: int
    figures: dict[str, Measured]
    scores: dict[str, Scores] = field(default_factory=dict)

    @property
    def is_control(self) -> bool:
        return self.name != SYNTHETIC


@dataclass(frozen=True, eq=False)
class Study:
    """What was compared, and how it came out. `real` and `synthetic` are the pairs as they were measured."""

    rows: tuple[Row, ...]
    real: LesionPatches
    synthetic: LesionPatches
    notes: tuple[str, ...]
    seed: int
    is_quick: bool
    obedience: Obedience | None = None
    obedience_missing: str = ""
    sources: tuple[str, str] = ("", "")

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)


def study_of_files(
    real: str | Path,
    synthetic: str | Path,
    dimensions: int = 2,
    seed: int = 0,
    quick: bool = False,
    progress: Progress = lambda stage, share: None,
    **cutting: object,
) -> Study:
    """Reads both sides (see sources.py) and compares them; `cutting` goes to `read_patches`."""
    sides = [
        read_patches(path, dimensions, progress=_part(progress, *span), **cutting)  # type: ignore[arg-type]
        for path, span in ((real, (0.0, 0.05)), (synthetic, (0.05, 0.1)))
    ]
    return study(*sides, seed=seed, quick=quick, cases=_cases_in(Path(synthetic)), sources=(str(real), str(synthetic)),
                 progress=_part(progress, 0.1, 1.0))  # fmt: skip


def study(
    real: LesionPatches,
    synthetic: LesionPatches,
    *,
    seed: int = 0,
    quick: bool = False,
    cases: Path | None = None,
    sources: tuple[str, str] = ("", ""),
    progress: Progress = lambda stage, share: None,
) -> Study:
    """Without networks if `quick`. `cases` is where the synthetic lesions' cases lie, to see whether they obey."""
    progress("pairing lesions of like size", 0.0)
    pairs = matched(real, synthetic, seed)
    _require_enough(pairs.real, str(pairs))
    found = tuple(_rows(pairs.real, pairs.synthetic, seed, quick, progress))
    given, missing = _obeyed(cases)
    notes = (str(pairs), _base_note(pairs.real), *_few_blocks(pairs.real))
    return Study(found, pairs.real, pairs.synthetic, notes, seed, quick, given, missing, sources)


def _part(progress: Progress, low: float, high: float) -> Progress:
    return lambda stage, share: progress(stage, low + share * (high - low))


def _cases_in(synthetic: Path) -> Path | None:
    return synthetic if synthetic.suffix.lower() != ARCHIVE and synthetic.is_dir() and has_cases(synthetic) else None


def _require_enough(real: LesionPatches, pairs: str) -> None:
    if len(real) < FEWEST_LESIONS:
        raise InputError(f"{pairs}: {FEWEST_LESIONS} pairs are the least; give more lesions, or of like sizes")


def _base_note(real: LesionPatches) -> str:
    if real.base is not None:
        return "Controls were laid over the same place without its lesion, as delivered with the real lesions."
    return (
        "Controls were laid over a filling of the real lesion's place drawn from its surroundings, the same for all:"
        " where a control leaves a part of that place bare, the filling itself may tell."
    )


def _few_blocks(real: LesionPatches) -> Iterator[str]:
    blocks = len(np.unique(real.block))
    if blocks < 20:
        yield f"Real lesions of only {blocks} patients (or blocks): intervals are wide, and may be too narrow still."


# -- the table


def _rows(real: LesionPatches, synthetic: LesionPatches, seed: int, quick: bool, progress: Progress) -> Iterator[Row]:
    bench = _Bench(seed, quick, progress, (2 + len(CONTROLS)) * len(MEASURES))
    seen = Side(in_common_levels(real, seed, 0))
    ours = Side(in_common_levels(synthetic, seed, 1))
    yield bench.row(SYNTHETIC, "the lesions that this report is about", seen, ours)
    yield _halves_row(seen, bench)
    bench.tell("making the controls")
    known = with_base(real, seed)
    for number, (name, make) in enumerate(CONTROLS.items(), 2):
        try:
            control = make(known, seed)
        except InputError as error:
            yield _missing_row(name, str(error))
            continue
        made = Side(in_common_levels(control.made, seed, number))
        # Some controls are compared within groups of patients: the same real lesions, but other blocks.
        yield bench.row(name, control.explanation, seen.in_blocks(control.real.block), made)


@dataclass
class _Bench:
    """Takes every measure, one after another, and tells how far it is."""

    seed: int
    quick: bool
    progress: Progress
    steps: int
    done: int = 0

    def tell(self, stage: str) -> None:
        self.progress(stage, min(0.02 + 0.97 * self.done / self.steps, 0.99))

    def row(self, name: str, explanation: str, real: Side, made: Side) -> Row:
        figures, scores = self.measured(name, real, made)
        return Row(name, explanation, len(real.patches), len(made.patches), figures, scores)

    def measured(
        self, name: str, real: Side, made: Side, steps: float = 1.0, train: bool = True
    ) -> tuple[dict[str, Measured], dict[str, Scores]]:
        figures: dict[str, Measured] = {}
        scores: dict[str, Scores] = {}
        for measure in MEASURES:
            self.tell(f"measuring {name}")
            self.done += steps
            if self.quick and measure.needs_network:
                figures |= {key: Measured(None, why="left out by --quick") for key in measure.names}
                continue
            if measure.trains_network and not (train and name in JUDGED_BY_NETWORKS):
                figures |= {key: Measured(None, why=_NOT_TRAINED) for key in measure.names}
                continue
            try:
                taken = measure.take(real, made, self.seed)
            except InputError as error:
                figures |= {key: Measured(None, why=str(error)) for key in measure.names}
                continue
            figures |= taken.figures
            if taken.scores is not None:
                scores[measure.names[0]] = taken.scores
        return figures, scores


_NOT_TRAINED = "networks are trained against the nearest controls only, as that takes minutes each"


def _missing_row(name: str, why: str) -> Row:
    figures = {key: Measured(None, why=why) for measure in MEASURES for key in measure.names}
    return Row(name, "could not be made", 0, 0, figures)


def _halves_row(real: Side, bench: _Bench) -> Row:
    """Real against real: means over several ways to halve the patients, and means of their intervals."""
    try:
        halves = list(real_halves(real.patches, bench.seed, SPLITS))
    except InputError as error:
        return _missing_row(OTHER_PATIENTS, str(error))
    drawn = [
        bench.measured(OTHER_PATIENTS, real.part(one), real.part(other), 1 / SPLITS, train=number == 0)[0]
        for number, (one, other) in enumerate(halves)
    ]
    figures = {key: _mean([each[key] for each in drawn]) for key in drawn[0]}
    explanation = (
        f"real lesions of half of the patients against the other half's; means of {SPLITS} random halvings (of one"
        " where networks are trained)"
    )
    return Row(OTHER_PATIENTS, explanation, len(halves[0][0]), len(halves[0][1]), figures)


def _mean(figures: list[Measured]) -> Measured:
    taken = [each for each in figures if each.value is not None]
    if not taken:
        return figures[0]

    def mean(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    return Measured(
        mean([each.value for each in taken]), mean([each.low for each in taken]), mean([each.high for each in taken])
    )


# -- asked and got


def _obeyed(cases: Path | None) -> tuple[Obedience | None, str]:
    if cases is None:
        return None, "asked against got is measured on folders of cases with their provenance.json"
    try:
        return obedience(cases), ""
    except InputError as error:
        return None, str(error)
