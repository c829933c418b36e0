"""How `parameterNodeWrapper` keeps typed values in a vtkMRMLScriptedModuleNode, by Slicer's own conventions.

| type | kept as |
|---|---|
| int, float, str, pathlib.Path | the parameter's text, `str(value)` |
| bool | "True" or "False" |
| enum.Enum | the member's name |
| MRML node, node or None | a node reference with the parameter's name as role, and an empty parameter beside it |
| `A | B`, `A | None` | as its type under `name_<index of the type>`; None as "True" |
| tuple | each item under `name_<index>` |
| list | the number of items under `name_len`, each item under `name_<index>` |

so that scenes of the workbench and of desktop Slicer can be exchanged. Not covered: dict, parameter packs, ranges.
"""

from __future__ import annotations

import enum
import inspect
import pathlib
import types
import typing
from collections.abc import Callable, Iterable, MutableSequence
from contextlib import contextmanager
from typing import Any

import slicer

from workbench.python_layer.parameter_validators import IsInstance, NotNone, Validator


class Storage:
    """Writes values of one type to a parameter node and reads them back."""

    default: Any = None
    validators: tuple[Validator, ...] = ()

    def is_in(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> bool:
        return bool(node.HasParameter(name))

    def read(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> Any:
        raise NotImplementedError

    def write(self, node: slicer.vtkMRMLScriptedModuleNode, name: str, value: Any) -> None:
        raise NotImplementedError

    def remove(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> None:
        node.UnsetParameter(name)

    def validate(self, value: Any) -> None:
        for validator in self.validators:
            validator.validate(value)


class TextStorage(Storage):
    """Anything that is one text."""

    def __init__(
        self,
        kind: type | tuple[type, ...],
        default: Any,
        to_text: Callable[[Any], str],
        from_text: Callable[[str], Any],
    ) -> None:
        self.default = default
        self.validators = (NotNone(), IsInstance(kind))
        self._to_text, self._from_text = to_text, from_text

    def read(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> Any:
        return self._from_text(node.GetParameter(name))

    def write(self, node: slicer.vtkMRMLScriptedModuleNode, name: str, value: Any) -> None:
        node.SetParameter(name, self._to_text(value))


class NodeStorage(Storage):
    """A reference to a MRML node, which may always be None."""

    def __init__(self, kind: type) -> None:
        self.validators = (IsInstance(kind),)

    def read(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> Any:
        return node.GetNodeReference(name)

    def write(self, node: slicer.vtkMRMLScriptedModuleNode, name: str, value: Any) -> None:
        node.SetParameter(name, "")  # tells "None was set" from "never set"
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def remove(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class UnionStorage(Storage):
    """One of several types; with None among two, None is the default."""

    def __init__(self, kinds: tuple[type, ...]) -> None:
        self._members = [_NONE if kind is types.NoneType else storage_for(kind) for kind in kinds]
        has_none = len(kinds) == 2 and kinds[1] is types.NoneType
        self.default = None if has_none else self._members[0].default

    def _member_for(self, value: Any) -> int:
        if value is None and _NONE in self._members:
            return self._members.index(_NONE)
        problem: Exception | None = None
        for index, member in enumerate(self._members):
            try:
                member.validate(value)
            except (TypeError, ValueError) as error:
                problem = error
            else:
                return index
        raise problem

    def validate(self, value: Any) -> None:
        self._member_for(value)

    def is_in(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> bool:
        return any(member.is_in(node, f"{name}_{index}") for index, member in enumerate(self._members))

    def read(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> Any:
        for index, member in enumerate(self._members):
            if member.is_in(node, f"{name}_{index}"):
                return member.read(node, f"{name}_{index}")
        raise KeyError(name)

    def write(self, node: slicer.vtkMRMLScriptedModuleNode, name: str, value: Any) -> None:
        chosen = self._member_for(value)
        with modifying(node):
            self.remove(node, name)
            self._members[chosen].write(node, f"{name}_{chosen}", value)

    def remove(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> None:
        for index, member in enumerate(self._members):
            if member.is_in(node, f"{name}_{index}"):
                member.remove(node, f"{name}_{index}")


class TupleStorage(Storage):
    def __init__(self, kinds: tuple[type, ...]) -> None:
        self._members = [storage_for(kind) for kind in kinds]
        self.default = tuple(member.default for member in self._members)

    def validate(self, value: Any) -> None:
        for member, item in zip(self._members, value, strict=True):
            member.validate(item)

    def is_in(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> bool:
        return self._members[0].is_in(node, f"{name}_0")

    def read(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> tuple:
        return tuple(member.read(node, f"{name}_{index}") for index, member in enumerate(self._members))

    def write(self, node: slicer.vtkMRMLScriptedModuleNode, name: str, value: Iterable) -> None:
        with modifying(node):
            for index, (member, item) in enumerate(zip(self._members, value, strict=True)):
                member.write(node, f"{name}_{index}", item)

    def remove(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> None:
        for index, member in enumerate(self._members):
            member.remove(node, f"{name}_{index}")


class ListStorage(Storage):
    def __init__(self, kind: type) -> None:
        self._item = storage_for(kind)
        self.default = []

    def validate(self, value: Iterable) -> None:
        for item in value:
            self._item.validate(item)

    def is_in(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> bool:
        return bool(node.HasParameter(f"{name}_len"))

    def _length(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> int:
        return int(node.GetParameter(f"{name}_len") or 0)

    def read(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> ObservedList:
        items = [self._item.read(node, f"{name}_{index}") for index in range(self._length(node, name))]
        return ObservedList(items, lambda changed: self.write(node, name, changed))

    def write(self, node: slicer.vtkMRMLScriptedModuleNode, name: str, value: Iterable) -> None:
        items = list(value)
        self.validate(items)
        with modifying(node):
            for index in range(len(items), self._length(node, name)):
                self._item.remove(node, f"{name}_{index}")
            for index, item in enumerate(items):
                self._item.write(node, f"{name}_{index}", item)
            node.SetParameter(f"{name}_len", str(len(items)))

    def remove(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> None:
        self.write(node, name, [])
        node.UnsetParameter(f"{name}_len")


class ObservedList(MutableSequence):
    """A list that writes every change of itself to the parameter node."""

    def __init__(self, items: list, save: Callable[[list], None]) -> None:
        self._items, self._save = items, save

    def __getitem__(self, index):
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def _change(self, items: list) -> None:
        self._save(items)  # first, so that a refused value leaves the list as it was
        self._items = items

    def __setitem__(self, index, item) -> None:
        items = list(self._items)
        items[index] = item
        self._change(items)

    def __delitem__(self, index) -> None:
        items = list(self._items)
        del items[index]
        self._change(items)

    def insert(self, index: int, item: Any) -> None:
        items = list(self._items)
        items.insert(index, item)
        self._change(items)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, (list, ObservedList)) else NotImplemented

    def __repr__(self) -> str:
        return f"ObservedList({self._items})"


_NONE = TextStorage(types.NoneType, None, lambda value: "True", lambda text: None)
_SIMPLE: dict[type, tuple] = {
    int: (int, 0, str, int),
    float: ((int, float), 0.0, str, float),
    str: (str, "", str, str),
    bool: (bool, False, str, lambda text: text == "True"),
}


def storage_for(kind: Any) -> Storage:
    """The storage of a type, as written after the colon in a parameter node class."""
    if inspect.isclass(kind) and kind in _SIMPLE:
        return TextStorage(*_SIMPLE[kind])
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return TextStorage(kind, next(iter(kind)), lambda value: value.name, lambda text: kind[text])
    if inspect.isclass(kind) and issubclass(kind, pathlib.PurePath):
        return TextStorage(kind, kind(), str, kind)
    if inspect.isclass(kind) and issubclass(kind, slicer.vtkMRMLNode):
        return NodeStorage(kind)
    return _compound_storage(kind)


def _compound_storage(kind: Any) -> Storage:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        storage = storage_for(arguments[0])
        storage.validators += tuple(note for note in arguments[1:] if isinstance(note, Validator))
        return storage
    if origin in (typing.Union, types.UnionType):
        return UnionStorage(arguments)
    if origin is tuple and arguments:
        return TupleStorage(arguments)
    if origin is list and arguments:
        return ListStorage(arguments[0])
    raise TypeError(
        f"no parameter can be of type {kind}: use int, float, bool, str, Path, an enum, a MRML node class,"
        " and unions, lists and tuples of these"
    )


@contextmanager
def modifying(node: slicer.vtkMRMLNode):
    """One ModifiedEvent for everything inside."""
    was_modifying = node.StartModify()
    try:
        yield
    finally:
        node.EndModify(was_modifying)
