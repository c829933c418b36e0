"""Observers on VTK objects that are taken back together, so that nothing is left behind."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Mapping

import vtk

BEFORE_SLICER = 100.0
"""Higher than the priority of Slicer's own interactor styles."""


class Observations:
    """A set of observers with one end.

    Methods are held weakly: a scene must neither keep alive, nor call into, what Python is done with.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[vtk.vtkObject, int]] = []

    def add(self, subject: vtk.vtkObject, event: int | str, callback: Callable, priority: float = 0.0) -> int:
        tag = subject.AddObserver(event, _weak(callback) if inspect.ismethod(callback) else callback, priority)
        self._kept.append((subject, tag))
        return tag

    def clear(self) -> None:
        for subject, tag in self._kept:
            subject.RemoveObserver(tag)
        self._kept.clear()


def _weak(method: Callable) -> Callable:
    reference = weakref.WeakMethod(method)

    def called(*arguments: object) -> None:
        alive = reference()
        if alive is not None:
            alive(*arguments)

    if hasattr(method, "CallDataType"):  # by which VTK knows what to hand over with an event
        called.CallDataType = method.CallDataType
    return called


class EventFilter:
    """Sees the events of a view before Slicer does. A handler (a method) that returns True keeps its event from it."""

    def __init__(self, interactor: vtk.vtkRenderWindowInteractor, handlers: Mapping[str, Callable[[], bool]]) -> None:
        self._interactor = interactor
        self._observations = Observations()
        self._passing_on = False
        for event, handler in handlers.items():
            self._listen(event, handler)

    def _listen(self, event: str, handler: Callable[[], bool]) -> None:
        reference, handle = weakref.ref(self), weakref.WeakMethod(handler)

        def called(interactor: vtk.vtkObject, _event: str) -> None:
            events, handler = reference(), handle()
            if events is not None and handler is not None and not events._passing_on and handler():
                interactor.GetCommand(tag).SetAbortFlag(1)

        tag = self._observations.add(self._interactor, event, called, BEFORE_SLICER)

    def pass_on(self, event: str) -> None:
        """Lets Slicer have an event now, so that the handler can act after it (Slicer ends each by its own cursor)."""
        self._passing_on = True
        try:
            self._interactor.InvokeEvent(event)
        finally:
            self._passing_on = False

    def detach(self) -> None:
        self._observations.clear()
