"""The report of a study: web page, pages to print, tables and numbers. The truth key is opened here, and checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import provenance
from .analysis import Analysis, analyse
from .chapters import write_document
from .document import Document
from .printed_pages import write_pages
from .protocol import Protocol
from .report_folder import check_report_folder, report_folder
from .responses import Sittings, answer_files, response_table, sittings
from .truth import read_key
from .web_page import web_page

if TYPE_CHECKING:
    import pandas

HTML, PDF, NUMBERS, ANSWERS_TABLE, RATES_TABLE = (
    "report.html",
    "report.pdf",
    "report.json",
    "responses.csv",
    "rates.csv",
)
FILES = (HTML, PDF, NUMBERS, ANSWERS_TABLE, RATES_TABLE)


@dataclass(frozen=True)
class StudyResults:
    """A study's checked answers and what they say, for who wants the numbers alone."""

    protocol: Protocol
    warnings: tuple[str, ...]
    table: pandas.DataFrame
    analysis: Analysis
    sittings: tuple[Sittings, ...]


def study_results(study: str | Path) -> StudyResults:
    """Opens the key; refuses whatever was changed."""
    study = Path(study)
    protocol = Protocol.read(study)
    key = read_key(study, protocol)
    protocol.check_cases(study)
    files = answer_files(study, protocol)
    table = response_table(study, protocol, key.cases, files)
    done = tuple(sittings(protocol, files))
    return StudyResults(protocol, key.warnings, table, analyse(table, protocol, protocol.seed), done)


def write_report(
    study: str | Path,
    folder: str | Path | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> Path:
    """Writes the report into a new folder, `report` within the study if none is given, and returns the folder."""
    folder = Path(study) / "report" if folder is None else Path(folder)
    check_report_folder(folder, FILES)
    progress("checking and analysing the answers", 0.1)
    results = study_results(study)
    with report_folder(folder) as draft:
        progress("drawing the report", 0.5)
        _write_all(draft, results)
    return folder


def report_document(results: StudyResults) -> Document:
    """The report's text, tables and figures, not yet laid out."""
    return write_document(results.protocol, results.warnings, results.table, results.analysis, results.sittings)


def _write_all(draft: Path, results: StudyResults) -> None:
    document = report_document(results)
    (draft / HTML).write_text(web_page(document), encoding="utf-8")
    write_pages(document, draft / PDF)
    numbers = {"protocol": results.protocol.checksum, **provenance.plain(results.analysis)}
    (draft / NUMBERS).write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    results.table.to_csv(draft / ANSWERS_TABLE, index=False)
    _rates_table(results.analysis).to_csv(draft / RATES_TABLE, index=False)


def _rates_table(analysis: Analysis) -> pandas.DataFrame:
    """One row a reader and kind of rate."""
    import pandas

    rows = []
    for each in (*analysis.readers, analysis.together):
        for name in ("fooling", "real_called_synthetic", "accuracy", "hits"):
            rate = getattr(each, name)
            if rate is None:
                continue
            wilson, exact = rate.wilson, rate.clopper_pearson
            rows.append((each.reader, name, rate.count, rate.total, rate.rate, *wilson, *exact))
    columns = ("reader", "rate", "count", "total", "value", "wilson_low", "wilson_high", "exact_low", "exact_high")
    return pandas.DataFrame(rows, columns=list(columns))
