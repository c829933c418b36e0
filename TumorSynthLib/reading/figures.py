"""The report's figures. Colours are told apart by people who see few of them, and never carry meaning alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from .statistics.proportions import Proportion
from .statistics.roc import curve
from .tasks import NOTHING

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .analysis import Analysis, Rates
    from .breakdowns import Breakdown

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#7b5ea7", "#7d8894"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#56b4e9", "#cc79a7", "#e69f00", "#333333")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, LIGHT = "#1c2733", "#e3e9ef"
WIDTH_INCHES = 7.2


def _axes(height: float, columns: int = 1, width: float = WIDTH_INCHES) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(1, columns, number + 1) for number in range(columns)]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=9, colors=INK, length=3)
    return figure, axes


def _percent_axis(axes: Axes, low: float = 0.0, high: float = 1.0) -> None:
    axes.set_xlim(low, high)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.grid(axis="x", color=LIGHT, linewidth=0.8)
    axes.set_axisbelow(True)


def _whiskers(axes: Axes, y: float, rate: Proportion, colour: str, marker: str) -> None:
    if rate.rate is None:
        return
    axes.plot(rate.wilson, (y, y), color=colour, linewidth=2, solid_capstyle="butt")
    axes.plot(rate.rate, y, marker, color=colour, markersize=6.5, markeredgecolor="white", clip_on=False, zorder=3)
    axes.annotate(
        f"{rate.count}/{rate.total}",
        (1.0, y),
        xycoords=("axes fraction", "data"),
        xytext=(4, 0),
        textcoords="offset points",
        fontsize=8,
        color=colour,
        va="center",
        annotation_clip=False,
    )


def rates_figure(rates: Sequence[Rates], pairs: bool) -> Figure:
    """Fooling rate and real-called-synthetic rate by reader."""
    figure, (axes,) = _axes(0.5 * len(rates) + 1.0)
    _two_rates(axes, [(each.reader, each.fooling, each.real_called_synthetic) for each in rates], pairs)
    return figure


def breakdown_figure(breakdown: Breakdown, pairs: bool) -> Figure:
    figure, (axes,) = _axes(0.5 * len(breakdown.rows) + 1.0)
    _two_rates(axes, [(row.group, row.fooling, row.real_called_synthetic) for row in breakdown.rows], pairs)
    return figure


def _two_rates(axes: Axes, rows: Sequence[tuple[str, Proportion | None, Proportion | None]], pairs: bool) -> None:
    for place, (_, fooling, called) in enumerate(rows):
        apart = 0.0 if called is None else 0.16
        if fooling is not None:
            _whiskers(axes, place - apart, fooling, BLUE, "o")
        if called is not None:
            _whiskers(axes, place + apart, called, ORANGE, "s")
    axes.axvline(0.5, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    _percent_axis(axes)
    axes.plot(
        [], [], "o-", color=BLUE, label="real taken for synthetic" if pairs else "synthetic called real (fooling)"
    )
    if not pairs:
        axes.plot([], [], "s-", color=ORANGE, label="real called synthetic")
    axes.legend(frameon=False, fontsize=9, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)


def equivalence_figure(rates: Sequence[Rates], margin: float) -> Figure:
    """Accuracy with the interval that the equivalence test goes with, and the margin fixed beforehand."""
    figure, (axes,) = _axes(0.42 * len(rates) + 1.3)
    axes.axvspan(0.5 - margin, 0.5 + margin, color="#d8ecd9", zorder=0)
    axes.axvline(0.5, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    for place, each in enumerate(rates):
        test = each.balanced or each.exact
        if test is None:
            continue
        colour = GREEN if test.is_shown else INK
        axes.plot(test.interval, (place, place), color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(test.accuracy, place, "o", color=colour, markersize=6.5, markeredgecolor="white")
    axes.set_yticks(range(len(rates)), [each.reader for each in rates])
    axes.set_ylim(len(rates) - 0.5, -0.5)
    _percent_axis(axes)
    axes.set_xlabel("accuracy on synthetic and real cases alike (90 % interval); shaded: the margin", fontsize=9)
    return figure


def roc_figure(table: pandas.DataFrame, analysis: Analysis) -> Figure:
    figure, (axes,) = _axes(4.2, width=5.4)
    axes.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    rated = table[(table["origin"] != NOTHING) & ~table["is_repeat"]].dropna(subset=["rating"])
    for number, each in enumerate(analysis.readers):
        own = rated[rated["reader"] == each.reader]
        if each.auc is None:
            continue
        false_share, true_share = curve(own["rating"].to_numpy(), own["is_synthetic"].to_numpy() == 1)
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        label = f"{each.reader}: {each.auc.auc:.2f} ({each.auc.low:.2f}-{each.auc.high:.2f})"
        axes.plot(false_share, true_share, color=colour, marker=marker, markersize=4, linewidth=1.6, label=label)
    axes.set_xlabel("real cases rated synthetic", fontsize=9)
    axes.set_ylabel("synthetic cases rated synthetic", fontsize=9)
    axes.set_aspect("equal")
    axes.grid(color=LIGHT, linewidth=0.8)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.legend(frameon=False, fontsize=9, loc="lower right", title="AUC (DeLong, 95 %)", title_fontsize=9)
    return figure


def time_figure(table: pandas.DataFrame) -> Figure | None:
    """Seconds a case in the order of reading."""
    timed = table.dropna(subset=["seconds"])
    if timed.empty:
        return None
    figure, (axes,) = _axes(2.9)
    for number, (name, own) in enumerate(timed.groupby("reader", sort=False)):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        axes.plot(own["position"] + 1, own["seconds"], marker, color=colour, markersize=4, alpha=0.55, label=name)
        smooth = own.sort_values("position").set_index("position")["seconds"].rolling(9, 3, center=True).median()
        axes.plot(smooth.index + 1, smooth, color=colour, linewidth=1.6)
    axes.set_xlabel("case in the order of reading", fontsize=9)
    axes.set_ylabel("seconds, pauses left out", fontsize=9)
    axes.set_ylim(0, float(np.quantile(timed["seconds"], 0.98)) * 1.25 + 0.1)
    axes.grid(axis="y", color=LIGHT, linewidth=0.8)
    axes.legend(frameon=False, fontsize=9, ncols=4, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    return figure


def sample_size_figure(margin: float, alpha: float, cases: int, power: Callable[..., np.ndarray]) -> Figure:
    """Chance to show equivalence if readers guess, by the number of cases."""
    figure, (axes,) = _axes(2.9)
    counts = np.arange(10, max(610, round(1.1 * cases)), 10)
    margins = sorted({0.05, 0.1, 0.15, 0.2, margin})
    for each, style in zip(margins, cycle(("-", "--", "-.", ":", (0, (6, 2)))), strict=False):
        own = each == margin
        label = f"± {100 * each:g} points" + (" (this study)" if own else "")
        colour, width = (BLUE, 2.4) if own else (GREY, 1.3)
        axes.plot(counts, power(counts, each, alpha), style, color=colour, linewidth=width, label=label)
    axes.axhline(0.8, color=GREY, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.axvline(cases, color=ORANGE, linewidth=1.4)
    axes.annotate(
        "this study", (cases, 1.05), ha="center", va="bottom", fontsize=9, color=ORANGE, annotation_clip=False
    )
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.set_ylim(0, 1.05)
    axes.set_xlim(0, max(600, 1.1 * cases))
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel("cases answered by one reader", fontsize=9)
    axes.set_ylabel("chance to show equivalence", fontsize=9)
    axes.grid(axis="y", color=LIGHT, linewidth=0.8)
    return figure
