"""The nodes of a scene that a selector offers, kept up to date."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import slicer
import vtk


@dataclass
class NodeFilter:
    """Which nodes are offered."""

    types: list[str] = field(default_factory=list)
    child_types: bool = True
    hidden_child_types: list[str] = field(default_factory=list)
    hidden_nodes: bool = False
    attributes: dict[str, dict[str, str | None]] = field(default_factory=dict)

    def has_type(self, node: slicer.vtkMRMLNode) -> bool:
        if any(node.IsA(hidden) for hidden in self.hidden_child_types):
            return False
        if self.child_types:
            return any(node.IsA(kind) for kind in self.types)
        return node.GetClassName() in self.types

    def offers(self, node: slicer.vtkMRMLNode) -> bool:
        if not self.has_type(node) or (node.GetHideFromEditors() and not self.hidden_nodes):
            return False
        for kind, wanted in self.attributes.items():
            if node.IsA(kind) and not all(_has(node, name, value) for name, value in wanted.items()):
                return False
        return True


def _has(node: slicer.vtkMRMLNode, name: str, value: str | None) -> bool:
    """An attribute that must exist, and must have this value unless any will do."""
    found = node.GetAttribute(name)
    return found is not None and (value in (None, "") or found == value)


class NodeList:
    """Calls `on_change` when the offered nodes, their order or their names have changed.

    As in Slicer, nothing is told while the scene loads, closes or is otherwise processed in a batch; once it is over,
    everything is.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.filter = NodeFilter()
        self.scene: slicer.vtkMRMLScene | None = None
        self._on_change = on_change
        self._told: list[tuple[str, str]] = []
        self._scene_tags: list[int] = []
        self._node_tags: dict[slicer.vtkMRMLNode, int] = {}

    def stop(self) -> None:
        """Observes nothing any more, and tells nobody."""
        for tag in self._scene_tags:
            self.scene.RemoveObserver(tag)
        for node, tag in self._node_tags.items():
            node.RemoveObserver(tag)
        self._scene_tags, self._node_tags, self.scene = [], {}, None

    def set_scene(self, scene: slicer.vtkMRMLScene | None) -> None:
        self.stop()
        self.scene = scene
        if scene is not None:
            events = (
                scene.NodeAddedEvent,
                scene.NodeRemovedEvent,
                scene.EndBatchProcessEvent,
                scene.EndCloseEvent,
                scene.EndImportEvent,
                scene.EndRestoreEvent,
            )
            self._scene_tags = [scene.AddObserver(event, self._scene_changed) for event in events]
        self.refresh()

    def nodes(self) -> list[slicer.vtkMRMLNode]:
        return [node for node in self._of_type() if self.filter.offers(node)]

    def _of_type(self) -> list[slicer.vtkMRMLNode]:
        if self.scene is None:
            return []
        nodes = (self.scene.GetNthNode(index) for index in range(self.scene.GetNumberOfNodes()))
        return [node for node in nodes if self.filter.has_type(node)]

    def refresh(self) -> None:
        """Looks at the whole scene again, and observes what may come to be offered."""
        if self.scene is not None and self.scene.IsBatchProcessing():
            return
        present = self._of_type()
        for node in set(self._node_tags) - set(present):
            node.RemoveObserver(self._node_tags.pop(node))
        for node in present:
            if node not in self._node_tags:
                self._node_tags[node] = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._node_modified)
        self._tell()

    def _scene_changed(self, *_: object) -> None:
        self.refresh()

    def _node_modified(self, *_: object) -> None:
        if self.scene is not None and not self.scene.IsBatchProcessing():
            self._tell()

    def _tell(self) -> None:
        now = [(node.GetID(), node.GetName() or "") for node in self.nodes()]
        if now != self._told:
            self._told = now
            self._on_change()
