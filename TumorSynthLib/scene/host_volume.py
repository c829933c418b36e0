"""A volume node as a host: whether it can be one, its voxels for the engine, and the way between its RAS and the world.

A node's voxels are shown to the engine as they lie in the node. That is the file's order, except that Slicer turns the
slices of a left-handed file round when it loads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain
from TumorSynthLib.scene.node_memory import NodeMemory
from TumorSynthLib.volume_files import is_dicom

SYNTHETIC = "TumorSynth.Synthetic"

_Examined = tuple[tuple, HostBrain | None, str]
_examined: NodeMemory[_Examined] = NodeMemory()


# -- whether a volume can be a host


def why_not(node: slicer.vtkMRMLNode | None) -> str | None:
    """Why this volume cannot receive a lesion, in one line that ends with what would be right; None if it can."""
    if node is None:
        return "no volume is chosen: choose one that shows a brain"
    reason = _wrong_kind(node) or _wrong_image(node) or _wrong_transform(node)
    if reason is None:
        _, _, reason = _examine(node)
    return f"'{node.GetName()}' {reason}" if reason else None


def host_of(node: slicer.vtkMRMLScalarVolumeNode) -> HostBrain:
    """The node's voxels and geometry, copied once and kept until the image or its place changes."""
    reason = why_not(node)
    if reason:
        raise InputError(reason)
    _, host, _ = _examine(node)
    assert host is not None
    return host


def _wrong_kind(node: slicer.vtkMRMLNode) -> str | None:
    if node.IsA("vtkMRMLSequenceNode"):
        return "is a sequence: choose one of its volumes, cloned in the Data module"
    if node.IsA("vtkMRMLLabelMapVolumeNode") or node.IsA("vtkMRMLSegmentationNode"):
        return "holds labels, not an image: choose the image they were drawn on"
    if not node.IsA("vtkMRMLScalarVolumeNode"):
        return "is not a scalar volume: choose a 3D image with one grey value per voxel"
    if node.IsA("vtkMRMLTensorVolumeNode") or node.IsA("vtkMRMLDiffusionImageVolumeNode"):
        return "is a color, vector or diffusion volume: choose a 3D image with one grey value per voxel"
    if node.GetAttribute(SYNTHETIC):
        return "was made by TumorSynth: choose its host, and add lesions there"
    return None


def _wrong_image(node: slicer.vtkMRMLScalarVolumeNode) -> str | None:
    image = node.GetImageData()
    scalars = image.GetPointData().GetScalars() if image is not None else None
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        return "holds no image: load its file again, or choose another volume"
    if scalars.GetNumberOfComponents() > 1:
        return (
            f"has {scalars.GetNumberOfComponents()} values per voxel (color, vector or time):"
            " choose a 3D image with one grey value per voxel"
        )
    if _is_one_of_a_sequence(node):
        return "shows one item of a sequence and changes with it: clone it in the Data module, then choose the clone"
    return None


def _is_one_of_a_sequence(node: slicer.vtkMRMLNode) -> bool:
    scene = node.GetScene()
    browsers = scene.GetNodesByClass("vtkMRMLSequenceBrowserNode") if scene else vtk.vtkCollection()
    return any(browsers.GetItemAsObject(i).IsProxyNode(node.GetID()) for i in range(browsers.GetNumberOfItems()))


def _wrong_transform(node: slicer.vtkMRMLTransformableNode) -> str | None:
    transform = node.GetParentTransformNode()
    if transform is None:
        return None
    if not transform.IsTransformToWorldLinear():
        return "is under a non-linear transform: harden it, then choose the volume again"
    if abs(np.linalg.det(world_from_host(node)[:3, :3])) < 1e-6:
        return "is under a transform that flattens it: choose a transform that can be inverted, or none"
    return None


