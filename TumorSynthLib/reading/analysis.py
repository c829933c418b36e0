"""Everything a report says, as numbers: computed once from the table of answers, and then only shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .breakdowns import Breakdown, PatentTable, breakdowns, patent_table
from .protocol import Protocol
from .statistics.agreement import Kappa, cohen, fleiss
from .statistics.equivalence import Equivalence, balanced_equivalence, exact_equivalence
from .statistics.models import OddsRatio, Spread, odds_ratio_by_gee, spread_by_mixed_model
from .statistics.planning import SampleSize, sample_sizes
from .statistics.proportions import Proportion, p_against, proportion
from .statistics.roc import Auc, auc_with_delong, bootstrap_auc, mean_auc_with_delong
from .statistics.timing import Timing, timing
from .tasks import HERE, NOTHING, REAL, SYNTHETIC

if TYPE_CHECKING:
    import pandas

EVERYBODY = "all readers"
FEWEST_FOR_READER_BOOTSTRAP = 5


@dataclass(frozen=True)
class Rates:
    """How one reader, or all together, answered. Of a pair only `accuracy` has a meaning, and what follows from it.

    For all together the intervals of proportions treat every answer as independent, which they are not quite:
    `balanced` and the bootstrap keep the answers to one case together.
    """

    reader: str
    fooling: Proportion | None
    real_called_synthetic: Proportion | None
    accuracy: Proportion
    p_accuracy: float | None
    exact: Equivalence | None
    balanced: Equivalence | None
    auc: Auc | None = None
    hits: Proportion | None = None
    clicks_on_real_lesions: Proportion | None = None
    clicks_on_nothing: Proportion | None = None


@dataclass(frozen=True)
class Analysis:
    task: str
    readers: tuple[Rates, ...]
    together: Rates
    auc_over_cases: Auc | None
    auc_over_readers_and_cases: Auc | None
    between_readers: Kappa | None
    pairs_of_readers: dict[str, Kappa]
    with_themselves: dict[str, Kappa]
    odds_ratio: OddsRatio | None
    spread: Spread | None
    breakdowns: tuple[Breakdown, ...]
    patent: PatentTable | None
    timings: dict[str, Timing]
    sample_sizes: tuple[SampleSize, ...]
    answers: int
    cases: int
    notes: tuple[str, ...] = field(default=())


def analyse(table: pandas.DataFrame, protocol: Protocol, seed: int = 0) -> Analysis:
    """`table` as `responses.response_table` makes it."""
    first = table[~table["is_repeat"]]
    names = list(dict.fromkeys(first["reader"]))
    judged = first[first["origin"] != NOTHING]
    ratings, is_synthetic = _rating_matrix(judged, names)
    yes_no = protocol.task in ("yesno", "confidence")
    single = yes_no or protocol.task == "locate"
    return Analysis(
        task=protocol.task,
        readers=tuple(_rates(name, first[first["reader"] == name], protocol) for name in names),
        together=_together(first, protocol, ratings, is_synthetic),
        auc_over_cases=_bootstrap(ratings, is_synthetic, False, seed),
        auc_over_readers_and_cases=_bootstrap(ratings, is_synthetic, True, seed) if len(names) > 1 else None,
        between_readers=_between(first, names, seed),
        pairs_of_readers=_pairs(first, names),
        with_themselves=_with_themselves(table, names),
        odds_ratio=odds_ratio_by_gee(judged) if single else None,
        spread=spread_by_mixed_model(judged) if single else None,
        breakdowns=breakdowns(judged, protocol.task),
        patent=patent_table(judged),
        timings={name: timing(first[first["reader"] == name]) for name in names},
        sample_sizes=tuple(_sizes(protocol)),
        answers=len(first),
        cases=first["case"].nunique(),
        notes=_notes(first, names, protocol),
    )


def _sizes(protocol: Protocol) -> list[SampleSize]:
    margins = sorted({0.05, 0.075, 0.10, 0.15, 0.20, *([protocol.margin] if protocol.margin >= 0.03 else [])})
    return sample_sizes(tuple(margins), protocol.alpha)


def _rates(name: str, rows: pandas.DataFrame, protocol: Protocol) -> Rates:
    right = rows["is_correct"]
    correct, total = int(right.sum()), len(rows)
    if protocol.task == "locate":
        return _located(name, rows)
    common = {
        "accuracy": proportion(correct, total),
        "p_accuracy": p_against(correct, total),
        "exact": exact_equivalence(correct, total, protocol.margin, protocol.alpha),
    }
    if protocol.task == "2afc":
        # In a pair the two kinds of error are one: taking the real lesion for the synthetic one.
        return Rates(name, proportion(total - correct, total), None, balanced=_of_pairs(rows, protocol), **common)
    synthetic, real = rows[rows["origin"] == SYNTHETIC], rows[rows["origin"] == REAL]
    return Rates(
        name,
        fooling=_share(synthetic["called_synthetic"] == 0),
        real_called_synthetic=_share(real["called_synthetic"] == 1),
        balanced=balanced_equivalence(_by_case(synthetic), _by_case(real), protocol.margin, protocol.alpha),
        auc=_auc(rows),
        **common,
    )


def _together(
    rows: pandas.DataFrame, protocol: Protocol, ratings: np.ndarray | None, is_synthetic: np.ndarray
) -> Rates:
    whole = _rates(EVERYBODY, rows, protocol)
    auc = None
    if ratings is not None and min(is_synthetic.sum(), (~is_synthetic).sum()) > 1:
        auc = mean_auc_with_delong(ratings, is_synthetic)
    several = rows["reader"].nunique() > 1
    # Answers of several readers to one case are not independent: no exact binomial test of all together.
    return Rates(
        **{
            **whole.__dict__,
            "auc": auc,
            "p_accuracy": None if several else whole.p_accuracy,
            "exact": None if several else whole.exact,
        }
    )


def _of_pairs(rows: pandas.DataFrame, protocol: Protocol) -> Equivalence | None:
    """Of pairs, each case's share of right answers over readers, tested against 50 % by two one-sided t-tests."""
    from .statistics.equivalence import mean_equivalence

    return mean_equivalence(_by_case(rows), protocol.margin, protocol.alpha)


