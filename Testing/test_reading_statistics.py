"""The statistics of reading studies: against libraries, published examples, and simulations of what they promise."""

from __future__ import annotations

import warnings

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.proportion import binom_tost

from TumorSynthLib.reading.statistics.agreement import cohen, fleiss
from TumorSynthLib.reading.statistics.equivalence import balanced_equivalence, exact_equivalence, mean_equivalence
from TumorSynthLib.reading.statistics.models import odds_ratio_by_gee, spread_by_mixed_model
from TumorSynthLib.reading.statistics.planning import cases_needed, exact_power, sample_sizes
from TumorSynthLib.reading.statistics.proportions import p_against, proportion
from TumorSynthLib.reading.statistics.roc import (
    auc_with_delong,
    bootstrap_auc,
    curve,
    delong_covariance,
    mean_auc_with_delong,
)
from TumorSynthLib.reading.statistics.timing import timing

# Hanley and McNeil 1982 (Radiology 143: 29-36): 109 CT images rated 1 to 5, 58 normal and 51 abnormal.
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
RATINGS = np.concatenate([np.repeat(np.arange(1, 6), counts) for counts in (NORMAL, ABNORMAL)]).astype(float)
IS_ABNORMAL = np.arange(109) >= 58


def within_monte_carlo(hits: int, runs: int, nominal: float, slack: float = 0.0) -> bool:
    """Whether a simulated share lies within 3.3 standard errors (1 in 1000) of what was promised, or `slack` more."""
    reach = 3.3 * np.sqrt(nominal * (1 - nominal) / runs) + slack
    return abs(hits / runs - nominal) <= reach


# -- rates


