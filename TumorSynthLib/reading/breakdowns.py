"""The same rates by size, structure, bundle, location, experience, and in the layout of the patent's table."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .statistics.proportions import Proportion, proportion
from .tasks import REAL, SYNTHETIC

if TYPE_CHECKING:
    import pandas

EXPERIENCE_YEARS = 5


@dataclass(frozen=True)
class Row:
    group: str
    cases: int
    fooling: Proportion
    real_called_synthetic: Proportion | None


@dataclass(frozen=True)
class Breakdown:
    by: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class PatentTable:
    """Share of synthetic lesions called real. Rows: up-sampling strategy; columns: training data, or bundle."""

    columns_are: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Proportion | None, ...], ...]


def breakdowns(rows: pandas.DataFrame, task: str) -> tuple[Breakdown, ...]:
    """Every way to group that has at least two groups. What only synthetic lesions have is left open for real ones."""
    ways = {
        "size": _size_groups(rows),
        "structure": _column(rows, "structure"),
        "bundle": _column(rows, "bundle"),
        "up-sampling": _column(rows, "upsampling"),
        "height": _column(rows, "level"),
        "depth": _column(rows, "depth"),
        "side": _column(rows, "side"),
        "experience": _experience(rows),
    }
    found = []
    for name, groups in ways.items():
        if groups is None or groups.dropna().nunique() < 2:
            continue
        found.append(Breakdown(name, tuple(_row(key, rows[groups == key], task) for key in _sorted(groups))))
    return tuple(found)


def _sorted(groups: pandas.Series) -> list[Hashable]:
    if hasattr(groups, "cat"):
        return [key for key in groups.cat.categories if (groups == key).any()]
    return sorted(groups.dropna().unique())


def _row(key: Hashable, rows: pandas.DataFrame, task: str) -> Row:
    cases = int(rows["case"].nunique())
    if task == "2afc":
        return Row(str(key), cases, proportion(int((~rows["is_correct"]).sum()), len(rows)), None)
    synthetic, real = rows[rows["origin"] == SYNTHETIC], rows[rows["origin"] == REAL]
    fooling = proportion(int((synthetic["called_synthetic"] == 0).sum()), len(synthetic))
    called = proportion(int((real["called_synthetic"] == 1).sum()), len(real)) if len(real) else None
    return Row(str(key), cases, fooling, called)


def _size_groups(rows: pandas.DataFrame) -> pandas.Series | None:
    """Thirds of the cases by diameter, named by their bounds."""
    import pandas

    sizes = rows.drop_duplicates("case")["diameter_mm"]
    edges = np.unique(np.round(np.quantile(sizes, (1 / 3, 2 / 3)), 1))
    if len(sizes) < 6 or sizes.min() >= edges[0]:
        return None
    bounds = [-np.inf, *edges, np.inf]
    names = [f"up to {edges[0]:g} mm"]
    names += [f"{low:g} to {high:g} mm" for low, high in zip(edges[:-1], edges[1:], strict=True)]
    names += [f"over {edges[-1]:g} mm"]
    return pandas.cut(rows["diameter_mm"], bounds, labels=names)


def _experience(rows: pandas.DataFrame) -> pandas.Series | None:
    years = rows["experience_years"].astype(float)
    if years.isna().all():
        return None
    names = {True: f"up to {EXPERIENCE_YEARS} years", False: f"over {EXPERIENCE_YEARS} years"}
    return (years <= EXPERIENCE_YEARS).map(names).where(years.notna())


def _column(rows: pandas.DataFrame, name: str) -> pandas.Series | None:
    return rows.get(name)


def patent_table(rows: pandas.DataFrame) -> PatentTable | None:
    """Where the study holds more than one up-sampling strategy, training fraction or bundle."""
    if "upsampling" not in rows:
        return None
    fractions = "training_fraction" in rows and rows["training_fraction"].nunique() > 1
    by = "training_fraction" if fractions else "bundle"
    if by not in rows or (rows["upsampling"].nunique() < 2 and rows[by].nunique() < 2):
        return None
    known = rows.dropna(subset=["upsampling", by])
    known = known[known["origin"].isin((SYNTHETIC, "pair"))]
    strategies = tuple(sorted(known["upsampling"].unique()))
    columns = tuple(sorted(known[by].unique(), key=_as_number))
    cells = tuple(
        tuple(_cell(known[(known["upsampling"] == row) & (known[by] == column)]) for column in columns)
        for row in strategies
    )
    return PatentTable("training data" if fractions else "bundle", strategies, columns, cells)


def _cell(rows: pandas.DataFrame) -> Proportion | None:
    if rows.empty:
        return None
    fooled = rows["called_synthetic"] == 0 if "called_synthetic" in rows else ~rows["is_correct"]
    return proportion(int(fooled.sum()), len(rows))


def _as_number(text: str) -> tuple[float, str]:
    """10 % before 100 %, words after numbers."""
    try:
        return float(text.rstrip(" %")), text
    except ValueError:
        return float("inf"), text
