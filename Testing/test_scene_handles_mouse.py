"""Taking hold of spheres with the mouse, by events of the views' interactors, as a radiologist does it."""

from __future__ import annotations

import gc
import math
import weakref
from dataclasses import replace

import numpy as np
import pytest

from scene_stage import CENTER, RADII, SLICES, Pointer, Stage, observers, rigid, shared_stage, turn
from TumorSynthLib.scene.nesting import MIN_GAP_MM

DEFAULT, MOVE = 0, 8
RESIZE = {2, 3, 6, 7}
VIEWS = tuple(SLICES)
POSES = {
    "straight": np.eye(4),
    "rotated": rigid((12, -20, 33), (10, -15, 8)),
    "mirrored": rigid((5, 10, 15), (4, 4, 4), flips=(-1, 1, 1)),
}


@pytest.fixture
def stage():
    stage = shared_stage()
    stage.attach()
    yield stage
    stage.clear()


def world(handles, point) -> np.ndarray:
    return (handles.world_from_host() @ (*point, 1.0))[:3]


def ring_point(stage: Stage, view: str, handles, index: int, angle: float) -> np.ndarray:
    """A point of the world on the ring that a sphere shows in a view, counted from the right of the screen."""
    matrix = stage.views[view].node.GetSliceToRAS()
    right, up, normal, origin = (np.array([matrix.GetElement(row, column) for row in range(3)]) for column in range(4))
    center = world(handles, handles.state.center_ras)
    offset = normal @ (origin - center)
    ring = math.sqrt(handles.state.radii_mm[index] ** 2 - offset**2)
    return center + offset * normal + ring * (math.cos(angle) * right + math.sin(angle) * up)


def mm_per_pixel(stage: Stage, view: str) -> float:
    matrix = stage.views[view].node.GetXYToRAS()
    return math.hypot(*(matrix.GetElement(row, 0) for row in range(3)))


# -- resizing


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("index", (0, 1, 2))
def test_each_ring_resizes_its_sphere_alone_and_passes_under_the_pointer(stage, view, index, pose):
    handles = stage.lesion((6.0, -4.0, 3.0), (26.0, 17.0, 8.0))
    stage.transform(POSES[pose])
    stage.jump(world(handles, handles.state.center_ras))
    mouse = stage.mouse(view)
    start = mouse.pixel(ring_point(stage, view, handles, index, 2.2))
    center = mouse.pixel(world(handles, handles.state.center_ras))
    outward = (start - center) / np.linalg.norm(start - center)
    before = handles.state
    mouse.drag(start, start + 5 / mm_per_pixel(stage, view) * outward)
    assert handles.state.center_ras == before.center_ras
    changed = handles.state.radii_mm
    assert changed[index] == pytest.approx(before.radii_mm[index] + 5, abs=1.0)
    assert [r for i, r in enumerate(changed) if i != index] == [r for i, r in enumerate(before.radii_mm) if i != index]
    assert stage.edits[-1] == ("Lesion 1", True) and [finished for _, finished in stage.edits].count(True) == 1


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("offset", (-9.0, 5.0, 14.0))
def test_in_slices_off_the_center_the_ring_still_passes_under_the_pointer(stage, view, offset):
    handles = stage.lesion()
    stage.jump(CENTER)
    node = stage.views[view].node
    node.SetSliceOffset(node.GetSliceOffset() + offset)
    mouse = stage.mouse(view)
    start = mouse.pixel(ring_point(stage, view, handles, 0, 0.7))
    center = mouse.pixel(CENTER)
    end = center + (start - center) * 1.6
    mouse.drag(start, end)
    under_pointer = np.array(stage.views[view].to_world(*np.rint(end)))
    assert handles.state.radii_mm[0] == pytest.approx(np.linalg.norm(under_pointer - CENTER), abs=0.05)
    assert handles.state.radii_mm[1:] == RADII[1:] and handles.state.center_ras == CENTER


