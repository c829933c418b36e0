"""`slicer.app.coreIOManager()`: reads and writes nodes and scenes, so that Slicer's own `slicer.util.loadVolume`,
`loadSegmentation`, `loadMarkups`, `saveNode`, `loadScene`, `saveScene`, ... work as they are.

Covers the file types of `FILE_ENDINGS`, with the properties `name`, `labelmap`, `center`, `singleFile`,
`discardOrientation`, `autoWindowLevel`, `show`, `colorNodeID`, `autoOpacities`, `clear` and `useCompression` where
Slicer has them. Not covered: readers and writers that modules register, dialogs (the window has its own), sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
import vtk

# File type, as Slicer names it: the endings of file names, lower case.
FILE_ENDINGS = {
    "SceneFile": (".mrml", ".mrb"),
    "SegmentationFile": (".seg.nrrd", ".seg.nhdr", ".seg.nii.gz", ".seg.nii"),
    "MarkupsFile": (".mrk.json", ".fcsv"),
    "VolumeFile": (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".hdr", ".img", ".dcm", ".tif", ".png"),
    "ModelFile": (".vtp", ".vtk", ".stl", ".obj", ".ply"),
    "TransformFile": (".tfm", ".h5"),
    "ColorTableFile": (".ctbl", ".txt"),
    "TableFile": (".csv", ".tsv"),
}
_ENDINGS = sorted((ending for endings in FILE_ENDINGS.values() for ending in endings), key=len, reverse=True)
_NODE_CLASSES = {
    "ModelFile": "vtkMRMLModelNode",
    "TableFile": "vtkMRMLTableNode",
    "TextFile": "vtkMRMLTextNode",
    "ColorTableFile": "vtkMRMLColorTableNode",
}


def name_without_ending(path: str | Path) -> str:
    """A file's name for a node: "t1.nii.gz" becomes "t1"."""
    name = Path(path).name
    ending = known_ending(name)
    return name[: -len(ending)] if ending else Path(name).stem


def known_ending(path: str | Path) -> str:
    name = str(path).lower()
    return next((ending for ending in _ENDINGS if name.endswith(ending)), "")


class CoreIOManager:
    """Files to nodes and back, by the logics that the application logic knows."""

    # -- what a file is

    def fileType(self, filename: str) -> str:
        name = str(filename).lower()
        for file_type, endings in FILE_ENDINGS.items():
            if name.endswith(endings):
                return file_type
        return "VolumeFile" if Path(filename).is_dir() or not Path(filename).suffix else "NoFile"

    def extractKnownExtension(self, filename: str, node: slicer.vtkMRMLNode | None = None) -> str:
        return known_ending(filename) or Path(filename).suffix

    def fileWriterFileType(self, node: slicer.vtkMRMLNode, fileFormat: str = "") -> str:
        return "SegmentationFile" if node.IsA("vtkMRMLSegmentationNode") else "NodeFile"

    def fileWriterExtensions(self, node: slicer.vtkMRMLNode) -> tuple[str, ...]:
        storage = _new_storage(node)
        types = storage.GetSupportedWriteFileTypes() if storage is not None else vtk.vtkStringArray()
        return tuple(types.GetValue(index) for index in range(types.GetNumberOfValues()))

    # -- reading

    def loadNodes(
        self,
        fileType: str,
        properties: dict[str, Any],
        loadedNodes: vtk.vtkCollection | None = None,
        userMessages: slicer.vtkMRMLMessageCollection | None = None,
    ) -> bool:
        path = str(properties["fileName"])
        if not Path(path).exists():
            return _refuse(userMessages, f"{path} does not exist")
        if fileType == "SceneFile":
            return self.loadScene(path, bool(properties.get("clear", False)))
        reader = _READERS.get(fileType, _read_by_storage)
        try:
            node = reader(fileType, path, properties)
        except ValueError as error:
            return _refuse(userMessages, str(error))
        if node is None:
            return _refuse(userMessages, f"{path} cannot be read as {fileType}")
        if loadedNodes is not None:
            loadedNodes.AddItem(node)
        return True

    def loadScene(self, filename: str, clear: bool = True) -> bool:
        scene = slicer.mrmlScene
        if str(filename).lower().endswith(".mrb"):
            return bool(scene.ReadFromMRB(str(filename), clear))
        scene.SetURL(str(filename))
        return bool(scene.Connect() if clear else scene.Import())

    # -- writing

    def saveNodes(
        self,
        fileType: str,
        properties: dict[str, Any],
        userMessages: slicer.vtkMRMLMessageCollection | None = None,
    ) -> bool:
        path = str(properties["fileName"])
        if fileType == "SceneFile":
            return self.saveScene(path)
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode(path)
        storage = node.GetStorageNode()
        return storage is not None and _write(storage, node, path, properties)

    def saveScene(self, filename: str) -> bool:
        """A bundle (.mrb), a scene file without data (.mrml), or else a folder with everything."""
        scene, ending = slicer.mrmlScene, Path(filename).suffix.lower()
        if ending == ".mrb":
            return bool(scene.WriteToMRB(str(filename)))
        if ending == ".mrml":
            scene.SetRootDirectory(str(Path(filename).resolve().parent))
            scene.SetURL(str(filename))
            return bool(scene.Commit(str(filename)))
        Path(filename).mkdir(parents=True, exist_ok=True)
        return bool(scene.SaveSceneToSlicerDataBundleDirectory(str(filename)))

    def exportNodes(
        self,
        nodeIDs: list[str],
        fileNames: list[str],
        properties: dict[str, Any],
        hardenTransforms: bool,
        userMessages: slicer.vtkMRMLMessageCollection | None = None,
    ) -> bool:
        """Writes nodes without changing where they are stored; hardening a transform is not covered."""
        if hardenTransforms:
            return _refuse(userMessages, "exporting with hardened transforms is not covered by the workbench")
        nodes = [slicer.mrmlScene.GetNodeByID(node_id) for node_id in nodeIDs]
        return all(
            _write(_new_storage(node), node, str(path), properties) for node, path in zip(nodes, fileNames, strict=True)
        )


