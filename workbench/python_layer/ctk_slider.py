"""ctkDoubleSlider and ctkSliderWidget: a slider over real numbers, alone and with a number box."""

from __future__ import annotations

import contextlib

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from workbench.python_layer.pythonqt import pythonqt_class
from workbench.python_layer.ui_loader import custom_widget

# Two numbers within this share of a step are the same number, as for CTK.
_SAME = 1e-9


@custom_widget
class ctkDoubleSlider(pythonqt_class(QtWidgets.QWidget)):
    """A QSlider over real numbers; dragging goes in single steps from the minimum, `value` may lie between them.

    Properties minimum, maximum, singleStep, pageStep, value, sliderPosition, tracking, orientation; signals
    valueChanged, sliderMoved, rangeChanged (double), sliderPressed, sliderReleased.
    """

    valueChanged = Signal(float)
    sliderMoved = Signal(float)
    sliderPressed = Signal()
    sliderReleased = Signal()
    rangeChanged = Signal(float, float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._minimum, self._maximum, self._step, self._page, self._value = 0.0, 99.0, 1.0, 10.0, 0.0
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self.setFocusProxy(self._slider)
        self._slider.valueChanged.connect(self._took_value)
        self._slider.sliderMoved.connect(lambda steps: self.sliderMoved.emit(self._from_steps(steps)))
        self._slider.sliderPressed.connect(self.sliderPressed)
        self._slider.sliderReleased.connect(self.sliderReleased)
        self._arrange()

    def _from_steps(self, steps: int) -> float:
        return min(self._minimum + steps * self._step, self._maximum)

    def _to_steps(self, value: float) -> int:
        return round((value - self._minimum) / self._step)

    def _arrange(self) -> None:
        with _quiet(self._slider):
            self._slider.setRange(0, max(0, self._to_steps(self._maximum)))
            self._slider.setPageStep(max(1, round(self._page / self._step)))
        self.setValue(self._value)

    def _took_value(self, steps: int) -> None:
        self._change(self._from_steps(steps))

    def _change(self, value: float) -> None:
        if abs(value - self._value) > _SAME * self._step:
            self._value = value
            self.valueChanged.emit(value)

    def setValue(self, value: float) -> None:
        value = min(max(float(value), self._minimum), self._maximum)
        with _quiet(self._slider):
            self._slider.setValue(self._to_steps(value))
        self._change(value)

    def setRange(self, minimum: float, maximum: float) -> None:
        before = self._minimum, self._maximum
        self._minimum, self._maximum = float(minimum), max(float(minimum), float(maximum))
        if before != (self._minimum, self._maximum):
            self._arrange()
            self.rangeChanged.emit(self._minimum, self._maximum)

    def setMinimum(self, minimum: float) -> None:
        self.setRange(minimum, max(minimum, self._maximum))

    def setMaximum(self, maximum: float) -> None:
        self.setRange(min(self._minimum, maximum), maximum)

    def setSingleStep(self, step: float) -> None:
        if step > 0:
            self._step = float(step)
            self._arrange()

    def setPageStep(self, step: float) -> None:
        self._page = float(step)
        self._arrange()

    def isSliderDown(self) -> bool:
        return self._slider.isSliderDown()

    value = Property(float, lambda self: self._value, setValue)
    minimum = Property(float, lambda self: self._minimum, setMinimum)
    maximum = Property(float, lambda self: self._maximum, setMaximum)
    singleStep = Property(float, lambda self: self._step, setSingleStep)
    pageStep = Property(float, lambda self: self._page, setPageStep)
    sliderPosition = Property(float, lambda self: self._from_steps(self._slider.sliderPosition()))
    tracking = Property(bool, lambda self: self._slider.hasTracking(), lambda self, on: self._slider.setTracking(on))
    orientation = Property(
        QtCore.Qt.Orientation,
        lambda self: self._slider.orientation(),
        lambda self, orientation: self._slider.setOrientation(orientation),
    )

    def setTracking(self, on: bool) -> None:
        self._slider.setTracking(on)

    def setOrientation(self, orientation: QtCore.Qt.Orientation) -> None:
        self._slider.setOrientation(orientation)


@custom_widget
class ctkSliderWidget(pythonqt_class(QtWidgets.QWidget)):
    """A slider and a number box that show one number, rounded to `decimals` (2 unless set) as in CTK.

    Properties minimum, maximum, singleStep, pageStep, decimals, value, prefix, suffix, tracking, spinBoxVisible. With
    tracking on (the default) `valueChanged(double)` follows every move. With tracking off a drag of the slider gives
    `valueIsChanging(double)` at every move and one `valueChanged(double)` on release; `value` is the old number until
    then; and a change by the number box or by code gives both signals at once. Not covered: logarithmic scales, value
    proxies, synchronization with other widgets, tick marks.
    """

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    rangeChanged = Signal(float, float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._tracking = True
        self._value_before_drag: float | None = None
        self._slider = ctkDoubleSlider(self)
        self._box = QtWidgets.QDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self.setFocusProxy(self._box)
        self._arrange_box()
        self._slider.valueChanged.connect(self._slider_changed)
        self._slider.rangeChanged.connect(self.rangeChanged)
        self._slider.sliderPressed.connect(self._drag_began)
        self._slider.sliderReleased.connect(self._drag_ended)
        self._box.valueChanged.connect(self._box_changed)

    # -- the two halves agree

    def _rounded(self, value: float) -> float:
        return round(float(value), self._box.decimals())

    def _arrange_box(self) -> None:
        with _quiet(self._box):
            self._box.setRange(self._slider.minimum, self._slider.maximum)
            self._box.setSingleStep(self._slider.singleStep)
            self._box.setValue(self._slider.value)
        self._align_boxes()

    def _align_boxes(self) -> None:
        """All number boxes under one parent are as wide as the widest."""
        parent = self.parent()
        boxes = [slider._box for slider in parent.findChildren(ctkSliderWidget)] if parent is not None else [self._box]
        width = max(box.sizeHint().width() for box in boxes)
        for box in boxes:
            box.setMinimumWidth(width)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        super().showEvent(event)
        self._align_boxes()

    def _box_changed(self, value: float) -> None:
        self._slider.setValue(value)

    def _slider_changed(self, value: float) -> None:
        if value != self._rounded(value):
            self._slider.setValue(self._rounded(value))
            return
        if self._box.value() != value:  # a text that is being typed is left alone
            with _quiet(self._box):
                self._box.setValue(value)
        if not self._tracking:
            self.valueIsChanging.emit(value)
        if self._value_before_drag is None:
            self.valueChanged.emit(value)

    def _drag_began(self) -> None:
        if not self._tracking:
            self._value_before_drag = self._slider.value

    def _drag_ended(self) -> None:
        before, self._value_before_drag = self._value_before_drag, None
        if before is not None and abs(self._slider.value - before) > _SAME * self._slider.singleStep:
            self.valueChanged.emit(self._slider.value)

    # -- what it shows

    def _shown_value(self) -> float:
        return self._slider.value if self._value_before_drag is None else self._value_before_drag

    def setValue(self, value: float) -> None:
        before, self._value_before_drag = self._value_before_drag, None
        self._slider.setValue(self._rounded(value))
        self._value_before_drag = before

    def setRange(self, minimum: float, maximum: float) -> None:
        self._slider.setRange(self._rounded(minimum), self._rounded(maximum))
        self._arrange_box()

    def setMinimum(self, minimum: float) -> None:
        self._slider.setMinimum(self._rounded(minimum))
        self._arrange_box()

    def setMaximum(self, maximum: float) -> None:
        self._slider.setMaximum(self._rounded(maximum))
        self._arrange_box()

    def setSingleStep(self, step: float) -> None:
        self._slider.setSingleStep(step)
        self._arrange_box()

    def setPageStep(self, step: float) -> None:
        self._slider.setPageStep(step)

    def setDecimals(self, decimals: int) -> None:
        with _quiet(self._box):
            self._box.setDecimals(decimals)
        self.setRange(self._slider.minimum, self._slider.maximum)
        self.setValue(self._slider.value)

    def setPrefix(self, prefix: str) -> None:
        self._box.setPrefix(prefix)
        self._align_boxes()

    def setSuffix(self, suffix: str) -> None:
        self._box.setSuffix(suffix)
        self._align_boxes()

    def setTracking(self, on: bool) -> None:
        self._tracking = bool(on)

    def hasTracking(self) -> bool:
        return self._tracking

    def setSpinBoxVisible(self, visible: bool) -> None:
        self._box.setVisible(visible)

    def reset(self) -> None:
        """Zero, or the number of the range that is nearest to it."""
        self.setValue(0.0)

    def slider(self) -> ctkDoubleSlider:
        return self._slider

    def spinBox(self) -> QtWidgets.QDoubleSpinBox:
        return self._box

    value = Property(float, _shown_value, setValue)
    minimum = Property(float, lambda self: self._slider.minimum, setMinimum)
    maximum = Property(float, lambda self: self._slider.maximum, setMaximum)
    singleStep = Property(float, lambda self: self._slider.singleStep, setSingleStep)
    pageStep = Property(float, lambda self: self._slider.pageStep, setPageStep)
    decimals = Property(int, lambda self: self._box.decimals(), setDecimals)
    prefix = Property(str, lambda self: self._box.prefix(), setPrefix)
    suffix = Property(str, lambda self: self._box.suffix(), setSuffix)
    tracking = Property(bool, hasTracking, setTracking)
    spinBoxVisible = Property(bool, lambda self: not self._box.isHidden(), setSpinBoxVisible)


@contextlib.contextmanager
def _quiet(widget: QtCore.QObject):
    """A widget changes without telling."""
    blocked = QtCore.QObject.blockSignals(widget, True)
    try:
        yield
    finally:
        QtCore.QObject.blockSignals(widget, blocked)
