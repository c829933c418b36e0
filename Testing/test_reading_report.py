"""A whole study, from scans to the report: its figures are those that anybody gets from the answers and the key."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import pandas
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_ind

from reading_studies import SHOWN, guessing, leaning_and_seeing, make_study, read_at_the_window, shared_sources
from TumorSynthLib import provenance
from TumorSynthLib.errors import InputError
from TumorSynthLib.reading import Session, write_report
from TumorSynthLib.reading.analysis import analyse
from TumorSynthLib.reading.protocol import Protocol
from TumorSynthLib.reading.report import FILES, report_document, study_results
from TumorSynthLib.reading.truth import mask_path, read_truth
from TumorSynthLib.reading.verdicts import main_finding
from TumorSynthLib.reading.web_page import web_page
from TumorSynthLib.volume_files import read_volume


@pytest.fixture(scope="module")
def sources():
    return shared_sources()


@pytest.fixture(scope="module")
def study(tmp_path_factory, sources):
    """40 cases, 12 repeats, read by keys in the workbench; one reader guesses, the other leans to "real" and sees a
    little; each reader's window is killed on the way."""
    folder = tmp_path_factory.mktemp("whole") / "study"
    make_study(folder, *sources, 40, repeats=0.3, match=("size", "location"))
    assert read_at_the_window(folder, "anna", guessing, 1, killed_after=17) < 52
    assert read_at_the_window(folder, "ben", leaning_and_seeing, 2, killed_after=30) < 52
    return folder


@pytest.fixture(scope="module")
def report(study):
    return write_report(study)


@pytest.fixture(scope="module")
def numbers(report):
    return json.loads((report / "report.json").read_text())


@pytest.fixture(scope="module")
def by_hand(study):
    """The answers joined with the key by nothing but the two files' own text."""
    key = json.loads((study / "key" / "truth.json").read_text())["cases"]
    rows = []
    for reader in ("anna", "ben"):
        with (study / "answers" / f"{reader}.csv").open(newline="") as stream:
            for row in csv.DictReader(stream):
                if row["event"] == "answered":
                    case = key[row["case"]]
                    synthetic = case["images"][0]["origin"] == "synthetic"
                    called = row["answer"] == "synthetic"
                    first = case["repeat_of"] or row["case"]
                    rating = int(row["confidence"]) * (1 if called else -1)
                    rows.append((reader, first, bool(case["repeat_of"]), synthetic, called, rating))
    columns = ["reader", "case", "again", "synthetic", "called", "rating"]
    return pandas.DataFrame(rows, columns=columns)


def reader_of(numbers: dict, name: str) -> dict:
    return next(each for each in numbers["readers"] if each["reader"] == name)


@pytest.mark.parametrize("reader", ["anna", "ben"])
def test_rates_and_tests_are_those_of_the_answers(numbers, by_hand, reader):
    own = by_hand[(by_hand["reader"] == reader) & ~by_hand["again"]]
    assert len(own) == 40
    found = reader_of(numbers, reader)
    synthetic, real = own[own["synthetic"]], own[~own["synthetic"]]
    for name, hits, group in (
        ("fooling", ~synthetic["called"], synthetic),
        ("real_called_synthetic", real["called"], real),
        ("accuracy", own["called"] == own["synthetic"], own),
    ):
        count, total = int(hits.sum()), len(group)
        assert (found[name]["count"], found[name]["total"]) == (count, total)
        assert found[name]["wilson"] == pytest.approx(proportion_confint(count, total, method="wilson"))
        exact = stats.binomtest(count, total).proportion_ci(method="exact")
        assert found[name]["clopper_pearson"] == pytest.approx([exact.low, exact.high])
    assert found["p_accuracy"] == pytest.approx(stats.binomtest(found["accuracy"]["count"], 40).pvalue)
    p_value = ttost_ind(synthetic["called"] * 1.0, real["called"] * 1.0, -0.2, 0.2, usevar="unequal")[0]
    assert found["balanced"]["p_value"] == pytest.approx(p_value)
    assert found["auc"]["auc"] == pytest.approx(roc_auc_score(own["synthetic"], own["rating"]))


