"""`slicer.modules`, `slicer.app.moduleManager()`, and how a scripted module comes to be shown.

Scripted modules are loaded from their file (`load_scripted_module`) and live as Slicer's do: one instance of the module
class with its `parent`, one panel made when it is first asked for, `setup`, `enter`, `exit`, `cleanup`. Slicer's C++
modules are known by their logic only: `slicer.modules.volumes.logic()`.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from workbench.python_layer.pythonqt import pythonqt_class
from workbench.python_layer.qmrml_widgets import qSlicerWidget
from workbench.python_layer.qt_classes import qt_class

_QObject = pythonqt_class(QtCore.QObject)


class SlicerModules(types.ModuleType):
    """`slicer.modules`: each module under its name in lower case."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        core = CoreModule.named(name)
        if core is not None:
            return core
        loaded = ", ".join(module.name for module in self.__dict__.values() if hasattr(module, "widgetRepresentation"))
        raise AttributeError(f"slicer.modules.{name}: no such module is loaded here (loaded: {loaded or 'none'})")


class CoreModule:
    """One of Slicer's C++ modules: its name and its logic, but no panel."""

    def __init__(self, name: str, logic) -> None:
        self.name = self.title = name
        self._logic = logic

    @classmethod
    def named(cls, name: str) -> CoreModule | None:
        """Knows any module whose logic the application logic has, whatever the case of the name."""
        logics = slicer.app.applicationLogic()
        for known in _CORE_MODULES:
            if known.lower() == name.lower() and logics.GetModuleLogic(known) is not None:
                return cls(known, logics.GetModuleLogic(known))
        return None

    def logic(self):
        return self._logic

    def widgetRepresentation(self) -> None:
        return None


_CORE_MODULES = (
    "Annotations", "Cameras", "Colors", "CropVolume", "Data", "Markups", "Models", "Plots", "Reformat",
    "SceneViews", "Segmentations", "Sequences", "SubjectHierarchy", "Tables", "Terminologies", "Texts",
    "Transforms", "Units", "ViewControllers", "VolumeRendering", "Volumes",
)


class qSlicerScriptedLoadableModule(_QObject):
    """A loaded scripted module: its file, what it says about itself, and its panel."""

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = str(path)
        self.setObjectName(Path(path).stem)  # which is `self.name`
        self.title, self.helpText, self.acknowledgementText = self.name, "", ""
        self.categories, self.dependencies, self.contributors, self.associatedNodeTypes = [""], [], [], []
        self.icon = QtGui.QIcon()
        self.index, self.hidden, self.widgetRepresentationCreationEnabled = -1, False, True
        self.python_module = _import_file(self.name, self.path)
        self._instance = getattr(self.python_module, self.name)(self)
        self._representation: qSlicerScriptedLoadableModuleWidget | None = None

    def self(self):
        return self._instance

    def logic(self) -> None:
        """A scripted module's logic belongs to its panel: `slicer.util.getModuleLogic(name)`."""
        return None

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        """The module's panel, made and set up when it is first asked for."""
        if self._representation is None:
            self._representation = self.createNewWidgetRepresentation()
            self._representation.destroyed.connect(self._forget_representation)
        return self._representation

    def createNewWidgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        representation = qSlicerScriptedLoadableModuleWidget(self)
        representation.reload()
        return representation

    def _forget_representation(self) -> None:
        self._representation = None


