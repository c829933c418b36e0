"""The background process as the caller holds it: started, met, listened to, ended. Nothing here waits for it."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from pathlib import Path

from .meeting import KEY_FILE, LOG_FILE, address_left_in
from .wire import Hello, Leave

LIBRARY_PARENT = Path(__file__).resolve().parents[2]
_BEGIN = (
    "import sys; sys.path.insert(0, sys.argv[1]); from TumorSynthLib.background.server import main; main(sys.argv[2])"
)
LOG_TAIL_BYTES = 6000


class ChildGone(Exception):
    """The process has ended, or its connection has."""


class Child:
    """`meeting_place` is a private folder where the process leaves the address that it listens at, and its log."""

    def __init__(self, python: str, meeting_place: Path) -> None:
        self.meeting_place = meeting_place
        self._connection: Connection | None = None
        self._process_id: int | None = None
        self._key = secrets.token_bytes(32)
        (meeting_place / KEY_FILE).write_bytes(self._key)
        command = [python, "-c", _BEGIN, str(LIBRARY_PARENT), str(meeting_place)]
        # Threads of one network that spin while they wait for another's would take the cores from the windows.
        environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
        with (meeting_place / LOG_FILE).open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )

    @property
    def is_met(self) -> bool:
        return self._connection is not None

    @property
    def process_id(self) -> int | None:
        """The process that works, once it has said so."""
        return self._process_id

    def received(self) -> list[object]:
        """What has come meanwhile. Raises ChildGone when nothing more can come."""
        if self._connection is None and not self._meet():
            return []
        messages: list[object] = []
        try:
            while self._connection.poll():
                messages.append(self._connection.recv())
        except (EOFError, OSError):
            if not messages:
                raise ChildGone from None
        for message in messages:
            if isinstance(message, Hello):
                self._process_id = message.process_id
        return messages

    def _meet(self) -> bool:
        """Connects if the process has left its address: from then on it does nothing but wait for us."""
        address = address_left_in(self.meeting_place)
        if address is None:
            if self._process.poll() is not None:
                raise ChildGone
            return False
        try:
            self._connection = Client(address, authkey=self._key)
        except (OSError, EOFError, AuthenticationError):
            raise ChildGone from None
        return True

    def send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except OSError:
            raise ChildGone from None

    def connection(self) -> Connection | None:
        """To sleep on, until something comes."""
        return self._connection

    def exit_status(self) -> int | None:
        """How the process ended; None if that is not known."""
        try:
            return self._process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            return None

    def log_tail(self) -> str:
        try:
            with (self.meeting_place / LOG_FILE).open("rb") as log:
                log.seek(max(log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES, 0))
                return log.read().decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def end(self) -> None:
        """At once, whatever it is doing."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.send(Leave())
            self._connection.close()
        if self._process_id not in (None, self._process.pid):
            _kill(self._process_id)
        self._process.kill()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            print("a background process of TumorSynth does not end", file=sys.stderr)


def _kill(process_id: int) -> None:
    with suppress(OSError):
        os.kill(process_id, getattr(signal, "SIGKILL", signal.SIGTERM))
