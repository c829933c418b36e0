"""`SynthesisProcess`: lesions made in a process of its own, so that the caller's windows never wait.

A thread would not do: in desktop Slicer the main thread holds Python's lock while Qt waits. A process can also be ended
at once, and one that runs out of memory leaves the caller standing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection as connections
from pathlib import Path
from typing import Literal

import numpy as np

from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain

from . import wire
from .child import Child, ChildGone
from .endings import error_of_disk, error_of_end
from .files import PrivateFolder, handed_over
from .hosts import HostShelf, StoredHost
from .messages import CasePatch, CaseQuestion, ExportTarget, WorkerError
from .tickets import Job, Ticket

Answer = wire.CaseMade | wire.BrainMade | wire.Exported | wire.Dropped | wire.Problem
State = Literal["off", "starting", "ready", "working", "failed"]
# A process that has not given way by then is ended, and a new one warmed.
PATIENCE_S = 1.0
# So many questions may be on their way at once; a newer one then waits here, where it costs nothing to replace.
MOST_UNANSWERED = 4
BETWEEN_POLLS_S = 0.01


class SynthesisProcess:
    """Ask, and `poll` from a timer: answers are called back from there, in the caller's own thread.

    Newest wins: a question about a host replaces the one about it that is still waiting. Nothing here waits longer than
    some milliseconds, except `wait`.
    """

    def __init__(self, python: str | None = None) -> None:
        """`python` is an executable that has torch (desktop Slicer's is PythonSlicer)."""
        self.python = python or sys.executable
        self.bundle, self.device = "default", "auto"
        self.device_in_use: str | None = None
        self.torch_version: str | None = None
        self.peak_memory_bytes: int | None = None
        self.error: WorkerError | None = None
        self.progress: tuple[str, float] = ("", 0.0)
        self._folder: PrivateFolder | None = None
        self._shelf: HostShelf | None = None
        self._host: StoredHost | None = None
        self._child: Child | None = None
        self._is_warm = False
        self._waiting: list[Job] = []
        self._sent: dict[int, Job] = {}
        self._patience_ends: dict[int, float] = {}
        self._last_number = 0

    # -- life

    def start(self, bundle: str = "default", device: str = "auto") -> None:
        """Begins to warm up. Questions may be asked at once; they wait. Starting twice does nothing."""
        self.bundle, self.device = bundle, device
        if self._child is not None:
            return
        self.error = None
        self._folder = self._folder or PrivateFolder()
        try:
            self._child = Child(self.python, self._folder.new_folder("process"))
        except OSError as problem:
            self._fail(WorkerError("crash", f"{self.python} cannot be started ({problem.strerror})", str(problem)))
            return
        self._is_warm = False
        self.progress = ("starting", 0.0)

    def stop(self) -> None:
        """Ends the process and forgets everything. Nothing is called back any more."""
        self.cancel()
        self._end_child()
        self._sent.clear()
        self._patience_ends.clear()
        self._host = self._shelf = None
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    @property
    def state(self) -> State:
        """Work that was called off counts until it has ended."""
        if self._child is None:
            return "failed" if self.error else "off"
        if not self._is_warm:
            return "starting"
        return "working" if self._sent else "ready"

    @property
    def busy(self) -> bool:
        """Whether anything is to be expected from polling on."""
        return bool(self.state == "starting" or self._waiting or self._sent or not self._host_is_ready)

    @property
    def _host_is_ready(self) -> bool:
        return self._host is None or self._host.is_ready

    @property
    def process_id(self) -> int | None:
        return self._child.process_id if self._child else None

    # -- questions

    def use_host(self, host: HostBrain, brain_mask: np.ndarray | None = None, brain_method: str = "given") -> None:
        """The host of the questions to come. Cheap when nothing changed; give a new array when the mask did.

        Without a mask the brain is found by network when it is first needed. `brain_method` is for provenance: where a
        mask comes from, "given" by a person or found before ("network", "foreground").
        """
        self._folder = self._folder or PrivateFolder()
        self._shelf = self._shelf or HostShelf(self._folder)
        self._host = self._shelf.stored(host, brain_mask, brain_method)

    def ask(
        self,
        question: CaseQuestion,
        on_patch: Callable[[CasePatch], None],
        on_error: Callable[[WorkerError], None],
    ) -> Ticket:
        return self._enter(on_patch, on_error, question)

    def find_brain(
        self,
        on_done: Callable[[np.ndarray, str], None],
        on_error: Callable[[WorkerError], None] = lambda error: None,
    ) -> Ticket:
        """The host's brain mask and how it was found, "network" or "foreground"."""
        return self._enter(on_done, on_error, None)

    def export(
        self,
        question: CaseQuestion,
        target: ExportTarget,
        on_done: Callable[[Path], None],
        on_error: Callable[[WorkerError], None],
    ) -> Ticket:
        """Writes the case into a new folder. Exports are all made, whatever is asked for meanwhile."""
        return self._enter(lambda written: on_done(Path(written)), on_error, question, target)

    def _enter(
        self, on_done: Callable, on_error: Callable, question: CaseQuestion | None, target: ExportTarget | None = None
    ) -> Ticket:
        if self._host is None:
            raise InputError("no host was chosen: call use_host first")
        self._last_number += 1
        ticket = Ticket(self._last_number, self._call_off)
        job = Job(ticket, self._host, on_done, on_error, question, (self.bundle, self.device), target)
        for older in [other for other in self._waiting if job.supersedes(other)]:
            older.ticket.state = "superseded"
            self._waiting.remove(older)
        self._waiting.append(job)
        self.start(self.bundle, self.device)
        self._send_waiting()
        return ticket

    def cancel(self) -> None:
        """Calls everything off. What the process works on ends by itself within a second, or the process is ended."""
        for job in [*self._waiting, *self._sent.values()]:
            job.ticket.cancel()

    def _call_off(self, number: int) -> None:
        self._waiting = [job for job in self._waiting if job.number != number]
        if number in self._sent and self._child is not None:
            self._patience_ends[number] = time.monotonic() + PATIENCE_S
            self._tell(wire.Cancel(number))

    # -- the timer's part

    def poll(self) -> bool:
        """Delivers what has come; True while anything is still to come."""
        if self._folder is not None:
            self._folder.sweep()
        self._write_some()
        self._listen()
        self._lose_patience()
        self._send_waiting()
        return self.busy

    def wait(self, seconds: float | None = None) -> bool:
        """Polls until nothing is to come any more, for scripts. False when that took longer than `seconds`."""
        ends = None if seconds is None else time.monotonic() + seconds
        while self.poll():
            if ends is not None and time.monotonic() > ends:
                return False
            connection = self._child.connection() if self._child else None
            if connection is not None and self._host_is_ready:
                connections.wait([connection], BETWEEN_POLLS_S)
            elif connection is None:
                time.sleep(BETWEEN_POLLS_S)
        return True

    def _listen(self) -> None:
        child = self._child
        if child is None:
            return
        try:
            messages = child.received()
        except ChildGone:
            self._bury()
            return
        for message in self._without_outdated(messages):
            if self._child is not child:  # a callback ended it
                return
            self._take(message)

    def _without_outdated(self, messages: list[object]) -> list[object]:
        """Of several patches of one host that came while the caller was busy, only the last is worth showing."""
        newest: dict[int, int] = {}
        for message in messages:
            if isinstance(message, wire.CaseMade) and message.number in self._sent:
                newest[self._sent[message.number].host.key] = message.number
        kept = []
        for message in messages:
            is_patch = isinstance(message, wire.CaseMade) and message.number in self._sent
            if is_patch and newest[self._sent[message.number].host.key] != message.number:
                self._take_answer(wire.Dropped(message.number))
                self._discard(message)
            else:
                kept.append(message)
        return kept

    def _write_some(self) -> None:
        job_hosts = [job.host for job in self._waiting]
        unwritten = next((host for host in [*job_hosts, self._host] if host and not host.is_ready), None)
        if unwritten is None:
            return
        try:
            unwritten.write_some()
        except OSError as problem:
            self._fail(error_of_disk(problem))
            self._host = self._shelf = None

    def _send_waiting(self) -> None:
        if self._child is None or not self._is_warm:
            return
        for job in list(self._waiting):
            if len(self._sent) >= MOST_UNANSWERED:
                return
            if job.host.is_ready:
                self._waiting.remove(job)
                self._sent[job.number] = job
                job.ticket.state = "working"
                if job.target is not None:
                    self._tell(wire.AskExport(job.number, job.host.files, job.question, job.target))
                elif job.question is None:
                    self._tell(wire.AskBrain(job.number, job.host.files, *job.brain_from))
                else:
                    self._tell(wire.AskCase(job.number, job.host.files, job.question))

    def _tell(self, message: object) -> None:
        """To a process that is gone nothing needs to be told: the next poll finds out."""
        with suppress(ChildGone):
            self._child.send(message)

    # -- answers

    def _take(self, message: object) -> None:
        if isinstance(message, wire.Hello):
            self._tell(wire.Warm(self.bundle, self.device))
        elif isinstance(message, wire.Ready):
            self._is_warm = True
            self.device_in_use, self.torch_version = message.device or None, message.torch_version
            self.progress = ("", 0.0)
        elif isinstance(message, wire.Progress):
            self._take_progress(message)
        elif isinstance(message, wire.Problem) and message.number is None:
            self._end_child()
            self._fail(message.error)
        elif isinstance(message, Answer):
            self._take_answer(message)

    def _take_progress(self, message: wire.Progress) -> None:
        job = self._sent.get(message.number) if message.number else None
        if message.number is None or (job and job.ticket.is_open):
            self.progress = (message.text, message.share)

    def _take_answer(self, message: Answer) -> None:
        job = self._sent.pop(message.number, None)
        self._patience_ends.pop(message.number, None)
        if job is None or not job.ticket.is_open:
            self._discard(message)
            return
        self.progress = ("", 0.0)
        if isinstance(message, wire.Dropped):
            job.ticket.state = "superseded"
        elif isinstance(message, wire.Problem):
            job.ticket.state = "failed"
            job.on_error(message.error)
        elif isinstance(message, wire.BrainMade):
            job.ticket.state = "done"
            job.on_done(handed_over(message.mask, self._folder), message.method)
        elif isinstance(message, wire.Exported):
            job.ticket.state = "done"
            job.on_done(message.folder)
        else:
            job.ticket.state = "done"
            self.device_in_use, self.peak_memory_bytes = message.device, message.peak_memory_bytes
            job.on_done(_patch(message, self._folder))

    def _discard(self, message: object) -> None:
        for path in _paths(message):
            self._folder.remove(path)

    # -- ends

    def _lose_patience(self) -> None:
        if self._patience_ends and time.monotonic() > min(self._patience_ends.values()):
            self._end_child()
            self._waiting = [job for job in self._sent.values() if job.ticket.is_open] + self._waiting
            self._sent.clear()
            self._patience_ends.clear()
            self.start(self.bundle, self.device)

    def _bury(self) -> None:
        """The process ended without being told to."""
        status, log = self._child.exit_status(), self._child.log_tail()
        self._end_child()
        self._fail(error_of_end(status, log))

    def _end_child(self) -> None:
        child, self._child = self._child, None
        self._is_warm = False
        self.device_in_use = None
        self.progress = ("", 0.0)
        if child is not None:
            child.end()
            self._folder.remove(child.meeting_place)

    def _fail(self, error: WorkerError) -> None:
        """Every question gets the error; the next one starts anew."""
        jobs = [job for job in [*self._sent.values(), *self._waiting] if job.ticket.is_open]
        self._sent.clear()
        self._waiting.clear()
        self._patience_ends.clear()
        self.error = error
        for job in jobs:
            job.ticket.state = "failed"
        for job in jobs:
            job.on_error(error)


def _patch(message: wire.CaseMade, folder: PrivateFolder) -> CasePatch:
    image, mask, intensity_map = (handed_over(path, folder) for path in _paths(message))
    return CasePatch(
        message.box,
        image,
        mask,
        intensity_map,
        message.lesions,
        message.provenance,
        message.quality,
        message.seconds,
        message.painted,
    )


def _paths(message: object) -> tuple[str, ...]:
    if isinstance(message, wire.CaseMade):
        return message.image, message.mask, message.intensity_map
    return (message.mask,) if isinstance(message, wire.BrainMade) else ()
