"""What the lesions of a set are built like: `python -m training.describe_records DATA`.

The named structures' grey levels, and how often each is met, are read off this table.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from TumorSynthLib.errors import InputError

from .presets import slices_source
from .records import LesionRecords, read_records

# Between these orders of the classes, chance has more say than depth.
RING_BELOW, SOLID_ABOVE = -0.1, 0.1


def kinds(order: np.ndarray) -> dict[str, np.ndarray]:
    ring, solid = order < RING_BELOW, order > SOLID_ABOVE
    return {"ring": ring, "heterogeneous": ~ring & ~solid, "solid": solid}


def describe(parts: list[LesionRecords]) -> str:
    """Medians over slices as a Markdown table: classes dark, middle, bright; levels relative to white matter."""
    order, fractions, levels = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("order", "fractions", "levels")
    )
    lines = [
        "| structure | slices | share | fractions dark / middle / bright | levels dark / middle / bright |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, rows in kinds(order).items():
        if not rows.any():
            continue
        medians = [" / ".join(f"{value:.2f}" for value in np.median(v[rows], 0)) for v in (fractions, levels)]
        lines.append(f"| {name} | {rows.sum()} | {rows.mean():.0%} | {medians[0]} | {medians[1]} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with the data, or a CSV of images and masks")
    source = slices_source(parser.parse_args().data)
    try:
        print(describe([read_records(source, part=part) for part in ("train", "validation")]))
    except InputError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
