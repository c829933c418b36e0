"""A worker process: reads tasks as lines of JSON, answers each with its outcome, ends when nobody gives any more."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from queue import SimpleQueue


def main(root: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run that gives the tasks decides when to stop
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    tasks: SimpleQueue[dict] = SimpleQueue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()

    from .studio import Studio
    from .tasks import Task, carry_out

    studio = Studio(Path(root))
    print(json.dumps({"ready": os.getpid()}), file=answers, flush=True)
    while True:
        outcome = carry_out(studio, Task.of(tasks.get()))
        print(json.dumps(outcome.as_dict()), file=answers, flush=True)


def _listen(tasks: SimpleQueue) -> None:
    for line in sys.stdin.buffer:
        tasks.put(json.loads(line))
    os._exit(0)  # at once, and in the middle of a case: the run is over or was killed


if __name__ == "__main__":
    main(sys.argv[1])
