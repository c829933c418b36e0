"""One lesion in the scene: a fiducial node whose points are the center and the rims, with models for the spheres.

The node's attribute holds the exact state; points and models follow it, and a point that somebody moves changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import slicer
import vtk

from TumorSynthLib.errors import InputError
from TumorSynthLib.scene.lesion_state import LesionState
from TumorSynthLib.scene.nesting import with_radius
from TumorSynthLib.scene.observations import Observations
from TumorSynthLib.scene.sphere_models import Look, SphereModels, forget_models, grip_radius
from TumorSynthLib.spheres import ConcentricSpheres

LESION_ATTRIBUTE = "TumorSynth.Lesion"
HOST_ROLE = "TumorSynth.Host"

# Less than this is rounding on the way through a transform, not a movement.
MOVED_MM = 1e-4

# The rims' first directions: seen along any anatomical axis, none lies over the center or over another.
DIRECTIONS = np.array([(1, 1, 0), (-1, 0, 1), (0, -1, -1), (-1, -1, 0), (1, 0, -1), (0, 1, 1)]) / np.sqrt(2)


def is_spheres_node(node: slicer.vtkMRMLNode | None) -> bool:
    """Whether a node is one of our lesions."""
    return (
        node is not None
        and node.IsA("vtkMRMLMarkupsFiducialNode")
        and node.GetAttribute(LESION_ATTRIBUTE) is not None
    )


def spheres_from_node(node: slicer.vtkMRMLMarkupsFiducialNode) -> ConcentricSpheres:
    """Spheres from any fiducial list of a center and two or more rim points, in the list's own coordinates."""
    return state_of(node).spheres


def state_of(node: slicer.vtkMRMLMarkupsFiducialNode) -> LesionState:
    saved = node.GetAttribute(LESION_ATTRIBUTE)
    if saved is not None:
        try:
            return LesionState.from_json(saved)
        except InputError:
            pass  # the points still tell place and size
    points = _points(node)
    if len(points) < 3:
        raise InputError(f"'{node.GetName()}' has {len(points)} points: give a center and two or more rim points")
    distances = np.linalg.norm(points[1:] - points[0], axis=1)
    spheres = ConcentricSpheres(tuple(points[0]), tuple(sorted(distances.tolist(), reverse=True)))
    return LesionState(node.GetName(), spheres.center_ras, spheres.radii_mm)


def _points(node: slicer.vtkMRMLMarkupsFiducialNode) -> np.ndarray:
    count = node.GetNumberOfControlPoints()
    return np.array([node.GetNthControlPointPosition(index) for index in range(count)], float).reshape(-1, 3)


