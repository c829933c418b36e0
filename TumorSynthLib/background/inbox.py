"""The background process' ear: a thread that listens while the networks compute."""

from __future__ import annotations

import os
import shutil
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from .wire import AskBrain, AskCase, AskExport, Cancel, Dropped, Leave, Warm

# A question that gives way to newer ones this often in a row is answered: somebody who drags without pause is to see
# something, too.
MOST_GIVEN_UP = 3


Question = Warm | AskBrain | AskCase | AskExport


class GivenUp(Exception):
    """The work at hand is not wanted any more."""


class Inbox:
    """What waits to be worked on, and whether the work at hand is still wanted."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._condition = threading.Condition()
        self._waiting: list[Question] = []
        self._cancelled: set[int] = set()
        self._given_up_in_a_row = 0
        self._sending = threading.Lock()
        threading.Thread(target=self._listen, name="inbox", daemon=True).start()

    def send(self, message: object) -> None:
        with self._sending:
            try:
                self._connection.send(message)
            except OSError:
                self._leave(caller_is_gone=True)

    def next(self) -> Question:
        with self._condition:
            self._condition.wait_for(lambda: self._waiting)
            return self._waiting.pop(0)

    def answered(self, number: int) -> None:
        with self._condition:
            self._cancelled.discard(number)
            self._given_up_in_a_row = 0

    def check_cancelled(self, number: int) -> None:
        with self._condition:
            if number in self._cancelled:
                self._cancelled.discard(number)
                raise GivenUp

    def check_wanted(self, message: AskCase, much_remains: bool) -> None:
        """Raises GivenUp if the question was called off or should give way to a newer one about the same host.

        A preview that is nearly done is worth showing while the next one is made; a full answer always gives way to a
        preview, as somebody has begun to drag. No question gives way for ever.
        """
        self.check_cancelled(message.number)
        with self._condition:
            newer = next((m for m in self._waiting if _same_matter(m, message)), None)
            if newer is None:
                return
            is_full, newer_is_full = (m.question.quality == "full" for m in (message, newer))
            gives_way = is_full or newer_is_full or much_remains
            is_patient = is_full == newer_is_full
            if not gives_way or (is_patient and self._given_up_in_a_row >= MOST_GIVEN_UP):
                return
            self._given_up_in_a_row += is_patient
        raise GivenUp

    def _listen(self) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                self._leave(caller_is_gone=True)
            if isinstance(message, Leave):
                self._leave(caller_is_gone=False)
            elif isinstance(message, Cancel):
                self._cancel(message.number)
            else:
                self._put(message)

    def _put(self, message: Question) -> None:
        with self._condition:
            older = [m for m in self._waiting if _same_matter(m, message)]
            self._waiting = [m for m in self._waiting if m not in older] + [message]
            self._condition.notify()
        for question in older:
            self.send(Dropped(question.number))

    def _cancel(self, number: int) -> None:
        with self._condition:
            waiting = [m for m in self._waiting if not isinstance(m, Warm) and m.number == number]
            self._waiting = [m for m in self._waiting if m not in waiting]
            if not waiting:
                self._cancelled.add(number)
        for question in waiting:
            self.send(Dropped(question.number))

    def _leave(self, caller_is_gone: bool) -> None:
        """At once, from this thread: the main one may be deep in a network."""
        if caller_is_gone:
            shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(0)


def _same_matter(one: object, other: object) -> bool:
    lasting = isinstance(one, Warm | AskExport)
    return type(one) is type(other) and not lasting and one.host.voxels.key == other.host.voxels.key
