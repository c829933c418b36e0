"""What went wrong, in a person's words."""

from __future__ import annotations

import re
import signal

from TumorSynthLib.errors import InputError

from .messages import WorkerError

_MISSING = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_NO_MEMORY = re.compile(
    r"MemoryError|bad_alloc|out of memory|can't allocate|cannot allocate|not enough memory|"
    r"unable to allocate|could not create a (primitive|memory)",
    re.IGNORECASE,
)
MEMORY_ADVICE = "choose a smaller lesion, close other programs, or, on a graphics card, choose the CPU"


def sounds_like_no_memory(text: str) -> bool:
    return bool(_NO_MEMORY.search(text))


def memory_error(details: str) -> WorkerError:
    return WorkerError("memory", f"out of memory: {MEMORY_ADVICE}", details)


def missing_error(packages: tuple[str, ...], details: str = "") -> WorkerError:
    names = ", ".join(packages)
    verb = "is" if len(packages) == 1 else "are"
    return WorkerError("missing", f"{names} {verb} not installed: lesions cannot be made without", details, packages)


def error_of(problem: Exception, details: str) -> WorkerError:
    """Why a question has no answer, from what was raised."""
    cause = problem.__cause__ or problem
    is_plain = isinstance(problem, InputError) and not isinstance(cause, MemoryError | RuntimeError)
    if isinstance(cause, MemoryError) or (not is_plain and sounds_like_no_memory(str(cause))):
        return memory_error(details)
    if is_plain:
        return WorkerError("input", str(problem))
    if isinstance(problem, OSError):
        return error_of_disk(problem)
    return WorkerError("crash", f"the lesion could not be made ({type(problem).__name__}: {_line(problem)})", details)


def _line(problem: Exception) -> str:
    return " ".join(str(problem).split())[:200]


def error_of_end(status: int | None, log: str) -> WorkerError:
    """Why a process is gone that nobody ended."""
    missing = _MISSING.search(log)
    if missing:
        return missing_error((missing[1].partition(".")[0],), log)
    if sounds_like_no_memory(log):
        return memory_error(log)
    return WorkerError(
        "crash", f"the background process ended unexpectedly ({_how(status)}); the next question starts a new one", log
    )


def _how(status: int | None) -> str:
    if status is None:
        return "nobody knows how"
    if status >= 0:
        return f"exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"{name}, as when the system runs out of memory" if name == "SIGKILL" else name


def error_of_disk(problem: OSError) -> WorkerError:
    return WorkerError(
        "input",
        f"the folder for temporary files cannot be written ({problem.strerror or problem}): make room on its disk",
        str(problem),
    )
