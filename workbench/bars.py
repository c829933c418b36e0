"""The coloured bar above every view, as Slicer has it: a label, a menu behind it, a few buttons."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QHBoxLayout, QMenu, QToolButton, QWidget

from TumorSynthLib.scene.observations import Observations

from .icons import icon

BAR_HEIGHT = 22


class ViewBar(QWidget):
    def __init__(self, color: tuple[float, float, float], label: str) -> None:
        super().__init__()
        self.observed = Observations()
        self.setAutoFillBackground(True)
        palette = self.palette()
        base = QColor.fromRgbF(*color)
        palette.setColor(QPalette.ColorRole.Window, base)
        self.setPalette(palette)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(3, 1, 3, 1)
        layout.setSpacing(3)
        self.menu = QMenu(self)
        self.title = QToolButton()
        self.title.setText(label)
        self.title.setMenu(self.menu)
        self.title.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.title.setToolTip("What can be set for this view")
        self.title.setStyleSheet(
            "QToolButton { border: none; color: black; font-weight: bold; padding: 0 12px 0 4px; }"
            "QToolButton:hover { background: rgba(255, 255, 255, 80); }"
        )
        layout.addWidget(self.title)

    def add_button(self, picture: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setIcon(icon(picture, "black"))
        button.setToolTip(tip)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setStyleSheet("QToolButton { border: none; } QToolButton:hover { background: rgba(255, 255, 255, 80); }")
        self.layout().addWidget(button)
        return button
