"""Best, median and worst synthetic lesions by the judges' scores, without the scans that they were painted into.

python tools/realism_sheet.py SETS/synthetic.npz REPORT/report.json --out docs/pictures/realism_sheet.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import ndimage

from TumorSynthLib.realism.archives import read_archive
from TumorSynthLib.realism.patches import LesionPatches

COLUMNS = 12
SHOWN_PIXELS = 3
ROWS = ("hardest to tell", "middle", "easiest to tell")
GREY, BRIGHTEST = 0.35, 2.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("synthetic", type=Path, help="the archive of synthetic lesions")
    parser.add_argument("report", type=Path, help="report.json of tumorsynth realism about it")
    parser.add_argument("--judge", default="all", help="whose scores: core, all or network")
    parser.add_argument("--out", type=Path, required=True, help="the picture")
    chosen = parser.parse_args()
    lesions = read_archive(chosen.synthetic)
    report = json.loads(chosen.report.read_text(encoding="utf-8"))
    scores = next(row for row in report["rows"] if row["name"] == "synthetic")["scores"][chosen.judge]["made"]
    place = {name: number for number, name in enumerate(lesions.name)}
    judged = np.array([place[name] for name in report["lesions"]["synthetic"]])
    order = judged[np.argsort(scores)]
    middle = (len(order) - COLUMNS) // 2
    draw(lesions, (order[:COLUMNS], order[middle : middle + COLUMNS], order[-COLUMNS:]), chosen.out)


def draw(lesions: LesionPatches, chosen: tuple[np.ndarray, ...], out: Path) -> None:
    figure = Figure(figsize=(COLUMNS * 1.1, len(chosen) * 1.25), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(chosen), COLUMNS)
    for title, line, numbers in zip(ROWS, axes, chosen, strict=True):
        line[0].set_title(title, loc="left", fontsize=9)
        for place, number in zip(line, numbers, strict=True):
            near = ndimage.binary_dilation(lesions.mask[number], iterations=SHOWN_PIXELS)
            place.imshow(np.where(near, lesions.image[number], GREY * BRIGHTEST), cmap="gray", vmin=0, vmax=BRIGHTEST)
            place.axis("off")
    figure.savefig(out)


if __name__ == "__main__":
    main()
