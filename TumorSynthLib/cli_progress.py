"""Progress on standard error: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, float], None]
FINISHED = "done"


@contextmanager
def reporting() -> Iterator[Progress]:
    """A function that is told the stage, and how much of the whole is done (0 to 1)."""
    if not sys.stderr.isatty():
        yield _PlainLines().report
        return
    with _bar() as report:
        yield report


class _PlainLines:
    """One line per finished stage. None for the stage at hand: a refusal in it is to be the only line."""

    def __init__(self) -> None:
        self._stage = ""
        self._began = time.perf_counter()

    def report(self, stage: str, fraction: float) -> None:
        if stage == self._stage:
            return
        if self._stage:
            seconds = time.perf_counter() - self._began
            print(f"{self._stage}: done after {seconds:.1f} s", file=sys.stderr, flush=True)
        self._stage = "" if stage == FINISHED else stage


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("loading the networks", total=1.0)

        def report(stage: str, fraction: float) -> None:
            bar.update(task, description=stage, completed=fraction)

        yield report