def _located(name: str, rows: pandas.DataFrame) -> Rates:
    """No test against 50 %: somebody who guesses where hits less often than that, and how much less nobody knows."""
    groups = {origin: rows[rows["origin"] == origin] for origin in (REAL, SYNTHETIC, NOTHING)}
    clicked = {origin: group["answer"] == HERE for origin, group in groups.items()}
    distance = rows.get("click_distance_mm")
    on_lesion = clicked[REAL] & (distance.loc[groups[REAL].index] == 0) if distance is not None else ~clicked[REAL]
    return Rates(
        name,
        fooling=_share(~clicked[SYNTHETIC]),
        real_called_synthetic=_share(clicked[REAL]),
        accuracy=_share(rows["is_correct"]),
        p_accuracy=None,
        exact=None,
        balanced=None,
        hits=_share(groups[SYNTHETIC]["is_correct"]),
        clicks_on_real_lesions=_share(on_lesion) if distance is not None else None,
        clicks_on_nothing=_share(clicked[NOTHING]),
    )


def _share(flags: pandas.Series) -> Proportion:
    return proportion(int(flags.sum()), len(flags))


def _by_case(rows: pandas.DataFrame) -> np.ndarray:
    """Each case's share of right answers over the readers who saw it."""
    return rows.groupby("case")["is_correct"].mean().to_numpy(float)


def _auc(rows: pandas.DataFrame) -> Auc | None:
    if "rating" not in rows or rows["rating"].isna().any():
        return None
    is_synthetic = rows["is_synthetic"].to_numpy() == 1
    if min(is_synthetic.sum(), (~is_synthetic).sum()) < 2:
        return None
    return auc_with_delong(rows["rating"].to_numpy(float), is_synthetic)


def _rating_matrix(rows: pandas.DataFrame, names: Sequence[str]) -> tuple[np.ndarray | None, np.ndarray]:
    """Readers x cases, of the cases that every reader rated."""
    if "rating" not in rows or rows["rating"].isna().all():
        return None, np.zeros(0, bool)
    wide = rows.pivot(index="reader", columns="case", values="rating").loc[list(names)].dropna(axis=1)
    if wide.shape[1] == 0:
        return None, np.zeros(0, bool)
    origin = rows.drop_duplicates("case").set_index("case")["is_synthetic"]
    return wide.to_numpy(float), origin.loc[wide.columns].to_numpy() == 1


def _bootstrap(ratings: np.ndarray | None, is_synthetic: np.ndarray, readers_too: bool, seed: int) -> Auc | None:
    if ratings is None or min(is_synthetic.sum(), (~is_synthetic).sum()) < 2:
        return None
    return bootstrap_auc(ratings, is_synthetic, readers_too=readers_too, seed=seed)


def _answers_by_case(rows: pandas.DataFrame, names: Sequence[str]) -> pandas.DataFrame:
    return rows.pivot(index="case", columns="reader", values="answer")[list(names)].dropna()


def _between(rows: pandas.DataFrame, names: Sequence[str], seed: int) -> Kappa | None:
    if len(names) < 2:
        return None
    wide = _answers_by_case(rows, names)
    return fleiss(wide.to_numpy(str), seed) if len(wide) else None


def _pairs(rows: pandas.DataFrame, names: Sequence[str]) -> dict[str, Kappa]:
    found = {}
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            both = _answers_by_case(rows[rows["reader"].isin((one, other))], (one, other))
            if len(both):
                found[f"{one} and {other}"] = cohen(both[one].tolist(), both[other].tolist())
    return found


def _with_themselves(table: pandas.DataFrame, names: Sequence[str]) -> dict[str, Kappa]:
    found = {}
    for name in names:
        own = table[table["reader"] == name].set_index("case")
        again = own[own["is_repeat"]]["answer"]
        first = own[~own["is_repeat"]]["answer"]
        shared = [case for case in again.index if case in first.index]
        if shared:
            found[name] = cohen(first.loc[shared].tolist(), again.loc[shared].tolist())
    return found


def _notes(rows: pandas.DataFrame, names: Sequence[str], protocol: Protocol) -> tuple[str, ...]:
    notes = []
    if len(names) < FEWEST_FOR_READER_BOOTSTRAP:
        notes.append(
            f"{len(names)} reader{'s' if len(names) > 1 else ''}: nothing here can be carried over to other readers;"
            " the interval over readers and cases is only a hint below five"
        )
    counts = rows.groupby("reader")["case"].nunique()
    behind = [name for name in names if counts[name] < protocol.case_count]
    if behind:
        notes.append(f"not finished: {', '.join(behind)}; the figures are of the answers so far")
    return tuple(notes)
