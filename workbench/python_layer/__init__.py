"""The Python layer of desktop Slicer that slicer-core lacks: `qt`, `ctk`, qMRML widgets and `slicer.*` helpers.

A scripted module written for desktop Slicer imports `qt`, `ctk`, `slicer.ScriptedLoadableModule`,
`slicer.parameterNodeWrapper`, `SampleData` and so on. `install(application)` makes these importable on PySide6, and
`load_scripted_module(path, panel)` shows such a module. Each stand-in is named after what it stands for, and its own
docstring says what it covers and what it does not.

For those who write the rest of the workbench:

PySide6 itself is left alone. The `qt` module holds *subclasses* of PySide6's classes (`qt.QLabel` derives from
`QtWidgets.QLabel`) in which every Qt property is a plain attribute, as in PythonQt, and which know
`connect("clicked(bool)", f)`. Ordinary PySide6 code (`from PySide6 import QtWidgets; label.text()`) goes on working.
- Ordinary code never creates widgets from `qt`; module code meets PySide6's own classes only in objects that
  ordinary code, or Qt itself, hands to it.
- `slicer.app`, the layout manager and other QObjects that ordinary code hands to module code only need to learn
  `connect("signal(types)", f)`: `adopt(object)` teaches it (`install` sees to the application). They keep PySide6's
  getters, so what Slicer's own class has as a property is to be written as a Python property.
- A widget that belongs to a module is read by ordinary code with `widget.property("text")`; its setters, signals and
  methods that are no property getters are the same as ever.
- `isinstance(x, qt.QLabel)` is true for every `QtWidgets.QLabel`, plain or not; `isinstance(x, QtWidgets.QLabel)` too.

`install(application)` makes `application` the `slicer.app`. It may be any object with Slicer's own methods; the
stand-ins call `applicationLogic()`, `layoutManager()`, `mrmlScene()`, `moduleManager()`, `coreIOManager()`,
`userSettings()`, `testingEnabled()`, `processEvents()`, `setOverrideCursor()`, `restoreOverrideCursor()`,
`temporaryPath`, `applicationName`. Of these it is given a `ModuleManager` and a `CoreIOManager` of this package where
it has none of its own. The window is found as Slicer finds it: the top-level widget with the object name
"qSlicerMainWindow". While `testingEnabled()` is true the messages of `slicer.util` wait for nobody: they are logged,
as in Slicer's own tests.
"""

from __future__ import annotations

from typing import Any

__all__ = ["adopt", "install", "load_scripted_module"]


def install(application: object) -> None:
    """Makes the stand-ins importable, with `application` as `slicer.app`; once per process, after QApplication."""
    from workbench.python_layer.installing import install

    install(application)


def load_scripted_module(path: Any, panel: Any = None) -> Any:
    """Loads a module's .py file, shows its panel inside the widget `panel` and enters it; returns its Python widget.

    Its `parent.exit()` and `parent.enter()` leave and enter it again; `slicer.app.moduleManager().unloadModules()` runs
    `cleanup` and ends it.
    """
    from workbench.python_layer.modules import load_scripted_module

    return load_scripted_module(path, panel)


def adopt(value: Any) -> Any:
    """Teaches string `connect` to objects of ordinary code before module code gets them; see above."""
    from workbench.python_layer.pythonqt import adopt

    return adopt(value)
