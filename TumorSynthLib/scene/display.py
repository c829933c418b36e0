"""What the slice views show of a case: before, after, or both blended; with map, outlines and surfaces as wanted.

Only the layers of views change, never where they look. Views that show something else are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import slicer

if TYPE_CHECKING:
    from TumorSynthLib.scene.case import SceneCase


@dataclass(frozen=True)
class Wanted:
    """`fade` 0 is the host as it was, 1 the result, between them both blended. The map is seen only at 1, masks in
    slices not at 0: a reader who looks at the host wants nothing else there."""

    map_opacity: float = 0.0
    outline: bool = True
    fill: bool = False
    surface: bool = True
    spheres: bool = True
    fade: float = 1.0


def show(case: SceneCase, wanted: Wanted | None = None, everywhere: bool = False) -> None:
    """Shows a case in all slice views that show its host or its result; in all views there are, where `everywhere` is
    asked for or none shows it yet. Without `wanted`, as last time."""
    if not case.is_alive:
        return
    case.wanted = wanted = wanted or case.wanted
    views = list(_composites(case))
    chosen = [view for view in views if _shows(view, case)]
    for view in views if everywhere or not chosen else chosen:
        _set_layers(view, *_layers(case, wanted))
    _show_masks(case, wanted)
    for handles in case.lesions:
        handles.shown = wanted.spheres


def show_result(case: SceneCase) -> None:
    show(case, replace(case.wanted, fade=1.0))


def show_host(case: SceneCase) -> None:
    """The host as it was."""
    show(case, replace(case.wanted, fade=0.0))


def fade(case: SceneCase, share: float) -> None:
    """From the host (0) to the result (1)."""
    show(case, replace(case.wanted, fade=min(max(float(share), 0.0), 1.0)))


def step_aside(case: SceneCase, *nodes: slicer.vtkMRMLNode) -> None:
    """Before nodes of a case are removed: views that show the result show the host, so that none goes dark."""
    gone = {node.GetID() for node in nodes}
    for view in _composites(case):
        if view.GetForegroundVolumeID() in gone:
            view.SetForegroundVolumeID(None)
        if view.GetBackgroundVolumeID() in gone:
            view.SetBackgroundVolumeID(case.host.GetID())


def _composites(case: SceneCase) -> Iterator[slicer.vtkMRMLSliceCompositeNode]:
    scene = case.node.GetScene()
    if scene is None or case.host is None:
        return
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        yield scene.GetNthNodeByClass(number, "vtkMRMLSliceCompositeNode")


def _shows(view: slicer.vtkMRMLSliceCompositeNode, case: SceneCase) -> bool:
    own = {node.GetID() for node in (case.host, case.outputs.result) if node is not None}
    return view.GetBackgroundVolumeID() in own or view.GetForegroundVolumeID() in own


def _layers(case: SceneCase, wanted: Wanted) -> tuple[str, str | None, float]:
    """Background, foreground and the foreground's opacity."""
    host, result, levels = case.host, case.outputs.result, case.outputs.intensity_map
    if result is None or wanted.fade <= 0:
        return host.GetID(), None, 0.0
    if wanted.fade < 1:
        return host.GetID(), result.GetID(), wanted.fade
    if levels is None or wanted.map_opacity <= 0:
        return result.GetID(), None, 0.0
    return result.GetID(), levels.GetID(), wanted.map_opacity


def _set_layers(
    view: slicer.vtkMRMLSliceCompositeNode, background: str, foreground: str | None, opacity: float
) -> None:
    was_modifying = view.StartModify()
    if view.GetBackgroundVolumeID() != background:
        view.SetBackgroundVolumeID(background)
    if view.GetForegroundVolumeID() != foreground:
        view.SetForegroundVolumeID(foreground)
    if foreground is not None and view.GetForegroundOpacity() != opacity:
        view.SetForegroundOpacity(opacity)
    view.EndModify(was_modifying)


def _show_masks(case: SceneCase, wanted: Wanted) -> None:
    segmentation = case.outputs.segmentation
    look = segmentation.GetDisplayNode() if segmentation is not None else None
    if look is None:
        return
    in_slices = wanted.fade > 0
    was_modifying = look.StartModify()
    look.SetVisibility2DOutline(wanted.outline and in_slices)
    look.SetVisibility2DFill(wanted.fill and in_slices)
    look.SetVisibility3D(wanted.surface)
    look.EndModify(was_modifying)
