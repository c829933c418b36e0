"""What a recipe will make, told before anything is read or made."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .planning import bundle_of, count_of, shape_of
from .recipe import Recipe
from .records import read_records

MOST_CASES_LOOKED_AT = 2000
CASES_LISTED = 5
# A case's labels and maps compress to almost nothing; its image compresses about as well as the host did.
_BYTES_BESIDE_IMAGE = 150_000


@dataclass(frozen=True)
class Forecast:
    hosts: int
    cases: int
    lesions: int
    diameters_mm: dict[str, float]
    structures: dict[str, float]
    bundles: dict[str, float]
    gigabytes: float | None
    first_cases: list[dict[str, Any]]


def foretell(recipe: Recipe) -> Forecast:
    """Counts and sizes are those that the cohort will have, but for lesions that find no room; of long cohorts, they
    are reckoned from the first cases."""
    looked_at = min(recipe.cases, MOST_CASES_LOOKED_AT)
    records = read_records(recipe.records) if recipe.records else []
    counts, shapes, first = [], [], []
    for case in range(1, looked_at + 1):
        count = count_of(recipe, case)
        own = [shape_of(recipe, case, lesion, 0.0, records) for lesion in range(count)]
        counts.append(count)
        shapes += own
        if case <= CASES_LISTED:
            diameters = [round(2 * shape.radii_mm[0], 1) for shape in own]
            host = recipe.hosts[recipe.host_of(case)].name
            first.append({"case": case, "host": host, "diameters_mm": diameters})
    diameters = np.array([2 * shape.radii_mm[0] for shape in shapes])
    shares = (5, 25, 50, 75, 95)
    return Forecast(
        hosts=len(recipe.hosts),
        cases=recipe.cases,
        lesions=round(sum(counts) * recipe.cases / looked_at),
        diameters_mm={f"{share} %": round(float(np.percentile(diameters, share)), 1) for share in shares},
        structures=_shares(shape.structure or "as recorded" for shape in shapes),
        bundles=_shares(bundle_of(recipe, case) for case in range(1, looked_at + 1)),
        gigabytes=_gigabytes(recipe),
        first_cases=first,
    )


def _shares(names: Any) -> dict[str, float]:
    counts = Counter(names)
    return {name: round(count / counts.total(), 3) for name, count in counts.most_common()}


def _gigabytes(recipe: Recipe) -> float | None:
    files = [entry.image for entry in recipe.hosts if isinstance(entry.image, Path) and entry.image.is_file()]
    sizes = [file.stat().st_size for file in files]
    if not sizes:
        return None
    return math.ceil(recipe.cases * (sum(sizes) / len(sizes) + _BYTES_BESIDE_IMAGE) / 1e7) / 100
