"""How long readers took, and whether they became faster or better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    import pandas

FEWEST = 8


@dataclass(frozen=True)
class Timing:
    """Seconds a case (median, quartiles); Spearman's correlation of time, and of being right, with the position."""

    median_s: float | None
    quartiles_s: tuple[float, float] | None
    seconds_with_position: float | None
    correct_with_position: float | None
    p_correct_with_position: float | None


def timing(rows: pandas.DataFrame) -> Timing:
    timed = rows.dropna(subset=["seconds"])
    seconds = timed["seconds"].to_numpy(float)
    median = float(np.median(seconds)) if seconds.size else None
    quartiles = tuple(float(q) for q in np.percentile(seconds, (25, 75))) if seconds.size else None
    faster, _ = _spearman(timed["position"].to_numpy(float), seconds)
    better, p_value = _spearman(rows["position"].to_numpy(float), rows["is_correct"].to_numpy(float))
    return Timing(median, quartiles, faster, better, p_value)  # type: ignore[arg-type]


def _spearman(one: np.ndarray, other: np.ndarray) -> tuple[float | None, float | None]:
    if len(one) < FEWEST or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None, None
    found = stats.spearmanr(one, other)
    return float(found.statistic), float(found.pvalue)
