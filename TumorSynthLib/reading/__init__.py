"""Reading sessions: can reviewers tell synthetic lesions from real ones?

What shows cases to a reader needs `Session` alone, which uses nothing but Python's own library and never opens the
truth key. `create_study`, `audit_blinding` and `write_report` are the study leader's.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audit import audit_blinding
    from .protocol import Protocol
    from .report import write_report
    from .session import Session
    from .study import StudyPlan, create_study

__all__ = ["Protocol", "Session", "StudyPlan", "audit_blinding", "create_study", "write_report"]

_HOMES = {
    "Protocol": "protocol",
    "Session": "session",
    "StudyPlan": "study",
    "audit_blinding": "audit",
    "create_study": "study",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
