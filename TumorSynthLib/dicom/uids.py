"""Unique identifiers that are the same whenever the same case is written, and nobody else's."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import uuid
from typing import Any

KEY_VARIABLE = "TUMORSYNTH_IDENTITY_KEY"


def uid_of(*parts: Any) -> str:
    """A UID that these parts always lead to, under the root that belongs to everybody (2.25)."""
    return f"2.25.{uuid.UUID(bytes=_digest(b'', parts)[:16], version=5).int}"


def replaced(uid: str) -> str:
    """Stands for an original UID without telling it. The same original gives the same one, so that all cases of a study
    stay together. Who holds the originals could still try them out, unless KEY_VARIABLE holds a secret."""
    digest = _digest(os.environ.get(KEY_VARIABLE, "").encode(), ("replaced", uid))
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def _digest(key: bytes, parts: tuple[Any, ...]) -> bytes:
    text = json.dumps(["TumorSynth", *parts], sort_keys=True, ensure_ascii=False, default=str)
    return hmac.new(key or b"TumorSynth", text.encode(errors="replace"), hashlib.sha256).digest()