def test_an_oblique_slice_resizes_and_moves_in_its_own_plane(stage):
    handles = stage.lesion()
    node = stage.views["Red"].node
    turn(node, (25, -35, 15), CENTER)
    mouse = stage.mouse("Red")
    start, center = mouse.pixel(ring_point(stage, "Red", handles, 1, -1.0)), mouse.pixel(CENTER)
    mouse.drag(start, center + (start - center) * 1.25)
    assert handles.state.radii_mm[1] == pytest.approx(15.0, abs=1.0)
    mouse.drag(center, center + (20, 10))
    moved = np.array(handles.state.center_ras) - CENTER
    normal = np.array([node.GetSliceToRAS().GetElement(row, 2) for row in range(3)])
    assert np.linalg.norm(moved) == pytest.approx(math.hypot(20, 10) * mm_per_pixel(stage, "Red"), abs=1e-3)
    assert moved @ normal == pytest.approx(0, abs=1e-6)


def test_a_ring_stops_at_its_neighbors(stage):
    handles = stage.lesion()
    stage.jump(CENTER)
    mouse = stage.mouse("Red")
    mouse.drag(ring_point(stage, "Red", handles, 1, 0.5), mouse.pixel(CENTER) + (170, 60))
    assert handles.state.radii_mm == (18.0, 18.0 - MIN_GAP_MM, 6.0)
    mouse.drag(ring_point(stage, "Red", handles, 0, 2.5), CENTER)
    assert handles.state.radii_mm == (18.0, 18.0 - MIN_GAP_MM, 6.0), "the outermost is held from inside"
    mouse.drag(ring_point(stage, "Red", handles, 2, 2.5), CENTER)
    assert handles.state.radii_mm == (18.0, 18.0 - MIN_GAP_MM, 1.0)


def test_a_ring_taken_beside_its_line_does_not_jump(stage):
    handles = stage.lesion()
    stage.jump(CENTER)
    mouse = stage.mouse("Red")
    beside = mouse.pixel(ring_point(stage, "Red", handles, 0, 0.0)) + (4, 0)
    mouse.press(beside)
    mouse.move(beside + (1, 0))
    assert handles.state.radii_mm[0] == pytest.approx(18 + mm_per_pixel(stage, "Red"), abs=0.8)
    mouse.move(beside + (30, 0))
    under_pointer = np.array(stage.views["Red"].to_world(*np.rint(beside + (30, 0))))
    assert handles.state.radii_mm[0] == pytest.approx(np.linalg.norm(under_pointer - CENTER), abs=0.01)
    mouse.release(beside + (30, 0))


# -- moving


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("view", VIEWS)
def test_dragging_inside_moves_the_lesion_by_the_pointers_way_without_a_jump(stage, view, pose):
    handles = stage.lesion((6.0, -4.0, 3.0))
    stage.transform(POSES[pose])
    place = world(handles, handles.state.center_ras)
    stage.jump(place)
    mouse = stage.mouse(view)
    start = np.rint(mouse.pixel(ring_point(stage, view, handles, 2, 1.0)) * 0.5 + 0.5 * mouse.pixel(place))
    moved = np.array(stage.views[view].to_world(*(start + (31, -17)))) - stage.views[view].to_world(*start)
    mouse.drag(start, start + (31, -17))
    assert world(handles, handles.state.center_ras) == pytest.approx(place + moved, abs=1e-6)
    assert handles.state.radii_mm == RADII
    assert stage.edits == [("Lesion 1", False)] * 6 + [("Lesion 1", True)]


def test_a_press_without_a_movement_is_no_edit(stage):
    handles = stage.lesion()
    stage.jump(CENTER)
    before = handles.state
    for place in (CENTER, ring_point(stage, "Red", handles, 0, 1.0)):
        stage.mouse("Red").click(place)
    assert handles.state == before and stage.edits == []


def test_escape_during_a_drag_puts_the_lesion_back(stage):
    handles = stage.lesion()
    stage.jump(CENTER)
    mouse = stage.mouse("Green")
    mouse.press(CENTER)
    mouse.pull(CENTER, mouse.pixel(CENTER) + (30, 5))
    assert handles.state.center_ras != CENTER
    mouse.key("Escape")
    assert handles.state.center_ras == CENTER and stage.edits[-1][1]
    mouse.move(mouse.pixel(CENTER) + (60, 5))
    assert handles.state.center_ras == CENTER
    mouse.release(CENTER)


