"""Arrow keys nudge the active lesion, plus and minus scale it; and keys that are held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import slicer
import vtk

from TumorSynthLib.scene.nesting import scaled
from TumorSynthLib.scene.observations import EventFilter
from TumorSynthLib.scene.sphere_handles import SphereHandles

STEP_MM, LONG_STEP_MM = 1.0, 5.0
SCALE_STEP = 1.05

ARROWS = {"Right": (1, 0), "Left": (-1, 0), "Up": (0, 1), "Down": (0, -1)}
FACTORS = {
    **dict.fromkeys(("plus", "equal", "KP_Add", "Add"), SCALE_STEP),
    **dict.fromkeys(("minus", "underscore", "KP_Subtract", "Subtract"), 1 / SCALE_STEP),
}


class KeyboardControl:
    """The keys of one slice or 3D view, while somebody keeps this. Without an active lesion they all go to Slicer."""

    def __init__(
        self,
        interactor: vtk.vtkRenderWindowInteractor,
        view_node: slicer.vtkMRMLAbstractViewNode,
        lesions: Callable[[], Sequence[SphereHandles]],
    ) -> None:
        self._interactor, self._view_node, self._lesions = interactor, view_node, lesions
        self._events = EventFilter(interactor, {"KeyPressEvent": self._key})

    def detach(self) -> None:
        self._events.detach()
        self._lesions = tuple

    def _key(self) -> bool:
        key = self._interactor.GetKeySym()
        if key not in ARROWS and key not in FACTORS:
            return False
        if self._interactor.GetControlKey() or self._interactor.GetAltKey():
            return False
        handles = next((h for h in self._lesions() if h.active and h.can_be_grabbed), None)
        if handles is None:
            return False
        if key in ARROWS:
            self._nudge(handles, *ARROWS[key])
        else:
            radii = scaled(handles.state.radii_mm, FACTORS[key])
            handles.edit(replace(handles.state, radii_mm=radii), finished=True)
        return True

    def _nudge(self, handles: SphereHandles, across: int, up: int) -> None:
        length = LONG_STEP_MM if self._interactor.GetShiftKey() else STEP_MM
        right, top = self._axes_in_host(handles)
        center = np.array(handles.state.center_ras) + length * (across * right + up * top)
        handles.edit(replace(handles.state, center_ras=tuple(center.tolist())), finished=True)

    def _axes_in_host(self, handles: SphereHandles) -> tuple[np.ndarray, np.ndarray]:
        """What is right and up on the screen, as unit directions in host RAS."""
        host_from_world = np.linalg.inv(handles.world_from_host())[:3, :3]
        if self._view_node.IsA("vtkMRMLSliceNode"):
            matrix = self._view_node.GetSliceToRAS()
            directions = [np.array([matrix.GetElement(row, column) for row in range(3)]) for column in (0, 1)]
            right, top = (host_from_world @ direction for direction in directions)
            return right / np.linalg.norm(right), top / np.linalg.norm(top)
        right, top = (host_from_world @ direction for direction in self._camera_axes())
        first = _nearest_axis(right)
        return first, _nearest_axis(np.where(first == 0, top, 0.0))

    def _camera_axes(self) -> tuple[np.ndarray, np.ndarray]:
        camera = self._interactor.GetRenderWindow().GetRenderers().GetFirstRenderer().GetActiveCamera()
        up = np.array(camera.GetViewUp())
        return np.cross(camera.GetDirectionOfProjection(), up), up


def _nearest_axis(direction: np.ndarray) -> np.ndarray:
    """The anatomical axis, with its sign, that runs most along a direction."""
    axis = np.zeros(3)
    largest = int(np.argmax(np.abs(direction)))
    axis[largest] = 1.0 if direction[largest] >= 0 else -1.0
    return axis


class HeldKey:
    """A key of one view that means something for as long as it is held."""

    def __init__(
        self,
        interactor: vtk.vtkRenderWindowInteractor,
        key: str,
        on_press: Callable[[], object],
        on_release: Callable[[], object],
    ) -> None:
        self._interactor, self._key = interactor, key
        self._on_press, self._on_release = on_press, on_release
        self._events = EventFilter(interactor, {"KeyPressEvent": self._pressed, "KeyReleaseEvent": self._released})

    def detach(self) -> None:
        self._events.detach()

    def _pressed(self) -> bool:
        return self._tell(self._on_press)

    def _released(self) -> bool:
        return self._tell(self._on_release)

    def _tell(self, listener: Callable[[], object]) -> bool:
        is_meant = self._interactor.GetKeySym().lower() == self._key
        if is_meant:
            listener()
        return is_meant
