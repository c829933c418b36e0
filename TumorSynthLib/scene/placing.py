"""Pointing at the place for a new lesion: one click in any slice or 3D view, by Slicer's own place mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import slicer
import vtk

from TumorSynthLib.scene.observations import EventFilter, Observations

CLASS_NAME = "vtkMRMLMarkupsFiducialNode"


class PlaceLesion:
    """Waits for one click. A fiducial list catches it and is gone afterwards, also when nothing was placed."""

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self._scene = scene
        self._observations = Observations()
        self._keys: list[Escape] = []
        self._node: slicer.vtkMRMLMarkupsFiducialNode | None = None
        self._before: tuple | None = None
        self._on_placed: Callable[[tuple[float, float, float]], None] = _ignore
        self.on_cancelled: Callable[[], None] = _ignore

    @property
    def waiting(self) -> bool:
        return self._node is not None

    def start(
        self,
        on_placed: Callable[[tuple[float, float, float]], None],
        interactors: Sequence[vtk.vtkRenderWindowInteractor] = (),
    ) -> None:
        """`on_placed` gets the place in world RAS. A right click cancels, and so does Escape in one of the views."""
        self.cancel()
        self._on_placed = on_placed
        selection, mode = self._selection, self._mode
        self._before = (
            selection.GetActivePlaceNodeClassName(),
            selection.GetActivePlaceNodeID(),
            mode.GetPlaceModePersistence(),
        )
        self._node = self._catcher()
        selection.SetReferenceActivePlaceNodeClassName(CLASS_NAME)
        selection.SetActivePlaceNodeID(self._node.GetID())
        mode.SetPlaceModePersistence(0)
        mode.SetCurrentInteractionMode(mode.Place)
        # Not methods, which would be held weakly: whoever starts placing need not keep this object.
        self._observations.add(mode, mode.InteractionModeChangedEvent, lambda *_: self._on_mode())
        self._observations.add(self._scene, self._scene.StartCloseEvent, lambda *_: self.cancel())
        self._keys = [Escape(interactor, self.cancel) for interactor in interactors]

    def cancel(self) -> None:
        if self.waiting:
            self._end(None)

    def _catcher(self) -> slicer.vtkMRMLMarkupsFiducialNode:
        node = slicer.vtkMRMLMarkupsFiducialNode()
        node.SetName("New lesion")
        node.SetSaveWithScene(False)
        node.SetHideFromEditors(True)
        node.UndoEnabledOff()
        self._scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetPointLabelsVisibility(False)
        return node

    # -- Slicer's singletons

    @property
    def _selection(self) -> slicer.vtkMRMLSelectionNode:
        return self._scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")

    @property
    def _mode(self) -> slicer.vtkMRMLInteractionNode:
        return self._scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")

    # -- events

    def _on_mode(self) -> None:
        """Slicer leaves place mode after the click, or because the user thought better of it."""
        mode = self._mode
        if not self.waiting or mode.GetCurrentInteractionMode() == mode.Place:
            return
        self._end(self._placed())

    def _placed(self) -> tuple[float, float, float] | None:
        node = self._node
        if node.GetNumberOfDefinedControlPoints() < 1:
            return None
        point = [0.0, 0.0, 0.0]
        node.GetNthControlPointPositionWorld(0, point)
        return tuple(point)

    def _end(self, place: tuple[float, float, float] | None) -> None:
        """Puts everything back as it was, and only then tells."""
        node, self._node = self._node, None
        self._observations.clear()
        for keys in self._keys:
            keys.detach()
        self._keys = []
        self._put_back()
        display = node.GetDisplayNode()
        for gone in (node, display):
            if gone is not None and self._scene.IsNodePresent(gone):
                self._scene.RemoveNode(gone)
        if place is not None:
            self._on_placed(place)
        else:
            self.on_cancelled()

    def _put_back(self) -> None:
        selection, mode = self._selection, self._mode
        class_name, node_id, persistence = self._before
        if mode.GetCurrentInteractionMode() == mode.Place:
            mode.SwitchToViewTransformMode()
        mode.SetPlaceModePersistence(persistence)
        selection.SetReferenceActivePlaceNodeClassName(class_name)
        selection.SetActivePlaceNodeID(node_id)


class Escape:
    """The Escape key in one view."""

    def __init__(self, interactor: vtk.vtkRenderWindowInteractor, pressed: Callable[[], None]) -> None:
        self._interactor, self._pressed = interactor, pressed
        self._events = EventFilter(interactor, {"KeyPressEvent": self._key})

    def _key(self) -> bool:
        if self._interactor.GetKeySym() != "Escape":
            return False
        self._pressed()
        return True

    def detach(self) -> None:
        self._events.detach()


def _ignore(*_: object) -> None:
    pass
