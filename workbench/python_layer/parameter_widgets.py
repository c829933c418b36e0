"""Which widgets show which parameters: the two-way connections of `connectGui`.

| parameter | widgets |
|---|---|
| bool | QCheckBox, checkable QPushButton |
| int | QSpinBox, QSlider (needs bounds) |
| float | QDoubleSpinBox, ctkSliderWidget and qMRMLSliderWidget (need bounds) |
| str | QLineEdit, QTextEdit, QPlainTextEdit |
| `Annotated[..., Choice([...])]`, enum | QComboBox, filled with the choices (an enum's `label()`, or its names) |
| pathlib.Path | ctkPathLineEdit, ctkDirectoryButton |
| MRML node | qMRMLNodeComboBox, whose `nodeTypes` are set |

As in Slicer the bounds of a parameter become the bounds of its widget. Not covered: ranges, subject hierarchy trees,
parameter packs.
"""

from __future__ import annotations

import enum
import inspect
import pathlib
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer
from PySide6 import QtWidgets

from workbench.python_layer.ctk_paths import ctkDirectoryButton, ctkPathLineEdit
from workbench.python_layer.ctk_slider import ctkSliderWidget
from workbench.python_layer.node_combo_box import qMRMLNodeComboBox
from workbench.python_layer.parameter_validators import Choice, Decimals, Maximum, Minimum, SingleStep, WithinRange
from workbench.python_layer.pythonqt import pythonqt_class
from workbench.python_layer.qmrml_widgets import qMRMLSliderWidget

_INT_LIMITS = (-(2**31), 2**31 - 1)
_FLOAT_LIMITS = (float("-inf"), float("inf"))


@dataclass
class Connection:
    """One widget that shows one parameter."""

    widget: QtWidgets.QWidget
    signal: Any
    read: Callable[[], Any]
    write: Callable[[Any], None]
    slot: Callable | None = None

    def start(self, on_change: Callable[[], None]) -> None:
        self.slot = lambda *_: on_change()
        self.signal.connect(self.slot)

    def stop(self) -> None:
        if self.slot is not None:
            self.signal.disconnect(self.slot)
            self.slot = None


def connection_for(widget: QtWidgets.QWidget, annotated: Any) -> Connection:
    """The connection of a widget with a parameter of this type; RuntimeError when they do not go together."""
    kind, notes = _taken_apart(annotated)
    for fits, connect in _MAKERS:
        if fits(widget, kind, notes):
            return connect(widget, kind, notes)
    raise RuntimeError(f"a {widget.className()} cannot show a parameter of type {annotated}")


def _taken_apart(annotated: Any) -> tuple[Any, tuple]:
    if typing.get_origin(annotated) is typing.Annotated:
        kind, *notes = typing.get_args(annotated)
        return kind, tuple(notes)
    return annotated, ()


def _note(notes: tuple, kind: type) -> Any:
    return next((note for note in notes if isinstance(note, kind)), None)


def _is(widget: QtWidgets.QWidget, *classes: type) -> bool:
    """Exactly one of these classes, as Slicer asks."""
    return type(widget) in {made if "_plain_class" in vars(made) else _shown_class(made) for made in classes}


def _shown_class(made: type) -> type:
    return pythonqt_class(made) if made.__module__.startswith("PySide6.") else made


def _attribute_connection(widget: QtWidgets.QWidget, attribute: str, signal: str) -> Connection:
    return Connection(
        widget,
        getattr(widget, signal),
        lambda: getattr(widget, attribute),
        lambda value: setattr(widget, attribute, value),
    )


# -- one function for each kind of widget


def _check(widget, kind, notes) -> Connection:
    if not widget.checkable:
        widget.checkable = True
    return _attribute_connection(widget, "checked", "toggled")


def _number(widget, kind, notes) -> Connection:
    decimals, step = _note(notes, Decimals), _note(notes, SingleStep)
    if decimals is not None:
        widget.setDecimals(decimals.value)
    if step is not None:
        widget.setSingleStep(step.value)
    limits = _INT_LIMITS if kind is int else _FLOAT_LIMITS
    both, low, high = _note(notes, WithinRange), _note(notes, Minimum), _note(notes, Maximum)
    minimum = both.minimum if both else low.minimum if low else limits[0]
    maximum = both.maximum if both else high.maximum if high else limits[1]
    is_slider = isinstance(widget, (QtWidgets.QSlider, ctkSliderWidget))
    if is_slider and (minimum == limits[0] or maximum == limits[1]):
        raise RuntimeError(f"{widget.name}: a slider needs bounds; annotate its parameter with WithinRange")
    widget.setRange(minimum, maximum)
    return _attribute_connection(widget, "value", "valueChanged")


def _line(widget, kind, notes) -> Connection:
    return _attribute_connection(widget, "text", "textChanged")


def _text(widget, kind, notes) -> Connection:
    return Connection(widget, widget.textChanged, widget.toPlainText, widget.setPlainText)


def _path(widget, kind, notes) -> Connection:
    attribute = "currentPath" if isinstance(widget, ctkPathLineEdit) else "directory"
    connection = _attribute_connection(widget, attribute, f"{attribute}Changed")
    read, write = connection.read, connection.write
    connection.read, connection.write = lambda: kind(read()), lambda value: write(str(value))
    return connection


def _choices(widget, kind, notes) -> Connection:
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        values = list(kind)
        labels = [value.label() if hasattr(kind, "label") else value.name for value in values]
    else:
        values = list(_note(notes, Choice).choices)
        labels = [str(value) for value in values]
    widget.clear()
    widget.addItems(labels)

    def write(value: Any) -> None:
        widget.currentIndex = values.index(value)

    return Connection(widget, widget.currentIndexChanged, lambda: values[widget.currentIndex], write)


def _node(widget, kind, notes) -> Connection:
    widget.nodeTypes = [node_class.__name__ for node_class in _node_classes(kind)]
    return Connection(widget, widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)


def _node_classes(kind: Any) -> list[type]:
    """The node classes that a type names, alone or joined by "or" with others and None; empty for other types."""
    members = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    classes = [member for member in members if member is not types.NoneType]
    if all(inspect.isclass(member) and issubclass(member, slicer.vtkMRMLNode) for member in classes):
        return classes
    return []


def _is_choice(kind: Any, notes: tuple) -> bool:
    return _note(notes, Choice) is not None or (inspect.isclass(kind) and issubclass(kind, enum.Enum))


def _is_path(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, pathlib.PurePath)


_MAKERS: list[tuple[Callable[..., bool], Callable[..., Connection]]] = [
    (lambda w, kind, _: kind is bool and _is(w, QtWidgets.QCheckBox, QtWidgets.QPushButton), _check),
    (lambda w, kind, _: kind is int and _is(w, QtWidgets.QSpinBox, QtWidgets.QSlider), _number),
    (
        lambda w, kind, _: kind is float and _is(w, QtWidgets.QDoubleSpinBox, ctkSliderWidget, qMRMLSliderWidget),
        _number,
    ),
    (lambda w, kind, notes: _is_choice(kind, notes) and _is(w, QtWidgets.QComboBox), _choices),
    (lambda w, kind, _: kind is str and _is(w, QtWidgets.QLineEdit), _line),
    (lambda w, kind, _: kind is str and _is(w, QtWidgets.QTextEdit, QtWidgets.QPlainTextEdit), _text),
    (lambda w, kind, _: _is_path(kind) and _is(w, ctkPathLineEdit, ctkDirectoryButton), _path),
    (lambda w, kind, _: bool(_node_classes(kind)) and _is(w, qMRMLNodeComboBox), _node),
]
