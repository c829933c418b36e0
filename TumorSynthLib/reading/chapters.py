"""The report's chapters: what each number is, and what it does not say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import figures
from .analysis import FEWEST_FOR_READER_BOOTSTRAP, Analysis, Rates
from .document import Caution, Document, Heading, Paragraph, Picture, Points
from .protocol import Protocol
from .responses import Sittings
from .statistics.agreement import Kappa
from .statistics.equivalence import Equivalence
from .statistics.planning import cases_needed, exact_power
from .statistics.proportions import Proportion
from .statistics.roc import Auc
from .verdicts import cannot_conclude, main_finding
from .wording import interval, number, p_value, percent, points, ratio

if TYPE_CHECKING:
    import pandas

_BREAKDOWN_WORDS = {
    "size": "By diameter",
    "structure": "By structure asked for",
    "bundle": "By bundle of networks",
    "up-sampling": "By up-sampling strategy",
    "height": "By height in the head",
    "depth": "By depth below the surface",
    "side": "By side",
    "experience": "By readers' experience",
}


def write_document(
    protocol: Protocol, warnings: Sequence[str], table: pandas.DataFrame, analysis: Analysis, done: Sequence[Sittings]
) -> Document:
    finished = sum(each.answered == each.total for each in done)
    subtitle = (
        f"{analysis.answers} answers to {analysis.cases} cases by {len(analysis.readers)} of {len(protocol.readers)}"
        f" readers ({finished} finished); task: {protocol.question.question}"
    )
    document = Document("Reading study: real or synthetic?", subtitle)
    document.add(Heading("What was found"), Paragraph(main_finding(analysis, protocol)))
    for note in analysis.notes:
        document.add(Caution(note))
    _rates(document, analysis, protocol)
    if protocol.task != "locate":
        _equivalence(document, analysis, protocol)
    _roc(document, table, analysis)
    _agreement(document, analysis)
    _model(document, analysis)
    _breakdowns(document, analysis, protocol)
    _patent(document, analysis)
    _times(document, table, analysis)
    document.add(Heading("What this study cannot conclude"), Points(tuple(cannot_conclude(analysis, protocol))))
    _sample_sizes(document, analysis, protocol)
    _protocol(document, protocol, warnings, done)
    return document


# -- chapters


def _rates(document: Document, analysis: Analysis, protocol: Protocol) -> None:
    everybody = _everybody(analysis)
    pairs = protocol.task == "2afc"
    document.add(Heading("How often lesions fooled readers"))
    if pairs:
        document.add(
            Paragraph("Share of pairs in which the real lesion was taken for the synthetic one; 50 % is guessing.")
        )
    elif protocol.task == "locate":
        document.add(Paragraph(_LOCATE_WORDS))
    else:
        document.add(Paragraph(_RATES_WORDS))
    caption = "Dots: rates; lines: Wilson's 95 % intervals; numbers: answers."
    document.add(Picture("rates", figures.rates_figure(everybody, pairs), caption))
    rows = []
    for each in everybody:
        for name, rate in _named_rates(each, pairs):
            rows.append((each.reader, name, f"{rate.count} of {rate.total}", percent(rate.rate), *_intervals(rate)))
    columns = ("reader", "rate", "answers", "share", "Wilson 95 %", "Clopper-Pearson 95 %")
    document.table("", columns, rows, texts=2)


_RATES_WORDS = (
    "The fooling rate is the share of synthetic lesions that were called real (the indistinguishability rate of the"
    " patent that this method follows). It means little without its counterpart, the share of real lesions that were"
    " called synthetic: a reader who calls everything real has a fooling rate of 100 %. Lesions that cannot be told"
    " apart give a fooling rate near 100 % less the other rate."
)
_LOCATE_WORDS = (
    "Readers clicked on what they took for synthetic, or said that there was none. A hit is a click within the"
    " synthetic lesion's mask; fooling means that a synthetic lesion was there and the reader said that there was none."
)


def _named_rates(each: Rates, pairs: bool) -> list[tuple[str, Proportion]]:
    named = [
        ("real taken for synthetic" if pairs else "fooling rate", each.fooling),
        ("real called synthetic", each.real_called_synthetic),
        ("click hits the synthetic lesion", each.hits),
        ("real case, click on its real lesion", each.clicks_on_real_lesions),
        ("no lesion shown, click", each.clicks_on_nothing),
        ("all answers right", each.accuracy),
    ]
    return [(name, rate) for name, rate in named if rate is not None and rate.total]


def _equivalence(document: Document, analysis: Analysis, protocol: Protocol) -> None:
    low, high = 0.5 - protocol.margin, 0.5 + protocol.margin
    document.add(Heading("Accuracy against chance"))
    document.add(
        Paragraph(
            f"Before the first reading it was fixed that an accuracy between {percent(low)} and {percent(high)} counts"
            f" no better than chance. Two one-sided tests (at {percent(protocol.alpha)}) ask whether accuracy lies"
            " within that margin: green intervals do. The test on balanced accuracy, the mean over synthetic and real"
            " cases, does not depend on how many of each there were or on a reader's leaning; its unit is the case."
        )
    )
    everybody = _everybody(analysis)
    caption = f"Balanced accuracy and the margin of {points(protocol.margin)} fixed in the protocol."
    document.add(Picture("equivalence", figures.equivalence_figure(everybody, protocol.margin), caption))
    rows = [
        (
            each.reader,
            percent(each.accuracy.rate),
            p_value(each.p_accuracy),
            *_test(each.exact),
            *(_test(each.balanced) if each.balanced else ("-", "-")),
            _shown(each.balanced),
        )
        for each in everybody
    ]
    columns = ("reader", "accuracy", "p (50 %)", "90 % exact", "p, exact", "90 % balanced", "p, balanced", "within")
    words = "p (50 %): exact binomial test, two-sided. The other two: equivalence (two one-sided tests)."
    document.table(words, columns, rows)


def _test(test: Equivalence | None) -> tuple[str, str]:
    return (interval(test.interval), p_value(test.p_value)) if test else ("-", "-")


def _shown(test: Equivalence | None) -> str:
    return "-" if test is None else "yes" if test.is_shown else "not shown"


def _roc(document: Document, table: pandas.DataFrame, analysis: Analysis) -> None:
    if analysis.together.auc is None:
        return
    document.add(Heading("Confidence: ROC curves"))
    document.add(
        Paragraph(
            "The area under the curve (AUC) is the chance that a synthetic case was rated more synthetic than a real"
            " one: 0.5 is guessing, 1 is perfect, below 0.5 means that synthetic cases looked more real than real ones."
        )
    )
    document.add(Picture("roc", figures.roc_figure(table, analysis), "One curve a reader; dashed: guessing."))
    rows = [(each.reader, "cases (DeLong)", *_area(each.auc)) for each in analysis.readers if each.auc]
    if len(analysis.readers) > 1:
        rows.append(("mean of these readers", "cases (DeLong)", *_area(analysis.together.auc)))
    if analysis.auc_over_cases:
        rows.append(("mean of these readers", "cases (bootstrap)", *_area(analysis.auc_over_cases)))
    if analysis.auc_over_readers_and_cases:
        hint = " *" if len(analysis.readers) < FEWEST_FOR_READER_BOOTSTRAP else ""
        area = _area(analysis.auc_over_readers_and_cases)
        rows.append(("readers like these", f"readers and cases (bootstrap){hint}", *area))
    words = "The interval covers what would differ with other cases, or with other readers and cases."
    if len(analysis.readers) < FEWEST_FOR_READER_BOOTSTRAP:
        words += " *: too few readers for more than a hint."
    document.table(words, ("reader", "interval over", "AUC", "95 %"), rows, texts=2)


def _area(auc: Auc | None) -> tuple[str, str]:
    return (f"{auc.auc:.3f}", f"{auc.low:.3f} to {auc.high:.3f}") if auc else ("-", "-")


def _agreement(document: Document, analysis: Analysis) -> None:
    rows = []
    if analysis.between_readers and len(analysis.readers) > 2:
        rows.append(("all readers (Fleiss)", *_kappa(analysis.between_readers)))
    rows += [(f"{names} (Cohen)", *_kappa(kappa)) for names, kappa in analysis.pairs_of_readers.items()]
    rows += [(f"{name}, cases seen twice (Cohen)", *_kappa(k)) for name, k in analysis.with_themselves.items()]
    if not rows:
        return
    document.add(Heading("Agreement"))
    document.add(
        Paragraph(
            "Kappa is agreement beyond chance: 0 none, 1 complete. Readers who agree with themselves but not with the"
            " truth see something, though not what makes a lesion synthetic; readers who do not agree with themselves"
            " guess."
        )
    )
    document.table("", ("who", "same answer", "share", "Wilson 95 %", "kappa", "95 %"), rows)


def _kappa(kappa: Kappa) -> tuple[str, str, str, str, str]:
    same = kappa.agreement
    bounds = "-" if kappa.low is None or kappa.high is None else f"{kappa.low:.2f} to {kappa.high:.2f}"
    wilson = interval(same.wilson)
    return (f"{same.count} of {same.total}", percent(same.rate), wilson, number(kappa.kappa), bounds)


def _model(document: Document, analysis: Analysis) -> None:
    odds = analysis.odds_ratio
    if odds is None:
        return
    document.add(Heading("All answers in one model"))
    if odds.ratio is None:
        document.add(Paragraph(f"No odds ratio: {odds.note}."))
    else:
        document.add(
            Paragraph(
                f"The odds of being called synthetic were {ratio(odds.ratio)} times as high for synthetic as for real"
                f" cases (95 % interval {ratio(odds.low)} to {ratio(odds.high)}, {p_value(odds.p_value, 'p')})."
                " Generalised estimating equations, logit, readers fixed, answers to one case kept together,"
                " small-sample corrected."
            )
        )
    spread = analysis.spread
    if spread and spread.readers is not None:
        document.add(
            Paragraph(
                "In a mixed model, on the logit scale, readers' leanings differ by a standard deviation of"
                f" {number(spread.readers)} and cases by {number(spread.cases)} (variational Bayes; no interval, as its"
                " intervals are too narrow)."
            )
        )


def _breakdowns(document: Document, analysis: Analysis, protocol: Protocol) -> None:
    if not analysis.breakdowns:
        return
    document.add(Heading("Where lesions fooled readers"))
    document.add(
        Paragraph(
            "All readers together. These comparisons were many and their groups are small: take them as hints on what"
            " to improve, not as findings. Structure and bundle are known of synthetic lesions only."
        )
    )
    pairs = protocol.task == "2afc"
    for breakdown in analysis.breakdowns:
        document.add(Heading(_BREAKDOWN_WORDS[breakdown.by], 3))
        figure = figures.breakdown_figure(breakdown, pairs)
        document.add(Picture(f"by_{breakdown.by}", figure, "Lines: Wilson's 95 % intervals; numbers: answers."))


def _patent(document: Document, analysis: Analysis) -> None:
    table = analysis.patent
    if table is None:
        return
    document.add(Heading("Synthetic lesions that could not be told, by strategy"))
    rows = [
        (strategy, *("-" if cell is None else f"{percent(cell.rate)} ({cell.count} of {cell.total})" for cell in cells))
        for strategy, cells in zip(table.rows, table.cells, strict=True)
    ]
    words = (
        f"The layout of the patent's table. Columns: {table.columns_are}. Its figures had no real cases beside them."
    )
    document.table(words, ("up-sampling", *table.columns), rows)


def _times(document: Document, table: pandas.DataFrame, analysis: Analysis) -> None:
    figure = figures.time_figure(table)
    if figure is None:
        return
    document.add(Heading("Time"))
    document.add(Picture("time", figure, "Seconds from when a case was shown to its answer; lines: running medians."))
    rows = []
    for name, timing in analysis.timings.items():
        quartiles = "-" if timing.quartiles_s is None else " to ".join(f"{q:.1f} s" for q in timing.quartiles_s)
        median = "-" if timing.median_s is None else f"{timing.median_s:.1f} s"
        learned = f"{number(timing.correct_with_position)} ({p_value(timing.p_correct_with_position, 'p')})"
        if timing.correct_with_position is None:
            learned = "-"
        rows.append((name, median, quartiles, number(timing.seconds_with_position), learned))
    words = "Rank correlation with the position in the order: of seconds, and of being right (learning, or tiring)."
    document.table(words, ("reader", "median", "middle half", "seconds", "being right"), rows)


def _sample_sizes(document: Document, analysis: Analysis, protocol: Protocol) -> None:
    document.add(Heading("How many cases a margin needs"))
    document.add(
        Paragraph(
            "Cases that one reader has to answer for the exact equivalence test to succeed with the chance given, if"
            " the reader truly guesses. Other readers of the same cases help less than as many new cases."
        )
    )
    own = protocol.case_count
    caption = f"Chance to show equivalence with each margin; blue: this study's, of {points(protocol.margin)}."
    figure = figures.sample_size_figure(protocol.margin, protocol.alpha, own, exact_power)
    document.add(Picture("sample_size", figure, caption))
    by_margin: dict[float, list[str]] = {}
    for size in analysis.sample_sizes:
        reach = 100 * size.half_width
        by_margin.setdefault(size.margin, [points(size.margin)]).extend([str(size.cases), f"± {reach:.1f} points"])
    columns = ("margin", "cases for 80 %", "Wilson then", "cases for 90 %", "Wilson then")
    document.table("Wilson then: how far the 95 % interval reaches at 50 %.", columns, list(by_margin.values()))
    if protocol.margin >= 0.03 and own < cases_needed(protocol.margin, 0.8, protocol.alpha):
        chance = float(exact_power(own, protocol.margin, protocol.alpha))
        document.add(
            Caution(
                f"{own} cases gave a single guessing reader a chance of {percent(chance)} to show the margin of"
                f" {points(protocol.margin)}: the study was small for its margin."
            )
        )


def _protocol(document: Document, protocol: Protocol, warnings: Sequence[str], done: Sequence[Sittings]) -> None:
    document.add(Heading("Protocol"))
    document.add(Paragraph(str(protocol.blinding_check) + "."))
    for warning in warnings:
        document.add(Caution(warning))
    told = "told to readers" if protocol.ratio_disclosed else "not told to readers"
    versions = ", ".join(f"{name} {value}" for name, value in protocol.software.items() if value)
    rows = [
        ("protocol checksum", protocol.checksum),
        ("made", protocol.created),
        ("software", versions),
        ("bundles", ", ".join(f"{name} {checksum[:12]}" for name, checksum in protocol.bundles.items()) or "-"),
        ("cases, repeats, training", f"{protocol.case_count}, {protocol.repeat_count}, {len(protocol.training)}"),
        ("share of synthetic cases", f"{percent(protocol.ratio)}, {told}"),
        ("matched on", ", ".join(protocol.matched_on) or "nothing"),
        ("margin, level", f"{points(protocol.margin)}, {percent(protocol.alpha)}"),
        ("going back", "allowed" if protocol.going_back else "not allowed"),
        ("window, level at first", f"{protocol.window:g}, {protocol.level:g}"),
        ("seed", str(protocol.seed)),
    ]
    document.table("", ("", ""), rows, texts=2)
    reader_rows = [(each.reader, f"{each.answered} of {each.total}", str(each.sittings)) for each in done]
    document.table("With repeats and training.", ("reader", "answered", "sittings"), reader_rows)
    notes = [f"{each.reader}: {note}" for each in done for note in each.notes]
    if notes:
        document.add(Points(tuple(notes)))
    document.add(Paragraph("Instructions to readers: " + protocol.instructions))


def _everybody(analysis: Analysis) -> list[Rates]:
    return [*analysis.readers, analysis.together] if len(analysis.readers) > 1 else list(analysis.readers)


def _intervals(rate: Proportion) -> tuple[str, str]:
    return interval(rate.wilson), interval(rate.clopper_pearson)
