"""What Python knows about a node, forgotten when the node is gone."""

from __future__ import annotations

from typing import Generic, TypeVar

import vtk

T = TypeVar("T")


class NodeMemory(Generic[T]):
    """A dictionary by node that keeps no node alive. Python's own weak references do not do: they end with Python's
    wrapper of a node, which may come and go many times in the node's life."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[vtk.vtkWeakReference, T]] = {}

    def keep(self, node: vtk.vtkObject, value: T) -> T:
        self._drop_the_dead()
        reference = vtk.vtkWeakReference()
        reference.Set(node)
        self._kept[_address(node)] = (reference, value)
        return value

    def get(self, node: vtk.vtkObject) -> T | None:
        reference, value = self._kept.get(_address(node), (None, None))
        return value if reference is not None and reference.Get() is node else None

    def forget(self, node: vtk.vtkObject) -> None:
        self._kept.pop(_address(node), None)

    def values(self) -> list[T]:
        self._drop_the_dead()
        return [value for _, value in self._kept.values()]

    def _drop_the_dead(self) -> None:
        self._kept = {address: kept for address, kept in self._kept.items() if kept[0].Get() is not None}


def _address(node: vtk.vtkObject) -> str:
    return node.GetAddressAsString("")
