"""One program at a time may write a file. The system lets go of the lock when the program ends, however it ends."""

from __future__ import annotations

import os

_LOCKED_BYTE = 1 << 40  # far beyond the file's end: Windows would keep others from reading the bytes it locks


def locked(descriptor: int) -> bool:
    """Takes the lock of an open file; False when another program, or another session in this one, has it."""
    try:
        if os.name == "nt":
            import msvcrt

            place = os.lseek(descriptor, 0, os.SEEK_CUR)
            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(descriptor, place, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