def test_the_wheel_during_a_drag_carries_the_lesion_through_the_slices(stage):
    handles = stage.lesion()
    stage.jump(CENTER)
    mouse, node = stage.mouse("Red"), stage.views["Red"].node
    mouse.press(CENTER)
    node.SetSliceOffset(node.GetSliceOffset() + 7)
    mouse.move(mouse.pixel(CENTER) + (1, 0))
    mouse.release(mouse.pixel(CENTER) + (1, 0))
    assert handles.state.center_ras[2] == pytest.approx(CENTER[2] + 7)


# -- hovering


@pytest.mark.parametrize("view", VIEWS)
def test_a_ring_under_the_pointer_is_drawn_thicker_and_the_cursor_says_resize(stage, view):
    handles = stage.lesion()
    stage.jump(CENTER)
    mouse = stage.mouse(view)
    model = handles.node.GetNthNodeReference("TumorSynth.Sphere", 1).GetDisplayNode()
    thin = model.GetSliceIntersectionThickness()
    for angle in np.linspace(0, 2 * math.pi, 13):
        mouse.move((3, 3))
        assert handles.hovered_ring is None and mouse.cursor == DEFAULT
        on_ring = mouse.pixel(ring_point(stage, view, handles, 1, angle))
        mouse.move(on_ring + 4 * (on_ring - mouse.pixel(CENTER)) / np.linalg.norm(on_ring - mouse.pixel(CENTER)))
        assert handles.hovered_ring == 1 and mouse.cursor in RESIZE
        assert model.GetSliceIntersectionThickness() > thin
    mouse.view.interactor.InvokeEvent("LeaveEvent")
    assert handles.hovered_ring is None and model.GetSliceIntersectionThickness() == thin


def test_resize_cursors_point_along_the_radius(stage):
    handles = stage.lesion()
    stage.jump(CENTER)
    mouse = stage.mouse("Yellow")
    seen = []
    for angle in np.arange(8) * math.pi / 4:
        mouse.move(ring_point(stage, "Yellow", handles, 0, angle))
        seen.append(mouse.cursor)
    across, rising, upright, falling = 7, 2, 6, 3
    assert seen == [across, rising, upright, falling] * 2


def test_inside_the_cursor_says_move_and_no_ring_stands_out(stage):
    handles = stage.lesion()
    stage.jump(CENTER)
    mouse = stage.mouse("Red")
    mouse.move(CENTER)
    assert mouse.cursor == MOVE and handles.hovered_ring is None


def test_slicers_crosshair_goes_on_following_the_pointer_over_a_lesion(stage):
    stage.lesion()
    stage.jump(CENTER)
    mouse = stage.mouse("Red")
    place = [0.0] * 3
    for shift in ((0, 0), (5, 3)):
        mouse.move(mouse.pixel(CENTER) + shift)
        stage.core.crosshair_node.GetCursorPositionRAS(place)
        pixel = np.rint(mouse.pixel(CENTER) + shift)
        assert place == pytest.approx(stage.views["Red"].to_world(*pixel), abs=1e-6)


def test_where_the_slice_misses_the_spheres_nothing_is_there(stage):
    handles = stage.lesion()
    stage.jump(np.array(CENTER) + (0, 0, 18.5))
    mouse = stage.mouse("Red")
    mouse.move(CENTER)
    assert mouse.cursor == DEFAULT
    mouse.drag(CENTER, mouse.pixel(CENTER) + (20, 0))
    assert handles.state.center_ras == CENTER


# -- leaving the rest to Slicer


def test_outside_the_spheres_dragging_sets_slicers_window_and_level(stage):
    handles = stage.lesion()
    stage.jump(CENTER)
    mode = stage.core.interaction_node
    mode.SetCurrentInteractionMode(mode.AdjustWindowLevel)
    display = stage.volume.GetDisplayNode()
    display.AutoWindowLevelOff()
    before = display.GetWindow(), display.GetLevel()
    mouse = stage.mouse("Red")
    mouse.drag((20, 20), mouse.pixel(CENTER))
    after = display.GetWindow(), display.GetLevel()
    assert after != before, "the drag is Slicer's, also when it ends over a lesion"
    assert handles.hovered_ring is None and stage.edits == []
    mouse.drag(CENTER, mouse.pixel(CENTER) + (25, 5))
    assert (display.GetWindow(), display.GetLevel()) == after
    assert handles.state.center_ras != CENTER
    mode.SetCurrentInteractionMode(mode.ViewTransform)


