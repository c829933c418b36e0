"""One piece of a run's work, what came of it, and how every kind of worker carries it out."""

from __future__ import annotations

import time
import traceback
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..errors import InputError
from .files import CannotWrite

if TYPE_CHECKING:
    from .studio import Studio

Kind = Literal["describe", "prepare", "make"]
Status = Literal["done", "failed", "stop"]


@dataclass(frozen=True)
class Task:
    """`number` is a host's place in the recipe ("prepare") or a case ("make"); `host` is where it belongs."""

    kind: Kind
    number: int = 0
    host: int = 0
    options: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, written: dict[str, Any]) -> Task:
        return cls(**{**written, "options": tuple(written["options"])})


@dataclass(frozen=True)
class Outcome:
    """`stop` means that no other task can succeed either. `trace` is for our own mistakes only."""

    task: Task
    status: Status
    reason: str = ""
    answer: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    trace: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, written: dict[str, Any]) -> Outcome:
        return cls(**{**written, "task": Task.of(written["task"])})


def carry_out(studio: Studio, task: Task) -> Outcome:
    """Does a task on one thread; whatever goes wrong becomes its outcome."""
    from .studio import one_thread

    began = time.perf_counter()
    status: Status = "done"
    reason, trace = "", ""
    answer: dict[str, Any] = {}
    try:
        with one_thread():
            answer = _answer(studio, task)
    except CannotWrite as error:
        status, reason = "stop", _one_line(error)
    except InputError as error:
        status, reason = "failed", _one_line(error)
    except MemoryError:
        status, reason = "failed", "not enough memory for it: use fewer workers, or a smaller host"
    except Exception as error:  # a mistake of ours must cost this case only
        status, reason = "failed", f"a mistake of TumorSynth itself ({_one_line(error) or type(error).__name__})"
        trace = traceback.format_exc()
    return Outcome(task, status, reason, answer, time.perf_counter() - began, trace)


def _answer(studio: Studio, task: Task) -> dict[str, Any]:
    if task.kind == "describe":
        return studio.describe_machine(*task.options)
    if task.kind == "prepare":
        return {"notes": studio.prepare(task.number)}
    studio.make(task.number)
    return {}


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