def _refuse(messages: slicer.vtkMRMLMessageCollection | None, text: str) -> bool:
    if messages is not None:
        messages.AddMessage(vtk.vtkCommand.ErrorEvent, text)
    return False


def _new_storage(node: slicer.vtkMRMLNode) -> slicer.vtkMRMLStorageNode | None:
    storage = node.CreateDefaultStorageNode()
    if storage is not None:
        storage.UnRegister(None)
        storage.SetScene(node.GetScene())
    return storage


def _write(storage: slicer.vtkMRMLStorageNode, node: slicer.vtkMRMLNode, path: str, properties: dict[str, Any]) -> bool:
    storage.SetFileName(path)
    if "useCompression" in properties:
        storage.SetUseCompression(properties["useCompression"])
    return bool(storage.WriteData(node))


# -- one reader for each kind of file


def _logic(name: str):
    logic = slicer.app.applicationLogic().GetModuleLogic(name)
    if logic is None:
        raise ValueError(f"there is no {name} module to read this file")
    return logic


def _read_volume(file_type: str, path: str, properties: dict[str, Any]):
    names = ("labelmap", "center", "singleFile", "autoWindowLevel", "discardOrientation")
    options = sum(1 << bit for bit, name in enumerate(names) if properties.get(name, name == "autoWindowLevel"))
    files = vtk.vtkStringArray()
    for file_name in properties.get("fileNames", ()):
        files.InsertNextValue(str(file_name))
    name = properties.get("name") or name_without_ending(path)
    node = _logic("Volumes").AddArchetypeVolume(path, name, options, files if files.GetNumberOfValues() else None)
    if node is None:
        return None
    if properties.get("colorNodeID") and node.GetDisplayNode() is not None:
        node.GetDisplayNode().SetAndObserveColorNodeID(properties["colorNodeID"])
    if properties.get("show", True):
        _show(node)
    return node


def _show(volume: slicer.vtkMRMLVolumeNode) -> None:
    logic = slicer.app.applicationLogic()
    selection = logic.GetSelectionNode()
    if selection is None:
        return
    if volume.IsA("vtkMRMLLabelMapVolumeNode"):
        selection.SetActiveLabelVolumeID(volume.GetID())
    else:
        selection.SetActiveVolumeID(volume.GetID())
    logic.PropagateVolumeSelection()


def _read_segmentation(file_type: str, path: str, properties: dict[str, Any]):
    name = properties.get("name") or name_without_ending(path)
    return _logic("Segmentations").LoadSegmentationFromFile(path, bool(properties.get("autoOpacities", True)), name)


def _read_markups(file_type: str, path: str, properties: dict[str, Any]):
    node_id = _logic("Markups").LoadMarkups(path, properties.get("name") or name_without_ending(path))
    return slicer.mrmlScene.GetNodeByID(node_id) if node_id else None


def _read_transform(file_type: str, path: str, properties: dict[str, Any]):
    return _logic("Transforms").AddTransform(path, slicer.mrmlScene)


def _read_by_storage(file_type: str, path: str, properties: dict[str, Any]):
    """Any node that its own storage node can read."""
    if file_type not in _NODE_CLASSES:
        raise ValueError(f"the workbench reads no {file_type}; it reads {', '.join([*FILE_ENDINGS, 'TextFile'])}")
    scene = slicer.mrmlScene
    node = scene.AddNewNodeByClass(_NODE_CLASSES[file_type], properties.get("name") or name_without_ending(path))
    node.AddDefaultStorageNode(path)
    if not node.GetStorageNode() or not node.GetStorageNode().ReadData(node):
        scene.RemoveNode(node)
        return None
    if node.IsA("vtkMRMLDisplayableNode"):
        node.CreateDefaultDisplayNodes()
    return node


_READERS: dict[str, Callable[[str, str, dict[str, Any]], Any]] = {
    "VolumeFile": _read_volume,
    "SegmentationFile": _read_segmentation,
    "MarkupsFile": _read_markups,
    "TransformFile": _read_transform,
}
