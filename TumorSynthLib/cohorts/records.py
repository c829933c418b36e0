"""Lesion records: spheres measured on real, annotated lesions, to be put into other patients' brains.

A record file is a table (CSV or TSV), one lesion a row: `radii_mm` ("14 10 5", outermost first), `values` ("1 0.75
0.5", likewise; or `structure`), and if known `patient`. The lesions.tsv of a cohort is such a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..spheres import ConcentricSpheres
from .hosts import read_table


@dataclass(frozen=True)
class LesionRecord:
    radii_mm: tuple[float, ...]
    values: tuple[float, ...] | None
    structure: str | None
    patient: str | None
    row: int


def read_records(file: Path) -> list[LesionRecord]:
    rows = read_table(file)
    if not rows or "radii_mm" not in rows[0] or not {"values", "structure"} & set(rows[0]):
        raise InputError(f"{file}: not a table of lesion records; give columns radii_mm and values")
    return [_record(row, f"{file}: line {number}", number) for number, row in enumerate(rows, 2)]


def _record(row: dict[str, str], where: str, number: int) -> LesionRecord:
    values = _numbers(row, "values", where) if row.get("values") else None
    structure = row.get("structure") or None if values is None else None
    record = LesionRecord(_numbers(row, "radii_mm", where), values, structure, row.get("patient") or None, number)
    try:
        spheres_of(record, (0.0, 0.0, 0.0))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return record


def _numbers(row: dict[str, str], name: str, where: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in row[name].split())
    except ValueError:
        raise InputError(f"{where}: {name} '{row[name]}' is not a list of numbers; write for example 14 10 5") from None


def spheres_of(record: LesionRecord, center_ras: tuple[float, float, float]) -> ConcentricSpheres:
    return ConcentricSpheres(center_ras, record.radii_mm, record.values, record.structure)


def draw_record(
    records: Sequence[LesionRecord], patient: str | None, least_radius_mm: float, rng: np.random.Generator
) -> LesionRecord:
    """Any record of another patient that this host's voxels can show."""
    others = [r for r in records if patient is None or r.patient != patient]
    fit = [r for r in others if r.radii_mm[0] >= least_radius_mm]
    if not fit:
        what = "of another patient" if not others else f"of at least {least_radius_mm:.2g} mm radius"
        raise InputError(f"no lesion record {what} is left for this host: give more records")
    return fit[int(rng.integers(len(fit)))]
