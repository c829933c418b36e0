"""The report's pictures: who tells what how well, what tells most, and the lesions themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..reading.figures import COLOURS, GREY, INK, LIGHT, MARKERS, WIDTH_INCHES
from .measures import ALL, NETWORK, TESTS
from .patches import LesionPatches
from .study import Row, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WORDS = {
    "core": "texture of the core",
    "all": "core, edge and shape",
    "surroundings": "surroundings alone",
    "network": "network on the lesion",
    "network, surroundings": "network on the surroundings",
}
SHEET_COLUMNS = 6
# White matter is 1: what is shown as black and as white.
DARKEST, BRIGHTEST = 0.0, 2.0
_OUTLINE = "#ffd200"


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK, length=3)
    axes.grid(axis="x", color=LIGHT, linewidth=0.8)
    axes.set_axisbelow(True)


def auc_figure(rows: Sequence[Row]) -> Figure:
    """Areas under the curve with their intervals, a row for each set of lesions."""
    shown = [name for name in TESTS if any(row.figures[name].value is not None for row in rows)]
    figure = _figure(WIDTH_INCHES, 0.32 + len(rows) * (0.2 + 0.15 * len(shown)) + 0.6)
    axes = figure.add_subplot()
    _plain(axes)
    axes.axvline(0.5, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    for number, name in enumerate(shown):
        colour, marker = COLOURS[TESTS.index(name)], MARKERS[TESTS.index(name)]
        aside = 0.62 * ((number + 0.5) / len(shown) - 0.5)
        for place, row in enumerate(rows):
            found = row.figures[name]
            if found.value is None:
                continue
            if found.low is not None and found.high is not None:
                axes.plot((found.low, found.high), (place + aside,) * 2, color=colour, linewidth=1.8)
            axes.plot(found.value, place + aside, marker, color=colour, markersize=6, markeredgecolor="white")
        axes.plot([], [], marker + "-", color=colour, label=WORDS[name])
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    lows = [row.figures[name].low or row.figures[name].value or 0.5 for row in rows for name in shown]
    axes.set_xlim(min(0.4, *lows) - 0.02, 1.01)
    axes.set_xlabel("area under the curve: 0.5 cannot be told from real, 1 always can (95 % interval)", fontsize=9)
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    return figure


def telling_figure(telling: Sequence[tuple[str, float]]) -> Figure:
    """How well each of the most telling features tells by itself."""
    figure = _figure(WIDTH_INCHES, 0.3 * len(telling) + 0.8)
    axes = figure.add_subplot()
    _plain(axes)
    for place, (_, auc) in enumerate(telling):
        axes.barh(place, auc - 0.5, left=0.5, height=0.62, color=COLOURS[0] if auc < 0.5 else COLOURS[1])
        ha, aside = ("right", -4) if auc < 0.5 else ("left", 4)
        axes.annotate(
            f"{auc:.2f}", (auc, place), (aside, 0), textcoords="offset points", ha=ha, va="center", fontsize=8
        )
    axes.axvline(0.5, color=INK, linewidth=1)
    axes.set_yticks(range(len(telling)), [name for name, _ in telling])
    axes.set_ylim(len(telling) - 0.4, -0.6)
    axes.set_xlim(-0.12, 1.12)
    axes.set_xlabel(
        "lower in synthetic lesions   <   area under the curve   >   higher in synthetic lesions", fontsize=9
    )
    return figure


def judged_by(row: Row) -> str | None:
    """The judge whose scores put lesions in order: the network if it ran, else all features."""
    return next((name for name in (NETWORK, ALL) if name in row.scores), None)


def sheets(study: Study) -> list[tuple[str, Figure]]:
    """The synthetic lesions that the judge took most for real, those in the middle, and those it told most surely."""
    row = study.rows[0]
    judge = judged_by(row)
    if judge is None:
        return []
    scores = np.array(row.scores[judge].made)
    order = np.argsort(scores, kind="stable")
    count = min(SHEET_COLUMNS, max(len(order) // 3, 1))
    middle = (len(order) - count) // 2
    chosen = {"best": order[:count], "median": order[middle : middle + count], "worst": order[-count:][::-1]}
    return [(name, _sheet(study, rows, scores)) for name, rows in chosen.items()]


def _sheet(study: Study, rows: np.ndarray, scores: np.ndarray) -> Figure:
    """As they are and with their outlines; below, the real lesions they were paired with."""
    figure = _figure(WIDTH_INCHES * 1.25, 1.25 * WIDTH_INCHES * 4 / SHEET_COLUMNS + 0.2)
    grid = figure.subplots(4, SHEET_COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for column, row in enumerate(rows):
        image, mask = _slice(study.synthetic, row)
        real, outline = _slice(study.real, row)
        for line, (picture, contour) in enumerate(((image, None), (image, mask), (real, outline), (real, None))):
            axes = grid[line, column]
            axes.imshow(picture, cmap="gray", vmin=DARKEST, vmax=BRIGHTEST, interpolation="nearest")
            if contour is not None:
                axes.contour(contour, [0.5], colors=_OUTLINE, linewidths=0.7)
        grid[0, column].set_title(f"score {scores[row]:+.1f}", fontsize=8, color=INK)
    for line, words in enumerate(("synthetic", "synthetic, outlined", "real, outlined", "real")):
        grid[line, 0].text(-0.06, 0.5, words, transform=grid[line, 0].transAxes, fontsize=8, color=INK,
                           rotation=90, ha="center", va="center")  # fmt: skip
    return figure


def _slice(patches: LesionPatches, row: int) -> tuple[np.ndarray, np.ndarray]:
    """The slice itself, or a cube's axial slice where the lesion is largest."""
    image, mask = patches.image[row], patches.mask[row]
    if patches.dimensions == 2:
        return image, mask
    place = int(mask.sum((1, 2)).argmax())
    return image[place], mask[place]
