"""The report of a study of realism: a page for people, and all numbers. Written whole, or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import provenance
from ..reading.document import Caution, Document, Heading, Paragraph, Picture, Points
from ..reading.report_folder import check_report_folder, report_folder
from ..reading.web_page import web_page
from . import charts
from .measures import ALL, CORE, MEASURES, SURROUNDINGS, TESTS, Measured
from .obedience import Obedience
from .study import Row, Study

HTML, NUMBERS = "report.html", "report.json"
FILES = (HTML, NUMBERS)

_ABSENT = "-"
_TABLES = (
    ("Fréchet distances", ("encoder Fréchet", "encoder Fréchet, half sets", "encoder Fréchet, real halves",
                           "radiomics Fréchet", "radiomics Fréchet, half sets", "radiomics Fréchet, real halves")),
    ("Feature manifold and diversity",
     ("MMD", "MMD p", "precision", "recall", "density", "coverage", "diversity", "diversity of real")),
    ("Masks, and from slice to slice",
     ("Dice", "Dice of real", "Dice gap", "gradient ratio, difference", "slice correlation, difference")),
)  # fmt: skip
_LIMITS = (
    "An area of 0.5 says that these judges, with so many lesions, saw no difference; not that there is none.",
    "Judges see windows around lesions, not whole scans: a lesion in an unlikely place, or too many of them, passes.",
    "Real lesions are as their annotators outlined them. Where outlines are off by a pixel, a synthetic lesion whose"
    " label is exact can be told by that alone; the texture of the core cannot.",
    "Surroundings must be at 0.5. Where they are not, hosts differ from the real patients' scans, and the other areas"
    " tell of hosts as well as of lesions.",
    "Looking real to a judge is not being useful for training, and not looking real to a radiologist.",
)


def write_report(study: Study, folder: str | Path, overwrite: bool = False) -> Path:
    """Writes report.html and report.json into a new folder, which with `overwrite` takes an older report's place."""
    folder = Path(folder)
    check_report_folder(folder, FILES, overwrite)
    with report_folder(folder) as draft:
        (draft / HTML).write_text(web_page(document_of(study)), encoding="utf-8")
        numbers = json.dumps(numbers_of(study), indent=1, allow_nan=False, ensure_ascii=False)
        (draft / NUMBERS).write_text(numbers + "\n", encoding="utf-8")
    return folder


# -- all numbers


def numbers_of(study: Study) -> dict[str, Any]:
    lesions = {
        side: [patches.named(row) for row in range(len(patches))]
        for side, patches in (("real", study.real), ("synthetic", study.synthetic))
    }
    return {
        "real": study.sources[0],
        "synthetic": study.sources[1],
        "dimensions": study.real.dimensions,
        "seed": study.seed,
        "quick": study.is_quick,
        "notes": list(study.notes),
        "lesions": lesions,
        "rows": [provenance.plain(row) for row in study.rows],
        "obedience": provenance.plain(study.obedience) if study.obedience else None,
        "obedience_missing": study.obedience_missing,
        "tool": {"version": provenance.__version__, "code": provenance.code_checksum()},
        "libraries": provenance.library_versions(),
    }


# -- the page


def document_of(study: Study) -> Document:
    ours = study.rows[0]
    subtitle = (
        f"{ours.lesions_made} synthetic against {ours.lesions_real} real lesions in {study.real.dimensions}D;"
        f" {study.sources[1] or 'synthetic'} against {study.sources[0] or 'real'}"
    )
    document = Document("How real do these lesions look?", subtitle)
    document.add(Heading("What was found"), *(Paragraph(text) for text in findings(study)))
    _tests(document, study)
    _telling(document, ours)
    _sheets(document, study)
    _other_measures(document, study)
    _obedience(document, study)
    document.add(Heading("How it was done"), Points(study.notes), Points(tuple(_words_of(row) for row in study.rows)))
    document.add(Heading("What this cannot say"), Points(_LIMITS))
    return document


def findings(study: Study) -> list[str]:
    """The main numbers in sentences, and a warning where the comparison itself is in doubt."""
    ours, controls = study.rows[0].figures, study.rows[1:]
    sentences = []
    for name, words in ((CORE, "the texture inside the lesion"), (ALL, "texture, edge and outline together")):
        found = ours[name]
        if found.value is None:
            sentences.append(f"By {words}: not measured ({found.why}).")
            continue
        beside = ", ".join(f"{row.name} {_number(row.figures[name].value)}" for row in controls)
        sentences.append(
            f"By {words}, judges tell synthetic from real with an area of {_with_interval(found)}; {beside}."
        )
    around = ours[SURROUNDINGS]
    if around.value is not None and around.low is not None:
        # Less than a half is no knowledge: of pairs all but alike, cross-validation sees chance a little lower.
        is_chance = around.low <= 0.5
        verdict = (
            "so that only the lesion can give itself away"
            if is_chance
            else "which is not chance: hosts and real scans differ, and the other areas say too much"
        )
        sentences.append(f"By the surroundings alone: {_with_interval(around)}, {verdict}.")
    return sentences


