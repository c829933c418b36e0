"""How a cohort's progress is shown on standard error: a bar with rate and time left on a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cohorts.running import Event

# Seconds between plain lines: a log of thousands of cases is to stay readable.
QUIET_SECONDS = 10.0


@contextmanager
def reporting() -> Iterator[Callable[[Event], None]]:
    if not sys.stderr.isatty():
        yield _PlainLines().report
        return
    with _bar() as report:
        yield report


def line_of(event: Event) -> str | None:
    """What happened, where it is worth a line of its own."""
    if event.failure is not None:
        return f"failed: case {event.failure.case}: {event.failure.reason}"
    return f"note: {event.note}" if event.note else None


class _Rate:
    """How many a minute in the stage at hand, since its first was finished: networks are loaded before that."""

    def __init__(self) -> None:
        self._stage = ""
        self._first: tuple[float, int] | None = None

    def told(self, event: Event) -> str:
        now = time.monotonic()
        if event.stage != self._stage:
            self._stage, self._first = event.stage, None
        if self._first is None:
            if event.done:
                self._first = (now, event.done)
            return ""
        since, before = self._first
        if event.done <= before or now <= since:
            return ""
        a_second = (event.done - before) / (now - since)
        left = (event.total - event.done) / a_second
        return f"{60 * a_second:.3g} a minute, {_duration(left)} left"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _PlainLines:
    """A line once something of a stage is done: a refusal before that is to be the only line."""

    def __init__(self) -> None:
        self._stage = ""
        self._last = 0.0
        self._rate = _Rate()

    def report(self, event: Event) -> None:
        line = line_of(event)
        if line:
            print(line, file=sys.stderr, flush=True)
        rate = self._rate.told(event)
        if not event.done:
            return
        is_last = event.done == event.total and event.stage == self._stage
        if event.stage == self._stage and not is_last and time.monotonic() - self._last < QUIET_SECONDS:
            return
        self._stage, self._last = event.stage, time.monotonic()
        failed = f", {event.failed} failed" if event.failed else ""
        more = f": {event.done} of {event.total}{failed}" if event.total else ""
        print(f"{event.stage}{more}{', ' + rate if rate else ''}", file=sys.stderr, flush=True)


@contextmanager
def _bar() -> Iterator[Callable[[Event], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )  # fmt: skip
    rate = _Rate()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("opening the folder", total=None, rate="")

        def report(event: Event) -> None:
            line = line_of(event)
            if line:
                bar.console.print(line, markup=False, highlight=False)
            failed = f", {event.failed} failed" if event.failed else ""
            shown = event.stage + failed
            bar.update(task, description=shown, completed=event.done, total=event.total or None, rate=rate.told(event))

        yield report
