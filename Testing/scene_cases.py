"""A Slicer scene without a window, hosts and patches in it, and what a test counts afterwards."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from phantoms import phantom
from TumorSynthLib.background.messages import CasePatch
from TumorSynthLib.brain_mask import bounding_box
from TumorSynthLib.host import HostBrain
from TumorSynthLib.scene.case import SceneCase
from TumorSynthLib.scene.host_volume import host_of, matrix_of
from TumorSynthLib.scene.lesion_state import LesionState

CENTER = (-15.0, 5.0, 25.0)


class SlicerScene:
    """The real scene with the logics that Slicer has around it: colors, volumes, segmentations, files."""

    def __init__(self) -> None:
        self.scene = slicer.vtkMRMLScene()
        self.application = slicer.vtkSlicerApplicationLogic()
        self.application.SetMRMLScene(self.scene)
        colors = self.application.GetColorLogic()
        colors.SetMRMLScene(self.scene)
        colors.AddDefaultColorNodes()
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)
        self._logics = [
            self._add(name, logic)
            for name, logic in (
                ("Volumes", slicer.vtkSlicerVolumesLogic()),
                ("Segmentations", slicer.vtkSlicerSegmentationsModuleLogic()),
                ("Markups", slicer.vtkSlicerMarkupsLogic()),
                ("SubjectHierarchy", slicer.vtkSlicerSubjectHierarchyModuleLogic()),
            )
        ]
        self.volumes = self._logics[0]
        self._remote = slicer.vtkMRMLRemoteIOLogic()  # scene bundles are unpacked into its cache
        self._remote.SetMRMLScene(self.scene)
        self._remote.GetCacheManager().SetRemoteCacheDirectory(tempfile.mkdtemp())
        self._data = slicer.vtkDataIOManagerLogic()
        self._data.SetMRMLScene(self.scene)
        self._data.SetMRMLApplicationLogic(self.application)
        self._data.SetAndObserveDataIOManager(self._remote.GetDataIOManager())
        self._remote.AddDataIOToScene()

    def _add(self, name: str, logic: vtk.vtkObject) -> vtk.vtkObject:
        if hasattr(logic, "SetModuleShareDirectory"):
            logic.SetModuleShareDirectory(tempfile.mkdtemp())
        logic.SetMRMLScene(self.scene)
        logic.SetMRMLApplicationLogic(self.application)
        self.application.SetModuleLogic(name, logic)
        return logic

    def load_volume(self, path: Path, name: str = "T1c") -> slicer.vtkMRMLScalarVolumeNode:
        return self.volumes.AddArchetypeVolume(str(path), name)

    def save(self, path: Path) -> None:
        assert self.scene.WriteToMRB(str(path))

    def load(self, path: Path, clear: bool = True) -> None:
        assert self.scene.ReadFromMRB(str(path), clear)

    def counts(self) -> Counter:
        return Counter(self.scene.GetNthNode(n).GetClassName() for n in range(self.scene.GetNumberOfNodes()))

    def nodes(self, class_name: str) -> list[slicer.vtkMRMLNode]:
        """Of exactly this class."""
        every = [self.scene.GetNthNode(n) for n in range(self.scene.GetNumberOfNodes())]
        return [node for node in every if node.GetClassName() == class_name]

    def composite(self, name: str = "Red") -> slicer.vtkMRMLSliceCompositeNode:
        node = slicer.vtkMRMLSliceCompositeNode()
        node.SetLayoutName(name)
        return self.scene.AddNode(node)


def add_volume(
    scene: slicer.vtkMRMLScene, voxels: np.ndarray, affine: np.ndarray, name: str = "T1c", kind: str = "ScalarVolume"
) -> slicer.vtkMRMLVolumeNode:
    image = vtk.vtkImageData()
    image.SetDimensions(*voxels.shape[:3])
    image.AllocateScalars(get_vtk_array_type(voxels.dtype), voxels.shape[3] if voxels.ndim == 4 else 1)
    scalars = vtk_to_numpy(image.GetPointData().GetScalars())
    scalars[:] = voxels.reshape(-1, voxels.shape[3], order="F") if voxels.ndim == 4 else voxels.ravel(order="F")
    node = getattr(slicer, f"vtkMRML{kind}Node")()
    node.SetName(name)
    node.SetIJKToRASMatrix(matrix_of(affine))
    node.SetAndObserveImageData(image)
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    return node


def add_host(scene: slicer.vtkMRMLScene, name: str = "T1c", **phantom_options) -> tuple:
    """A made-up brain as a volume node, and its brain mask."""
    host, brain = phantom(**phantom_options)
    return add_volume(scene, host.voxels, host.affine, name), brain


def lesion(center: Sequence[float] = CENTER, name: str = "Lesion 1", radius: float = 10.0, **fields) -> LesionState:
    return LesionState(name, tuple(center), (radius, 0.7 * radius, 0.4 * radius), **fields)


def drawn_patch(host: HostBrain, states: Sequence[LesionState], quality: str = "full") -> CasePatch:
    """Balls of double brightness in place of painted lesions: what the scene does with a patch needs no networks."""
    mask = np.zeros(host.shape, np.uint8)
    levels = np.zeros(host.shape, np.float32)
    for number, state in enumerate(states, start=1):
        squared = host.grid.squared_distance_mm2(np.array(state.center_ras))
        for radius, value in zip(state.radii_mm, state.spheres.resolved_structure.values, strict=True):
            mask[squared <= radius**2] = number
            levels[squared <= radius**2] = value
    box = bounding_box(mask) or (slice(0, 0),) * 3
    image = host.voxels[box].copy()
    image[mask[box] > 0] = host.to_stored(2.0 * image[mask[box] > 0])
    facts = tuple(_Facts(state.center_ras) for state in states)
    provenance = {"made": "by hand"} if quality == "full" else None
    return CasePatch(box, image, mask[box].copy(), levels[box].copy(), facts, provenance, quality, 0.1)


class _Facts:
    """The one fact by which the scene knows a lesion of a patch again."""

    def __init__(self, center_ras: tuple[float, float, float]) -> None:
        self.center_ras = center_ras


def patch_of(case_of_engine, states: Sequence[LesionState] = ()) -> CasePatch:
    """What the engine made, cut to the box in which it differs from the host."""
    box = bounding_box(case_of_engine.zone | (case_of_engine.mask > 0))
    parts = (np.asarray(a[box]) for a in (case_of_engine.image, case_of_engine.mask, case_of_engine.intensity_map))
    return CasePatch(box, *parts, case_of_engine.lesions, case_of_engine.provenance, "full", 0.1)


def apply_drawn(case: SceneCase, quality: str = "full") -> CasePatch:
    patch = drawn_patch(host_of(case.host), case.states(), quality)
    assert case.outputs.apply(patch, quality == "full")
    return patch


def moved(state: LesionState, *offset: float) -> LesionState:
    return replace(state, center_ras=tuple(c + o for c, o in zip(state.center_ras, offset, strict=True)))