def _tests(document: Document, study: Study) -> None:
    document.add(Heading("Can they be told from real ones?"))
    document.add(
        Paragraph(
            "Judges learn from some patients what is real and what is not, and are asked about others. 0.5: no better"
            " than a coin; 1: always right. The controls say what the numbers mean: real lesions of other patients"
            " against each other, and simple ways to make lesions."
        )
    )
    if any(row.figures[name].value is not None for row in study.rows for name in TESTS):
        words = "Areas under the curve with 95 % intervals, synthetic lesions first, controls below."
        document.add(Picture("areas", charts.auc_figure(study.rows), words))
    columns = ("lesions", "made", *(charts.WORDS[name] for name in TESTS))
    rows = [(row.name, str(row.lesions_made), *(_with_interval(row.figures[n]) for n in TESTS)) for row in study.rows]
    document.table("Area under the curve (95 % interval by patients)", columns, rows)
    _reasons(document, study.rows, TESTS)


def _reasons(document: Document, rows: Sequence[Row], names: Sequence[str]) -> None:
    """Why numbers are missing, each reason once."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for name in names:
            why = row.figures[name].why
            if row.figures[name].value is None and name not in (known := reasons.setdefault(why, [])):
                known.append(name)
    for why, missing in reasons.items():
        document.add(Caution(f"Not measured ({', '.join(missing)}): {why}"))


def _telling(document: Document, ours: Row) -> None:
    document.add(Heading("What gives them away"))
    told = [name for name in (CORE, ALL) if name in ours.scores and ours.scores[name].telling]
    if not told:
        document.add(Paragraph("No feature was measured."))
    for name in told:
        words = f"By {charts.WORDS[name]}: features that tell most by themselves."
        document.add(Picture(f"telling {name}", charts.telling_figure(ours.scores[name].telling), words))


def _sheets(document: Document, study: Study) -> None:
    judge = charts.judged_by(study.rows[0])
    document.add(Heading("The lesions themselves"))
    if judge is None:
        document.add(Paragraph("No judge gave scores, so there is no order to show them in."))
        return
    words = {
        "best": "taken most for real",
        "median": "in the middle",
        "worst": "told most surely as synthetic",
    }
    document.add(Paragraph(f"Ordered by the judge that saw {charts.WORDS[judge]}; a higher score is more synthetic."))
    for name, figure in charts.sheets(study):
        text = f"Synthetic lesions {words[name]}, and below each the real lesion of like size that it was paired with."
        document.add(Picture(f"sheet {name}", figure, text))


def _other_measures(document: Document, study: Study) -> None:
    document.add(Heading("Other measures"))
    for title, names in _TABLES:
        shown = [name for name in names if any(row.figures[name].value is not None for row in study.rows)]
        if shown:
            rows = [(row.name, *(_with_interval(row.figures[name]) for name in shown)) for row in study.rows]
            document.table(title, ("lesions", *shown), rows)
        _reasons(document, study.rows, names)
    ideals = [f"{measure.title}: {measure.ideal}" for measure in MEASURES if measure.names[0] not in TESTS]
    document.add(Paragraph("What lesions that cannot be told from real ones would have:"), Points(tuple(ideals)))


def _obedience(document: Document, study: Study) -> None:
    document.add(Heading("Asked and got"))
    found = study.obedience
    if found is None:
        document.add(Caution(f"Not measured: {study.obedience_missing}"))
        return
    rows = [
        (words, f"{spread.median:.2f}", f"{spread.low:.2f} to {spread.high:.2f}")
        for words, spread in _spreads(found)
        if spread is not None
    ]
    document.table(f"{len(found.lesions)} lesions of {found.cases} cases", ("error", "median", "5 to 95 %"), rows)


def _spreads(found: Obedience) -> list[tuple[str, Any]]:
    return [
        ("volume, %", found.volume_error_percent),
        ("centre, mm", found.centre_mm),
        ("centre, mm, away from the brain's border", found.centre_mm_inside),
        ("class fractions, points", found.class_fraction_points),
        ("grey levels, % of white matter", found.level_error_percent),
        ("contrast got over asked", found.contrast_kept),
        ("contrast got over asked, classes at least three voxels thick", found.contrast_kept_where_thick),
    ]


def _words_of(row: Row) -> str:
    methods = {scores.method for scores in row.scores.values()}
    how = f" Judges: {'; '.join(sorted(methods))}." if methods else ""
    return f"{row.name}: {row.explanation}.{how}"


def _number(value: float | None) -> str:
    if value is None:
        return _ABSENT
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3f}"


def _with_interval(found: Measured) -> str:
    if found.value is None or found.low is None or found.high is None:
        return _number(found.value)
    return f"{_number(found.value)} ({_number(found.low)} to {_number(found.high)})"
