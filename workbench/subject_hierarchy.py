"""Every data node has its item in the subject hierarchy: desktop Slicer's Qt plugins see to that, here this does."""

from __future__ import annotations

import slicer
import vtk

from TumorSynthLib.scene.observations import Observations

# The kinds of nodes that desktop Slicer lists on its Data module's tree.
LISTED = ("vtkMRMLDisplayableNode", "vtkMRMLTableNode", "vtkMRMLTextNode", "vtkMRMLPlotChartNode")
NOT_LISTED = ("vtkMRMLCameraNode", "vtkMRMLScriptedModuleNode")


class SubjectHierarchyKeeper:
    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self._scene = scene
        self.observed = Observations()
        for event, called in (
            (scene.NodeAddedEvent, self._on_added),
            (scene.NodeAboutToBeRemovedEvent, self._on_removed),
        ):
            self.observed.add(scene, event, called)

    @property
    def _tree(self) -> slicer.vtkMRMLSubjectHierarchyNode:
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_added(self, _scene: object, _event: str, node: slicer.vtkMRMLNode) -> None:
        if not self._scene.IsImporting() and not self._scene.IsClosing():
            self._list(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_removed(self, _scene: object, _event: str, node: slicer.vtkMRMLNode) -> None:
        if self._scene.IsClosing() or not _is_listed(node):
            return
        item = self._tree.GetItemByDataNode(node)
        if item:
            self._tree.RemoveItem(item, False, False)

    def complete(self) -> None:
        """After a scene was opened: items for nodes that came without one.

        Not on the scene's own event: items that came with the scene only find their nodes after that.
        """
        for index in range(self._scene.GetNumberOfNodes()):
            self._list(self._scene.GetNthNode(index))

    def _list(self, node: slicer.vtkMRMLNode) -> None:
        if _is_listed(node) and not self._tree.GetItemByDataNode(node):
            self._tree.CreateItem(self._tree.GetSceneItemID(), node)


def _is_listed(node: slicer.vtkMRMLNode) -> bool:
    excluded = slicer.vtkMRMLSubjectHierarchyConstants.GetSubjectHierarchyExcludeFromTreeAttributeName()
    if node.GetHideFromEditors() or node.GetAttribute(excluded):
        return False
    return any(node.IsA(name) for name in LISTED) and not any(node.IsA(name) for name in NOT_LISTED)
