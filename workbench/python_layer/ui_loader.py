"""`qt.QUiLoader`: makes widgets from a .ui file of Qt Designer, with `qt`, `ctk` and qMRML classes.

Covers what Slicer's own loader does for scripted modules: custom widgets by class name, dynamic properties
(`SlicerParameterName`), and the file's signal-slot connections, among them `mrmlSceneChanged(vtkMRMLScene*)` to
`setMRMLScene(vtkMRMLScene*)`. A class without a stand-in is an error that names it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from workbench.python_layer.pythonqt import adopt, find_child, is_plain_class
from workbench.python_layer.qt_classes import qt_class

# Class name -> class, for widgets that are not Qt's; filled by the modules that define them.
CUSTOM_WIDGETS: dict[str, type] = {}


class QUiLoader(QtUiTools.QUiLoader):
    """Loads a .ui file into PythonQt-like widgets."""

    def load(self, device: QtCore.QIODevice, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        document = ElementTree.fromstring(bytes(device.readAll().data()))
        _require_known_widgets(document)
        connections = document.find("connections")
        if connections is not None:
            document.remove(connections)  # Qt's loader looks for the signals before it knows the Python classes
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(document))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget = super().load(buffer, parent)
        if widget is None:
            raise RuntimeError(f"the .ui file cannot be loaded: {self.errorString()}")
        for connection in () if connections is None else connections.iter("connection"):
            _connect(widget, *(connection.findtext(part) for part in ("sender", "signal", "receiver", "slot")))
        return widget

    def createWidget(self, className: str, parent: QtWidgets.QWidget | None = None, name: str = ""):
        made = widget_class(className)
        if made is None:
            return super().createWidget(className, parent, name)
        widget = made(parent)
        widget.setObjectName(name)
        return widget

    def createLayout(self, className: str, parent: QtCore.QObject | None = None, name: str = ""):
        layout = widget_class(className)(*([parent] if isinstance(parent, QtWidgets.QWidget) else []))
        layout.setObjectName(name)
        return layout

    def createAction(self, parent: QtCore.QObject | None = None, name: str = ""):
        action = qt_class(QtGui.QAction)(parent)
        action.setObjectName(name)
        return action


def widget_class(class_name: str) -> type | None:
    """The class that a .ui file's class name of a widget or layout stands for; None when it is unknown."""
    if class_name in CUSTOM_WIDGETS:
        return CUSTOM_WIDGETS[class_name]
    if class_name == "Line":  # Qt Designer's name for a frame that is drawn as a line
        class_name = "QFrame"
    plain = getattr(QtWidgets, class_name, None)
    return qt_class(plain) if is_plain_class(plain) else None


def custom_widget(made: type) -> type:
    """Class decorator: .ui files may name this class."""
    CUSTOM_WIDGETS[made.__name__] = made
    return made


def _require_known_widgets(document: ElementTree.Element) -> None:
    used = {widget.get("class") for widget in document.iter("widget")}
    unknown = sorted(name for name in used if widget_class(name) is None)
    if unknown:
        raise RuntimeError(
            f"no stand-in for {', '.join(unknown)}: desktop Slicer may have it, the workbench has only"
            f" Qt's own widgets and {', '.join(sorted(CUSTOM_WIDGETS))}"
        )


def _connect(root: QtWidgets.QWidget, sender: str, signal: str, receiver: str, slot: str) -> None:
    ends = []
    for name in (sender, receiver):
        end = root if name == root.objectName else find_child(root, QtCore.QObject, name)
        if end is None:
            raise RuntimeError(f"the .ui file connects {sender} and {receiver}, but has no {name}")
        ends.append(adopt(end))
    ends[0].connect(signal, ends[1], slot)


