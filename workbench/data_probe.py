"""The line at the foot of the window: where the mouse is, and what the volumes and segments are there."""

from __future__ import annotations

import slicer
import vtk
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from TumorSynthLib.scene.observations import Observations

from .scene_core import SceneCore

LAYERS = (("L", "GetLabelLayer"), ("F", "GetForegroundLayer"), ("B", "GetBackgroundLayer"))
SEGMENTS = "vtkMRMLSegmentationsDisplayableManager2D"


class DataProbe(QLabel):
    """Stands for Slicer's data probe."""

    def __init__(self, core: SceneCore) -> None:
        super().__init__()
        self.core = core
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setObjectName("DataProbe")
        self.observed = Observations()
        event = slicer.vtkMRMLCrosshairNode.CursorPositionModifiedEvent
        self.observed.add(core.crosshair_node, event, self._on_cursor)

    def _on_cursor(self, *_: object) -> None:
        self.setText(self.line())

    def line(self) -> str:
        """What is under the mouse, in one line; empty when the mouse is nowhere."""
        crosshair, world = self.core.crosshair_node, [0.0, 0.0, 0.0]
        if not crosshair.GetCursorPositionRAS(world):
            return ""
        parts = [in_words(world)]
        xyz = [0.0, 0.0, 0.0]
        node = crosshair.GetCursorPositionXYZ(xyz)
        logic = self.core.application_logic.GetSliceLogic(node) if node is not None else None
        if logic is not None:
            parts.append(f"{node.GetLayoutName()} ({node.GetOrientation()})")
            parts += [f"{name} {value_at(volume, world)}" for name, volume in layers_of(logic)]
            parts += self._segments_at(logic, world)
        return "    ".join(parts)

    def _segments_at(self, logic: slicer.vtkMRMLSliceLogic, world: list[float]) -> list[str]:
        manager = logic.GetDisplayableManagerGroup().GetDisplayableManagerByClassName(SEGMENTS)
        found = []
        for index in range(self.core.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")):
            node = self.core.scene.GetNthNodeByClass(index, "vtkMRMLSegmentationNode")
            display = node.GetDisplayNode()
            if manager is None or display is None or not display.GetVisibility():
                continue
            segments = vtk.vtkStringArray()
            manager.GetVisibleSegmentsForPosition(world, display, segments)
            for number in range(segments.GetNumberOfValues()):
                found.append(f"S {node.GetSegmentation().GetSegment(segments.GetValue(number)).GetName()}")
        return found


def in_words(world: list[float]) -> str:
    """A point as radiologists say it: R 12.3  A 4.0  S 30.5 mm."""
    sides = (("R", "L"), ("A", "P"), ("S", "I"))
    return "  ".join(f"{pair[value < 0]} {abs(value):.1f}" for pair, value in zip(sides, world, strict=True)) + " mm"


def layers_of(logic: slicer.vtkMRMLSliceLogic) -> list[tuple[str, slicer.vtkMRMLVolumeNode]]:
    found = []
    for mark, getter in LAYERS:
        layer = getattr(logic, getter)()
        volume = layer.GetVolumeNode() if layer is not None else None
        if volume is not None:
            found.append((mark, volume))
    return found


def value_at(volume: slicer.vtkMRMLVolumeNode, world: list[float]) -> str:
    """The name of a volume and its value at a point: "t1c = 431", with the voxel's index."""
    image = volume.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        return f"{volume.GetName()}: no voxels"
    to_volume = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, volume.GetParentTransformNode(), to_volume)
    ras_to_ijk = vtk.vtkMatrix4x4()
    volume.GetRASToIJKMatrix(ras_to_ijk)
    ijk = ras_to_ijk.MultiplyPoint((*to_volume.TransformPoint(world), 1.0))[:3]
    index = [round(coordinate) for coordinate in ijk]
    if not all(0 <= i < n for i, n in zip(index, image.GetDimensions(), strict=True)):
        return f"{volume.GetName()}: outside"
    channels = [image.GetScalarComponentAsDouble(*index, c) for c in range(image.GetNumberOfScalarComponents())]
    return f"{volume.GetName()} ({', '.join(map(str, index))}) = {', '.join(f'{value:.6g}' for value in channels)}"
