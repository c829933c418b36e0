"""The work done on a Dask cluster: its workers see the same files as this process, and write the cases themselves."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from ..errors import InputError, ResourceError
from .studio import Studio
from .tasks import Outcome, Task, carry_out

if TYPE_CHECKING:
    from distributed import Future

CONNECT_SECONDS = 30
_POLL_SECONDS = 0.5
_studios: dict[str, Studio] = {}
_one_at_a_time = threading.Lock()


def carry_out_here(root: str, run: str, task: dict[str, Any]) -> dict[str, Any]:
    """Runs on a worker. Networks and hosts stay loaded for the tasks that follow; a new run begins afresh."""
    with _one_at_a_time:
        if run not in _studios:
            _studios.clear()
            try:
                _studios[run] = Studio(Path(root))
            except InputError as error:
                reason = f"a Dask worker cannot use the folder ({error}); all workers must see it under the same path"
                return Outcome(Task.of(task), "stop", reason).as_dict()
        return carry_out(_studios[run], Task.of(task)).as_dict()


class DaskCrew:
    """Gives tasks to a scheduler. It is the scheduler that notices a worker's death, and gives its task to another, as
    often as its setting `distributed.scheduler.allowed-failures` says."""

    def __init__(self, root: Path, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise InputError("--scheduler needs Dask; install it with: pip install 'tumorsynth[cohort]'") from error
        self._root, self._run = str(root), uuid.uuid4().hex
        try:
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"--scheduler {address}: no Dask scheduler answers there; give its address, such as tcp://host:8786"
            ) from error

    def work(self, tasks: Iterable[Task], stopping: Callable[[], bool]) -> Iterator[Outcome]:
        finished: SimpleQueue[Future] = SimpleQueue()
        waiting: dict[Future, Task] = {}
        for task in tasks:
            key = f"tumorsynth-{task.kind}-{task.number}-{self._run}"
            future = self._client.submit(carry_out_here, self._root, self._run, task.as_dict(), pure=False, key=key)
            waiting[future] = task
        for future in waiting:
            future.add_done_callback(finished.put)
        try:
            while waiting and not stopping():
                with suppress(Empty):
                    future = finished.get(timeout=_POLL_SECONDS)
                    outcome = self._outcome(future, waiting[future])
                    if outcome is None:
                        finished.put(future)
                        continue
                    del waiting[future]
                    yield outcome
                    future.release()
        finally:
            if waiting:
                self._client.cancel(list(waiting), force=True)

    def _outcome(self, future: Future, task: Task) -> Outcome | None:
        """None while there is none: a worker that dies may take with it what a finished task answered, and the
        scheduler then gives that task to another."""
        from distributed.scheduler import KilledWorker

        try:
            return Outcome.of(future.result(timeout=_POLL_SECONDS))
        except CancelledError as error:
            gone = "the Dask scheduler is gone, or gave this run up; --resume goes on from here"
            raise ResourceError(gone) from error
        except KilledWorker:
            return Outcome(task, "failed", "every worker that tried it died (out of memory, or killed)")
        except ImportError as error:
            raise InputError(
                f"a Dask worker lacks TumorSynth ({error}); install the same version on all workers"
            ) from error
        except Exception as error:
            if isinstance(error, TimeoutError) and future.status != "error":
                return None
            return Outcome(task, "failed", f"a mistake of TumorSynth itself ({error})", trace=repr(error))

    def close(self) -> None:
        self._client.close()
