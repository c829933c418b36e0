"""How spheres look: one model per sphere, cut to a ring by every slice view, and one with the grips of the 3D view.

Models carry no truth. They are not saved with the scene and are made anew from the spheres node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

SPHERE_ROLE = "TumorSynth.Sphere"
GRIPS_ROLE = "TumorSynth.Grips"
OWNER_ATTRIBUTE = "TumorSynth.SpheresNode"

# Outermost first. Light enough for dark tissue and saturated enough for bright; told apart with any color vision.
COLORS = ((0.1, 0.65, 1.0), (1.0, 0.6, 0.0), (1.0, 0.2, 0.55), (0.35, 0.8, 0.2), (0.65, 0.45, 1.0))
CENTER_COLOR = (1.0, 1.0, 1.0)
PALENESS = 0.3

# Round to a fifth of a pixel where a sphere takes 200 pixels; finer ones make every drag step slower.
THETA_RESOLUTION, PHI_RESOLUTION = 48, 32
GRIP_SHARE_OF_RADIUS = 0.075
GRIP_MM = (0.8, 2.0)
HOVER_GROWTH = 1.4


@dataclass(frozen=True)
class Look:
    """What decides how spheres are drawn, besides where they are."""

    visible: bool = True
    active: bool = False
    hovered: int | None = None

    def line_width(self, index: int) -> int:
        return 4 if index == self.hovered else 2 if self.active else 1

    def line_opacity(self, index: int) -> float:
        return 1.0 if self.active or index == self.hovered else 0.7

    def surface_opacity(self, index: int, count: int) -> float:
        """Deeper spheres are denser, so that all are seen through the outermost."""
        depth = index / max(count - 1, 1)
        opacity = 0.14 + 0.26 * depth if self.active else 0.07 + 0.10 * depth
        return opacity + 0.15 if index == self.hovered else opacity

    def color(self, index: int) -> tuple[float, float, float]:
        color = COLORS[index % len(COLORS)]
        if self.active or index == self.hovered:
            return color
        return tuple((1 - PALENESS) * part + PALENESS * 0.7 for part in color)


class SphereModels:
    """The models of one spheres node."""

    def __init__(self, owner: slicer.vtkMRMLNode, count: int) -> None:
        self._owner = owner
        self._sources: list[vtk.vtkSphereSource] = []
        self._spheres = [self._sphere(index) for index in range(count)]
        self._grips = Grips(count)
        self._grips_node = self._model("grips", GRIPS_ROLE, 0)
        self._grips_node.SetAndObservePolyData(self._grips.polydata)
        _draw_in_own_colors(self._grips_node.GetDisplayNode())
        self._drawn: tuple | None = None
        self._looked: Look | None = None

    def _sphere(self, index: int) -> slicer.vtkMRMLModelNode:
        source = vtk.vtkSphereSource()
        source.SetThetaResolution(THETA_RESOLUTION)
        source.SetPhiResolution(PHI_RESOLUTION)
        self._sources.append(source)
        node = self._model(f"sphere {index + 1}", SPHERE_ROLE, index)
        node.SetPolyDataConnection(source.GetOutputPort())
        return node

    def _model(self, name: str, role: str, index: int) -> slicer.vtkMRMLModelNode:
        scene = self._owner.GetScene()
        node, display = slicer.vtkMRMLModelNode(), slicer.vtkMRMLModelDisplayNode()
        for made in (node, display):
            made.SetSaveWithScene(False)
            made.SetHideFromEditors(True)
            made.UndoEnabledOff()
        exclude = slicer.vtkMRMLSubjectHierarchyConstants.GetSubjectHierarchyExcludeFromTreeAttributeName()
        node.SetAttribute(exclude, "1")
        node.SetAttribute(OWNER_ATTRIBUTE, self._owner.GetID())
        node.SetName(f"{self._owner.GetName()} {name}")
        node.SetSelectable(False)
        scene.AddNode(display)
        node.SetAndObserveDisplayNodeID(display.GetID())
        scene.AddNode(node)
        self._owner.SetNthNodeReferenceID(role, index, node.GetID())
        return node

    def draw(self, center: np.ndarray, radii: Sequence[float], rims: np.ndarray, look: Look) -> None:
        """Puts every model in its place and look; what did not change is not touched."""
        before, self._drawn = self._drawn, (tuple(center), tuple(radii), rims.copy(), look)
        moved = before is None or before[0] != self._drawn[0]
        for index, (node, source, radius) in enumerate(zip(self._spheres, self._sources, radii, strict=True)):
            if moved or before[1][index] != radius:
                was_modifying = node.StartModify()
                source.SetCenter(*center)
                source.SetRadius(radius)
                node.EndModify(was_modifying)
        if moved or before[3] != look or before[1] != self._drawn[1] or not np.array_equal(before[2], rims):
            self._grips.place(center, rims, radii, look)
        if look != self._looked:
            self._looked = look
            self._apply(look)

    def _apply(self, look: Look) -> None:
        for index, node in enumerate(self._spheres):
            display = node.GetDisplayNode()
            was_modifying = display.StartModify()
            display.SetColor(*look.color(index))
            display.SetOpacity(look.surface_opacity(index, len(self._spheres)))
            display.SetSliceIntersectionThickness(look.line_width(index))
            display.SetSliceIntersectionOpacity(look.line_opacity(index))
            display.SetVisibility2D(True)
            display.SetVisibility(look.visible)
            display.EndModify(was_modifying)
        self._grips_node.GetDisplayNode().SetVisibility(look.visible)

    def follow(self, transform_id: str | None) -> None:
        """Under the same transform as the spheres node."""
        for node in self.nodes:
            if node.GetTransformNodeID() != transform_id:
                node.SetAndObserveTransformNodeID(transform_id)

    @property
    def nodes(self) -> list[slicer.vtkMRMLModelNode]:
        return [*self._spheres, self._grips_node]

    def remove(self, scene: slicer.vtkMRMLScene) -> None:
        remove_models(scene, self.nodes)


def leftover_models(owner: slicer.vtkMRMLNode) -> list[slicer.vtkMRMLModelNode]:
    """Models made earlier for this very node. References alone do not say so: a scene that was saved without its models
    may give their IDs to others, and a copy of the node refers to the original's."""
    found = []
    for role in (SPHERE_ROLE, GRIPS_ROLE):
        for index in range(owner.GetNumberOfNodeReferences(role)):
            node = owner.GetNthNodeReference(role, index)
            if node is not None and node.GetAttribute(OWNER_ATTRIBUTE) == owner.GetID():
                found.append(node)
    return found


