"""`slicer.app` of the workbench: the calls of desktop Slicer's application object that scripted modules use."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer
from PySide6.QtCore import (
    QEventLoop,
    QMessageLogContext,
    QObject,
    QProcessEnvironment,
    QSettings,
    Qt,
    QtMsgType,
    QUrl,
    Signal,
    qInstallMessageHandler,
)
from PySide6.QtGui import QCursor, QDesktopServices
from PySide6.QtWidgets import QApplication

from .layout import LayoutManager
from .palette import use_dark_colors
from .scene_core import SceneCore

SLICER_VERSION = (5, 12)  # whose application the stand-ins follow
NAME = "TumorSynth workbench"


class WorkbenchApplication(QObject):
    """Stands for qSlicerApplication. What it lacks is asked of Qt's application object, which Slicer's derives from."""

    startupCompleted = Signal()
    aboutToQuit = Signal()
    mrmlSceneChanged = Signal(object)

    applicationName = NAME
    applicationVersion = "{}.{}".format(*SLICER_VERSION)
    majorVersion, minorVersion = SLICER_VERSION
    revision = "0"
    releaseType = "Stable"
    os = platform.system()
    arch = platform.machine()

    def __init__(
        self, core: SceneCore, layout_manager: LayoutManager, settings_file: Path | None, testing: bool
    ) -> None:
        super().__init__()
        self.core = core
        self._layout_manager = layout_manager
        self._testing = testing
        self._pauses = 0
        if settings_file is None:
            # Never the user's own: tests and scripts leave no trace.
            settings_file = core.folder / "settings.ini"
        self._settings = QSettings(str(settings_file), QSettings.Format.IniFormat)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(QApplication.instance(), name)

    # -- the scene and what surrounds it

    def mrmlScene(self) -> slicer.vtkMRMLScene:
        return self.core.scene

    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:
        return self.core.application_logic

    def mrmlApplicationLogic(self) -> slicer.vtkSlicerApplicationLogic:
        return self.core.application_logic

    def layoutManager(self) -> LayoutManager:
        return self._layout_manager

    # -- settings and folders

    def settings(self) -> QSettings:
        return self._settings

    def userSettings(self) -> QSettings:
        return self._settings

    def revisionUserSettings(self) -> QSettings:
        return self._settings

    @property
    def slicerHome(self) -> str:
        return str(Path(slicer.__file__).resolve().parent)

    @property
    def temporaryPath(self) -> str:
        return self.core.application_logic.GetTemporaryPath()

    @temporaryPath.setter
    def temporaryPath(self, path: str) -> None:
        self.core.application_logic.SetTemporaryPath(path)

    cachePath = property(lambda self: str(self.core.folder / "cache"))
    extensionsInstallPath = property(lambda self: str(self.core.folder / "extensions"))

    def startupEnvironment(self) -> QProcessEnvironment:
        return QProcessEnvironment.systemEnvironment()

    # -- behaviour

    def testingEnabled(self) -> bool:
        return self._testing

    def translate(self, context: str, text: str) -> str:
        return text

    def tr(self, text: str) -> str:
        return text

    def processEvents(self, flags: Any = QEventLoop.ProcessEventsFlag.AllEvents) -> None:
        QApplication.processEvents(flags)

    def pauseRender(self) -> int:
        self.core.application_logic.PauseRender()
        self._pauses += 1
        return self._pauses

    def resumeRender(self) -> int:
        self.core.application_logic.ResumeRender()
        self._pauses = max(0, self._pauses - 1)
        return self._pauses

    @property
    def isRenderPaused(self) -> bool:
        return self._pauses > 0

    def setRenderPaused(self, paused: bool) -> None:
        (self.pauseRender if paused else self.resumeRender)()

    def setOverrideCursor(self, cursor: QCursor | Qt.CursorShape) -> None:
        QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        QApplication.restoreOverrideCursor()

    def overrideCursor(self) -> QCursor | None:
        return QApplication.overrideCursor()

    def commandOptions(self) -> SimpleNamespace:
        return SimpleNamespace(noMainWindow=False, testingEnabled=self._testing, noSplash=True)

    def pythonConsole(self) -> None:
        """There is no Python console here."""
        return None

    def isInstalled(self, *_: object) -> bool:
        return True

    def openUrl(self, url: str) -> None:
        QDesktopServices.openUrl(QUrl(url))

    def exit(self, code: int = 0) -> None:
        QApplication.exit(code)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The hourglass while something takes its time."""
        QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
        try:
            yield
        finally:
            QApplication.restoreOverrideCursor()


def qt_application() -> QApplication:
    """The one QApplication of this process, made if there is none."""
    if QApplication.instance() is None:
        qInstallMessageHandler(_pass_message_on)
        QApplication([NAME])
        QApplication.setApplicationDisplayName(NAME)
        use_dark_colors()
    return QApplication.instance()


def _pass_message_on(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    # Said of every window that is drawn off screen.
    if "propagateSizeHints" not in message:
        print(message, file=sys.stderr)
