"""ctkCoordinatesWidget, ctkComboBox and ctkMessageBox."""

from __future__ import annotations

import contextlib

from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal

from workbench.python_layer.pythonqt import pythonqt_class
from workbench.python_layer.qt_classes import QMessageBox, QSettings
from workbench.python_layer.ui_loader import custom_widget


@custom_widget
class ctkCoordinatesWidget(pythonqt_class(QtWidgets.QWidget)):
    """A row of number boxes, three unless `dimension` says otherwise.

    Properties dimension, minimum, maximum, singleStep, decimals, coordinates ("x,y,z"). The signal is CTK's
    `coordinatesChanged(double*)` and gives its receiver nothing that Python can read, so here it has no argument: read
    `coordinates` instead. Not covered: normalized directions.
    """

    coordinatesChanged = Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._boxes: list[QtWidgets.QDoubleSpinBox] = []
        self._minimum, self._maximum, self._step, self._decimals = -100000.0, 100000.0, 1.0, 3
        QtWidgets.QHBoxLayout(self).setContentsMargins(0, 0, 0, 0)
        self.setDimension(3)

    def connect(self, signal: str, *receiver: object) -> bool:
        return super().connect(signal.replace("(double*)", "()"), *receiver)

    def disconnect(self, signal: str, *receiver: object) -> bool:
        return super().disconnect(signal.replace("(double*)", "()"), *receiver)

    def setDimension(self, dimension: int) -> None:
        while len(self._boxes) > max(1, dimension):
            self._boxes.pop().deleteLater()
        while len(self._boxes) < dimension:
            box = QtWidgets.QDoubleSpinBox(self)
            self.layout().addWidget(box)
            self._boxes.append(box)
            box.valueChanged.connect(lambda _: self.coordinatesChanged.emit())
        self._arrange()

    def _arrange(self) -> None:
        for box in self._boxes:
            box.setDecimals(self._decimals)
            box.setRange(self._minimum, self._maximum)
            box.setSingleStep(self._step)

    def setMinimum(self, minimum: float) -> None:
        self._minimum = minimum
        self._arrange()

    def setMaximum(self, maximum: float) -> None:
        self._maximum = maximum
        self._arrange()

    def setSingleStep(self, step: float) -> None:
        self._step = step
        self._arrange()

    def setDecimals(self, decimals: int) -> None:
        self._decimals = decimals
        self._arrange()

    def setCoordinates(self, *coordinates: float | str) -> None:
        """Takes "x,y,z" or three numbers; says once that they changed."""
        if len(coordinates) == 1 and isinstance(coordinates[0], str):
            coordinates = coordinates[0].split(",")
        before = self.coordinates
        for box, value in zip(self._boxes, coordinates, strict=True):
            blocked = box.blockSignals(True)
            box.setValue(float(value))
            box.blockSignals(blocked)
        if self.coordinates != before:
            self.coordinatesChanged.emit()

    def _text(self) -> str:
        return ",".join(f"{box.value():.12g}" for box in self._boxes)

    dimension = Property(int, lambda self: len(self._boxes), setDimension)
    minimum = Property(float, lambda self: self._minimum, setMinimum)
    maximum = Property(float, lambda self: self._maximum, setMaximum)
    singleStep = Property(float, lambda self: self._step, setSingleStep)
    decimals = Property(int, lambda self: self._decimals, setDecimals)
    coordinates = Property(str, _text, setCoordinates)


@custom_widget
class ctkComboBox(pythonqt_class(QtWidgets.QComboBox)):
    """A combo box that shows `defaultText` while nothing is chosen. Not covered: forceDefault, elided texts."""

    def setDefaultText(self, text: str) -> None:
        self.setPlaceholderText(text)

    defaultText = Property(str, lambda self: self.placeholderText, setDefaultText)


class ctkMessageBox(QMessageBox):
    """A message box with a "Don't show this again" box when `dontShowAgainSettingsKey` is set."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._key = ""
        self._box: QtWidgets.QCheckBox | None = None

    def setDontShowAgainSettingsKey(self, key: str) -> None:
        self._key = key
        self._box = QtWidgets.QCheckBox("Don't show this again", self) if key else None  # Qt keeps no reference
        self.setCheckBox(self._box)

    dontShowAgainSettingsKey = Property(str, lambda self: self._key, setDontShowAgainSettingsKey)

    def exec(self) -> int:
        settings = QSettings()
        remembered = settings.value(self._key) if self._key else None
        if remembered is not None:
            with contextlib.suppress(ValueError):
                return int(remembered)
        answer = super().exec()
        if self._box is not None and self._box.isChecked():
            settings.setValue(self._key, answer)
        return answer
