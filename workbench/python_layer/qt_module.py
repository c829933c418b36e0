"""The `qt` module: everything of QtCore, QtGui and QtWidgets under one name, with PythonQt's manners.

Classes with properties come as `qt_class` makes them, at first use; everything else is PySide6's own.

Not here: what Qt 5 had and Qt 6 has not (desktop Slicer's `qt` is Qt 5 or 6, depending on its version), and the Qt
modules for network, printing and multimedia.
"""

from __future__ import annotations

import types

from PySide6 import QtCore, QtGui, QtWidgets

from workbench.python_layer.pythonqt import is_plain_class
from workbench.python_layer.qt_classes import qt_class
from workbench.python_layer.ui_loader import QUiLoader

_SOURCES = (QtCore, QtGui, QtWidgets)


class QtModule(types.ModuleType):
    """Looks names up in PySide6 when they are first asked for."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        for source in _SOURCES:
            found = getattr(source, name, None)
            if found is not None:
                value = qt_class(found) if is_plain_class(found) else found
                setattr(self, name, value)
                return value
        raise AttributeError(f"qt.{name} is not known here: neither QtCore nor QtGui nor QtWidgets of PySide6 has it")

    def __dir__(self) -> list[str]:
        return sorted({name for source in _SOURCES for name in dir(source) if name[0] != "_"} | set(self.__dict__))


def make_qt_module() -> QtModule:
    module = QtModule("qt", __doc__)
    module.QUiLoader = QUiLoader
    return module
