"""Refusals of a study plan, before any scan is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import InputError
from .matching import WAYS
from .tasks import task_named

if TYPE_CHECKING:
    from .study import StudyPlan

READER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


def check_plan(plan: StudyPlan) -> None:
    task = task_named(plan.task)
    _within("--cases", plan.cases, 2, 2000)
    _within("--ratio", plan.ratio, 0.05, 0.95)
    _within("--repeats", plan.repeats, 0, 1)
    _within("--margin", plan.margin, 0.01, 0.4)
    _within("--training-cases", plan.training_cases, 0, 100)
    _within("--smallest", plan.smallest_mm, 0, 100)
    if plan.seed < 0:
        raise InputError(f"--seed {plan.seed} is negative: give 0 or more")
    if plan.window <= 0:
        raise InputError(f"--window-level {plan.window:g},{plan.level:g}: the window must be above 0")
    unknown = [way for way in plan.match if way not in WAYS]
    if unknown:
        raise InputError(f"--match '{unknown[0]}' is unknown: choose {' or '.join(WAYS)}, or both with a comma")
    if plan.nothing and not task.needs_point:
        raise InputError(f"--nothing belongs to --task locate: the task '{plan.task}' always shows a lesion")
    if task.images_per_case == 2 and plan.ratio != 0.5:
        raise InputError(f"--ratio {plan.ratio:g}: with --task {plan.task} every case is a pair; leave it out")
    if plan.training_cases and task.needs_point:
        raise InputError("--training-cases: not possible with --task locate, whose truth is a place; leave it out")
    _check_readers(plan)


def _check_readers(plan: StudyPlan) -> None:
    if not plan.readers:
        raise InputError("--readers: name at least one reader")
    for name, years in plan.readers.items():
        if not READER_NAME.fullmatch(name):
            raise InputError(f"--readers '{name}': use letters, digits, _, . and - only (at most 40)")
        if years is not None and not 0 <= years <= 80:
            raise InputError(f"--readers {name}:{years:g}: experience is given in years, 0 to 80")
    lowered = [name.lower() for name in plan.readers]
    twice = next((name for name in lowered if lowered.count(name) > 1), None)
    if twice:  # file names of some systems do not know upper from lower case
        raise InputError(f"--readers '{twice}' is named twice; give every reader a name of their own")


def _within(option: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"{option} {value:g} is out of range: {low:g} to {high:g}")