def test_with_shift_held_the_mouse_is_slicers(stage):
    handles = stage.lesion()
    stage.jump(CENTER)
    mouse = stage.mouse("Red")
    origin = stage.views["Red"].node.GetXYZOrigin()
    mouse.drag(CENTER, mouse.pixel(CENTER) + (20, 10), shift=True)
    assert handles.state.center_ras == CENTER
    assert stage.views["Red"].node.GetXYZOrigin() != origin, "Slicer pans"


def test_a_drag_of_a_lesion_moves_no_slice(stage):
    stage.lesion()
    stage.jump(CENTER)
    before = [stage.views[name].node.GetSliceOffset() for name in VIEWS]
    for name in VIEWS:
        mouse = stage.mouse(name)
        mouse.drag(CENTER, mouse.pixel(CENTER) + (9, 9))
    assert [stage.views[name].node.GetSliceOffset() for name in VIEWS] == before


def test_a_locked_or_hidden_lesion_is_not_taken(stage):
    handles = stage.lesion()
    stage.jump(CENTER)
    mouse = stage.mouse("Red")
    handles.node.SetLocked(True)
    mouse.drag(CENTER, mouse.pixel(CENTER) + (20, 0))
    handles.node.SetLocked(False)
    handles.state = replace(handles.state, visible=False)
    mouse.drag(CENTER, mouse.pixel(CENTER) + (20, 0))
    assert handles.state.center_ras == CENTER


def test_after_detaching_no_observer_is_left_and_the_mouse_is_slicers(stage):
    handles = stage.lesion()
    stage.jump(CENTER)
    attached = [observers(view.interactor) for view in stage.views.values()]
    for interaction in stage.interactions:
        interaction.detach()
    kept = [observers(view.interactor) for view in stage.views.values()]
    assert [a - b for a, b in zip(attached, kept, strict=True)] == [11, 11, 11, 1]
    mouse = stage.mouse("Red")
    mouse.drag(CENTER, mouse.pixel(CENTER) + (20, 0))
    assert handles.state.center_ras == CENTER


def test_a_detached_interaction_is_free(stage):
    handles = stage.lesion()
    gone = [weakref.ref(interaction) for interaction in stage.interactions]
    for interaction in stage.interactions:
        interaction.detach()
    del interaction
    stage.interactions.clear()
    gc.collect()
    assert [reference() for reference in gone] == [None] * 7
    assert handles.hovered_ring is None


# -- several lesions


def test_pressing_on_another_lesion_chooses_it_and_drags_it_at_once(stage):
    first, second = stage.lesion(), stage.lesion((-30.0, 0.0, 24.0), (10.0, 7.0, 4.0), "Lesion 2", active=False)
    stage.jump(CENTER)
    mouse = stage.mouse("Red")
    mouse.drag((-30.0, 0.0, 24.0), mouse.pixel((-30.0, 0.0, 24.0)) + (10, 0))
    assert stage.chosen == [second] and (first.active, second.active) == (False, True)
    assert second.state.center_ras != (-30.0, 0.0, 24.0) and first.state.center_ras == CENTER
    assert {name for name, _ in stage.edits} == {"Lesion 2"}


def test_where_lesions_overlap_the_active_one_is_taken(stage):
    first, second = stage.lesion(), stage.lesion(np.array(CENTER) + (9, 0, 0), (14.0, 9.0, 4.0), "Lesion 2", False)
    stage.jump(CENTER)
    mouse = stage.mouse("Red")
    mouse.drag(second.state.center_ras, mouse.pixel(second.state.center_ras) + (4, 20))
    assert stage.chosen == [] and first.state.center_ras != CENTER
    first.active, second.active = False, True
    before = first.state
    mouse.drag(second.state.center_ras, mouse.pixel(second.state.center_ras) + (4, -20))
    assert first.state == before and second.state.center_ras != tuple(np.array(CENTER) + (9, 0, 0))


