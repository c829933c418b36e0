"""Slicer's core without its desktop: scene, application logic, the logics of its modules. Knows nothing of Qt."""

from __future__ import annotations

import tempfile
from pathlib import Path

import slicer
import vtk

from .subject_hierarchy import SubjectHierarchyKeeper

# Module: class of its logic, as desktop Slicer names them. `slicer.modules.markups.logic()` finds them.
MODULE_LOGICS = {
    "Units": "vtkSlicerUnitsLogic",
    "Colors": "vtkSlicerColorLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Models": "vtkSlicerModelsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "Data": "vtkSlicerDataModuleLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
}
VIEW_BACKGROUND = ((0.06, 0.07, 0.11), (0.17, 0.19, 0.28))  # bottom, top


class SceneCore:
    """One MRML scene with everything around it that the nodes and views of desktop Slicer count on."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="tumorsynth-workbench-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.scene = slicer.vtkMRMLScene()
        slicer.mrmlScene = self.scene
        self.application_logic = slicer.vtkSlicerApplicationLogic()
        self.module_logics: dict[str, vtk.vtkObject] = {}
        self._prepare_application_logic()
        self._prepare_scene()
        self._prepare_module_logics()
        self._prepare_bundle_reading()
        self.subject_hierarchy = SubjectHierarchyKeeper(self.scene)
        self.layout_logic = slicer.vtkMRMLLayoutLogic()
        self.layout_logic.SetMRMLScene(self.scene)

    @property
    def layout_node(self) -> slicer.vtkMRMLLayoutNode:
        return self.layout_logic.GetLayoutNode()

    @property
    def crosshair_node(self) -> slicer.vtkMRMLCrosshairNode:
        return self.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")

    @property
    def selection_node(self) -> slicer.vtkMRMLSelectionNode:
        return self.application_logic.GetSelectionNode()

    @property
    def interaction_node(self) -> slicer.vtkMRMLInteractionNode:
        return self.application_logic.GetInteractionNode()

    def _prepare_application_logic(self) -> None:
        logic = self.application_logic
        (self.folder / "temporary").mkdir()
        (self.folder / "share" / "ColorFiles").mkdir(parents=True)
        logic.SetTemporaryPath(str(self.folder / "temporary"))
        logic.SetHomeDirectory(str(self.folder))
        logic.SetShareDirectory("share")
        logic.SetMRMLScene(self.scene)
        logic.SetSliceLogics(vtk.vtkCollection())
        logic.SetViewLogics(vtk.vtkCollection())
        for factory in (
            slicer.vtkMRMLSliceViewDisplayableManagerFactory,
            slicer.vtkMRMLThreeDViewDisplayableManagerFactory,
        ):
            factory.GetInstance().SetMRMLApplicationLogic(logic)

    def _prepare_scene(self) -> None:
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)
        view = slicer.vtkMRMLViewNode()
        bottom, top = VIEW_BACKGROUND
        view.SetBackgroundColor(*bottom)
        view.SetBackgroundColor2(*top)
        # A default node, so that views come back like this after the scene is closed.
        self.scene.AddDefaultNode(view)

    def _prepare_module_logics(self) -> None:
        share = self.folder / "share"
        for name, class_name in MODULE_LOGICS.items():
            logic = getattr(slicer, class_name)()
            if hasattr(logic, "SetModuleShareDirectory"):
                logic.SetModuleShareDirectory(str(share))
            logic.SetMRMLApplicationLogic(self.application_logic)
            logic.SetMRMLScene(self.scene)
            self.application_logic.SetModuleLogic(name, logic)
            self.module_logics[name] = logic
        self.application_logic.SetColorLogic(self.module_logics["Colors"])

    def _prepare_bundle_reading(self) -> None:
        """The scene reads a bundle (MRB) by way of a cache folder that only remote input and output know about."""
        cache = self.folder / "cache"
        cache.mkdir()
        self._remote_logic = slicer.vtkMRMLRemoteIOLogic()
        self._remote_logic.SetMRMLScene(self.scene)
        self._remote_logic.SetMRMLApplicationLogic(self.application_logic)
        self._remote_logic.GetCacheManager().SetRemoteCacheDirectory(str(cache))
        self._data_logic = slicer.vtkDataIOManagerLogic()
        self._data_logic.SetMRMLScene(self.scene)
        self._data_logic.SetMRMLApplicationLogic(self.application_logic)
        self._data_logic.SetAndObserveDataIOManager(self._remote_logic.GetDataIOManager())
        self._remote_logic.AddDataIOToScene()

    @property
    def has_unsaved_data(self) -> bool:
        return bool(self.scene.GetStorableNodesModifiedSinceRead(vtk.vtkCollection()))

    def close(self) -> None:
        """Empties the scene and takes the temporary folder away."""
        self.subject_hierarchy.observed.clear()
        self.scene.Clear(False)
        self._temporary.cleanup()