@pytest.mark.parametrize(
    ("count", "total", "wilson", "exact"),
    [  # Newcombe 1998 (Statistics in Medicine 17: 857-872), table I
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_intervals_of_rates_are_the_published_ones(count, total, wilson, exact):
    found = proportion(count, total)
    assert found.wilson == pytest.approx(wilson, abs=5e-5)
    assert found.clopper_pearson == pytest.approx(exact, abs=5e-5)


def test_nothing_answered_is_no_rate():
    assert proportion(0, 0).rate is None and proportion(0, 0).wilson == (0, 1)
    assert p_against(0, 0) is None and exact_equivalence(0, 0, 0.1) is None


@pytest.mark.parametrize("total", [20, 40, 100])
def test_rates_are_covered_as_promised(total):
    """By counting every outcome: Wilson 95 % on average, Clopper and Pearson at least 95 % everywhere."""
    truths = np.linspace(0.02, 0.98, 97)
    chance = stats.binom.pmf(np.arange(total + 1)[:, None], total, truths)
    found = [proportion(count, total) for count in range(total + 1)]
    for name, lowest, mean in (("wilson", 0.83, 0.95), ("clopper_pearson", 0.95, 0.965)):
        low, high = np.array([getattr(each, name) for each in found]).T
        covers = (chance * ((low[:, None] <= truths) & (truths <= high[:, None]))).sum(axis=0)
        assert covers.min() >= lowest
        assert covers.mean() == pytest.approx(mean, abs=0.025)


# -- equivalence


@given(st.integers(1, 200), st.floats(0, 1), st.floats(0.03, 0.3))
@settings(deadline=None)
def test_the_exact_test_is_two_binomial_tests(total, share, margin):
    correct = round(share * total)
    found = exact_equivalence(correct, total, margin)
    above = stats.binomtest(correct, total, 0.5 - margin, "greater").pvalue
    below = stats.binomtest(correct, total, 0.5 + margin, "less").pvalue
    assert found.p_value == pytest.approx(max(above, below), abs=1e-9)
    low, high = found.interval
    assert found.is_shown == (found.p_value < 0.05)
    if abs(found.p_value - 0.05) > 1e-6:  # the test and its 90 % interval say the same
        assert found.is_shown == (low > 0.5 - margin and high < 0.5 + margin)


@pytest.mark.parametrize("total", [60, 150, 400])
def test_the_exact_test_errs_no_more_often_than_it_may(total):
    """At the margin itself, by counting every outcome."""
    shown = [exact_equivalence(count, total, 0.15).is_shown for count in range(total + 1)]
    error = stats.binom.pmf(np.arange(total + 1), total, 0.65)[shown].sum()
    assert 0.02 < error <= 0.05


def test_the_balanced_test_errs_at_its_level():
    """Two readers, cases that differ, accuracy exactly at the margin; readers lean to one side."""
    random = np.random.default_rng(1)
    runs, cases, margin = 1500, 60, 0.1
    shown = 0
    for _ in range(runs):
        groups = []
        for leaning in (0.15, -0.15):  # synthetic cases are called right more often than real ones
            case_chance = np.clip(0.5 + margin + leaning + random.uniform(-0.2, 0.2, cases), 0, 1)
            groups.append((random.random((2, cases)) < case_chance).mean(axis=0))
        found = balanced_equivalence(groups[0], groups[1], margin)
        shown += found.is_shown
    assert within_monte_carlo(shown, runs, 0.05, slack=0.01)


def test_the_test_of_pairs_errs_at_its_level():
    random = np.random.default_rng(2)
    runs, pairs = 1500, 150
    right = (random.random((runs, 3, pairs)) < 0.6).mean(axis=1)
    shown = sum(mean_equivalence(each, 0.1).is_shown for each in right)
    assert within_monte_carlo(shown, runs, 0.05, slack=0.01)


def test_balanced_intervals_cover_as_promised():
    random = np.random.default_rng(3)
    runs = 1000
    right = random.random((runs, 40)) < 0.7
    wrong = random.random((runs, 25)) < 0.45
    inside = 0
    for one, other in zip(right, wrong, strict=True):
        low, high = balanced_equivalence(one, other, 0.1).interval
        inside += low <= 0.575 <= high
    assert within_monte_carlo(inside, runs, 0.90, slack=0.01)


def test_a_reader_who_says_real_to_everything_is_no_better_than_chance():
    random = np.random.default_rng(0)
    calls = random.random((2, 300)) < 0.02
    assert balanced_equivalence(calls[0], ~calls[1], 0.1).accuracy == pytest.approx(0.5, abs=0.02)
    assert balanced_equivalence(np.zeros(9), np.ones(9), 0.1) is None  # no spread, no test


# -- ROC


def test_delongs_variance_is_the_published_one():
    """The area and standard error that Stata's manual prints for `roctab` on Hanley and McNeil's data."""
    found = auc_with_delong(RATINGS, IS_ABNORMAL)
    assert found.auc == pytest.approx(0.8932, abs=5e-5)
    assert found.standard_error == pytest.approx(0.0307, abs=5e-5)
    assert found.auc - 1.959964 * found.standard_error == pytest.approx(0.83295, abs=5e-5)
    assert found.auc + 1.959964 * found.standard_error == pytest.approx(0.95339, abs=5e-5)
    assert found.low < 0.8932 < found.high < 1


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=6, max_size=60))
def test_the_area_is_the_librarys(rated):
    ratings, flags = np.array([r for r, _ in rated], float), np.array([f for _, f in rated])
    if min(flags.sum(), (~flags).sum()) < 2:
        return
    found = auc_with_delong(ratings, flags)
    assert found.auc == pytest.approx(roc_auc_score(flags, ratings))
    assert 0 <= found.low <= found.auc <= found.high <= 1
    assert auc_with_delong(-ratings, flags).auc == pytest.approx(1 - found.auc)
    false_share, true_share = curve(ratings, flags)
    assert np.trapezoid(true_share, false_share) == pytest.approx(found.auc)


def two_readers(random: np.random.Generator, cases: int = 60) -> tuple[np.ndarray, np.ndarray]:
    flags = np.arange(2 * cases) % 2 == 1
    shared = random.normal(flags * 0.8, 1.0)
    return np.round(np.stack([shared + random.normal(0, 0.7, 2 * cases) for _ in range(2)]), 1), flags


def test_delongs_covariance_agrees_with_the_bootstrap():
    ratings, flags = two_readers(np.random.default_rng(4))
    found = mean_auc_with_delong(ratings, flags)
    drawn = bootstrap_auc(ratings, flags, readers_too=False, rounds=4000)
    assert drawn.auc == pytest.approx(found.auc)
    assert drawn.standard_error == pytest.approx(found.standard_error, rel=0.08)
    areas, covariance = delong_covariance(ratings, flags)
    assert covariance[0, 1] > 0.2 * covariance[0, 0]  # both read the same cases
    assert areas == pytest.approx([roc_auc_score(flags, each) for each in ratings])