def test_agreement_is_that_of_the_answers(numbers, by_hand):
    first = by_hand[~by_hand["again"]].pivot(index="case", columns="reader", values="called")
    expected = cohen_kappa_score(first["anna"], first["ben"])
    assert numbers["pairs_of_readers"]["anna and ben"]["kappa"] == pytest.approx(expected)
    again = by_hand[by_hand["again"] & (by_hand["reader"] == "ben")].set_index("case")["called"]
    own = numbers["with_themselves"]["ben"]
    assert own["agreement"]["total"] == len(again) == 12
    assert own["kappa"] == pytest.approx(cohen_kappa_score(first["ben"].loc[again.index], again))


def test_the_readers_are_what_they_were_made_to_be(numbers):
    anna, ben = reader_of(numbers, "anna"), reader_of(numbers, "ben")
    assert abs(anna["auc"]["auc"] - 0.5) < 0.25
    assert ben["fooling"]["rate"] > 0.4 and ben["real_called_synthetic"]["rate"] < 0.3
    assert ben["auc"]["auc"] > 0.6
    assert numbers["auc_over_readers_and_cases"] and numbers["odds_ratio"]["ratio"] > 1


def test_tables_agree_with_the_numbers(report, numbers):
    rates = pandas.read_csv(report / "rates.csv").set_index(["reader", "rate"])
    assert rates.loc[("ben", "fooling"), "value"] == pytest.approx(reader_of(numbers, "ben")["fooling"]["rate"])
    answers = pandas.read_csv(report / "responses.csv")
    assert len(answers) == 2 * 52 and answers["is_repeat"].sum() == 24
    assert set(answers["structure"].dropna()) == {"ring", "solid"}


