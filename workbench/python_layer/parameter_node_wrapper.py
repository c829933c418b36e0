"""`slicer.parameterNodeWrapper`: typed attributes over a vtkMRMLScriptedModuleNode, and their connection to widgets.

Covers the decorator, defaults (`= 5`, `Default(...)`), validators, `getValue`, `setValue`, `default`, `dataType`,
`isCached`, `connectGui`, `connectParametersToGui`, `disconnectGui`, `parameterNode`, StartModify, EndModify, Modified,
AddObserver and RemoveObserver. Which types can be kept is said in `parameter_storage`, which widgets can be connected
in `parameter_widgets`. Not covered: parameter packs, custom serializers and connectors, `createGui`.

Differences to Slicer: values are never cached (a read is a look into the node), and setting an attribute that is no
parameter is an error unless its name begins with an underscore.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from workbench.python_layer.parameter_storage import Storage, modifying, storage_for
from workbench.python_layer.parameter_validators import (
    Choice,
    Decimals,
    Default,
    Exclude,
    IsInstance,
    Maximum,
    Minimum,
    NotNone,
    SingleStep,
    Validator,
    WithinRange,
)
from workbench.python_layer.parameter_widgets import Connection, connection_for

SlicerParameterNamePropertyName = "SlicerParameterName"


class Parameter:
    """One typed attribute of a parameter node class."""

    def __init__(self, name: str, annotated: Any, default: Default | None) -> None:
        self.name = name
        self.type = annotated
        self.storage: Storage = storage_for(annotated)
        self.default = default or Default(self.storage.default)

    def __get__(self, wrapper: ParameterNodeWrapper | None, owner: type) -> Any:
        if wrapper is None:
            return self
        name, node = wrapper._prefix + self.name, wrapper.parameterNode
        if not self.storage.is_in(node, name):
            self.storage.write(node, name, self.default.value)
        return self.storage.read(node, name)

    def __set__(self, wrapper: ParameterNodeWrapper, value: Any) -> None:
        try:
            self.storage.validate(value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self.name}: {error}") from None
        self.storage.write(wrapper.parameterNode, wrapper._prefix + self.name, value)


class ParameterNodeWrapper:
    """What a class gets from the decorator."""

    allParameters: dict[str, Parameter] = {}

    def __init__(self, parameterNode: slicer.vtkMRMLScriptedModuleNode, prefix: str | None = None) -> None:
        if parameterNode is None:
            raise ValueError(f"{type(self).__name__} needs a vtkMRMLScriptedModuleNode, not None")
        self.parameterNode = parameterNode
        self._prefix = prefix or ""
        self._connections: dict[int, dict[str, Connection]] = {}
        self._next_tag = 0
        self._observer: int | None = None
        self._showing = False
        with modifying(parameterNode):
            for parameter in self.allParameters.values():
                parameter.__get__(self, type(self))

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "parameterNode" and not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(self._unknown(name))
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(self._unknown(name))

    def _unknown(self, name: str) -> str:
        return f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(self.allParameters)}"

    def _parameter(self, name: str) -> Parameter:
        if name not in self.allParameters:
            raise ValueError(self._unknown(name))
        return self.allParameters[name]

    # -- values by name

    def getValue(self, name: str) -> Any:
        return self._parameter(name).__get__(self, type(self))

    def setValue(self, name: str, value: Any) -> None:
        self._parameter(name).__set__(self, value)

    def default(self, name: str) -> Default:
        return self._parameter(name).default

    def isCached(self, name: str) -> bool:
        self._parameter(name)
        return False

    @classmethod
    def dataType(cls, name: str) -> Any:
        return cls.allParameters[name].type

    # -- the node beneath

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified: int) -> int:
        return self.parameterNode.EndModify(wasModified)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    def AddObserver(self, event: str | int, callback: Callable, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    # -- widgets

    def connectGui(self, gui: QtWidgets.QWidget | object) -> int:
        """Connects every widget with a `SlicerParameterName`: children of a widget, or attributes of an object."""
        if isinstance(gui, QtWidgets.QWidget):
            widgets = gui.findChildren(QtWidgets.QWidget)
        else:
            widgets = [value for value in vars(gui).values() if isinstance(value, QtCore.QObject)]
        named = {widget.property(SlicerParameterNamePropertyName): widget for widget in widgets}
        return self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping: dict[str, QtWidgets.QWidget]) -> int:
        """Connects parameters with widgets; the widgets show the parameters at once. Returns a tag to disconnect by."""
        connections = {name: connection_for(widget, self._parameter(name).type) for name, widget in mapping.items()}
        tag = self._next_tag
        self._next_tag += 1
        self._connections[tag] = connections
        for name, connection in connections.items():
            connection.write(self.getValue(name))
            connection.start(lambda name=name, connection=connection: self._widget_changed(name, connection))
        if self._observer is None:
            self._observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._show())
        return tag

    def disconnectGui(self, tag: int) -> None:
        for connection in self._connections.pop(tag, {}).values():
            connection.stop()
        if not self._connections and self._observer is not None:
            self.RemoveObserver(self._observer)
            self._observer = None

    def _widget_changed(self, name: str, connection: Connection) -> None:
        if not self._showing:
            self.setValue(name, connection.read())

    def _show(self) -> None:
        """All widgets show what the node holds; what they tell meanwhile is not news."""
        if self._showing:
            return
        self._showing = True
        try:
            with modifying(self.parameterNode):
                for connections in self._connections.values():
                    for name, connection in connections.items():
                        connection.write(self.getValue(name))
        finally:
            self._showing = False


def parameterNodeWrapper(classtype: type | None = None):
    """Class decorator; `@parameterNodeWrapper` and `@parameterNodeWrapper()` both work."""
    if classtype is None:
        return parameterNodeWrapper
    parameters = {}
    for name, annotated in typing.get_type_hints(classtype, include_extras=True).items():
        if hasattr(ParameterNodeWrapper, name):
            raise ValueError(f"{classtype.__name__}.{name}: this name is taken, choose another for the parameter")
        try:
            parameters[name] = Parameter(name, annotated, _default_of(classtype, name, annotated))
        except TypeError as error:
            raise TypeError(f"{classtype.__name__}.{name}: {error}") from None
    for name, member in vars(ParameterNodeWrapper).items():
        if name in ("__init__", "__setattr__", "__getattr__") or not name.startswith("__"):
            setattr(classtype, name, member)
    for name, parameter in parameters.items():
        setattr(classtype, name, parameter)
    classtype.allParameters = parameters
    classtype._is_parameter_node_wrapper = True
    return classtype


def _default_of(classtype: type, name: str, annotated: Any) -> Default | None:
    if hasattr(classtype, name):
        return Default(getattr(classtype, name))
    notes = typing.get_args(annotated)[1:] if typing.get_origin(annotated) is typing.Annotated else ()
    return next((note for note in notes if isinstance(note, Default)), None)


def isParameterNodeWrapper(class_or_object: object) -> bool:
    return getattr(class_or_object, "_is_parameter_node_wrapper", False)


def findChildWidgetForParameter(widget: QtWidgets.QWidget, parameter: str) -> QtWidgets.QWidget | None:
    children = widget.findChildren(QtWidgets.QWidget)
    return next((child for child in children if child.property(SlicerParameterNamePropertyName) == parameter), None)


_PUBLIC = (
    parameterNodeWrapper,
    isParameterNodeWrapper,
    findChildWidgetForParameter,
    Choice,
    Decimals,
    Default,
    Exclude,
    IsInstance,
    Maximum,
    Minimum,
    NotNone,
    SingleStep,
    Validator,
    WithinRange,
)


def make_parameter_node_wrapper_module() -> types.ModuleType:
    module = types.ModuleType("slicer.parameterNodeWrapper", __doc__)
    for public in _PUBLIC:
        setattr(module, public.__name__, public)
    module.SlicerParameterNamePropertyName = SlicerParameterNamePropertyName
    module.__all__ = [public.__name__ for public in _PUBLIC] + ["SlicerParameterNamePropertyName"]
    return module
