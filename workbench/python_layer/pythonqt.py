"""PythonQt's manners on PySide6 objects: properties as attributes, `connect("clicked(bool)", f)`.

`pythonqt_class(QtWidgets.QLabel)` makes the class that the `qt` module shows as `qt.QLabel`: a subclass in which

- every Qt property is an attribute (`label.text`, `label.text = "x"`), and setters stay (`label.setText("x")`);
- `connect("signal(types)", f)` and `disconnect("signal(types)", f)` exist beside `label.signal.connect(f)`; as in
  PythonQt, `f` gets no more arguments than it takes, and the connection keeps `f` alive;
- `name`, `className()`, `exec_()` and `findChildren("QPushButton")` exist;
- objects that Qt itself made (scroll bars, a dialog box's standard buttons) come out adopted: they know string
  `connect`, but keep PySide6's getters. Headers, menu actions and added buttons are made by `qt_classes` and have
  PythonQt's manners.

`isinstance` knows plain PySide6 objects as instances of these classes, too.

Differences to PythonQt: objects that Qt made, see above; a signal that does not exist raises ValueError (PythonQt
prints a line and returns False); enums are PySide6's, so a plain number equals an enum only where PySide6 has an
IntEnum; value classes without properties (QSize, QColor, QTableWidgetItem) are PySide6's own.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import cache

from PySide6 import QtCore

_SIGNATURE = re.compile(r"^\s*(\w+)\s*\((.*)\)\s*$")
_OBJECT_TYPE = type(QtCore.QObject)
# Methods that hand out objects made by Qt itself, which belong to the object that was asked.
_HANDS_OUT = {
    "addAction", "addButton", "addMenu", "addSection", "addSeparator", "button", "buttons", "checkedButton",
    "clickedButton", "completer", "defaultButton", "document", "header", "horizontalHeader",
    "horizontalScrollBar", "itemDelegate", "lineEdit", "menu", "menuBar", "model", "selectionModel",
    "statusBar", "tabBar", "validator", "verticalHeader", "verticalScrollBar", "view", "viewport",
}


class PythonQtType(_OBJECT_TYPE):
    """The type of all classes in `qt`; makes plain PySide6 objects count as their instances."""

    def __init__(cls, name: str, bases: tuple[type, ...], members: dict[str, object]) -> None:
        super().__init__(name, bases, members)
        for method in (connect, disconnect):  # PySide6 looks for these two in the class itself, not in its bases
            if method.__name__ not in members:
                setattr(cls, method.__name__, method)

    def __instancecheck__(cls, candidate: object) -> bool:
        return isinstance(candidate, cls.__dict__.get("_plain_class", ())) or super().__instancecheck__(candidate)

    def __subclasscheck__(cls, candidate: type) -> bool:
        plain = cls.__dict__.get("_plain_class")
        return (plain is not None and issubclass(candidate, plain)) or super().__subclasscheck__(candidate)


class QtPropertyAttribute:
    """One Qt property as a plain attribute; on the class it is still PySide6's method (`QTimer.singleShot(0, f)`)."""

    def __init__(self, plain_class: type, name: str, writable: bool) -> None:
        self.name = name
        capital = name[0].upper() + name[1:]
        own = getattr(plain_class, name, None)
        self.method = own
        is_static = inspect.isbuiltin(own)  # QTimer.singleShot is a static method besides being a property
        getters = ([] if is_static else [name]) + ["is" + capital, "has" + capital]
        self.getter = next((getattr(plain_class, getter) for getter in getters if hasattr(plain_class, getter)), None)
        self.setter = getattr(plain_class, "set" + capital, None)
        self.writable = writable

    def __get__(self, instance: object, owner: type):
        if instance is None:
            return self.method if self.method is not None else self
        return QtCore.QObject.property(instance, self.name) if self.getter is None else self.getter(instance)

    def __set__(self, instance: object, value: object) -> None:
        if self.setter is not None:
            self.setter(instance, value)
        elif self.writable:
            QtCore.QObject.setProperty(instance, self.name, value)
        else:
            raise AttributeError(f"{type(instance).__name__}.{self.name} cannot be set")


@cache
def pythonqt_class(plain_class: type) -> type:
    """The PythonQt-like subclass of one of PySide6's classes derived from QObject."""
    members: dict[str, object] = {"_plain_class": plain_class, "__module__": "qt", "__doc__": plain_class.__doc__}
    meta = plain_class.staticMetaObject
    for index in range(meta.propertyCount()):
        qt_property = meta.property(index)
        members[qt_property.name()] = QtPropertyAttribute(plain_class, qt_property.name(), qt_property.isWritable())
    members["name"] = members["objectName"]
    for name in _HANDS_OUT:
        if callable(getattr(plain_class, name, None)) and name not in members:
            members[name] = _adopting(plain_class, name)
    members |= {
        "className": class_name,
        "findChildren": find_children,
        "findChild": find_child,
    }
    if hasattr(plain_class, "exec"):
        members["exec_"] = lambda self, *arguments: self.exec(*arguments)
    return PythonQtType(plain_class.__name__, (plain_class,), members)


