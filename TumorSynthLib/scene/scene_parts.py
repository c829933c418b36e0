"""Small services of the scene: folders of the subject hierarchy, removal without leftovers, the map's color table."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import slicer

FOLDER_ATTRIBUTE = "TumorSynth.Folder"
MAP_COLORS_TAG = "TumorSynthMap"
# From dark to light and through hues that grey images lack, so that rank can be read off with any color vision.
_MAP_ANCHORS = ((0.29, 0.01, 0.63), (0.66, 0.13, 0.59), (0.88, 0.39, 0.38), (0.99, 0.65, 0.21), (0.95, 0.96, 0.15))


def remove_with_companions(node: slicer.vtkMRMLNode | None) -> None:
    """Removes a node with its display and storage nodes and its place in the data tree, which Slicer's scene leaves."""
    scene = node.GetScene() if node is not None else None
    if scene is None:
        return
    leftovers = companions(node)
    forget_item(scene, node)
    scene.RemoveNode(node)
    remove_all(scene, leftovers)


def companions(node: slicer.vtkMRMLDisplayableNode) -> list[slicer.vtkMRMLNode]:
    found = [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    found += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
    return [each for each in found if each is not None]


def remove_all(scene: slicer.vtkMRMLScene, nodes: Iterable[slicer.vtkMRMLNode]) -> None:
    for node in nodes:
        if scene.IsNodePresent(node):
            scene.RemoveNode(node)


# -- the data tree


def forget_item(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLNode) -> None:
    """Takes a node out of the data tree, and the folder with it that becomes empty. Desktop Slicer does the first part
    when a node is removed; the scene alone does not."""
    tree = _tree_in(scene)
    item = tree.GetItemByDataNode(node) if tree else 0
    if not item:
        return
    folder = tree.GetItemParent(item)
    tree.RemoveItem(item, False, False)
    if tree.GetItemAttribute(folder, FOLDER_ATTRIBUTE) and not tree.GetNumberOfItemChildren(folder):
        tree.RemoveItem(folder, False, False)


def put_in_folder(nodes: list[slicer.vtkMRMLNode], name: str, beside: slicer.vtkMRMLNode) -> None:
    """Puts nodes into one folder of the data tree, at the level of another node. Where the user moved them all, they
    stay; a folder in which one of them lies already is used again, and renamed."""
    tree = _tree_in(beside.GetScene())
    if tree is None:
        return
    folder = _folder_of(tree, nodes)
    if not folder:
        neighbor = tree.GetItemByDataNode(beside)
        parent = tree.GetItemParent(neighbor) if neighbor else tree.GetSceneItemID()
        folder = tree.CreateFolderItem(parent or tree.GetSceneItemID(), name)
        tree.SetItemAttribute(folder, FOLDER_ATTRIBUTE, "1")
    if tree.GetItemName(folder) != name:
        tree.SetItemName(folder, name)
    for node in nodes:
        item = tree.GetItemByDataNode(node)
        if not item:
            tree.CreateItem(folder, node)
        elif tree.GetItemParent(item) == tree.GetSceneItemID():
            tree.SetItemParent(item, folder)


def _folder_of(tree: slicer.vtkMRMLSubjectHierarchyNode, nodes: list[slicer.vtkMRMLNode]) -> int:
    for node in nodes:
        item = tree.GetItemByDataNode(node)
        parent = tree.GetItemParent(item) if item else 0
        if parent and tree.GetItemAttribute(parent, FOLDER_ATTRIBUTE):
            return parent
    return 0


def _tree_in(scene: slicer.vtkMRMLScene | None) -> slicer.vtkMRMLSubjectHierarchyNode | None:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene) if scene else None


# -- colors


def map_colors(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLColorTableNode:
    """The color table of intensity maps: one per scene, made anew rather than saved."""
    table = scene.GetSingletonNode(MAP_COLORS_TAG, "vtkMRMLColorTableNode")
    if table is not None:
        return table
    table = slicer.vtkMRMLColorTableNode()
    table.SetTypeToUser()
    table.SetName("Intensity map")
    table.SetDescription("Grey levels of a synthetic lesion, from dark to bright")
    table.SetSingletonTag(MAP_COLORS_TAG)
    table.SetHideFromEditors(True)
    table.SetSaveWithScene(False)
    table.SetNumberOfColors(256)
    anchors = np.array(_MAP_ANCHORS)
    steps = np.linspace(0, len(anchors) - 1, 256)
    for index, step in enumerate(steps):
        color = [float(np.interp(step, range(len(anchors)), anchors[:, channel])) for channel in range(3)]
        table.SetColor(index, *color, 1.0)
    table.SetNamesFromColors()
    return scene.AddNode(table)
