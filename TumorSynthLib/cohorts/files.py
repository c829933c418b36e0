"""Small files of a cohort, each written whole or not at all; what a disk refuses stops the run, not one case."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import InputError, ResourceError


class CannotWrite(ResourceError):
    """The disk is full, read-only or gone: no other case can be written either."""


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turns whatever a disk says into one line."""
    try:
        yield
    except CannotWrite:
        raise
    except ResourceError as error:
        raise CannotWrite(str(error)) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotWrite(
            f"{place}: cannot be written ({reason}); choose a writable folder with enough free space"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Whole or not at all, and on the disk before it gets its name."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    with writing(path):
        try:
            with draft.open("w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give the folder of a cohort") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: changed or damaged; restore it as TumorSynth wrote it") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: changed or damaged; restore it as TumorSynth wrote it")
    return found


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    lines = ["\t".join(columns)]
    lines += ["\t".join(_cell(row.get(column)) for column in columns) for row in rows]
    write_text(path, "\n".join(lines) + "\n")


def _cell(value: Any) -> str:
    if value is None:
        return "n/a"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return " ".join(_cell(item) for item in value)
    return " ".join(str(value).split())


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def to_disk(path: Path) -> None:
    """Waits until a file, or a folder's list of files, is on the disk."""
    with suppress(PermissionError):  # Windows opens no folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