def test_two_quick_drags_in_a_row_are_two_drags(stage):
    """Qt reports the second press as a double click."""
    handles = stage.lesion()
    stage.jump(CENTER)
    mouse = stage.mouse("Red")
    mouse.drag(CENTER, mouse.pixel(CENTER) + (10, 0))
    once = np.array(handles.state.center_ras)
    start = mouse.pixel(once)
    mouse.move(start)
    mouse.send("LeftButtonDoubleClickEvent", start)
    mouse.pull(start, start + (10, 0))
    mouse.release(start + (10, 0))
    assert np.array(handles.state.center_ras) - once == pytest.approx(once - CENTER, abs=1e-6)


# -- the 3D view


@pytest.fixture
def three_d(stage) -> Pointer:
    view = stage.views["3D"]
    view.node.SetBoxVisible(False)
    view.node.SetAxisLabelsVisible(False)
    camera = view.renderer.GetActiveCamera()
    camera.SetFocalPoint(*CENTER)
    camera.SetPosition(*(np.array(CENTER) + (90, 130, 60)))
    camera.SetViewUp(0, 0, 1)
    view.renderer.ResetCameraClippingRange()
    return stage.mouse("3D")


def in_the_screens_plane(pointer, world, pixel) -> np.ndarray:
    """Where a point comes to lie that is dragged to a pixel and keeps its depth."""
    renderer = pointer.view.renderer
    renderer.SetWorldPoint(*world, 1)
    renderer.WorldToDisplay()
    renderer.SetDisplayPoint(*pixel, renderer.GetDisplayPoint()[2])
    renderer.DisplayToWorld()
    x, y, z, w = renderer.GetWorldPoint()
    return np.array((x, y, z)) / w


def test_a_rim_dragged_in_3d_resizes_its_sphere_and_the_drags_end_is_told(stage, three_d):
    handles = stage.lesion()
    stage.render()
    center, rim = three_d.pixel(CENTER), three_d.pixel(handles.node.GetNthControlPointPosition(1))
    pulled = in_the_screens_plane(three_d, handles.node.GetNthControlPointPosition(1), center + 1.4 * (rim - center))
    three_d.drag(rim, center + 1.4 * (rim - center))
    assert handles.state.radii_mm[0] == pytest.approx(np.linalg.norm(pulled - CENTER), rel=0.03)
    assert handles.state.radii_mm[0] > RADII[0] + 1
    assert handles.state.radii_mm[1:] == RADII[1:] and handles.state.center_ras == CENTER
    assert stage.edits[-1][1] and [finished for _, finished in stage.edits].count(True) == 1


def test_the_center_dragged_in_3d_moves_all_under_a_transform(stage, three_d):
    handles = stage.lesion()
    stage.transform(rigid((0, 0, 0), (3, -4, 5), flips=(-1, 1, 1)))
    place = world(handles, CENTER)
    three_d.view.renderer.GetActiveCamera().SetFocalPoint(*place)
    stage.render()
    start = three_d.pixel(place)
    three_d.drag(place, start + (25, 12))
    assert three_d.pixel(world(handles, handles.state.center_ras)) == pytest.approx(start + (25, 12), abs=1.5)
    assert handles.state.radii_mm == RADII and stage.edits[-1][1]


def test_the_middle_button_in_3d_moves_all_and_keeps_the_sizes(stage, three_d):
    handles = stage.lesion()
    stage.render()
    start = three_d.pixel(CENTER)
    three_d.drag(CENTER, start + (20, 0), button="Middle")
    assert three_d.pixel(handles.state.center_ras) == pytest.approx(start + (20, 0), abs=1.5)
    assert handles.state.radii_mm == RADII


def test_a_handle_under_the_pointer_in_3d_highlights_its_sphere(stage, three_d):
    handles = stage.lesion()
    stage.render()
    rim = three_d.pixel(handles.node.GetNthControlPointPosition(2))
    three_d.view.interactor.InvokeEvent("EnterEvent")
    three_d.move(rim)
    assert handles.hovered_ring == 1
    three_d.move((3, 3))
    assert handles.hovered_ring is None


def test_taking_hold_of_another_lesion_in_3d_is_told(stage, three_d):
    stage.lesion((-30.0, 0.0, 24.0), name="Lesion 2")
    handles = stage.lesion(active=False)
    grabbed = []
    handles.on_grabbed = grabbed.append
    stage.render()
    three_d.drag(CENTER, three_d.pixel(CENTER) + (10, 5))
    assert grabbed == [handles] and handles.state.center_ras != CENTER
