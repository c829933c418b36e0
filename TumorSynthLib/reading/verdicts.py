"""What a study says in plain words, and what it cannot say."""

from __future__ import annotations

from .analysis import Analysis, Rates
from .protocol import Protocol
from .statistics.equivalence import Equivalence
from .wording import interval, percent, points


def main_finding(analysis: Analysis, protocol: Protocol) -> str:
    """The first paragraph: rates side by side, and the one test that was fixed beforehand."""
    together = analysis.together
    if protocol.task == "locate":
        return _located(together)
    if protocol.task == "2afc":
        fooled = together.fooling
        assert fooled is not None
        rates = f"In {percent(fooled.rate)} of pairs the real lesion was taken for the synthetic one"
        rates += f" (Wilson 95 % {interval(fooled.wilson)}); 50 % is guessing."
    else:
        rates = _rates_in_words(together)
    test = together.balanced or together.exact
    return f"{rates} {_test_in_words(test, protocol, len(analysis.readers))}{_readers_apart(analysis)}"


def _readers_apart(analysis: Analysis) -> str:
    """A mean at chance may be made of readers who are not: whoever sees a difference has seen one."""
    if len(analysis.readers) < 2:
        return ""
    tests = {each.reader: each.balanced or each.exact for each in analysis.readers}
    better = [f"{name} ({percent(t.accuracy)})" for name, t in tests.items() if t and t.interval[0] > 0.5]
    worse = [f"{name} ({percent(t.accuracy)})" for name, t in tests.items() if t and t.interval[1] < 0.5]
    words = ""
    if better:
        words += f" By themselves, better than chance: {', '.join(better)}."
    if worse:
        words += f" By themselves, worse than chance, so that they saw a difference too: {', '.join(worse)}."
    return words


def _rates_in_words(rates: Rates) -> str:
    fooling, called = rates.fooling, rates.real_called_synthetic
    assert fooling is not None and called is not None
    return (
        f"{percent(fooling.rate)} of synthetic lesions were called real (Wilson 95 % {interval(fooling.wilson)}),"
        f" and {percent(called.rate)} of real lesions were called synthetic ({interval(called.wilson)})."
    )


def _located(rates: Rates) -> str:
    hits, called = rates.hits, rates.real_called_synthetic
    assert hits is not None and called is not None
    return (
        f"{percent(hits.rate)} of synthetic lesions were found by a click within them (Wilson 95 %"
        f" {interval(hits.wilson)}); {percent(called.rate)} of the real cases were said to hold a synthetic lesion."
    )


def _test_in_words(test: Equivalence | None, protocol: Protocol, readers: int) -> str:
    if test is None:
        return "No equivalence test was possible with these answers."
    margin, who = points(protocol.margin), "these readers on average" if readers > 1 else "this reader"
    low, high = test.interval
    begin = f"Accuracy was {percent(test.accuracy)} (90 % interval {interval(test.interval)})."
    if test.is_shown:
        return (
            f"{begin} It was shown to lie within {margin} of chance, the margin fixed before the reading: with cases"
            f" like these, {who} could not tell real and synthetic lesions apart beyond that margin."
            + (" Within it, readers were still better than chance." if low > 0.5 else "")
        )
    if low > 0.5:
        return f"{begin} Readers told real and synthetic lesions apart better than by chance."
    if high < 0.5:
        return (
            f"{begin} Readers were worse than chance: they saw a difference, but took its meaning the wrong way round."
        )
    return (
        f"{begin} Neither was it shown that readers can tell them apart, nor that they cannot to within {margin}: the"
        " study leaves the question open."
    )


def cannot_conclude(analysis: Analysis, protocol: Protocol) -> list[str]:
    """What somebody might read into the figures that is not in them."""
    readers = len(analysis.readers)
    items = [
        "A test that finds no difference from 50 % does not show that lesions cannot be told apart. Only the"
        " equivalence test may show that, and only to its margin.",
        f"Nothing is known beyond {'these ' + str(readers) + ' readers' if readers > 1 else 'this one reader'}, these"
        " cases and this way to show them. Other readers, larger boxes, other sequences or more time may change it.",
        "Looking real is not being varied: lesions that all look alike, or like the training data, may pass this study."
        " It also does not show that training on them helps.",
    ]
    if protocol.task == "yesno":
        items.append("Without confidence there is no ROC curve: readers may have seen more than their answers tell.")
    if protocol.blinding_check.auc is None or protocol.blinding_check.tells_origin:
        items.append(
            "What surrounds the lesions may have told their origin (see the blinding check): the figures may be about"
            " scanners and patients rather than about lesions."
        )
    elif protocol.blinding_check.high is not None and protocol.blinding_check.high > 0.6:
        items.append(
            f"The blinding check found nothing, but an AUC up to {protocol.blinding_check.high:.2f} fits it too: with"
            " this few cases a small leak would go unseen."
        )
    if any(kappa.agreement.total < 10 for kappa in analysis.with_themselves.values()):
        items.append("There are fewer than ten repeats a reader: agreement with themselves is hardly known.")
    if not protocol.matched_on:
        items.append("Cases were not matched: real and synthetic lesions may differ in size and location.")
    items.append(
        "Files and answers are guarded against changes by accident, not against somebody who means to cheat; compare"
        " the protocol's checksum with the one written down before the reading."
    )
    return items
