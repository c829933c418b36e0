"""Making a cohort: which cases are missing, who makes them, what went wrong, and the tables at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..bundle import Bundle
from ..errors import InputError
from . import tables
from .crews import Crew, ThisProcess, WorkerProcesses
from .files import CannotWrite
from .folder import Cohort, clear_drafts, opened
from .layout import case_name
from .recipe import Recipe, RecipeError
from .records import read_records
from .tasks import Outcome, Task

MOST_WORKERS = 512


@dataclass(frozen=True)
class Failure:
    """A case that could not be made, and why."""

    case: int
    host: str
    stage: str
    reason: str


@dataclass(frozen=True)
class Event:
    """What a progress callback is told. `note` and `failure` come once, when they happen."""

    stage: str
    done: int
    total: int
    failed: int = 0
    note: str | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class CohortSummary:
    folder: Path
    cases: int
    made: int
    existing: int
    lesions: int
    failures: tuple[Failure, ...]
    seconds: float
    cancelled: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def missing(self) -> int:
        return self.cases - self.made - self.existing


class Cancelled(Exception):
    """The caller's `cancelled` said so. What is finished stays; `summary` tells of it."""

    def __init__(self, summary: CohortSummary) -> None:
        super().__init__(f"cancelled after {summary.made + summary.existing} of {summary.cases} cases")
        self.summary = summary


Progress = Callable[[Event], None]