def is_plain_class(candidate: object) -> bool:
    """Whether this is one of PySide6's own classes that get a PythonQt-like subclass."""
    return (
        isinstance(candidate, type)
        and issubclass(candidate, QtCore.QObject)
        and not issubclass(candidate, QtCore.QCoreApplication)
        and candidate.__module__.startswith("PySide6.")
    )


def adopt(value):
    """Teaches `connect("signal(types)", f)` to a QObject (or each one in a list) that was not made by `qt`.

    It keeps PySide6's getters: an object cannot change its class under PySide6 without risk of a crash.
    """
    if isinstance(value, (list, tuple)):
        return type(value)(adopt(item) for item in value)
    if isinstance(value, QtCore.QObject) and not isinstance(type(value), PythonQtType):
        for method in (connect, disconnect):
            value.__dict__.setdefault(method.__name__, method.__get__(value))
    return value


def _adopting(plain_class: type, name: str) -> Callable:
    method = getattr(plain_class, name)
    if inspect.isbuiltin(method):
        return staticmethod(lambda *arguments, **named: adopt(method(*arguments, **named)))
    return lambda self, *arguments, **named: adopt(method(self, *arguments, **named))


# -- signals


def connect(sender: QtCore.QObject, signal: str, receiver: object, slot: str | None = None) -> bool:
    """`connect("valueChanged(int)", function)`, or `connect(signal, object, "slot(types)")`."""
    signature = _existing_signal(sender, signal)
    target = receiver if slot is None else getattr(receiver, _name(slot))
    if not callable(target):
        raise TypeError(f"connect: {target!r} cannot be called")
    accepted = _accepted_arguments(target)

    def call(*arguments: object) -> None:
        target(*adopt(arguments[:accepted]))

    _connections(sender).append((signature, target, call))
    if "PyObject" in signature:  # declared in Python: PySide6 wants these by attribute
        return bool(getattr(sender, _name(signature)).connect(call))
    return bool(QtCore.QObject.connect(sender, QtCore.SIGNAL(signature), call))


def disconnect(sender: QtCore.QObject, signal: str, receiver: object = None, slot: str | None = None) -> bool:
    """Ends what `connect` began with the same arguments; without a receiver, every such connection of the signal."""
    signature = _existing_signal(sender, signal)
    target = receiver if slot is None else getattr(receiver, _name(slot))
    kept, ended = [], []
    for connection in _connections(sender):
        matches = connection[0] == signature and (target is None or connection[1] == target)
        (ended if matches else kept).append(connection)
    _connections(sender)[:] = kept
    for _, _, call in ended:
        if "PyObject" in signature:
            getattr(sender, _name(signature)).disconnect(call)
        else:
            QtCore.QObject.disconnect(sender, QtCore.SIGNAL(signature), call)
    return bool(ended)


def _name(signature: str) -> str:
    return signature.split("(")[0].strip()


def _connections(sender: QtCore.QObject) -> list[tuple[str, Callable, Callable]]:
    return sender.__dict__.setdefault("_string_connections", [])


def _existing_signal(sender: QtCore.QObject, signal: str) -> str:
    """The signal's signature as Qt's meta object has it; pointers to MRML nodes are Python objects there."""
    parts = _SIGNATURE.match(signal)
    if parts is None:
        raise ValueError(f'"{signal}" is not a signal; write it with its types, like "valueChanged(double)"')
    types = ["PyObject" if kind.strip().startswith("vtk") else kind for kind in parts.group(2).split(",")]
    meta = sender.metaObject()
    for candidate in (f"{parts.group(1)}({','.join(types)})", signal):
        signature = bytes(QtCore.QMetaObject.normalizedSignature(candidate).data()).decode()
        if meta.indexOfSignal(signature) >= 0:
            return signature
    methods = (meta.method(index) for index in range(meta.methodCount()))
    known = sorted(
        bytes(method.methodSignature().data()).decode()
        for method in methods
        if method.methodType() == QtCore.QMetaMethod.MethodType.Signal
    )
    raise ValueError(f'{meta.className()} has no signal "{signal}"; it has {", ".join(known)}')


def _accepted_arguments(target: Callable) -> int | None:
    """How many arguments a callable takes by position; None when any number will do."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):  # compiled functions do not tell
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in by_position for parameter in parameters)


# -- names and children


def class_name(instance: QtCore.QObject) -> str:
    """PythonQt's `className()`: what Qt's meta object calls the class."""
    return instance.metaObject().className()


def find_children(parent: QtCore.QObject, kind: type | str = QtCore.QObject, *arguments: object) -> list:
    """As QObject.findChildren, for a class (of `qt`, `ctk`, `slicer` or PySide6) or, as in PythonQt, its name."""
    if isinstance(kind, str):
        children = QtCore.QObject.findChildren(parent, QtCore.QObject, *arguments)
        return adopt([child for child in children if child.inherits(kind)])
    plain = kind.__dict__.get("_plain_class", kind)
    return adopt(QtCore.QObject.findChildren(parent, plain, *arguments))


def find_child(parent: QtCore.QObject, kind: type | str = QtCore.QObject, *arguments: object):
    """The first of `findChildren`, or None."""
    return next(iter(find_children(parent, kind, *arguments)), None)
