"""A reader's answers on disk: only ever appended, on the disk before the next case shows, chained by checksums.

Each line carries the checksum of the line before it and of itself, and the first one that of the protocol, so that a
line changed, removed or put in later is noticed. A last line without an end is one that was being written when the
program or the computer stopped: the reader was not yet shown the next case, so it is dropped, with a note.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from ..errors import InputError, ResourceError
from .file_lock import locked

OPENED, ANSWERED, NOTED = "opened", "answered", "noted"
_CHAIN = "chain"
_LONGEST_NOTE = 200


@dataclass(frozen=True)
class AnswerRow:
    """One line of a reader's file, as text. Seconds leave pauses out."""

    event: str
    time: str = ""
    reader: str = ""
    position: str = ""
    case: str = ""
    training: str = ""
    answer: str = ""
    confidence: str = ""
    point_r_mm: str = ""
    point_a_mm: str = ""
    point_s_mm: str = ""
    comment: str = ""
    load_s: str = ""
    first_interaction_s: str = ""
    answer_s: str = ""
    pauses: str = ""
    paused_s: str = ""
    window: str = ""
    level: str = ""
    window_level_changes: str = ""
    scrolls: str = ""
    software: str = ""
    protocol: str = ""


COLUMNS = tuple(field.name for field in fields(AnswerRow))
_HEADER = ",".join((*COLUMNS, _CHAIN)) + "\n"


class AnswerLog:
    """The file of one reader, open for appending. One program at a time can have it open."""

    def __init__(self, path: Path, protocol: str, reader: str) -> None:
        self.path, self._protocol, self._reader = path, protocol, reader
        self._descriptor: int | None = None
        self._last = first_link(protocol, reader)
        self.rows: list[AnswerRow] = []

    @classmethod
    @contextmanager
    def opened(cls, path: Path, protocol: str, reader: str) -> Iterator[AnswerLog]:
        log = cls(path, protocol, reader)
        log.open()
        try:
            yield log
        finally:
            log.close()

    def open(self) -> None:
        """Opens or begins the file; checks what it holds; drops a half-written last line, with a note in its place."""
        with self._disk_errors():
            is_new = not self.path.exists()
            self.path.parent.mkdir(exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0))
        try:
            if not locked(self._descriptor):
                raise InputError(f"{self.path}: this reader's session is open in another window; close that one first")
            self._load()
            if is_new:
                _list_on_disk(self.path.parent)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _load(self) -> None:
        assert self._descriptor is not None
        with self._disk_errors():
            content = _all_bytes(self._descriptor)
        kept = content.rfind(b"\n") + 1
        torn = content[kept:]
        if torn:
            with self._disk_errors():
                os.ftruncate(self._descriptor, kept)
        if not kept:
            with self._disk_errors():
                self._write(_HEADER.encode())
        else:
            self.rows, self._last = parse(content[:kept], self.path, self._protocol, self._reader)
        if torn:
            text = torn[:_LONGEST_NOTE].decode("utf-8", "replace").replace("\0", "")
            self.append(AnswerRow(NOTED, comment=f"dropped a half-written last line of {len(torn)} bytes: {text}"))

    def append(self, row: AnswerRow) -> AnswerRow:
        """Writes a line and waits until it is on the disk. If that fails the file is as before, and nothing is lost."""
        if self._descriptor is None:
            raise InputError(f"{self.path}: this reader's session is closed; open it again")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        values = {name: _one_line(getattr(row, name)) for name in COLUMNS}
        row = AnswerRow(**{**values, "time": now, "reader": self._reader, "protocol": self._protocol})
        body = _as_line([getattr(row, name) for name in COLUMNS])
        link = next_link(self._last, body)
        with self._disk_errors():
            self._write(f"{body},{link}\n".encode())
        self._last = link
        self.rows.append(row)
        return row

    def _write(self, data: bytes) -> None:
        assert self._descriptor is not None
        size = os.fstat(self._descriptor).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            os.fsync(self._descriptor)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise ResourceError(
                f"{self.path}: the answer could not be saved ({reason}); all earlier answers are safe:"
                " free some space, then answer again"
            ) from error


def read_answers(path: Path, protocol: str, reader: str) -> list[AnswerRow]:
    """The lines of a reader's file, checked; a half-written last line is passed over."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the study's folder") from error
    kept = content.rfind(b"\n") + 1
    return parse(content[:kept], path, protocol, reader)[0] if kept else []


def parse(content: bytes, path: Path, protocol: str, reader: str) -> tuple[list[AnswerRow], str]:
    """All rows and the last link; a changed, missing or inserted line is refused by its number."""
    try:
        lines = content.decode("utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: changed after it was written (not UTF-8 text); restore the original file") from error
    if lines[0] + "\n" != _HEADER:
        raise InputError(f"{path}: line 1 was changed after it was written; restore the original file")
    last, rows = first_link(protocol, reader), []
    for number, line in enumerate(lines[1:], 2):
        body, _, link = line.rpartition(",")
        if next_link(last, body) != link:
            if number == 2 and _is_of_another_protocol(body, protocol):
                raise InputError(f"{path}: answers to another protocol than session.json; restore the original files")
            raise InputError(
                f"{path}: line {number} was changed, or a line before it removed, after it was written;"
                " restore the original file"
            )
        rows.append(AnswerRow(*next(csv.reader([body]))))
        last = link
    return rows, last


def _is_of_another_protocol(body: str, protocol: str) -> bool:
    values = next(csv.reader([body]), [])
    return len(values) == len(COLUMNS) and values[COLUMNS.index("protocol")] != protocol


def first_link(protocol: str, reader: str) -> str:
    return hashlib.sha256(f"{protocol}\n{reader}".encode()).hexdigest()


def next_link(last: str, body: str) -> str:
    return hashlib.sha256(f"{last}\n{body}".encode()).hexdigest()


def final_answers(rows: Sequence[AnswerRow]) -> dict[int, AnswerRow]:
    """The answer that counts at each position: the last one, where a reader was allowed to go back."""
    return {int(row.position): row for row in rows if row.event == ANSWERED}


def _as_line(values: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(values)
    return buffer.getvalue()


def _one_line(text: str) -> str:
    """One record is one line, whatever a person types into a comment."""
    return " ".join(text.encode("utf-8", "replace").decode().replace("\0", " ").split())


def _all_bytes(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    read: Callable[[], bytes] = lambda: os.read(descriptor, 1 << 20)  # noqa: E731
    return b"".join(iter(read, b""))


def _list_on_disk(folder: Path) -> None:
    """A new file's name must survive a power cut too."""
    with suppress(PermissionError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
