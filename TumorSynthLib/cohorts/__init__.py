"""Cohorts: many annotated cases from one recipe. Importing this package costs nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .hosts import HostEntry
    from .recipe import Recipe
    from .running import Cancelled, CohortSummary, make_cohort
    from .verifying import verify_cohort

__all__ = ["Cancelled", "CohortSummary", "HostEntry", "Recipe", "make_cohort", "verify_cohort"]

_HOMES = {
    "Cancelled": "running",
    "CohortSummary": "running",
    "HostEntry": "hosts",
    "Recipe": "recipe",
    "make_cohort": "running",
    "verify_cohort": "verifying",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
