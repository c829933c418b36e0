"""Checksums over one canonical form, so that a changed protocol, case, key or answer is noticed.

They show changes by accident or by a hasty hand. Whoever rewrites a file and every checksum after it is found out only
by the protocol's checksum as it was written down elsewhere before the first reading (see docs/reading.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError

SEAL = "checksum"


def checksum_of(value: Any) -> str:
    """SHA-256 of plain JSON data: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its own checksum."""
    body = {name: value for name, value in record.items() if name != SEAL}
    return {**body, SEAL: checksum_of(body)}


def read_sealed(path: Path, what: str) -> dict[str, Any]:
    """A sealed JSON file, after checking that nobody changed it since it was written."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; give the folder of a reading study, with its {what}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not the {what} of a reading study (no JSON); restore the file as written") from error
    if not isinstance(record, dict) or SEAL not in record:
        raise InputError(f"{path}: not the {what} of a reading study; restore the file as written")
    if sealed(record)[SEAL] != record[SEAL]:
        raise InputError(f"{path}: the {what} was changed after it was written; restore the original file")
    return record