def test_drawing_readers_too_widens_the_interval():
    random = np.random.default_rng(5)
    flags = np.arange(80) % 2 == 1
    ratings = np.stack([random.normal(flags * strength, 1) for strength in (0.0, 0.5, 1.0, 1.5, 2.0)])
    cases, both = (bootstrap_auc(ratings, flags, readers_too=too) for too in (False, True))
    assert both.high - both.low > 1.3 * (cases.high - cases.low)


@pytest.mark.parametrize("separation", [0.0, 1.0])
def test_delongs_interval_covers_as_promised(separation):
    random = np.random.default_rng(6)
    runs, truth = 800, stats.norm.cdf(separation / np.sqrt(2))
    flags = np.arange(80) % 2 == 1
    inside = 0
    for ratings in random.normal(flags * separation, 1, (runs, 80)):
        found = auc_with_delong(ratings, flags)
        inside += found.low <= truth <= found.high
    assert within_monte_carlo(inside, runs, 0.95, slack=0.01)


def test_perfect_readers_get_an_honest_lower_bound():
    flags = np.arange(40) % 2 == 1
    found = auc_with_delong(flags.astype(float), flags)
    assert found.auc == found.high == 1 and found.low == pytest.approx(0.025 ** (1 / 20))
    assert auc_with_delong(np.ones(40), flags).auc == 0.5


def test_the_bootstrap_covers_as_promised():
    """Over cases with two readers, and over readers and cases with ten; percentiles are a little narrow."""
    random = np.random.default_rng(7)
    runs, flags = 150, np.arange(60) % 2 == 1
    for readers, spread, too in ((2, 0.0, False), (10, 0.4, True)):
        inside = 0
        for number in range(runs):
            strength = 0.8 + random.normal(0, spread, (readers, 1))
            shared = random.normal(0, 0.7, 60)
            ratings = strength * flags + shared + random.normal(0, 0.7, (readers, 60))
            drawn = bootstrap_auc(ratings, flags, readers_too=too, rounds=300, seed=number)
            noise = np.sqrt(0.98 * 2 + spread**2)
            inside += drawn.low <= stats.norm.cdf(0.8 / noise) <= drawn.high
        assert within_monte_carlo(inside, runs, 0.95, slack=0.02), inside / runs


# -- agreement


@given(st.lists(st.tuples(st.sampled_from("rs"), st.sampled_from("rs")), min_size=2, max_size=50))
@settings(deadline=None)
def test_cohens_kappa_is_scikit_learns(answers):
    first, second = ([pair[n] for pair in answers] for n in (0, 1))
    found = cohen(first, second)
    assert found.agreement.rate == pytest.approx(np.mean(np.array(first) == np.array(second)))
    if found.kappa is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert found.kappa == pytest.approx(cohen_kappa_score(first, second), nan_ok=True)


def test_fleiss_kappa_is_the_published_one():
    """Fleiss 1971 as worked in many textbooks: ten subjects, fourteen raters, five categories, kappa 0.210."""
    table = """0 0 0 0 14/0 2 6 4 2/0 0 3 5 6/0 3 9 2 0/2 2 8 1 1/7 7 0 0 0/3 2 6 3 0/2 5 3 2 2/6 5 2 1 0/0 2 2 3 7"""
    counts = [[int(n) for n in row.split()] for row in table.split("/")]
    answers = np.array([np.repeat(np.arange(5), row) for row in counts])
    found = fleiss(answers, rounds=50)
    assert found.kappa == pytest.approx(0.210, abs=5e-4)
    assert found.low < found.kappa < found.high


def test_kappas_intervals_cover_as_promised():
    random = np.random.default_rng(80)
    runs, cases = 100, 80
    inside = {"cohen": 0, "fleiss": 0}
    for number in range(runs):
        # Two or three readers who each copy the case's own answer with chance 0.8 and else guess: kappa 0.64.
        own = random.integers(0, 2, cases)
        answers = np.where(random.random((3, cases)) < 0.8, own, random.integers(0, 2, (3, cases)))
        found = {
            "cohen": cohen(answers[0].astype(str).tolist(), answers[1].astype(str).tolist()),
            "fleiss": fleiss(answers.T, seed=number, rounds=200),
        }
        for name, kappa in found.items():
            inside[name] += kappa.low <= 0.64 <= kappa.high
    assert all(within_monte_carlo(count, runs, 0.95, slack=0.02) for count in inside.values()), inside


