"""One view at a time: views that want to be drawn wait in a line, and mouse and keys come in between.

Without a graphics card four views take a tenth of a second; drawn in one go, the mouse would wait for all of them.
"""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget


class RepaintQueue:
    """Has one widget painted per turn of the event loop, in the order of asking."""

    def __init__(self) -> None:
        self._waiting: dict[QWidget, None] = {}
        self._timer: QTimer | None = None

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    def add(self, widget: QWidget) -> None:
        self._waiting[widget] = None
        if self._timer is None:
            self._timer = QTimer()
            self._timer.timeout.connect(self._next)
        if not self._timer.isActive():
            self._timer.start(0)

    def discard(self, widget: QWidget) -> None:
        self._waiting.pop(widget, None)

    def _next(self) -> None:
        if not self._waiting:
            self._timer.stop()
            return
        widget = next(iter(self._waiting))
        del self._waiting[widget]
        widget.update()


queue = RepaintQueue()
