"""One run at a time: a lock that the system itself releases when the run and its workers are gone, however they end."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from ..errors import InputError

# Workers of a run that was killed notice it at once, but need a moment to go.
PATIENCE_SECONDS = 5.0
_NOT_HERE = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def run_lock(path: Path, note: Callable[[str], None]) -> Iterator[int]:
    """Holds the lock; yields its descriptor, for workers to inherit. `note` is told of a run that was cut short."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        holder = _acquire(descriptor, path)
        if holder:
            note(f"{_named(holder)} ended without finishing; its lock is taken over, and its finished cases are kept")
        _write(descriptor, {"process": os.getpid(), "machine": socket.gethostname(), "since": _now()})
        yield descriptor
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path) -> dict[str, object]:
    """Waits shortly for the lock; returns what a run before, that did not finish, had written into it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _locked(descriptor, path):
        holder = _read(descriptor)
        if time.monotonic() > deadline or _is_alive(holder):
            raise InputError(
                f"{path.parent.parent}: {_named(holder)} is at work in this folder; wait until it has finished, or"
                " choose another folder"
            )
        time.sleep(0.1)
    return _read(descriptor)


def _locked(descriptor: int, path: Path) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:
        if error.errno not in _NOT_HERE:
            return False
    # A file system without locks: what the last run wrote has to do.
    holder = _read(descriptor)
    if holder and holder.get("machine") != socket.gethostname():
        raise InputError(
            f"{path.parent.parent}: {_named(holder)} may be at work here, and this file system has no locks; if it is"
            f" not, remove {path}"
        )
    return not _is_alive(holder)


def _read(descriptor: int) -> dict[str, object]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        found = json.loads(os.read(descriptor, 4096))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(descriptor: int, holder: dict[str, object]) -> None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, json.dumps(holder).encode())


def _is_alive(holder: dict[str, object]) -> bool:
    process = holder.get("process")
    if holder.get("machine") != socket.gethostname() or not isinstance(process, int) or os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _named(holder: dict[str, object]) -> str:
    if not holder:
        return "another run"
    return f"the run of process {holder.get('process')} on {holder.get('machine')} (since {holder.get('since')})"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
