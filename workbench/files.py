"""Volumes and scenes in and out of the workbench, with errors for people."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk

from TumorSynthLib.errors import InputError
from TumorSynthLib.itk_files import StoredVolume, truncated
from TumorSynthLib.volume_files import read_volume

from .python_layer.io_manager import FILE_ENDINGS, name_without_ending
from .scene_core import SceneCore

KINDS = "a volume (NIfTI, NRRD, MHA, DICOM), a scene (MRB, MRML), a segmentation, model, markups or transform file"

@contextmanager
def _no_chatter() -> Iterator[None]:
    """VTK writes its own complaints to the terminal; the person gets one line from us."""
    shown = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(shown)


def is_scene(path: Path) -> bool:
    return path.name.lower().endswith(FILE_ENDINGS["SceneFile"])


def load(core: SceneCore, path: Path) -> None:
    """Whatever a person opens or drops: a volume, a scene, or another file of Slicer's."""
    kind = slicer.app.coreIOManager().fileType(str(path))
    if kind == "SceneFile":
        open_scene(core, path)
    elif kind == "VolumeFile" or not path.exists():
        load_volume(core, path)
    elif kind in FILE_ENDINGS:
        messages = slicer.vtkMRMLMessageCollection()
        with _no_chatter():
            done = slicer.app.coreIOManager().loadNodes(kind, {"fileName": str(path)}, None, messages)
        if not done:
            raise InputError(f"{path}: cannot be read; {' '.join(messages.GetAllMessagesAsString().split())}")
    else:
        raise InputError(f"{path}: not a file that can be opened here; give {KINDS}")


def load_volume(core: SceneCore, path: Path, show: bool = True) -> slicer.vtkMRMLVolumeNode:
    """A volume from a file or a DICOM folder, shown in all slice views; `InputError` where it cannot be read."""
    if path.is_dir():
        node = add_volume(core, read_volume(path), name_without_ending(path))
    else:
        if not path.is_file():
            raise InputError(f"{path}: no such file or folder; check the path")
        _require_whole(path)
        with _no_chatter():
            node = core.module_logics["Volumes"].AddArchetypeVolume(str(path.resolve()), name_without_ending(path))
        if node is None:
            read_volume(path)  # says in one line what is wrong with it, where it can
            raise InputError(f"{path}: cannot be read as a volume; export it again, for example as NIfTI")
    if show:
        show_volume(core, node)
    return node


def _require_whole(path: Path) -> None:
    """The reader takes the missing end of a truncated file for zeros."""
    if path.name.lower().endswith(".gz"):
        try:
            with gzip.open(path, "rb") as stream:
                while stream.read(1 << 22):
                    pass
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise truncated(path) from error


def add_volume(core: SceneCore, volume: StoredVolume, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """A volume node from voxels and their place in the world."""
    voxels = volume.voxels
    if (volume.slope, volume.intercept) != (1.0, 0.0):
        voxels = voxels * volume.slope + volume.intercept
    image = vtk.vtkImageData()
    image.SetDimensions(voxels.shape)
    flat = np.asfortranarray(voxels).ravel(order="F")
    image.GetPointData().SetScalars(numpy_to_vtk(flat, deep=True))
    node = core.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", core.scene.GenerateUniqueName(name))
    to_ras = vtk.vtkMatrix4x4()
    to_ras.DeepCopy(volume.affine.ravel())
    node.SetIJKToRASMatrix(to_ras)
    node.SetAndObserveImageData(image)
    node.CreateDefaultDisplayNodes()
    return node


def show_volume(core: SceneCore, node: slicer.vtkMRMLVolumeNode) -> None:
    """As background of every slice view, with the views fitted to it, as Slicer does after loading."""
    selection = core.selection_node
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        selection.SetActiveLabelVolumeID(node.GetID())
    else:
        selection.SetActiveVolumeID(node.GetID())
    core.application_logic.PropagateVolumeSelection(1)


def open_scene(core: SceneCore, path: Path) -> None:
    """Replaces the scene by a saved one: a bundle (.mrb), a scene file (.mrml), or a folder that holds one."""
    path = path.resolve()
    if path.is_dir():
        found = sorted(path.glob("*.mrml"))
        if len(found) != 1:
            raise InputError(f"{path}: {len(found)} scene files (.mrml) in this folder; give one of them")
        (path,) = found
    _require_scene(path)
    messages = slicer.vtkMRMLMessageCollection()
    with _no_chatter():
        if path.suffix.lower() == ".mrb":
            done = core.scene.ReadFromMRB(str(path), True, messages)
        else:
            core.scene.SetURL(str(path))
            done = core.scene.Connect(messages)
    core.subject_hierarchy.complete()
    if not done:
        said = " ".join(messages.GetAllMessagesAsString().split())
        raise InputError(f"{path}: a scene that cannot be opened; save it again in Slicer. {said}".rstrip())


def _require_scene(path: Path) -> None:
    """Asked before anything is opened: opening empties the present scene."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    if path.suffix.lower() == ".mrb":
        whole = zipfile.is_zipfile(path)
        if whole:
            with zipfile.ZipFile(path) as bundle:
                whole = any(name.endswith(".mrml") for name in bundle.namelist())
    else:
        with path.open("rb") as stream:
            whole = b"<MRML" in stream.read(4096)
    if not whole:
        raise InputError(f"{path}: not a scene of 3D Slicer, or damaged; save it again")


def save_scene(core: SceneCore, path: Path) -> None:
    """Everything in one bundle when the name ends in .mrb, else a folder with a scene file and data files."""
    path = path.resolve()
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")
    if path.suffix.lower() == ".mrb":
        # Under its own name, which the bundle's inner folder has too; beside, so that it only has to be renamed.
        with _draft_folder(path.parent) as folder:
            if not core.scene.WriteToMRB(str(folder / path.name), None):
                raise InputError(f"{path}: the scene cannot be saved here; choose a writable folder with enough space")
            (folder / path.name).replace(path)
        return
    if path.suffix.lower() == ".mrml":
        path = path.parent
    path.mkdir(exist_ok=True)
    if not core.application_logic.SaveSceneToSlicerDataBundleDirectory(str(path), None):
        raise InputError(f"{path}: the scene cannot be saved here; choose a writable folder with enough space")


@contextmanager
def _draft_folder(parent: Path) -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix=".tumorsynth-", dir=parent))
    except OSError as error:
        raise InputError(f"{parent}: nothing can be written here ({error.strerror}); choose another folder") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def save_node(node: slicer.vtkMRMLStorableNode, path: Path) -> None:
    """One node into a file of the kind that the name's ending says."""
    if node.GetStorageNode() is None and not node.AddDefaultStorageNode(str(path)):
        raise InputError(f"{node.GetName()}: nothing that can be saved in a file")
    storage = node.GetStorageNode()
    before = storage.GetFileName()
    storage.SetFileName(str(path))
    with _no_chatter():
        done = storage.WriteData(node)
    if not done:
        storage.SetFileName(before)
        raise InputError(f"{path}: cannot be written; check the ending of the name and the folder")
