"""Undo and redo of immutable states."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class History(Generic[T]):
    """States one after another, and where in them we are. The first state recorded is where undo ends."""

    def __init__(self, limit: int = 100) -> None:
        if limit < 1:
            raise ValueError(f"a history of {limit} steps: at least 1")
        self._limit = limit
        self.clear()

    def clear(self) -> None:
        self._past: list[T] = []
        self._future: list[T] = []
        self._group: Hashable | None = None

    @property
    def current(self) -> T | None:
        return self._past[-1] if self._past else None

    @property
    def can_undo(self) -> bool:
        return len(self._past) > 1

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    def record(self, states: T, group: Hashable | None = None) -> None:
        """A new present. Within one gesture, such as a drag, every record bears the same `group` and together they
        are one step. What equals the present is no step."""
        goes_on = group is not None and group == self._group and self.can_undo
        if not goes_on and self._past and states == self.current:
            self._group = None
            return
        self._group = group if self._past else None
        self._future.clear()
        if goes_on:
            self._past.pop()
            if states == self.current:  # dragged away and back again
                self._group = None
                return
        self._past.append(states)
        del self._past[: -self._limit - 1]

    def undo(self) -> T | None:
        """The state before the present one, which becomes the present; None where there is none."""
        if not self.can_undo:
            return None
        self._group = None
        self._future.append(self._past.pop())
        return self._past[-1]

    def redo(self) -> T | None:
        if not self.can_redo:
            return None
        self._group = None
        self._past.append(self._future.pop())
        return self._past[-1]