def forget_models(owner: slicer.vtkMRMLNode) -> None:
    """Removes the models of this node, and its references to any."""
    remove_models(owner.GetScene(), leftover_models(owner))
    for role in (SPHERE_ROLE, GRIPS_ROLE):
        owner.RemoveNodeReferenceIDs(role)


def remove_models(scene: slicer.vtkMRMLScene | None, models: Sequence[slicer.vtkMRMLModelNode]) -> None:
    for node in models:
        if scene is None or not scene.IsNodePresent(node):
            continue
        display = node.GetDisplayNode()
        scene.RemoveNode(node)
        if display is not None and scene.IsNodePresent(display):
            scene.RemoveNode(display)


class Grips:
    """Small balls at the center and the rims, in the colors of their spheres, to take hold of in a 3D view."""

    def __init__(self, count: int) -> None:
        source = vtk.vtkSphereSource()
        source.SetRadius(1)
        source.SetThetaResolution(20)
        source.SetPhiResolution(14)
        source.Update()
        balls = vtk.vtkAppendPolyData()
        for _ in range(count + 1):
            ball = vtk.vtkPolyData()
            ball.ShallowCopy(source.GetOutput())
            balls.AddInputData(ball)
        balls.Update()
        self.polydata = vtk.vtkPolyData()
        self.polydata.DeepCopy(balls.GetOutput())
        self._ball = vtk_to_numpy(source.GetOutput().GetPoints().GetData()).copy()
        self._points = vtk_to_numpy(self.polydata.GetPoints().GetData()).reshape(count + 1, -1, 3)
        colors = np.zeros((count + 1, len(self._ball), 3), np.uint8)
        self._colors = numpy_to_vtk(colors.reshape(-1, 3), deep=True)
        self._colors.SetName("Color")
        self.polydata.GetPointData().SetScalars(self._colors)

    def place(self, center: np.ndarray, rims: np.ndarray, radii: Sequence[float], look: Look) -> None:
        size = grip_radius(radii)
        sizes = np.full(len(radii) + 1, size if look.active else 0.0)
        sizes[0] = size
        if look.hovered is not None:
            sizes[1 + look.hovered] = HOVER_GROWTH * size
        places = np.vstack([center, rims])
        self._points[:] = places[:, None, :] + sizes[:, None, None] * self._ball
        colors = vtk_to_numpy(self._colors).reshape(len(places), -1, 3)
        for index, color in enumerate([CENTER_COLOR, *(look.color(i) for i in range(len(radii)))]):
            colors[index] = np.round(255 * np.array(color))
        self._colors.Modified()
        self.polydata.GetPoints().Modified()
        self.polydata.Modified()


def grip_radius(radii: Sequence[float]) -> float:
    """Large enough to see and to hit, small enough to leave the innermost sphere in view."""
    low, high = GRIP_MM
    return min(max(GRIP_SHARE_OF_RADIUS * radii[0], low), high, 0.4 * radii[-1])


def _draw_in_own_colors(display: slicer.vtkMRMLModelDisplayNode) -> None:
    display.SetVisibility2D(False)
    display.SetActiveScalar("Color", vtk.vtkAssignAttribute.POINT_DATA)
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseDirectMapping)
    display.SetScalarVisibility(True)
    display.SetAmbient(0.35)
