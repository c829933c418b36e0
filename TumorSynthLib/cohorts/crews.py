"""Who does the work on this computer: this process itself, or worker processes that may die without harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from ..errors import ResourceError
from .layout import CohortPaths
from .studio import Studio
from .tasks import Outcome, Task, carry_out

TRIES = 2
_POLL_SECONDS = 0.2
# Libraries read these when they are loaded; processes that each take all cores only get in each other's way.
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
_DIED = f"its worker died {TRIES} times while making it (out of memory, or killed)"


class Crew(Protocol):
    """Carries out tasks in any order. `stopping` is asked now and then whether to leave the rest."""

    def work(self, tasks: Iterable[Task], stopping: Callable[[], bool]) -> Iterator[Outcome]: ...

    def close(self) -> None: ...


class ThisProcess:
    """One task after another, here."""

    def __init__(self, root: Path) -> None:
        self._studio = Studio(root)

    def work(self, tasks: Iterable[Task], stopping: Callable[[], bool]) -> Iterator[Outcome]:
        for task in tasks:
            if stopping():
                return
            yield carry_out(self._studio, task)

    def close(self) -> None:
        pass


class WorkerProcesses:
    """N processes that each do one task at a time. The task of one that dies is given to another, once."""

    def __init__(self, root: Path, count: int, lock_descriptor: int | None = None) -> None:
        self._root, self._lock = root, lock_descriptor
        self._answers: SimpleQueue[tuple[_Worker, dict[str, Any] | None]] = SimpleQueue()
        self._workers = [self._hire() for _ in range(count)]

    def _hire(self) -> _Worker:
        return _Worker(self._root, self._lock, self._answers)

    def work(self, tasks: Iterable[Task], stopping: Callable[[], bool]) -> Iterator[Outcome]:
        waiting = _ByHost(tasks)
        tries: dict[Task, int] = {}
        while True:
            for worker in self._workers:
                if worker.task is None and (task := waiting.next_for(worker.host)):
                    tries[task] = tries.get(task, 0) + 1
                    worker.give(task)
            if not any(worker.task for worker in self._workers):
                return
            if stopping():
                return
            with suppress(Empty):
                worker, answer = self._answers.get(timeout=_POLL_SECONDS)
                if answer is not None:
                    worker.task = None
                    yield Outcome.of(answer)
                elif worker in self._workers:
                    task = worker.task
                    self._replace(worker)
                    if task and tries[task] < TRIES:
                        waiting.put_back(task)
                    elif task:
                        yield Outcome(task, "failed", _DIED)

    def _replace(self, worker: _Worker) -> None:
        if not worker.was_ready:
            raise ResourceError(f"a worker process could not start: {worker.last_words()}")
        worker.end()
        self._workers[self._workers.index(worker)] = self._hire()

    def close(self) -> None:
        for worker in self._workers:
            worker.end()


class _ByHost:
    """Waiting tasks. A worker goes on with the host that it has loaded, while there is work on it."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._waiting: dict[int, deque[Task]] = {}
        for task in tasks:
            self._waiting.setdefault(task.host, deque()).append(task)

    def next_for(self, host: int | None) -> Task | None:
        if not self._waiting:
            return None
        # Else the host with most work left; others may be at it already, which costs this worker one more reading.
        chosen = host if host in self._waiting else max(self._waiting, key=lambda h: len(self._waiting[h]))
        task = self._waiting[chosen].popleft()
        if not self._waiting[chosen]:
            del self._waiting[chosen]
        return task

    def put_back(self, task: Task) -> None:
        self._waiting.setdefault(task.host, deque()).appendleft(task)


class _Worker:
    """One worker process, and a thread that waits for its answers. It ends by itself when this process is gone."""

    def __init__(self, root: Path, lock: int | None, answers: SimpleQueue) -> None:
        self.task: Task | None = None
        self.host: int | None = None
        self.was_ready = False
        self._log = CohortPaths(root).state / "workers.log"
        library = Path(__file__).resolve().parent.parent.parent
        paths = [str(library), *filter(None, [os.environ.get("PYTHONPATH")])]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "TumorSynthLib.cohorts.worker", str(root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths)},
                # The lock is held until the last worker is gone, too, though the run itself may have been killed.
                pass_fds=() if lock is None or os.name == "nt" else (lock,),
                start_new_session=os.name != "nt",
            )
        threading.Thread(target=self._listen, args=(answers,), daemon=True).start()

    def _listen(self, answers: SimpleQueue) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if "ready" in message:
                self.was_ready = True
            else:
                answers.put((self, message))
        answers.put((self, None))

    def give(self, task: Task) -> None:
        self.task, self.host = task, task.host
        assert self.process.stdin is not None
        with suppress(OSError):  # it died meanwhile: its listener tells
            self.process.stdin.write(json.dumps(task.as_dict()).encode() + b"\n")
            self.process.stdin.flush()

    def last_words(self) -> str:
        with suppress(OSError):
            lines = self._log.read_text(errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        return f"it ended with code {self.process.poll()}"

    def end(self) -> None:
        with suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
