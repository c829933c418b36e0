"""Real mouse and key events for the workbench's window, for tests and for the scripts that make pictures.

The events enter at the window and find their way as a person's would: to the widget under the mouse, with entering and
leaving, focus, and nothing at all behind a modal dialog.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

if TYPE_CHECKING:
    from .bench import Workbench
    from .layout import ViewWidget

BUTTONS = {
    "left": Qt.MouseButton.LeftButton,
    "middle": Qt.MouseButton.MiddleButton,
    "right": Qt.MouseButton.RightButton,
}
MODIFIERS = {
    "shift": Qt.KeyboardModifier.ShiftModifier,
    "ctrl": Qt.KeyboardModifier.ControlModifier,
    "alt": Qt.KeyboardModifier.AltModifier,
}
MODIFIER_KEYS = {"shift": Qt.Key.Key_Shift, "ctrl": Qt.Key.Key_Control, "alt": Qt.Key.Key_Alt}
KEYS = {
    "left": Qt.Key.Key_Left,
    "right": Qt.Key.Key_Right,
    "up": Qt.Key.Key_Up,
    "down": Qt.Key.Key_Down,
    "escape": Qt.Key.Key_Escape,
    "return": Qt.Key.Key_Return,
    "delete": Qt.Key.Key_Delete,
    "space": Qt.Key.Key_Space,
    "tab": Qt.Key.Key_Tab,
    "page up": Qt.Key.Key_PageUp,
    "page down": Qt.Key.Key_PageDown,
    "+": Qt.Key.Key_Plus,
    "plus": Qt.Key.Key_Plus,
    "-": Qt.Key.Key_Minus,
    "minus": Qt.Key.Key_Minus,
}
Place = Sequence[float]  # (x, y) in pixels of the view's picture, or (r, a, s) in the world


def modifiers_of(names: str) -> Qt.KeyboardModifier:
    """ "shift", "ctrl+shift" and the like."""
    held = Qt.KeyboardModifier.NoModifier
    for name in filter(None, names.lower().split("+")):
        held |= MODIFIERS[name]
    return held


class Mouse:
    """A mouse on the workbench's views, or on any widget. Places are pixels of the picture (y down), or world RAS."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._held: set[str] = set()

    def press(self, view: str | QWidget, at: Place, button: str = "left", held: str = "") -> None:
        self._event(QTest.MouseAction.MousePress, view, at, BUTTONS[button], held)

    def release(self, view: str | QWidget, at: Place, button: str = "left", held: str = "") -> None:
        self._event(QTest.MouseAction.MouseRelease, view, at, BUTTONS[button], held)

    def move(self, view: str | QWidget, at: Place, held: str = "") -> None:
        self._event(QTest.MouseAction.MouseMove, view, at, Qt.MouseButton.NoButton, held)

    def click(self, view: str | QWidget, at: Place, button: str = "left", held: str = "") -> None:
        self.move(view, at, held)
        self.press(view, at, button, held)
        self.release(view, at, button, held)

    def double_click(self, view: str | QWidget, at: Place, button: str = "left", held: str = "") -> None:
        self.click(view, at, button, held)
        self._event(QTest.MouseAction.MouseDClick, view, at, BUTTONS[button], held)

    def drag(
        self, view: str | QWidget, start: Place, end: Place, button: str = "left", held: str = "", steps: int = 10
    ) -> None:
        first, last = self._pixel(view, start), self._pixel(view, end)
        self.move(view, first, held)
        self.press(view, first, button, held)
        for step in range(1, steps + 1):
            share = step / steps
            self.move(view, [a + (b - a) * share for a, b in zip(first, last, strict=True)], held)
        self.release(view, last, button, held)

    def wheel(self, view: str | QWidget, notches: int, at: Place | None = None, held: str = "") -> None:
        """Positive turns away from the person."""
        widget = self._widget(view)
        place = at if at is not None else (widget.size().width() / 2, widget.size().height() / 2)
        self.move(view, place, held)
        at_pixel = QPointF(*self._pixel(view, place))
        for _ in range(abs(notches)):
            # Straight to the widget: QTest's own wheel misses it on screens with small pixels.
            turned = QWheelEvent(
                at_pixel,
                QPointF(widget.mapToGlobal(at_pixel)),
                QPoint(),
                QPoint(0, 120 if notches > 0 else -120),
                Qt.MouseButton.NoButton,
                modifiers_of(held),
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            QApplication.sendEvent(widget, turned)
            QApplication.processEvents()

    def let_go(self) -> None:
        """Of all modifier keys."""
        self._hold("")

    def _hold(self, held: str) -> None:
        """Presses and lets go of modifier keys: views listen to the keys themselves, too."""
        wanted = set(filter(None, held.lower().split("+")))
        window = self._bench.window.windowHandle()
        for name in sorted(self._held - wanted):
            self._held.remove(name)
            QTest.keyRelease(window, MODIFIER_KEYS[name], modifiers_of("+".join(self._held)))
        for name in sorted(wanted - self._held):
            self._held.add(name)
            QTest.keyPress(window, MODIFIER_KEYS[name], modifiers_of("+".join(self._held)))

    def _event(
        self, action: QTest.MouseAction, view: str | QWidget, at: Place, button: Qt.MouseButton, held: str
    ) -> None:
        self._hold(held)
        window, position = self._in_window(view, at)
        QTest.mouseEvent(action, window, button, modifiers_of(held), position)
        QApplication.processEvents()

    def _widget(self, view: str | QWidget) -> QWidget:
        widget: ViewWidget | QWidget = self._bench.view(view) if isinstance(view, str) else view
        return getattr(widget, "canvas", widget)

    def _pixel(self, view: str | QWidget, at: Place) -> tuple[float, float]:
        return tuple(at) if len(at) == 2 else self._widget(view).to_pixels(tuple(at))

    def _in_window(self, view: str | QWidget, at: Place):
        widget = self._widget(view)
        x, y = self._pixel(view, at)
        window = widget.window()
        return window.windowHandle(), widget.mapTo(window, QPoint(int(x), int(y)))


class Keyboard:
    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def press(self, key: str | Qt.Key, held: str = "", view: str | QWidget | None = None) -> None:
        """A key pressed and released, wherever the focus is; with `view`, after the mouse was moved there."""
        if view is not None:
            canvas = self._bench.mouse._widget(view)
            if not canvas.hasFocus():  # entering a view gives it the focus
                size = canvas.size()
                self._bench.mouse.move(self._bench.window.menuBar(), (1, 1))
                self._bench.mouse.move(canvas, (size.width() / 2, size.height() / 2))
        self.press_in(self._bench.window, key, held)

    def press_in(self, window: QWidget, key: str | Qt.Key, held: str = "") -> None:
        """The same in another window, a dialog for example."""
        code = KEYS.get(key.lower(), key) if isinstance(key, str) else key
        QTest.keyClick(window.windowHandle(), code, modifiers_of(held))
        QApplication.processEvents()
