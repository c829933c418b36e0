"""Taking hold of spheres in a slice view: any ring, anywhere on it, to resize; anywhere inside to move."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import slicer
import vtk

from TumorSynthLib.scene.lesion_state import LesionState
from TumorSynthLib.scene.nesting import with_radius
from TumorSynthLib.scene.observations import EventFilter
from TumorSynthLib.scene.ring_geometry import Grab, SlicePlane, grab, in_plane, sphere_radius
from TumorSynthLib.scene.sphere_handles import SphereHandles

TOLERANCE_PX = 6.0
USUAL_SCREEN_SCALE = 0.2  # what Slicer gives to views on screens of usual resolution

# A ring taken hold of beside its line does not jump under the pointer: the gap closes over this way of the pointer.
GAP_CLOSES_WITHIN_PX = 20.0

# vtkRenderWindow's cursors have names in C++ only.
CURSOR_DIAGONAL_UP, CURSOR_DIAGONAL_DOWN = 2, 3
CURSOR_VERTICAL, CURSOR_HORIZONTAL, CURSOR_MOVE = 6, 7, 8
RESIZE_CURSORS = (CURSOR_HORIZONTAL, CURSOR_DIAGONAL_UP, CURSOR_VERTICAL, CURSOR_DIAGONAL_DOWN)


@dataclass
class Drag:
    """A lesion being held: how it was, and where the pointer took hold of it."""

    handles: SphereHandles
    ring: int | None
    start: LesionState
    pixel: np.ndarray
    pointer_from_center: np.ndarray
    pointer_from_ring_mm: float
    changed: bool = False


class SliceInteraction:
    """One slice view in which lesions can be taken hold of. Events that do not meet a lesion are left to Slicer.

    Works for as long as somebody keeps it.
    """

    def __init__(
        self,
        interactor: vtk.vtkRenderWindowInteractor,
        slice_node: slicer.vtkMRMLSliceNode,
        lesions: Callable[[], Sequence[SphereHandles]],
    ) -> None:
        self.on_chosen: Callable[[SphereHandles], None] = _ignore
        self._interactor, self._slice_node, self._lesions = interactor, slice_node, lesions
        self._drag: Drag | None = None
        self._hovered: SphereHandles | None = None
        self._slicer_drags = False
        handlers = {
            "LeftButtonPressEvent": self._press,
            "LeftButtonDoubleClickEvent": self._press,  # the second of two quick drags arrives as this
            "MouseMoveEvent": self._move,
            "LeftButtonReleaseEvent": self._release,
            "LeaveEvent": self._leave,
            "KeyPressEvent": self._key,
        }
        for button in ("Middle", "Right"):
            handlers[f"{button}ButtonPressEvent"] = self._other_press
            handlers[f"{button}ButtonReleaseEvent"] = self._other_release
        self._events = EventFilter(interactor, handlers)

    def detach(self) -> None:
        self._finish()
        self._hover(None, None)
        self._events.detach()
        self._lesions, self.on_chosen = tuple, _ignore

    # -- events; True keeps the event from Slicer

    def _press(self) -> bool:
        self._finish()
        found = self._find() if self._may_grab() else None
        if found is None:
            self._slicer_drags = True
            self._hover(None, None)
            return False
        handles, grabbed = found
        if not handles.active:
            for other in self._lesions():
                other.active = other is handles
            self.on_chosen(handles)
        if handles.can_be_grabbed:
            self._drag = self._take_hold(handles, grabbed)
            self._hover(handles, grabbed)
        return True

    def _move(self) -> bool:
        if self._drag is not None:
            self._pull(self._drag)
            return True
        found = self._find() if self._may_grab() and not self._slicer_drags else None
        self._hover(*(found or (None, None)))
        if found is None:
            return False
        self._events.pass_on("MouseMoveEvent")  # crosshair and data probe go on following the pointer
        self._show_cursor(*found)
        return True

    def _release(self) -> bool:
        self._slicer_drags = False
        return self._finish()

    def _leave(self) -> bool:
        if self._drag is None:
            self._hover(None, None)
        return False

    def _key(self) -> bool:
        if self._drag is None or self._interactor.GetKeySym() != "Escape":
            return False
        drag, self._drag = self._drag, None
        if drag.changed:
            drag.handles.edit(drag.start, finished=True)
        self._hover(None, None)
        return True

    def _other_press(self) -> bool:
        if self._drag is not None:
            return True
        self._slicer_drags = True
        self._hover(None, None)
        return False

    def _other_release(self) -> bool:
        self._slicer_drags = False
        return self._drag is not None

    # -- finding

    def _may_grab(self) -> bool:
        """Not while a key gives the mouse another meaning, nor while Slicer or another module places points."""
        interactor = self._interactor
        if interactor.GetShiftKey() or interactor.GetControlKey() or interactor.GetAltKey():
            return False
        scene = self._slice_node.GetScene()
        mode = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton") if scene is not None else None
        return mode is None or mode.GetCurrentInteractionMode() != mode.Place

    def _find(self) -> tuple[SphereHandles, Grab] | None:
        """The lesion under the pointer: the active one before others, then rings before insides, nearest first."""
        pixel, tolerance = self._pixel, self._tolerance_px
        found = []
        for handles in self._lesions():
            if handles.can_be_grabbed:
                state = handles.state
                grabbed = grab(self._plane(handles), state.center_ras, state.radii_mm, pixel, tolerance)
                if grabbed is not None:
                    order = (not handles.active, grabbed.ring is None, grabbed.distance_px)
                    found.append((order, len(found), handles, grabbed))
        return min(found)[2:] if found else None

    @property
    def _pixel(self) -> np.ndarray:
        return np.array(self._interactor.GetEventPosition(), float)

    @property
    def _tolerance_px(self) -> float:
        """The same size for the hand on screens with fine pixels."""
        return TOLERANCE_PX * max(self._slice_node.GetScreenScaleFactor() / USUAL_SCREEN_SCALE, 1.0)

    def _plane(self, handles: SphereHandles) -> SlicePlane:
        world_from_pixel = np.empty((4, 4))
        matrix = self._slice_node.GetXYToRAS()
        matrix.DeepCopy(world_from_pixel.ravel(), matrix)
        return SlicePlane.of(world_from_pixel, handles.world_from_host())

    # -- holding

    def _take_hold(self, handles: SphereHandles, grabbed: Grab) -> Drag:
        plane, pixel, state = self._plane(handles), self._pixel, handles.state
        center = np.array(state.center_ras)
        gap = 0.0
        if grabbed.ring is not None:
            rho, offset, _ = in_plane(plane, center, pixel)
            gap = rho - math.sqrt(state.radii_mm[grabbed.ring] ** 2 - offset**2)
        return Drag(handles, grabbed.ring, state, pixel, plane.point(pixel) - center, gap)

    def _pull(self, drag: Drag) -> None:
        """The lesion follows the pointer, wherever the slice is by now."""
        handles, state, pixel = drag.handles, drag.handles.state, self._pixel
        if not handles.can_be_grabbed:
            self._drag = None
            return
        plane = self._plane(handles)
        if drag.ring is None:
            center = plane.point(pixel) - drag.pointer_from_center
            changed = replace(state, center_ras=tuple(center.tolist()))
        elif drag.ring >= len(state.radii_mm):
            return
        else:
            rho, offset, _ = in_plane(plane, np.array(state.center_ras), pixel)
            way = float(np.linalg.norm(pixel - drag.pixel))
            gap = drag.pointer_from_ring_mm * max(1 - way / GAP_CLOSES_WITHIN_PX, 0.0)
            radius = sphere_radius(max(rho - gap, 0.0), offset)
            changed = replace(state, radii_mm=with_radius(state.radii_mm, drag.ring, radius))
        if changed != state:
            drag.changed = True
            handles.edit(changed, finished=False)

    def _finish(self) -> bool:
        drag, self._drag = self._drag, None
        if drag is not None and drag.changed and drag.handles.in_scene:
            drag.handles.edit(drag.handles.state, finished=True)
        return drag is not None

    # -- showing what would be grabbed

    def _hover(self, handles: SphereHandles | None, grabbed: Grab | None) -> None:
        if self._hovered is not None and self._hovered is not handles:
            self._hovered.hovered_ring = None
        self._hovered = handles
        if handles is not None:
            handles.hovered_ring = grabbed.ring

    def _show_cursor(self, handles: SphereHandles, grabbed: Grab) -> None:
        cursor = CURSOR_MOVE if grabbed.ring is None else self._resize_cursor(handles)
        self._interactor.GetRenderWindow().SetCurrentCursor(cursor)

    def _resize_cursor(self, handles: SphereHandles) -> int:
        """The arrow that points along the ring's radius on the screen."""
        plane = self._plane(handles)
        _, _, direction = in_plane(plane, np.array(handles.state.center_ras), self._pixel)
        angle = math.atan2(plane.up @ direction, plane.across @ direction)
        return RESIZE_CURSORS[round(angle / (math.pi / 4)) % 4]


def _ignore(*_: object) -> None:
    pass