class SphereHandles:
    """One lesion's spheres, to be shown, read, set and taken hold of.

    Setting `state` only shows it. `on_edit(handles, finished)` tells of what the user did: dragged, nudged, typed into
    the Markups module, renamed or hid in the data tree. `on_grabbed(handles)` tells that a point was taken hold of in
    a 3D view.
    """

    def __init__(self, node: slicer.vtkMRMLMarkupsFiducialNode) -> None:
        self.node = node
        self.on_edit: Callable[[SphereHandles, bool], None] = _ignore
        self.on_grabbed: Callable[[SphereHandles], None] = _ignore
        self._state = state_of(node)
        self._directions = _directions_of(_points(node), len(self._state.radii_mm))
        self._active = False
        self._shown = True
        self._hovered: int | None = None
        self._busy = False
        self._holding = False
        self._edited = False
        self._hovers_in_3d = False
        self._observations = Observations()
        with self._quiet():
            forget_models(node)
            self._set_up_node()
            self._models = SphereModels(node, len(self._state.radii_mm))
            self._show()
        self._observe()

    @classmethod
    def create(
        cls, scene: slicer.vtkMRMLScene, state: LesionState, host: slicer.vtkMRMLNode | None = None
    ) -> SphereHandles:
        """A new lesion in the scene, under its host's transform."""
        state.spheres  # noqa: B018  refuses impossible spheres before there is a node
        node = slicer.vtkMRMLMarkupsFiducialNode()
        node.SetName(state.name)
        node.SetAttribute(LESION_ATTRIBUTE, state.to_json())
        scene.AddNode(node)
        if host is not None:
            node.SetNodeReferenceID(HOST_ROLE, host.GetID())
            node.SetAndObserveTransformNodeID(host.GetTransformNodeID())
        return cls(node)

    # -- the truth

    @property
    def state(self) -> LesionState:
        return self._state

    @state.setter
    def state(self, state: LesionState) -> None:
        if state == self._state or not self.in_scene:
            return
        state.spheres  # noqa: B018  refuses impossible spheres before anything moves
        with self._quiet():
            if len(state.radii_mm) != len(self._state.radii_mm):
                self._recount(state)
            self._state = state
            self._show()

    def edit(self, state: LesionState, finished: bool) -> None:
        """A change made by the user's hand: shown, then told."""
        self.state = state
        self.on_edit(self, finished)

    # -- how it is drawn

    @property
    def active(self) -> bool:
        """The chosen lesion is drawn strongly, the others discreetly."""
        return self._active

    @active.setter
    def active(self, active: bool) -> None:
        if active != self._active:
            self._active = active
            self._redraw()

    @property
    def hovered_ring(self) -> int | None:
        """The sphere under the pointer, drawn thicker."""
        return self._hovered

    @hovered_ring.setter
    def hovered_ring(self, index: int | None) -> None:
        if index != self._hovered:
            self._hovered = index
            self._redraw()

    @property
    def shown(self) -> bool:
        """Whether spheres are wanted on the screen at all: unlike `state.visible`, a matter of the view alone."""
        return self._shown

    @shown.setter
    def shown(self, shown: bool) -> None:
        if shown != self._shown:
            self._shown = shown
            self._redraw()

    @property
    def is_drawn(self) -> bool:
        return self._shown and self._state.visible

    # -- where it is

    @property
    def in_scene(self) -> bool:
        return self.node.GetScene() is not None

    @property
    def can_be_grabbed(self) -> bool:
        return self.in_scene and self.is_drawn and not self.node.GetLocked() and self._is_under_linear_transform

    @property
    def _is_under_linear_transform(self) -> bool:
        transform = self.node.GetParentTransformNode()
        return transform is None or bool(transform.IsTransformToWorldLinear())

    def world_from_host(self) -> np.ndarray:
        """Host RAS to world RAS: the transform that the lesion and its host are under."""
        result = np.eye(4)
        transform = self.node.GetParentTransformNode()
        if transform is not None:
            if not transform.IsTransformToWorldLinear():
                raise InputError(f"'{transform.GetName()}' is not a linear transform; harden it on the volume first")
            matrix = vtk.vtkMatrix4x4()
            transform.GetMatrixTransformToWorld(matrix)
            matrix.DeepCopy(result.ravel(), matrix)
        return result

    # -- the end

    def remove(self) -> None:
        """Takes the lesion out of the scene, and everything that was made for it."""
        scene = self.node.GetScene()
        self.detach()
        if scene is None:
            return
        forget_models(self.node)
        displays = [self.node.GetNthDisplayNode(n) for n in range(self.node.GetNumberOfDisplayNodes())]
        storage = self.node.GetStorageNode()
        for node in (self.node, *displays, storage):
            if node is not None and scene.IsNodePresent(node):
                scene.RemoveNode(node)

    def detach(self) -> None:
        """Stops listening; the nodes stay as they are."""
        self._observations.clear()
        self.on_edit = self.on_grabbed = _ignore

    # -- inner workings: showing

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Changes of our own are not the user's."""
        was_busy, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = was_busy

    def _set_up_node(self) -> None:
        node = self.node
        node.SetSaveWithScene(True)
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        was_modifying = display.StartModify()
        display.SetVisibility2D(False)  # slice views have the rings themselves; points on them would only clutter
        display.SetPointLabelsVisibility(False)
        display.SetPropertiesLabelVisibility(False)
        display.SetSliceProjection(False)
        display.SetSnapMode(display.SnapModeUnconstrained)
        display.SetGlyphType(display.Sphere3D)
        display.SetUseGlyphScale(False)
        display.SetOccludedVisibility(True)  # the center lies within the lesion's own surface
        display.SetOccludedOpacity(0.0)
        display.SetOpacity(0.0)  # the grips are drawn in their place, each in the color of its sphere
        display.EndModify(was_modifying)
        self._fit_points(len(self._state.radii_mm))

    def _fit_points(self, spheres: int) -> None:
        node, wanted = self.node, spheres + 1
        node.SetFixedNumberOfControlPoints(False)
        while node.GetNumberOfControlPoints() > wanted:
            node.RemoveNthControlPoint(node.GetNumberOfControlPoints() - 1)
        while node.GetNumberOfControlPoints() < wanted:
            node.AddControlPoint(vtk.vtkVector3d(0, 0, 0))
        for index in range(wanted):
            node.SetNthControlPointLabel(index, f"rim {index}" if index else "center")
        node.SetFixedNumberOfControlPoints(True)

    def _recount(self, state: LesionState) -> None:
        """Another number of spheres than before: other points, other models."""
        self._fit_points(len(state.radii_mm))
        kept = self._directions[: len(state.radii_mm)]
        self._directions = np.vstack([kept, _first_directions(len(state.radii_mm))[len(kept) :]])
        self._hovered = None
        forget_models(self.node)
        self._models = SphereModels(self.node, len(state.radii_mm))

    @property
    def _center(self) -> np.ndarray:
        return np.array(self._state.center_ras)

    @property
    def _rims(self) -> np.ndarray:
        return self._center + self._directions * np.array(self._state.radii_mm)[:, None]

    def _show(self) -> None:
        node, state = self.node, self._state
        was_modifying = node.StartModify()
        node.SetName(state.name)
        node.SetAttribute(LESION_ATTRIBUTE, state.to_json())
        node.SetNthControlPointPosition(0, *state.center_ras)
        for index, rim in enumerate(self._rims):
            node.SetNthControlPointPosition(index + 1, *rim)
            node.SetNthControlPointVisibility(index + 1, self._active)
        node.EndModify(was_modifying)
        self._show_points()
        self._models.follow(node.GetTransformNodeID())
        self._models.draw(self._center, state.radii_mm, self._rims, Look(self.is_drawn, self._active, self._hovered))

    def _show_points(self) -> None:
        """Slicer's own points lie in the grips, unseen: they are what Slicer lets a user drag."""
        display = self.node.GetDisplayNode()
        if display is not None:
            was_modifying = display.StartModify()
            display.SetVisibility(self.is_drawn)
            display.SetGlyphSize(2 * grip_radius(self._state.radii_mm))
            display.EndModify(was_modifying)

    def _redraw(self) -> None:
        if self.in_scene:
            with self._quiet():
                self._show()

    # -- inner workings: listening

    def _observe(self) -> None:
        node, add = self.node, self._observations.add
        add(node, node.PointModifiedEvent, self._on_points)
        add(node, node.PointStartInteractionEvent, self._on_start)
        add(node, node.PointEndInteractionEvent, self._on_end)
        add(node, node.TransformModifiedEvent, self._on_transform)
        add(node, vtk.vtkCommand.ModifiedEvent, self._on_node)
        add(node, node.DisplayModifiedEvent, self._on_display)
        scene = node.GetScene()
        add(scene, scene.NodeRemovedEvent, self._on_node_removed)
        add(scene, scene.StartCloseEvent, self._on_close)

    def _on_points(self, *_: object) -> None:
        """The user moved points: the center takes all along, a rim sets its sphere's size."""
        if self._busy or not self.in_scene:
            return
        points = _points(self.node)
        if len(points) != len(self._state.radii_mm) + 1 or not np.isfinite(points).all():
            return
        moved = np.linalg.norm(points - np.vstack([self._center, self._rims]), axis=1) > MOVED_MM
        if not moved.any():
            return
        center = points[0] if moved[0] else self._center
        radii = self._state.radii_mm
        for index in np.flatnonzero(moved[1:]):
            away = points[index + 1] - center
            distance = float(np.linalg.norm(away))
            if abs(distance - radii[index]) > MOVED_MM:
                radii = with_radius(radii, index, distance)
            if distance > MOVED_MM:
                self._directions[index] = away / distance
        self._edited = True
        changed = replace(self._state, center_ras=tuple(center.tolist()), radii_mm=radii)
        if changed == self._state:  # only a direction: the rim went around its sphere, or was held by a neighbor
            self._redraw()
        else:
            self.edit(changed, finished=not self._holding)

    def _on_start(self, *_: object) -> None:
        self._holding, self._edited = True, False
        self.on_grabbed(self)

    def _on_end(self, *_: object) -> None:
        self._holding = False
        if self._edited:
            self._edited = False
            self.edit(self._state, finished=True)

    def _on_transform(self, *_: object) -> None:
        if self.in_scene:
            self._models.follow(self.node.GetTransformNodeID())

    def _on_node(self, *_: object) -> None:
        """Renamed in the data tree."""
        name = self.node.GetName()
        if not self._busy and self.in_scene and name and name != self._state.name:
            self.edit(replace(self._state, name=name), finished=True)

    def _on_display(self, *_: object) -> None:
        """Hidden or shown by the data tree's eye; or the pointer came over a point in a 3D view."""
        display = self.node.GetDisplayNode()
        if self._busy or display is None or not self.in_scene:
            return
        if bool(display.GetVisibility()) != self.is_drawn:
            self.edit(replace(self._state, visible=bool(display.GetVisibility())), finished=True)
        on_point = display.GetActiveComponentType() == display.ComponentControlPoint
        point = display.GetActiveComponentIndex() if on_point else 0
        if on_point or self._hovers_in_3d:
            self.hovered_ring = point - 1 if point > 0 else None
        self._hovers_in_3d = on_point

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_removed(self, scene: slicer.vtkMRMLScene, _event: str, node: slicer.vtkMRMLNode) -> None:
        """Deleted in the data tree: the models go too."""
        if node is self.node:
            self.detach()
            self._models.remove(scene)

    def _on_close(self, *_: object) -> None:
        self.detach()


def _first_directions(count: int) -> np.ndarray:
    return np.resize(DIRECTIONS, (count, 3)).copy()


def _directions_of(points: np.ndarray, count: int) -> np.ndarray:
    """Where the rims point, as saved; the first directions where that is not known."""
    directions = _first_directions(count)
    if len(points) == count + 1 and np.isfinite(points).all():
        away = points[1:] - points[0]
        lengths = np.linalg.norm(away, axis=1)
        known = lengths > MOVED_MM
        directions[known] = away[known] / lengths[known, None]
    return directions


def _ignore(*_: object) -> None:
    pass
