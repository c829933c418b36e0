"""The part of a view that shows the picture: paints what `views.py` renders, and feeds it mouse and keys."""

from __future__ import annotations

import vtk
from PySide6.QtCore import QEvent, QPointF, QRect, QSize, Qt
from PySide6.QtGui import (
    QEnterEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit, QTextEdit, QWidget

from TumorSynthLib.scene.observations import Observations

from . import repainting
from .views import RenderedView
from .vtk_names import BUTTONS, key_symbol, qt_cursor

WHEEL_NOTCH = 120  # eighths of a degree


class Canvas(QWidget):
    """Stands for qMRMLSliceView and qMRMLThreeDView: one render window on the screen.

    Rendered only when asked for, and one view per turn of Qt's event loop.
    """

    def __init__(self, view: RenderedView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = view
        self.frames = 0
        self._image: QImage | None = None
        self._stale = True  # the view may have been rendered since, to find out where something is
        self._paused = 0
        self._wheel = 0
        self._cursor_of_mode = Qt.CursorShape.ArrowCursor
        self._cursor_of_vtk = 0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(80, 60)
        view.on_render_request = self.scheduleRender
        self._observed = Observations()
        # Windows for off-screen rendering tell of a new cursor only as of any other change.
        self._observed.add(view.render_window, vtk.vtkCommand.ModifiedEvent, self._on_cursor)

    # -- what modules call in desktop Slicer

    def interactor(self) -> vtk.vtkRenderWindowInteractor:
        return self.view.interactor

    def interactorStyle(self) -> vtk.vtkObject:
        return self.view.style

    def renderWindow(self) -> vtk.vtkRenderWindow:
        return self.view.render_window

    def renderer(self) -> vtk.vtkRenderer:
        return self.view.renderer

    def displayableManagerByClassName(self, name: str) -> vtk.vtkObject | None:
        return self.view.manager(name)

    def scheduleRender(self) -> None:
        self.view.needs_render = True
        self._stale = True
        if not self._paused:
            repainting.queue.add(self)

    def forceRender(self) -> None:
        self.view.needs_render = True
        self._refresh()
        self.update()

    def setViewCursor(self, cursor: Qt.CursorShape) -> None:
        self.setCursor(cursor)

    def setDefaultViewCursor(self, cursor: Qt.CursorShape) -> None:
        """The cursor when nothing under the mouse asks for another one."""
        self._cursor_of_mode = cursor
        self._show_cursor()

    def close_view(self) -> None:
        """The end: nothing of VTK's is to reach this widget any more."""
        self._observed.clear()
        repainting.queue.discard(self)
        self.view.close()

    # -- drawing

    def pause(self) -> None:
        self._paused += 1

    def resume(self) -> None:
        self._paused = max(0, self._paused - 1)
        if not self._paused and self._stale:
            self.update()

    def picture(self) -> QImage:
        """What the view shows now, without the bar above it."""
        return self.grab().toImage()

    def _refresh(self) -> None:
        # First the mark, then the picture: what changes while it is drawn asks for another one.
        self._stale = False
        pixels = self.view.picture()
        height, width, _ = pixels.shape
        self._image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
        self._image.setDevicePixelRatio(self.devicePixelRatioF())
        self.frames += 1

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._image is None or (self._stale and not self._paused):
            self._refresh()
        painter = QPainter(self)
        painter.drawImage(QPointF(0, 0), self._image)
        self.paint_over(painter, self.rect())
        painter.end()

    def paint_over(self, painter: QPainter, area: QRect) -> None:
        """What is written over the picture."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit_to(event.size())

    def _fit_to(self, size: QSize) -> None:
        ratio = self.devicePixelRatioF()
        self.view.set_pixel_ratio(ratio)
        self.view.resize(max(1, round(size.width() * ratio)), max(1, round(size.height() * ratio)))

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._fit_to(self.size())
        return super().event(event)

    # -- where things are

    def to_pixels(self, world_ras: tuple[float, float, float]) -> tuple[float, float]:
        """Where a point is drawn, in this widget's pixels (y down); on a slice, its projection onto the plane."""
        x, y = self.view.to_display(world_ras)
        ratio = self.devicePixelRatioF()
        return x / ratio, (self.view.render_window.GetSize()[1] - 1 - y) / ratio

    def to_display(self, position: QPointF) -> tuple[int, int]:
        """VTK's pixel (y up) under a position in this widget."""
        ratio = self.devicePixelRatioF()
        return int(position.x() * ratio), self.view.render_window.GetSize()[1] - 1 - int(position.y() * ratio)

    # -- mouse and keys

    def _tell(self, event_name: str, modifiers: Qt.KeyboardModifier, position: QPointF | None = None) -> None:
        interactor = self.view.interactor
        if position is not None:
            interactor.SetEventPosition(*self.to_display(position))
        interactor.SetControlKey(int(bool(modifiers & Qt.KeyboardModifier.ControlModifier)))
        interactor.SetShiftKey(int(bool(modifiers & Qt.KeyboardModifier.ShiftModifier)))
        interactor.SetAltKey(int(bool(modifiers & Qt.KeyboardModifier.AltModifier)))
        interactor.InvokeEvent(event_name)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._on_button(event, "ButtonPressEvent")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._on_button(event, "ButtonReleaseEvent")

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._on_button(event, "ButtonDoubleClickEvent")

    def _on_button(self, event: QMouseEvent, name: str) -> None:
        button = BUTTONS.get(event.button())
        if button:
            self._tell(button + name, event.modifiers(), event.position())
            event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._tell("MouseMoveEvent", event.modifiers(), event.position())
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        # A touchpad sends many small steps; one slice per notch of a wheel.
        self._wheel += event.angleDelta().y()
        while abs(self._wheel) >= WHEEL_NOTCH:
            forward = self._wheel > 0
            self._wheel -= WHEEL_NOTCH if forward else -WHEEL_NOTCH
            self._tell(f"MouseWheel{'Forward' if forward else 'Backward'}Event", event.modifiers(), event.position())
        event.accept()

    def enterEvent(self, event: QEnterEvent) -> None:
        # As in Slicer the view under the mouse gets the keys, unless a person is typing somewhere.
        if not self._somebody_types():
            self.setFocus(Qt.FocusReason.MouseFocusReason)
        self._tell("EnterEvent", Qt.KeyboardModifier.NoModifier, event.position())

    def leaveEvent(self, event: QEvent) -> None:
        self._tell("LeaveEvent", Qt.KeyboardModifier.NoModifier)

    def _somebody_types(self) -> bool:
        return isinstance(self.window().focusWidget(), QLineEdit | QTextEdit | QPlainTextEdit)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        code, symbol = key_symbol(event)
        self._set_key(event, code, symbol)
        self.view.interactor.InvokeEvent("KeyPressEvent")
        if code != "\0":
            self.view.interactor.InvokeEvent("CharEvent")
        # Esc also means something to the window: it ends placing.
        event.setAccepted(symbol != "Escape")

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        self._set_key(event, *key_symbol(event))
        self.view.interactor.InvokeEvent("KeyReleaseEvent")
        event.accept()

    def _set_key(self, event: QKeyEvent, code: str, symbol: str) -> None:
        modifiers = event.modifiers()
        self.view.interactor.SetKeyEventInformation(
            int(bool(modifiers & Qt.KeyboardModifier.ControlModifier)),
            int(bool(modifiers & Qt.KeyboardModifier.ShiftModifier)),
            code,
            event.count(),
            symbol,
        )
        self.view.interactor.SetAltKey(int(bool(modifiers & Qt.KeyboardModifier.AltModifier)))

    # -- what VTK asks of its window

    def _on_cursor(self, *_: object) -> None:
        wanted = self.view.render_window.GetCurrentCursor()
        if wanted != self._cursor_of_vtk:
            self._cursor_of_vtk = wanted
            self._show_cursor()

    def _show_cursor(self) -> None:
        self.setCursor(qt_cursor(self._cursor_of_vtk) if self._cursor_of_vtk else self._cursor_of_mode)
