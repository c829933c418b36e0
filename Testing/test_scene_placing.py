"""Placing: one click in any view, and nothing left behind however it ends."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from scene_stage import CENTER, SLICES, observers, rigid, shared_stage
from TumorSynthLib.scene.placing import PlaceLesion


class Desk:
    """Placing as a module does it, and what it was told."""

    def __init__(self, stage) -> None:
        self.stage = stage
        self.places: list[tuple] = []
        self.cancelled = 0
        self.placing = PlaceLesion(stage.scene)
        self.placing.on_cancelled = self._cancelled

    def _cancelled(self) -> None:
        self.cancelled += 1

    def start(self) -> None:
        self.placing.start(self.places.append, [view.interactor for view in self.stage.views.values()])

    @property
    def is_in_place_mode(self) -> bool:
        mode = self.stage.core.interaction_node
        return mode.GetCurrentInteractionMode() == mode.Place


@pytest.fixture
def desk():
    stage = shared_stage()
    stage.attach()
    stage.render()
    before = ids(stage), [observers(view.interactor) for view in stage.views.values()]
    desk = Desk(stage)
    yield desk
    assert not desk.placing.waiting and not desk.is_in_place_mode
    stage.render()
    gc.collect()
    for handles in stage.lesions:
        handles.remove()
    assert (ids(stage), [observers(view.interactor) for view in stage.views.values()]) == before
    stage.clear()


def ids(stage) -> set[str]:
    return {stage.scene.GetNthNode(n).GetID() for n in range(stage.scene.GetNumberOfNodes())}


@pytest.mark.parametrize("view", SLICES)
def test_a_click_in_a_slice_places_there(desk, view):
    desk.stage.jump(CENTER)
    desk.start()
    assert desk.is_in_place_mode
    mouse = desk.stage.mouse(view)
    pixel = np.rint(mouse.pixel(CENTER) + (40, -25))
    mouse.click(pixel)
    assert len(desk.places) == 1 and desk.cancelled == 0
    assert desk.places[0] == pytest.approx(desk.stage.views[view].to_world(*pixel), abs=1e-3)


def test_a_click_in_3d_places_on_what_is_seen_there(desk):
    red, view = desk.stage.views["Red"], desk.stage.views["3D"]
    desk.stage.jump(CENTER)
    red.node.SetSliceVisible(True)
    camera = view.renderer.GetActiveCamera()
    camera.SetFocalPoint(*CENTER)
    camera.SetPosition(*(np.array(CENTER) + (0, -40, 250)))
    camera.SetViewUp(0, 1, 0)
    view.renderer.ResetCameraClippingRange()
    desk.stage.render()
    desk.start()
    mouse = desk.stage.mouse("3D")
    mouse.click(CENTER)
    red.node.SetSliceVisible(False)
    assert len(desk.places) == 1
    assert desk.places[0] == pytest.approx(CENTER, abs=2.0)


def test_the_place_is_in_the_world_also_when_the_host_is_under_a_transform(desk):
    desk.stage.transform(rigid((10, 20, 30), (5, 5, 5)))
    desk.stage.jump(CENTER)
    desk.start()
    desk.stage.mouse("Red").click(CENTER)
    assert desk.places[0] == pytest.approx(CENTER, abs=0.5)
    node = desk.stage.volume.GetParentTransformNode()
    desk.stage.volume.SetAndObserveTransformNodeID(None)
    desk.stage.scene.RemoveNode(node)


def test_a_second_lesion_can_be_placed_inside_the_first(desk):
    handles = desk.stage.lesion()
    desk.stage.jump(CENTER)
    desk.start()
    mouse = desk.stage.mouse("Red")
    mouse.drag(mouse.pixel(CENTER) + (5, 0), mouse.pixel(CENTER) + (8, 0))
    if not desk.places:
        mouse.click(mouse.pixel(CENTER) + (8, 0))
    assert len(desk.places) == 1
    assert handles.state.center_ras == CENTER and handles.hovered_ring is None


def test_nobody_need_keep_the_placing(desk):
    desk.stage.jump(CENTER)
    places = []
    PlaceLesion(desk.stage.scene).start(places.append)
    gc.collect()
    desk.stage.mouse("Red").click(CENTER)
    assert len(places) == 1


@pytest.mark.parametrize("view", ("Red", "3D"))
def test_a_right_click_cancels(desk, view):
    desk.stage.jump(CENTER)
    desk.start()
    mouse = desk.stage.mouse(view)
    mouse.move(CENTER)
    mouse.click(CENTER, button="Right")
    assert desk.places == [] and desk.cancelled == 1


def test_escape_cancels(desk):
    desk.start()
    mouse = desk.stage.mouse("Green")
    mouse.move(CENTER)
    mouse.key("Escape")
    assert desk.places == [] and desk.cancelled == 1


def test_choosing_another_mouse_mode_cancels(desk):
    desk.start()
    mode = desk.stage.core.interaction_node
    mode.SetCurrentInteractionMode(mode.AdjustWindowLevel)
    assert desk.cancelled == 1
    assert mode.GetCurrentInteractionMode() == mode.AdjustWindowLevel
    mode.SetCurrentInteractionMode(mode.ViewTransform)


def test_starting_again_waits_for_one_click_only(desk):
    desk.start()
    desk.start()
    desk.stage.jump(CENTER)
    mouse = desk.stage.mouse("Red")
    mouse.click(CENTER)
    mouse.click(mouse.pixel(CENTER) + (30, 30))
    assert len(desk.places) == 1


def test_slicers_own_placing_finds_its_settings_as_they_were(desk):
    selection, mode = desk.stage.core.selection_node, desk.stage.core.interaction_node
    selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsLineNode")
    mode.SetPlaceModePersistence(1)
    desk.start()
    desk.placing.cancel()
    assert selection.GetActivePlaceNodeClassName() == "vtkMRMLMarkupsLineNode"
    assert mode.GetPlaceModePersistence() == 1
    mode.SetPlaceModePersistence(0)
