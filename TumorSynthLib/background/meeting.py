"""How the two processes find each other: in a private folder, where one leaves a key and the other an address."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from multiprocessing.connection import Connection, Listener
from pathlib import Path

KEY_FILE, ADDRESS_FILE, LOG_FILE = "key", "address", "log.txt"
LONGEST_SOCKET_PATH = 100
MEETING_WITHIN_S = 60.0


def meet_caller(place: Path) -> Connection:
    """Waits for the caller. To be called before anything slow is imported: the caller comes when it sees the address,
    and is not to wait for an answer."""
    met = threading.Event()
    threading.Thread(target=_leave_unless_met, args=(met, place), daemon=True).start()
    key = (place / KEY_FILE).read_bytes()
    with Listener(_address_in(place), authkey=key) as listener:
        new = place / f"{ADDRESS_FILE}.new"
        new.write_text(json.dumps(listener.address), encoding="utf-8")
        os.replace(new, place / ADDRESS_FILE)
        connection = listener.accept()
    met.set()
    return connection


def _address_in(place: Path) -> str | tuple[str, int] | None:
    """A socket in the private folder; on Windows a named pipe; where paths are too long for sockets, a local port."""
    if sys.platform == "win32":
        return None
    path = str(place / "socket")
    return path if len(os.fsencode(path)) < LONGEST_SOCKET_PATH else ("127.0.0.1", 0)


def address_left_in(place: Path) -> str | tuple[str, int] | None:
    """Where the other process listens; None as long as it does not."""
    try:
        address = json.loads((place / ADDRESS_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return tuple(address) if isinstance(address, list) else address


def _leave_unless_met(met: threading.Event, place: Path) -> None:
    ends = time.monotonic() + MEETING_WITHIN_S
    while not met.wait(0.5):
        if not place.is_dir() or time.monotonic() > ends:
            os._exit(0)
