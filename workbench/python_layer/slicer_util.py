"""The few functions of `slicer.util` that cannot work as slicer-core ships them.

slicer-core has Slicer's own `slicer.util`; with `qt`, `ctk`, `slicer.app`, a module manager and a core IO manager in
place its functions work unchanged, loading, saving, dialogs, modules and settings among them. Replaced are only:

- `lookupTopLevelWidget` (and through it `mainWindow`): the window is an ordinary PySide6 one;
- `delayDisplay`: does not wait while `slicer.app.testingEnabled()`, so that no test waits for a pop-up;
- `executePythonModule`: runs this Python where there is no PythonSlicer.
"""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable

import slicer
import slicer.util
from PySide6 import QtWidgets

_original_delay_display = slicer.util.delayDisplay


def lookupTopLevelWidget(objectName: str) -> QtWidgets.QWidget:
    for widget in QtWidgets.QApplication.topLevelWidgets():
        if widget.property("objectName") == objectName:
            return widget
    raise RuntimeError(f"there is no window named {objectName}")


def delayDisplay(
    message: str, autoCloseMsec: int = 1000, parent: QtWidgets.QWidget | None = None, **named: object
) -> None:
    if slicer.app.testingEnabled():
        logging.info(message)
        slicer.app.processEvents()
    else:
        _original_delay_display(message, autoCloseMsec, parent, **named)


def executePythonModule(
    module: str,
    args: list[str],
    blocking: bool = True,
    logCallback: Callable[[str], None] | None = None,
    completedCallback: Callable[[int], None] | None = None,
) -> None:
    command = [shutil.which("PythonSlicer") or sys.executable, "-m", module, *args]
    if blocking:
        process = slicer.util.launchConsoleProcess(command, useStartupEnvironment=False)
        slicer.util.logProcessOutput(process, logCallback=logCallback)
    else:
        slicer.util.launchConsoleProcess(
            command,
            useStartupEnvironment=False,
            blocking=False,
            logCallback=logCallback,
            completedCallback=completedCallback,
        )


def install() -> None:
    for function in (lookupTopLevelWidget, delayDisplay, executePythonModule):
        setattr(slicer.util, function.__name__, function)