class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """The `parent` of a module's widget class: has its layout, and says whether the module is shown."""

    def __init__(self, module: qSlicerScriptedLoadableModule) -> None:
        super().__init__()
        self._module = module
        self._entered = False
        self._python_widget = None
        qt_class(QtWidgets.QVBoxLayout)(self)
        self.setObjectName(f"{module.name}ModuleWidget")
        self.setMRMLScene(slicer.mrmlScene)

    isEntered = Property(bool, lambda self: self._entered)

    def module(self) -> qSlicerScriptedLoadableModule:
        return self._module

    def moduleName(self) -> str:
        return self._module.name

    def self(self):
        """The instance of the module's Python widget class."""
        return self._python_widget

    def reload(self) -> None:
        """Makes the Python widget anew from the module's class, as loaded now."""
        name = self._module.name
        widget_class = getattr(sys.modules[name], f"{name}Widget")
        self._python_widget = widget_class(self)
        setattr(slicer.modules, f"{name}Widget", self._python_widget)
        self._python_widget.setup()

    def enter(self) -> None:
        self._entered = True
        _call(self._python_widget, "enter")

    def exit(self) -> None:
        self._entered = False
        _call(self._python_widget, "exit")


class _FactoryManager:
    """The part of the module manager's factory manager that tells what is loaded."""

    def __init__(self, modules: dict[str, qSlicerScriptedLoadableModule]) -> None:
        self._modules = modules

    def loadedModuleNames(self) -> tuple[str, ...]:
        return tuple(self._modules)

    def isLoaded(self, name: str) -> bool:
        return name in self._modules


class ModuleManager(_QObject):
    """`slicer.app.moduleManager()`."""

    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)
    moduleUnloaded = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, qSlicerScriptedLoadableModule] = {}

    def module(self, name: str) -> qSlicerScriptedLoadableModule | CoreModule | None:
        return self._modules.get(name) or CoreModule.named(name)

    def modulesNames(self) -> tuple[str, ...]:
        return tuple(self._modules)

    def factoryManager(self) -> _FactoryManager:
        return _FactoryManager(self._modules)

    def loadModule(self, path: str | Path) -> qSlicerScriptedLoadableModule:
        """Loads a scripted module's file; once loaded, the same module comes back."""
        path = Path(path).resolve()
        name = path.stem
        if name not in self._modules:
            # A module reads `slicer.modules.<name>.path` as early as in its own __init__.
            setattr(slicer.modules, name.lower(), types.SimpleNamespace(path=str(path), name=name))
            try:
                module = qSlicerScriptedLoadableModule(path)
            except BaseException:
                delattr(slicer.modules, name.lower())
                raise
            self._modules[name] = module
            setattr(slicer.modules, name.lower(), module)
            setattr(slicer.modules, f"{name}Instance", module.self())
            self.moduleLoaded.emit(name)
        return self._modules[name]

    def unloadModule(self, name: str) -> None:
        """Leaves and cleans up a module, as Slicer does before it closes."""
        module = self._modules.get(name)
        if module is None:
            return
        self.moduleAboutToBeUnloaded.emit(name)
        representation = module._representation
        if representation is not None:
            representation.hide()
            representation.deleteLater()
        for attribute in (name.lower(), f"{name}Instance", f"{name}Widget"):
            slicer.modules.__dict__.pop(attribute, None)
        getattr(slicer, "selfTests", {}).pop(name, None)
        del self._modules[name]
        sys.modules.pop(name, None)
        self.moduleUnloaded.emit(name)

    def unloadModules(self) -> None:
        for name in list(self._modules):
            self.unloadModule(name)


def load_scripted_module(path: str | Path, panel: QtWidgets.QWidget | None = None):
    """Loads a module's file, puts its panel into the layout of `panel`, and enters it; returns its Python widget."""
    representation = slicer.app.moduleManager().loadModule(path).widgetRepresentation()
    if panel is not None:
        layout = panel.layout() or QtWidgets.QVBoxLayout(panel)
        layout.addWidget(representation)
        representation.show()
    representation.enter()
    return representation.self()


def _import_file(name: str, path: str) -> types.ModuleType:
    """Imports a module's file under its own name; its folder comes onto the path, as in Slicer."""
    folder = str(Path(path).parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _call(python_object: object, method: str) -> None:
    function = getattr(python_object, method, None)
    if function is not None:
        function()
