"""ctkCollapsibleButton and ctkCollapsibleGroupBox: sections of a panel that fold away."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from workbench.python_layer.pythonqt import pythonqt_class
from workbench.python_layer.ui_loader import custom_widget

_NO_LIMIT = 16777215  # QWIDGETSIZE_MAX
_TITLE = QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter | QtCore.Qt.TextFlag.TextShowMnemonic


class _Folding:
    """Hides a widget's children while it is folded; those that were hidden before stay hidden afterwards."""

    def __init__(self, widget: QtWidgets.QWidget) -> None:
        self._widget = widget
        self._hidden_here: list[QtWidgets.QWidget] = []

    def fold(self, folded: bool) -> None:
        if folded:
            for child in self._widget.children():
                if isinstance(child, QtWidgets.QWidget) and not child.isHidden() and not child.isWindow():
                    child.hide()
                    self._hidden_here.append(child)
        else:
            hidden, self._hidden_here = self._hidden_here, []
            for child in hidden:
                child.show()


def _arrow(collapsed: bool) -> QtWidgets.QStyle.PrimitiveElement:
    element = QtWidgets.QStyle.PrimitiveElement
    return element.PE_IndicatorArrowRight if collapsed else element.PE_IndicatorArrowDown


@custom_widget
class ctkCollapsibleButton(pythonqt_class(QtWidgets.QAbstractButton)):
    """A wide button above its contents; a click folds and unfolds them.

    Properties text, collapsed, collapsedHeight; signal contentsCollapsed(bool), besides those of every button
    (`checked` is the contrary of `collapsed`). Not covered: frames round the contents, other text alignments.
    """

    contentsCollapsed = Signal(bool)

    def __init__(self, text: str | QtWidgets.QWidget | None = "", parent: QtWidgets.QWidget | None = None) -> None:
        if not isinstance(text, str):
            text, parent = "", text
        super().__init__(parent)
        self._folding = _Folding(self)
        self._collapsed_height = 0
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Preferred)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.TabFocus)
        self.setContentsMargins(0, self._header_height(), 0, 0)
        self.toggled.connect(self._toggled)

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    def setCollapsedHeight(self, height: int) -> None:
        self._collapsed_height = int(height)
        if self.collapsed:
            self._limit_height()

    collapsed = Property(bool, lambda self: not self.isChecked(), setCollapsed)
    collapsedHeight = Property(int, lambda self: self._collapsed_height, setCollapsedHeight)

    def _toggled(self, unfolded: bool) -> None:
        self._folding.fold(not unfolded)
        self._limit_height()
        self.updateGeometry()
        self.contentsCollapsed.emit(not unfolded)

    def _limit_height(self) -> None:
        self.setMaximumHeight(self._header_height() + self._collapsed_height if self.collapsed else _NO_LIMIT)

    def _header_height(self) -> int:
        return self.fontMetrics().height() + 10

    def _header(self) -> QtCore.QRect:
        return QtCore.QRect(0, 0, self.width, self._header_height())

    # -- what Qt asks

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        super().childEvent(event)
        child = event.child()
        if event.added() and self.collapsed and isinstance(child, QtWidgets.QWidget):
            child.hide()
            self._folding._hidden_here.append(child)

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return self._header().contains(position)

    def sizeHint(self) -> QtCore.QSize:
        header = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text) + 40, self._header_height())
        if self.collapsed or self.layout() is None:
            return header
        return self.layout().totalSizeHint().expandedTo(header)

    def minimumSizeHint(self) -> QtCore.QSize:
        header = QtCore.QSize(40, self._header_height())
        if self.collapsed or self.layout() is None:
            return header
        return self.layout().totalMinimumSize().expandedTo(header)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = self._header()
        option.state |= QtWidgets.QStyle.StateFlag.State_Raised
        if self.down:
            option.state |= QtWidgets.QStyle.StateFlag.State_Sunken
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButtonBevel, option)
        self._draw_title(painter, option)

    def _draw_title(self, painter: QtWidgets.QStylePainter, option: QtWidgets.QStyleOptionButton) -> None:
        header = self._header()
        side = header.height() // 2
        option.rect = QtCore.QRect(header.left() + 8, header.center().y() - side // 2, side, side)
        painter.drawPrimitive(_arrow(self.collapsed), option)
        role = QtGui.QPalette.ColorRole.ButtonText
        painter.drawItemText(header.adjusted(side + 16, 0, -8, 0), _TITLE, self.palette, self.enabled, self.text, role)


@custom_widget
class ctkCollapsibleGroupBox(pythonqt_class(QtWidgets.QGroupBox)):
    """A group box with an arrow before its title; a click on the title folds and unfolds it.

    Property collapsed, besides those of QGroupBox. `checked` is the contrary of `collapsed`, as in CTK.
    """

    def __init__(self, title: str | QtWidgets.QWidget | None = "", parent: QtWidgets.QWidget | None = None) -> None:
        if not isinstance(title, str):
            title, parent = "", title
        super().__init__(parent)
        self._folding = _Folding(self)
        self.setTitle(title)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._toggled)

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, lambda self: not self.isChecked(), setCollapsed)

    def _toggled(self, unfolded: bool) -> None:
        self._folding.fold(not unfolded)
        self.setMaximumHeight(_NO_LIMIT if unfolded else self.fontMetrics().height() + 12)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionGroupBox()
        self.initStyleOption(option)
        control, parts = QtWidgets.QStyle.ComplexControl.CC_GroupBox, QtWidgets.QStyle.SubControl
        check_box, label = (
            self.style().subControlRect(control, option, part, self)
            for part in (parts.SC_GroupBoxCheckBox, parts.SC_GroupBoxLabel)
        )
        option.subControls = parts.SC_GroupBoxFrame
        painter.drawComplexControl(control, option)
        role = QtGui.QPalette.ColorRole.WindowText
        painter.drawItemText(label, _TITLE, self.palette, self.enabled, self.title, role)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = check_box
        painter.drawPrimitive(_arrow(self.collapsed), arrow)
