"""All answers of a study with what is true of each case, as one table. The truth key is opened here."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .answers import COLUMNS, OPENED, AnswerRow, final_answers, read_answers
from .protocol import ANSWERS, Protocol
from .tasks import HERE, LEFT, RIGHT, SYNTHETIC
from .truth import CaseTruth, Shown, mask_path

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Sittings:
    """How far a reader came."""

    reader: str
    answered: int
    total: int
    sittings: int
    notes: tuple[str, ...]


def answer_files(study: Path, protocol: Protocol) -> dict[str, list[AnswerRow]]:
    """Every reader's lines, checked. Readers who have not begun are left out; a stranger's file is refused."""
    folder = study / ANSWERS
    names = {reader.name for reader in protocol.readers}
    for path in sorted(folder.glob("*.csv")) if folder.is_dir() else ():
        if path.stem not in names:
            raise InputError(f"{path}: no reader of this study has that name; move the file elsewhere")
    found = {}
    for reader in protocol.readers:
        path = folder / f"{reader.name}.csv"
        if path.is_file():
            found[reader.name] = rows = read_answers(path, protocol.checksum, reader.name)
            _check_positions(path, rows, reader.order)
    return found


def _check_positions(path: Path, rows: list[AnswerRow], order: tuple[str, ...]) -> None:
    for position, row in final_answers(rows).items():
        if not 0 <= position < len(order) or order[position] != row.case:
            raise InputError(f"{path}: answers case {row.case} at {position}, which the protocol does not show there")


def sittings(protocol: Protocol, files: Mapping[str, list[AnswerRow]]) -> list[Sittings]:
    found = []
    for reader in protocol.readers:
        rows = files.get(reader.name, [])
        notes = tuple(row.comment for row in rows if row.event == "noted")
        opened = sum(row.event == OPENED for row in rows)
        found.append(Sittings(reader.name, len(final_answers(rows)), len(reader.order), opened, notes))
    return found


def response_table(
    study: Path, protocol: Protocol, truth: Mapping[str, CaseTruth], files: Mapping[str, list[AnswerRow]]
) -> pandas.DataFrame:
    """One row an answer that counts, training left out. `case` is the first showing's name for a repeat too."""
    import pandas

    distances = _ClickDistances(study)
    rows = []
    for reader in protocol.readers:
        for position, row in sorted(final_answers(files.get(reader.name, [])).items()):
            entry = truth[row.case]
            if entry.training:
                continue
            rows.append(
                {
                    "reader": reader.name,
                    "experience_years": reader.experience_years,
                    "position": position,
                    "case": entry.repeat_of or row.case,
                    "is_repeat": entry.repeat_of is not None,
                    "answer": row.answer,
                    "confidence": int(row.confidence) if row.confidence else None,
                    "seconds": float(row.answer_s) if row.answer_s else None,
                    "comment": row.comment,
                    **_judged(row, entry, distances),
                    **_described(entry),
                }
            )
    if not rows:
        raise InputError(f"{study / ANSWERS}: holds no answers yet; report once a reader has begun")
    return pandas.DataFrame(rows)


def _judged(row: AnswerRow, entry: CaseTruth, distances: _ClickDistances) -> dict[str, Any]:
    """What the answer means against the truth. `called_synthetic` has no meaning for a pair."""
    if len(entry.images) == 2:
        side = LEFT if entry.images[0].origin == SYNTHETIC else RIGHT
        return {"origin": "pair", "is_correct": row.answer == side}
    shown = entry.images[0]
    called = row.answer in (SYNTHETIC, HERE)
    judged: dict[str, Any] = {
        "origin": shown.origin,
        "is_synthetic": int(shown.origin == SYNTHETIC),
        "called_synthetic": int(called),
        "is_correct": called == (shown.origin == SYNTHETIC),
    }
    if row.confidence:
        judged["rating"] = (int(row.confidence) - 0.5) * (1 if called else -1)
    if row.answer == HERE:
        point = np.array([float(row.point_r_mm), float(row.point_a_mm), float(row.point_s_mm)])
        judged["click_distance_mm"] = distance = distances.of(shown, point)
        judged["is_hit"] = distance == 0
        if shown.origin == SYNTHETIC:
            judged["is_correct"] = judged["is_hit"]
    return judged


class _ClickDistances:
    """How far a click lies from the case's lesion: 0 within it."""

    def __init__(self, study: Path) -> None:
        self._study = study

    def of(self, shown: Shown, point_mm: np.ndarray) -> float | None:
        from scipy import ndimage

        from ..grid import Grid
        from ..volume_files import read_volume

        stored = read_volume(mask_path(self._study, shown))
        if not stored.voxels.any():
            return None
        grid = Grid(stored.affine, stored.voxels.shape)
        index = np.round(grid.to_index(point_mm)).astype(int)
        inside = np.clip(index, 0, np.array(grid.shape) - 1)
        away = ndimage.distance_transform_edt(stored.voxels == 0, sampling=grid.voxel_mm)
        beyond = float(np.linalg.norm((index - inside) * grid.voxel_mm))
        return round(float(away[tuple(inside)]) + beyond, 2)


def _described(entry: CaseTruth) -> dict[str, Any]:
    """What to group by: of a pair, its synthetic lesion's description."""
    shown = entry.synthetic or entry.images[0]
    return {
        "diameter_mm": shown.diameter_mm,
        "side": shown.side,
        "level": shown.level,
        "depth": shown.depth,
        "scan": shown.scan[:12],
        **shown.facts,
    }


def export_answers(study: Path, target: Path) -> int:
    """All readers' lines in one CSV, without the truth; returns how many."""
    protocol = Protocol.read(study)
    files = answer_files(study, protocol)
    rows = [row for lines in files.values() for row in lines]
    if target.exists():
        raise InputError(f"-o {target}: exists already; choose another name")
    try:
        with target.open("x", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream, lineterminator="\n")
            table.writerow(COLUMNS)
            table.writerows([getattr(row, name) for name in COLUMNS] for row in rows)
    except OSError as error:
        raise InputError(f"-o {target}: cannot be written ({error.strerror}); choose a writable folder") from error
    return len(rows)