def test_the_page_stands_alone_and_says_what_it_cannot_conclude(report):
    page = (report / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert page.count("data:image/png;base64") >= 6
    for words in ("What this study cannot conclude", "fooling rate", "does not show that lesions cannot be told apart"):
        assert words in page
    assert "nan" not in re.sub('base64,[^"]*', "", page).lower().replace("nan ", "x")


def test_the_printed_report_has_pages(report):
    content = (report / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF") and len(re.findall(rb"/Type /Page\b", content)) >= 4


def test_every_number_of_a_breakdown_adds_up(numbers):
    ways = {each["by"]: each["rows"] for each in numbers["breakdowns"]}
    assert {"size", "structure", "experience"} <= set(ways)
    together = numbers["together"]["fooling"]
    for rows in ways.values():
        assert sum(row["fooling"]["count"] for row in rows) == together["count"]
        assert sum(row["fooling"]["total"] for row in rows) == together["total"]


def test_the_same_answers_give_the_same_report_and_it_replaces_nothing_else(study, report, tmp_path):
    assert {path.name for path in report.iterdir()} == set(FILES)
    again = provenance.plain(study_results(study).analysis)
    assert json.loads(json.dumps(again)).items() <= json.loads((report / "report.json").read_text()).items()
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="exists already and is no report"):
        write_report(study, tmp_path)


@pytest.mark.parametrize("name", ["session.json", "key/truth.json", "answers/anna.csv", "cases"])
def test_whatever_was_changed_is_named_and_refused(study, tmp_path, here, name):
    copy = shutil.copytree(study, tmp_path / "study", ignore=shutil.ignore_patterns("report"))
    path = next((copy / name).iterdir()) if (copy / name).is_dir() else copy / name
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    place = content.rfind(b"anna") + 40 if path.suffix == ".csv" else len(content) // 2
    content[place] ^= 1
    path.write_bytes(content)
    answer = here("reading", "report", copy)
    assert answer.code == 2 and answer.err.count("\n") == 1 and path.name in answer.err, answer.err
    assert not (copy / "report").exists()


def test_a_study_nobody_read_has_no_report(tmp_path, here):
    make_study(tmp_path / "s", *shared_sources(7), 4, repeats=0.0)
    answer = here("reading", "report", tmp_path / "s")
    assert answer.code == 2 and "no answers yet" in answer.err
    checked = here("reading", "check", tmp_path / "s", "--json")
    assert checked.facts["readers"] == {"anna": {"answered": 0, "total": 4}, "ben": {"answered": 0, "total": 4}}


def test_sample_sizes_are_told_without_a_study(here):
    planned = here("reading", "plan", "--margin", 0.15)
    assert planned.code == 0 and re.search(r"\+-15 +80 % +100 .*<", planned.out)
    assert here("reading", "plan", "--margin", 0.5).code == 2


def test_readers_who_see_something_are_not_hidden_in_the_average(study):
    """One always right, one always wrong: at chance on average, and not at all unable to tell."""
    results = study_results(study)
    table = results.table.copy()
    sees, errs = table["reader"] == "anna", table["reader"] == "ben"
    random = np.random.default_rng(0)
    right = np.where(random.random(len(table)) < 0.9, sees, errs)
    table["is_correct"] = right
    table["called_synthetic"] = np.where(right, table["is_synthetic"], 1 - table["is_synthetic"])
    words = main_finding(analyse(table, results.protocol), results.protocol)
    assert "better than chance: anna (" in words and "they saw a difference too: ben (" in words


# -- the other tasks


def test_pairs_are_reported(tmp_path):
    folder = tmp_path / "pairs"
    protocol = make_study(folder, *shared_sources(7), 7, task="2afc", repeats=0.25).protocol
    truth = read_truth(folder, protocol)
    right = {name: ("left", "right")[entry.images[1].origin == "synthetic"] for name, entry in truth.items()}
    for reader, knows in (("anna", 0.5), ("ben", 0.9)):
        random = np.random.default_rng(len(reader))
        with Session.open(folder, reader) as session:
            while (case := session.current_case()) is not None:
                side = right[protocol.reader(reader).order[case.position]]
                other = {"left": "right", "right": "left"}[side]
                session.answer(side if random.random() < knows else other)
    results = study_results(folder)
    table, analysis = results.table, results.analysis
    assert "What this study cannot conclude" in web_page(report_document(results))
    ben = table[(table["reader"] == "ben") & ~table["is_repeat"]]
    assert analysis.readers[1].accuracy.count == ben["is_correct"].sum()
    assert analysis.readers[1].fooling.count == 7 - ben["is_correct"].sum()
    assert analysis.together.auc is None and analysis.together.balanced is not None


def test_clicks_are_reported(tmp_path):
    folder = tmp_path / "locate"
    protocol = make_study(folder, *shared_sources(7), 8, task="locate", repeats=0.0).protocol
    truth = read_truth(folder, protocol)
    with Session.open(folder, "anna") as session:
        while (case := session.current_case()) is not None:
            shown = truth[protocol.reader("anna").order[case.position]].images[0]
            stored = read_volume(mask_path(folder, shown))
            inside = np.argwhere(stored.voxels)[0]
            point = stored.affine[:3, :3] @ inside + stored.affine[:3, 3]
            if case.position % 3 == 2:
                session.answer("none")
            else:
                session.answer("here", point_mm=point if case.position % 3 == 0 else point + 12)
    results = study_results(folder)
    table, analysis = results.table, results.analysis
    assert "What this study cannot conclude" in web_page(report_document(results))
    synthetic = table[table["origin"] == "synthetic"]
    rates = analysis.readers[0]
    assert rates.hits.count == (synthetic["click_distance_mm"] == 0).sum()
    assert rates.fooling.count == (synthetic["answer"] == "none").sum()
    real = table[table["origin"] == "real"]
    assert rates.clicks_on_real_lesions.count == (real["click_distance_mm"] == 0).sum()
    assert rates.exact is None and rates.balanced is None


def test_the_patents_table_has_strategies_as_rows(study):
    table = study_results(study).table
    protocol = Protocol.read(study)
    assert analyse(table, protocol).patent is None
    random = np.random.default_rng(0)
    synthetic = table["origin"] == "synthetic"
    cases = sorted(table[synthetic]["case"].unique())
    strategy = dict(zip(cases, random.choice(["transposed", "upsampling+convolution"], len(cases)), strict=True))
    fraction = dict(zip(cases, random.choice(["10 %", "30 %", "100 %"], len(cases)), strict=True))
    table["upsampling"] = table["case"].map(strategy)
    table["training_fraction"] = table["case"].map(fraction)
    found = analyse(table, protocol).patent
    assert found.rows == ("transposed", "upsampling+convolution") and found.columns == ("10 %", "30 %", "100 %")
    first = table[synthetic & ~table["is_repeat"]]
    cell = first[(first["upsampling"] == "transposed") & (first["training_fraction"] == "30 %")]
    assert found.cells[0][1].count == (cell["called_synthetic"] == 0).sum() and found.cells[0][1].total == len(cell)


def test_the_presentation_of_tests_is_the_one_recorded(study):
    assert Protocol.read(study).presentation["box_mm"] == SHOWN.box_mm