def test_agreement_without_a_choice_has_no_kappa():
    assert cohen(["r"] * 5, ["r"] * 5).kappa is None
    assert fleiss(np.array([["r", "r"]] * 5)).kappa is None


# -- models


def answers_table(random: np.random.Generator, readers: int, cases: int, effect: float) -> pandas.DataFrame:
    rows = []
    case_effect, reader_effect = random.normal(0, 0.6, cases), random.normal(0, 0.4, readers)
    for reader in range(readers):
        for case in range(cases):
            logit = effect * (case % 2) - effect / 2 + case_effect[case] + reader_effect[reader]
            called = int(random.random() < 1 / (1 + np.exp(-logit)))
            rows.append((f"r{reader}", f"c{case}", case % 2, called))
    return pandas.DataFrame(rows, columns=["reader", "case", "is_synthetic", "called_synthetic"])


def test_one_readers_odds_ratio_is_that_of_the_fourfold_table():
    table = answers_table(np.random.default_rng(9), 1, 120, 0.8)
    found = odds_ratio_by_gee(table)
    fourfold = Table2x2(pandas.crosstab(table["is_synthetic"], table["called_synthetic"]).to_numpy())
    assert found.ratio == pytest.approx(fourfold.oddsratio, rel=1e-6)
    assert found.low == pytest.approx(fourfold.oddsratio_confint()[0], rel=0.05)


def test_the_model_errs_at_its_level():
    random = np.random.default_rng(10)
    runs = 100
    wrong = sum(odds_ratio_by_gee(answers_table(random, 3, 40, 0.0)).p_value < 0.05 for _ in range(runs))
    assert within_monte_carlo(wrong, runs, 0.05, slack=0.02)


def test_what_cannot_be_estimated_says_so():
    table = answers_table(np.random.default_rng(11), 2, 40, 0.0)
    table["called_synthetic"] = table["is_synthetic"]
    assert odds_ratio_by_gee(table).ratio is None and "never occurred" in odds_ratio_by_gee(table).note
    assert spread_by_mixed_model(table[table["reader"] == "r0"]).note


def test_the_mixed_model_tells_differing_readers_from_alike_ones():
    random = np.random.default_rng(12)
    alike = answers_table(random, 6, 60, 0.5)
    leaning = alike.copy()
    leaning.loc[leaning["reader"].isin(("r0", "r1", "r2")) & (random.random(len(alike)) < 0.7), "called_synthetic"] = 1
    assert spread_by_mixed_model(leaning).readers > 1.5 * spread_by_mixed_model(alike).readers


# -- planning


@pytest.mark.parametrize("margin", [0.1, 0.2])
def test_the_planned_cases_reach_their_power_and_fewer_do_not(margin):
    cases = cases_needed(margin, 0.8)
    for count, enough in ((cases, True), (cases - 10, False)):
        p_values = np.array([binom_tost(right, count, 0.5 - margin, 0.5 + margin)[0] for right in range(count + 1)])
        power = stats.binom.pmf(np.arange(count + 1), count, 0.5)[p_values < 0.05].sum()
        assert power == pytest.approx(float(exact_power(np.array(count), margin)), abs=1e-9)
        assert (power >= 0.8) == enough


def test_the_table_of_sample_sizes_grows_as_margins_shrink():
    sizes = sample_sizes()
    by_margin = [size.cases for size in sizes if size.power == 0.8]
    assert by_margin == sorted(by_margin, reverse=True)
    # At 50 %, Wilson's interval of 100 answers reaches from 40.4 to 59.6 %.
    assert proportion(50, 100).wilson == pytest.approx((0.404, 0.596), abs=5e-4)


def test_times_become_medians_and_trends():
    table = pandas.DataFrame({"seconds": np.arange(20.0)[::-1], "position": np.arange(20), "is_correct": [True] * 20})
    found = timing(table)
    assert (found.median_s, found.seconds_with_position) == (9.5, pytest.approx(-1.0))
    assert found.correct_with_position is None
