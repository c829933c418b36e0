"""A minimal `slicer.app` over a real scene, for the tests of the stand-ins; and a test's hands on widgets."""

from __future__ import annotations

import atexit
import functools
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import slicer
from PySide6 import QtCore, QtTest, QtWidgets

from workbench import python_layer
from workbench.scene_core import SceneCore


class MinimalApplication(QtCore.QObject):
    """The least that the stand-ins ask of an application."""

    startupCompleted = QtCore.Signal()
    applicationName = "Stand-ins"

    def __init__(self) -> None:
        super().__init__()
        self.core = _scene_core()
        self.temporaryPath = str(self.core.folder)
        self._settings = QtCore.QSettings(str(self.core.folder / "settings.ini"), QtCore.QSettings.Format.IniFormat)
        self.testing = True

    def mrmlScene(self):
        return self.core.scene

    def applicationLogic(self):
        return self.core.application_logic

    def userSettings(self):
        return self._settings

    def testingEnabled(self) -> bool:
        return self.testing

    def processEvents(self) -> None:
        QtWidgets.QApplication.processEvents()

    def setOverrideCursor(self, cursor) -> None:
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        QtWidgets.QApplication.restoreOverrideCursor()


@functools.cache
def _scene_core() -> SceneCore:
    """One scene for all: Slicer's core is not made to be started again and again in a process."""
    core = SceneCore()
    atexit.register(shutil.rmtree, core.folder, ignore_errors=True)
    return core


@functools.cache
def _qt_application() -> QtWidgets.QApplication:
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication([])


@contextmanager
def stand_ins() -> Iterator[MinimalApplication]:
    """The stand-ins installed over an empty scene; afterwards its modules are gone and the scene is empty again."""
    _qt_application()
    before = {name: getattr(slicer, name, None) for name in ("app", "mrmlScene", "modules")}
    application = MinimalApplication()
    python_layer.install(application)
    slicer.mrmlScene.Clear(False)
    try:
        yield application
    finally:
        application.moduleManager().unloadModules()
        application.core.scene.Clear(False)
        if before["app"] is not None:  # another one is open in this process
            for name, value in before.items():
                setattr(slicer, name, value)
            sys.modules["slicer.modules"] = before["modules"]


def click(widget: QtWidgets.QWidget, position: QtCore.QPoint | None = None) -> None:
    position = position or QtWidgets.QWidget.rect(widget).center()
    QtTest.QTest.mouseClick(widget, QtCore.Qt.MouseButton.LeftButton, pos=position)


def press_key(widget: QtWidgets.QWidget, key: QtCore.Qt.Key) -> None:
    QtTest.QTest.keyClick(widget, key)


def choose(combo: QtWidgets.QComboBox, text: str) -> None:
    """Chooses a row as a person does, through the list that pops up."""
    QtWidgets.QComboBox.showPopup(combo)
    view = QtWidgets.QComboBox.view(combo)
    row = QtWidgets.QComboBox.findText(combo, text)
    if row < 0:
        raise AssertionError(f"no row {text!r}")
    index = view.model().index(row, 0)
    view.scrollTo(index)
    click(view.viewport(), view.visualRect(index).center())


def rows(combo: QtWidgets.QComboBox) -> list[str]:
    return [QtWidgets.QComboBox.itemText(combo, row) for row in range(combo.model().rowCount())]
