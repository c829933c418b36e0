"""The workbench's own small icons, drawn rather than loaded."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

SIZE = 24  # icons are drawn in a square of this side, at twice as many pixels
RED, GREEN, YELLOW, BLUE = "#F34A33", "#6EB04B", "#EDD54C", "#7483E9"
# Where each view lies in a layout: x, y, width, height in quarters, and its colour.
LAYOUTS = {
    "four-up": ((0, 0, 2, 2, RED), (2, 0, 2, 2, BLUE), (0, 2, 2, 2, GREEN), (2, 2, 2, 2, YELLOW)),
    "conventional": (
        (0, 0, 4, 2.5, BLUE),
        (0, 2.5, 1.33, 1.5, RED),
        (1.33, 2.5, 1.33, 1.5, GREEN),
        (2.66, 2.5, 1.34, 1.5, YELLOW),
    ),
    "3D only": ((0, 0, 4, 4, BLUE),),
    "red only": ((0, 0, 4, 4, RED),),
    "green only": ((0, 0, 4, 4, GREEN),),
    "yellow only": ((0, 0, 4, 4, YELLOW),),
    "side by side": ((0, 0, 2, 4, RED), (2, 0, 2, 4, YELLOW)),
}


def _fit(painter: QPainter, _: QColor) -> None:
    for x, y in ((4, 4), (20, 4), (4, 20), (20, 20)):
        dx, dy = (5 if x < 12 else -5), (5 if y < 12 else -5)
        painter.drawPolyline(QPolygonF([QPointF(x + dx, y), QPointF(x, y), QPointF(x, y + dy)]))
    painter.drawRect(QRectF(9, 9, 6, 6))


def _arrow(painter: QPainter, color: QColor) -> None:
    points = ((6, 3), (6, 18), (10, 14.5), (12.6, 20.4), (15, 19.3), (12.5, 13.6), (17.5, 13.2))
    painter.setBrush(QBrush(color))
    painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in points]))


def _window_level(painter: QPainter, color: QColor) -> None:
    circle = QRectF(4, 4, 16, 16)
    half = QPainterPath(circle.center())
    half.arcTo(circle, 90, 180)
    painter.drawEllipse(circle)
    painter.fillPath(half, color)


def _place(painter: QPainter, color: QColor) -> None:
    painter.drawLines([QLineF(12, 2, 12, 8), QLineF(12, 16, 12, 22), QLineF(2, 12, 8, 12), QLineF(16, 12, 22, 12)])
    painter.setBrush(QColor(RED))
    painter.drawEllipse(QPointF(12, 12), 3, 3)


def _crosshair(painter: QPainter, _: QColor) -> None:
    painter.drawLines([QLineF(12, 2, 12, 22), QLineF(2, 12, 22, 12)])


def _folder(painter: QPainter, _: QColor) -> None:
    painter.drawPolyline(
        QPolygonF([QPointF(x, y) for x, y in ((3, 19), (3, 5), (9, 5), (11, 8), (21, 8), (21, 19), (3, 19))])
    )


def _save(painter: QPainter, _: QColor) -> None:
    painter.drawRect(QRectF(4, 4, 16, 16))
    painter.drawRect(QRectF(8, 4, 8, 5))
    painter.drawRect(QRectF(7, 13, 10, 7))


def _brain(painter: QPainter, _: QColor) -> None:
    painter.drawEllipse(QRectF(4, 3, 16, 18))
    painter.drawLine(QLineF(12, 3, 12, 21))
    for y in (8, 12.5, 17):
        painter.drawArc(QRectF(6.5, y - 2, 4, 4), 0, 180 * 16)
        painter.drawArc(QRectF(13.5, y - 2, 4, 4), 0, 180 * 16)


_DRAWINGS: dict[str, Callable[[QPainter, QColor], None]] = {
    "fit": _fit,
    "arrow": _arrow,
    "window-level": _window_level,
    "place": _place,
    "crosshair": _crosshair,
    "folder": _folder,
    "save": _save,
    "brain": _brain,
}


def _layout(painter: QPainter, parts: tuple[tuple[float, float, float, float, str], ...]) -> None:
    painter.setPen(QPen(QColor("#202020"), 1))
    for x, y, width, height, color in parts:
        painter.setBrush(QColor(color))
        painter.drawRect(QRectF(2 + x * 5, 2 + y * 5, width * 5, height * 5))


def icon(name: str, color: str = "#e0e0e0") -> QIcon:
    pixmap = QPixmap(2 * SIZE, 2 * SIZE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(2, 2)
    painter.setPen(QPen(QColor(color), 1.6))
    if name in LAYOUTS:
        _layout(painter, LAYOUTS[name])
    else:
        _DRAWINGS[name](painter, QColor(color))
    painter.end()
    return QIcon(pixmap)
