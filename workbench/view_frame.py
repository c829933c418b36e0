"""A view as a person sees it: the coloured bar, and the picture below."""

from __future__ import annotations

import vtk
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QVBoxLayout, QWidget

from .bars import BAR_HEIGHT, ViewBar
from .canvas import Canvas
from .views import RenderedView


class ViewFrame(QWidget):
    """What slice and 3D widgets share. Pixels are those of the picture, without the bar, y down."""

    def __init__(self, view: RenderedView, bar: ViewBar, canvas: Canvas, name: str) -> None:
        super().__init__()
        self.view, self.bar, self.canvas = view, bar, canvas
        self.setObjectName(name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        layout.addWidget(canvas, 1)
        bar.setFixedHeight(BAR_HEIGHT)

    def to_pixels(self, world_ras: tuple[float, float, float]) -> tuple[float, float]:
        return self.canvas.to_pixels(world_ras)

    def picture(self) -> QImage:
        return self.canvas.picture()

    def interactorStyle(self) -> vtk.vtkObject:
        return self.view.style

    def close_view(self) -> None:
        """The end: nothing of VTK's is to reach this widget any more."""
        self.bar.observed.clear()
        self.canvas.close_view()