def make_cohort(
    recipe: Recipe | None,
    folder: str | Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> CohortSummary:
    """Makes all cases of a recipe that are not in the folder yet.

    With one worker everything happens in this process; `scheduler` is the address of a Dask cluster that sees the same
    files. A case that cannot be made is listed in the summary and in failures.tsv, and the others are made; a disk
    that cannot be written raises `CannotWrite`, `cancelled` raises `Cancelled`. `resume` goes on with a folder,
    without a recipe with the folder's own.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise InputError(f"workers {workers} is out of range: 1 to {MOST_WORKERS}")
    if recipe is not None:
        check_without_hosts(recipe)
    run = _Run(progress or (lambda event: None), cancelled or (lambda: False))
    with opened(Path(folder), recipe, resume=resume, overwrite=overwrite, note=run.note) as cohort:
        run.begin(cohort)
        if run.pending:
            crew = _crew(cohort, workers, scheduler)
            try:
                run.work(crew, device, precision)
            finally:
                crew.close()
                with suppress(CannotWrite):
                    clear_drafts(cohort.paths)
                    run.write_tables()
        else:
            run.write_tables()
        summary = run.summary()
        if run.was_cancelled:
            raise Cancelled(summary)
        return summary


def check_without_hosts(recipe: Recipe) -> None:
    """What can be known before any image is read."""
    for name in recipe.bundle:
        try:
            Bundle.find(name)
        except InputError as error:
            raise RecipeError("bundle", str(error)) from None
    if recipe.records:
        read_records(recipe.records)


def _crew(cohort: Cohort, workers: int, scheduler: str | None) -> Crew:
    if scheduler is not None:
        from .dask_crew import DaskCrew

        return DaskCrew(cohort.paths.root, scheduler)
    if workers == 1:
        return ThisProcess(cohort.paths.root)
    return WorkerProcesses(cohort.paths.root, workers, cohort.lock_descriptor)


class _Run:
    """One run from beginning to end."""

    _cohort: Cohort
    _recipe: Recipe
    _existing: set[int]
    pending: list[int]

    def __init__(self, progress: Progress, cancelled: Callable[[], bool]) -> None:
        self._progress, self._asked_to_stop = progress, cancelled
        self.was_cancelled = False
        self._began = time.perf_counter()
        self._notes: list[str] = []
        self._failures: dict[int, Failure] = {}
        self._made = 0
        self._stage, self._total = "opening the folder", 0
        self._facts: tables.Facts | None = None

    def note(self, text: str) -> None:
        self._notes.append(text)
        self._tell(note=text)

    def _cancelled(self) -> bool:
        self.was_cancelled = self.was_cancelled or self._asked_to_stop()
        return self.was_cancelled

    def _tell(self, **more: Any) -> None:
        self._progress(Event(self._stage, self._finished, self._total, len(self._failures), **more))

    @property
    def _finished(self) -> int:
        return self._made + len(self._failures)

    def begin(self, cohort: Cohort) -> None:
        self._cohort, self._recipe = cohort, cohort.recipe
        self._existing = {case for case in cohort.done_cases() if case <= self._recipe.cases}
        # Host by host, so that each is read as rarely as can be.
        missing = [case for case in range(1, self._recipe.cases + 1) if case not in self._existing]
        self.pending = sorted(missing, key=lambda case: (self._recipe.host_of(case), case))
        self._total = len(self.pending)

    def work(self, crew: Crew, device: str, precision: str) -> None:
        self._stage = "loading the networks"
        self._tell()
        self._settle_machine(crew, device, precision)
        usable = self._prepare_hosts(crew)
        self._stage = "making cases"
        self._tell()
        tasks = [self._task(case) for case in self.pending if self._recipe.host_of(case) in usable]
        for outcome in self._carried_out(crew, tasks):
            case = outcome.task.number
            self._cohort_log(outcome)
            if outcome.status == "done":
                self._made += 1
                self._tell()
            else:
                self._fail([case], "making the case", outcome.reason)

    def _task(self, case: int) -> Task:
        return Task("make", case, self._recipe.host_of(case))

    def _settle_machine(self, crew: Crew, device: str, precision: str) -> None:
        recorded = self._cohort.recorded_machine()
        if device == "auto":
            device = recorded.get("device", "auto").split(":")[0]
        if precision == "auto":
            precision = recorded.get("precision", "auto")
        for outcome in self._carried_out(crew, [Task("describe", options=(device, precision))]):
            if outcome.status != "done":
                raise InputError(outcome.reason)
            self._cohort.settle_machine(outcome.answer)

    def _prepare_hosts(self, crew: Crew) -> set[int]:
        """Finds every host's brain that this run needs and no run before has found; returns the hosts that work."""
        needed = sorted({self._recipe.host_of(case) for case in self.pending})
        unprepared = [host for host in needed if not self._cohort.paths.prepared_host(host).exists()]
        usable = set(needed) - set(unprepared)
        self._tell_hosts(0, len(unprepared))
        reasons: dict[int, str] = {}
        for outcome in self._carried_out(crew, [Task("prepare", host, host) for host in unprepared]):
            host = outcome.task.number
            self._cohort_log(outcome)
            for note in outcome.answer.get("notes", ()):
                self.note(self._named(host, note))
            if outcome.status == "done":
                usable.add(host)
                self._tell_hosts(len(usable & set(unprepared)), len(unprepared))
            else:
                reasons[host] = self._named(host, outcome.reason)
        if reasons and not usable and not self._existing and not self.was_cancelled:
            first, *others = reasons.values()
            raise InputError(f"{first} (and {len(others)} other hosts cannot be used either)" if others else first)
        for host, reason in reasons.items():
            own = [case for case in self.pending if self._recipe.host_of(case) == host]
            self._fail(own, "finding the brain", reason)
        return usable

    def _tell_hosts(self, seen: int, count: int) -> None:
        self._stage = "finding brains"
        self._progress(Event(self._stage, seen, count, len(self._failures)))

    def _named(self, host: int, reason: str) -> str:
        name = self._recipe.hosts[host].name
        return reason if name in reason else f"{name}: {reason}"

    def _carried_out(self, crew: Crew, tasks: Iterable[Task]) -> Iterable[Outcome]:
        for outcome in crew.work(tasks, self._cancelled):
            if outcome.trace:
                self._log_mistake(outcome)
            if outcome.status == "stop":
                done = self._made + len(self._existing)
                raise CannotWrite(
                    f"{outcome.reason}; stopped after {done} of {self._recipe.cases} cases, --resume goes on from there"
                )
            yield outcome

    def _fail(self, cases: Iterable[int], stage: str, reason: str) -> None:
        for case in cases:
            failure = Failure(case, self._recipe.hosts[self._recipe.host_of(case)].name, stage, reason)
            self._failures[case] = failure
            self._tell(failure=failure)

    # -- what is kept of the run

    def _cohort_log(self, outcome: Outcome) -> None:
        """When, and how long: apart from the cases, which are to be the same whenever they are made."""
        path = self._cohort.paths.root / "run_log.tsv"
        name = case_name(outcome.task.number) if outcome.task.kind == "make" else f"host {outcome.task.number + 1}"
        row = (name, outcome.task.kind, outcome.status, f"{outcome.seconds:.2f}", _now())
        with suppress(OSError):
            is_new = not path.exists()
            with path.open("a", encoding="utf-8") as stream:
                if is_new:
                    stream.write("what\ttask\tstatus\tseconds\tfinished\n")
                stream.write("\t".join(row) + "\n")

    def _log_mistake(self, outcome: Outcome) -> None:
        with suppress(OSError), self._cohort.paths.error_log.open("a", encoding="utf-8") as stream:
            stream.write(f"{_now()} {outcome.task}\n{outcome.trace}\n")

    def write_tables(self) -> None:
        self._stage = "writing the tables"
        self._facts = tables.write_tables(self._cohort.paths, self._recipe, list(self._failures.values()))

    def summary(self) -> CohortSummary:
        return CohortSummary(
            folder=self._cohort.paths.root,
            cases=self._recipe.cases,
            made=self._made,
            existing=len(self._existing),
            lesions=self._facts.lesions if self._facts else 0,
            failures=tuple(self._failures[case] for case in sorted(self._failures)),
            seconds=time.perf_counter() - self._began,
            cancelled=self.was_cancelled,
            notes=tuple(self._notes),
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