def _examine(node: slicer.vtkMRMLScalarVolumeNode) -> _Examined:
    """The answer of the costly checks, of which HostBrain has most, and the host if they were passed."""
    state = (node.GetImageData().GetAddressAsString(""), node.GetImageData().GetMTime(), affine_of(node).tobytes())
    known = _examined.get(node)
    if known is not None and known[0] == state:
        return known
    source = _unchanged_file(node)
    try:
        host, reason = HostBrain(np.array(voxels_of(node), order="K"), affine_of(node), source), ""
    except InputError as error:
        host, reason = None, _without_name(str(error), source)
    return _examined.keep(node, (state, host, reason))


def _without_name(message: str, source: Path | None) -> str:
    return "cannot be used: " + message.removeprefix(f"{source or 'volume'}: ")


def _unchanged_file(node: slicer.vtkMRMLScalarVolumeNode) -> Path | None:
    """The one file that holds exactly this volume, for provenance."""
    storage = node.GetStorageNode()
    if storage is None or storage.GetNumberOfFileNames() > 1 or node.GetModifiedSinceRead():
        return None
    name = storage.GetFullNameFromFileName() or ""
    path = Path(name)
    return path if name and path.is_file() and path.suffix.lower() not in (".dcm", ".ima", "") else None


def dicom_files(node: slicer.vtkMRMLScalarVolumeNode) -> tuple[str, ...]:
    """The DICOM files that the volume was loaded from: by Slicer's DICOM database, or straight from a folder."""
    instances = (node.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if instances and database is not None:
        return tuple(file for uid in instances if (file := database.fileForInstance(uid)))
    storage = node.GetStorageNode()
    if storage is None or node.GetModifiedSinceRead():
        return ()
    names = [storage.GetFileName(), *(storage.GetNthFileName(n) for n in range(storage.GetNumberOfFileNames()))]
    files = dict.fromkeys(name for name in names if name and Path(name).is_file())
    return tuple(file for file in files if is_dicom(Path(file)))


# -- its voxels


def voxels_of(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """The node's own voxels (i, j, k), not a copy: what is written here is in the node."""
    image = node.GetImageData()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1]).T


def voxels_changed(node: slicer.vtkMRMLVolumeNode) -> None:
    """Tells everyone who shows the node that `voxels_of` were written to."""
    node.GetImageData().GetPointData().GetScalars().Modified()
    node.Modified()


def affine_of(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """From ijk to the node's own RAS, before any transform that it is under."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return array_of(matrix)


def empty_volume_like(node: slicer.vtkMRMLVolumeNode, dtype: np.dtype | None = None) -> vtk.vtkImageData:
    """An image of the node's size, in its scalar type or another, all zero."""
    image = vtk.vtkImageData()
    image.SetDimensions(node.GetImageData().GetDimensions())
    kind = get_vtk_array_type(dtype) if dtype is not None else node.GetImageData().GetScalarType()
    image.AllocateScalars(kind, 1)
    vtk_to_numpy(image.GetPointData().GetScalars()).fill(0)
    return image


# -- its place in the world


def world_from_host(node: slicer.vtkMRMLTransformableNode) -> np.ndarray:
    """4 x 4, from the node's own RAS to the world's."""
    matrix = vtk.vtkMatrix4x4()
    transform = node.GetParentTransformNode()
    if transform is not None:
        transform.GetMatrixTransformToWorld(matrix)
    return array_of(matrix)


def to_world(node: slicer.vtkMRMLTransformableNode, host_point: Sequence[float]) -> np.ndarray:
    return _applied(world_from_host(node), host_point)


def to_host(node: slicer.vtkMRMLTransformableNode, world_point: Sequence[float]) -> np.ndarray:
    return _applied(np.linalg.inv(world_from_host(node)), world_point)


def array_of(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    return np.array(matrix.GetData()).reshape(4, 4)


def matrix_of(array: np.ndarray) -> vtk.vtkMatrix4x4:
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(array, float).ravel().tolist())
    return matrix


def _applied(matrix: np.ndarray, point: Sequence[float]) -> np.ndarray:
    return matrix[:3, :3] @ np.asarray(point, float) + matrix[:3, 3]
