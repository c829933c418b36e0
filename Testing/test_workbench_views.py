"""The workbench's views answer to mouse and keys as Slicer's do, on volumes that lie any way in space."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from PySide6.QtCore import QPointF, Qt

from volumes import save_nifti, voxels_of
from workbench import Workbench
from workbench_helpers import GRIDS, center_of_bright, dot_volume, pixels_of

SLICES = ("Red", "Green", "Yellow")


@pytest.fixture
def loaded(bench: Workbench, tmp_path) -> Workbench:
    bench.load_volume(save_nifti(tmp_path / "head.nii.gz", voxels_of(shape=(60, 70, 50)), GRIDS["straight"]))
    return bench


def millimetres_per_pixel(view) -> float:
    to_ras = view.view.node.GetXYToRAS()
    return float(np.linalg.norm([to_ras.GetElement(row, 0) for row in range(3)]))


def distance_from_slice(view, place: np.ndarray) -> float:
    to_ras = view.view.node.GetSliceToRAS()
    origin, normal = (np.array([to_ras.GetElement(row, column) for row in range(3)]) for column in (3, 2))
    return float(abs((place - origin) @ normal))


# -- where things are


@pytest.mark.parametrize("straight_views", [False, True], ids=["volume's planes", "patient's planes"])
@pytest.mark.parametrize("grid", GRIDS)
def test_a_place_is_drawn_where_the_view_says(bench, tmp_path, grid, straight_views):
    path, place = dot_volume(tmp_path / "dot.nii.gz", grid)
    display = bench.load_volume(path).GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0, 1000)
    for name, orientation in zip(SLICES, ("Axial", "Coronal", "Sagittal"), strict=True):
        view = bench.view(name)
        if straight_views:
            view.view.node.SetOrientation(orientation)
        view.view.node.JumpSliceByOffsetting(*place)
        bench.process_events()
        seen = center_of_bright(view.canvas.picture())
        told = np.array(view.canvas.to_pixels(tuple(place)))
        assert np.linalg.norm(seen - told) * millimetres_per_pixel(view) < 1.0, name
        back = view.view.to_world(*view.canvas.to_display(QPointF(*told)))
        assert np.linalg.norm(back - place) < 1.5 * millimetres_per_pixel(view)


def test_the_letters_say_where_the_patient_is(loaded):
    edges = {name: loaded.view(name).canvas.edge_letters() for name in SLICES}
    assert edges["Red"] == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert edges["Green"] == {"left": "R", "right": "L", "top": "S", "bottom": "I"}
    assert edges["Yellow"] == {"left": "A", "right": "P", "top": "S", "bottom": "I"}
    loaded.view("Red").view.node.SetOrientation("Sagittal")
    assert loaded.view("Red").canvas.edge_letters()["left"] == "A"


def test_a_loaded_volume_is_background_everywhere_and_fills_the_views(loaded):
    volume = loaded.scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    for name in SLICES:
        assert loaded.view(name).view.composite_node.GetBackgroundVolumeID() == volume.GetID()
        picture = pixels_of(loaded.view(name).canvas.picture())
        assert (picture[picture.shape[0] // 2].max(axis=1) > 60).mean() > 0.4
        assert loaded.view(name).canvas.corner_lines() == ["B: head"]


# -- mouse and keys in a slice


@pytest.mark.parametrize("name", SLICES)
def test_the_wheel_and_the_arrow_keys_go_through_the_slices(loaded, name):
    logic = loaded.view(name).view.logic
    start = logic.GetSliceOffset()
    loaded.mouse.wheel(name, 2)
    assert logic.GetSliceOffset() == pytest.approx(start + 4)
    loaded.mouse.wheel(name, -1)
    assert logic.GetSliceOffset() == pytest.approx(start + 2)
    loaded.key("up", view=name)
    assert logic.GetSliceOffset() == pytest.approx(start + 4)
    loaded.key("down", view=name)
    assert logic.GetSliceOffset() == pytest.approx(start + 2)


def test_the_right_button_zooms_and_r_shows_everything_again(loaded):
    node = loaded.view("Red").view.node
    whole = node.GetFieldOfView()[0]
    loaded.mouse.drag("Red", (150, 100), (150, 180), "right")
    assert node.GetFieldOfView()[0] < 0.9 * whole
    loaded.key("r", view="Red")
    assert node.GetFieldOfView()[0] == pytest.approx(whole)


@pytest.mark.parametrize(("button", "held"), [("middle", ""), ("left", "shift")])
def test_dragging_moves_the_image_with_the_mouse(loaded, button, held):
    canvas = loaded.view("Green").canvas
    before = np.array(canvas.to_pixels((20.0, 60.0, 40.0)))
    loaded.mouse.drag("Green", (120, 100), (160, 130), button, held)
    np.testing.assert_allclose(np.array(canvas.to_pixels((20.0, 60.0, 40.0))) - before, (40, 30), atol=1.5)


def test_the_left_button_sets_window_and_level_in_that_mode_only(loaded):
    display = loaded.scene.GetFirstNodeByClass("vtkMRMLScalarVolumeDisplayNode")
    before = display.GetWindow(), display.GetLevel()
    loaded.mouse.drag("Red", (150, 100), (200, 140))
    assert (display.GetWindow(), display.GetLevel()) == before
    modes = loaded.window.actions_.mouse_modes
    modes.actions["window-level"].trigger()
    loaded.mouse.drag("Red", (150, 100), (200, 140))
    assert display.GetWindow() > before[0] and display.GetLevel() != before[1]
    modes.automatic()
    assert (display.GetWindow(), display.GetLevel()) == before
    modes.full_range()
    low, high = voxels_of(shape=(60, 70, 50)).min(), voxels_of(shape=(60, 70, 50)).max()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (low, high)


def test_shift_and_the_mouse_bring_all_slices_to_the_place(loaded):
    red = loaded.view("Red")
    loaded.core.crosshair_node.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.ShowBasic)
    place = np.array([50.0, 80.0, red.view.logic.GetSliceOffset()])
    before = loaded.view("Green").canvas.frames
    loaded.mouse.move("Red", (120, 120))
    loaded.mouse.move("Red", red.canvas.to_pixels(tuple(place)), held="shift")
    at = np.array(loaded.core.crosshair_node.GetCrosshairRAS())
    assert np.linalg.norm(at - place) < 1.5 * millimetres_per_pixel(red) * red.canvas.devicePixelRatioF()
    for name in ("Green", "Yellow"):
        assert distance_from_slice(loaded.view(name), at) < 1.1
    assert loaded.view("Green").canvas.frames > before
    picture = pixels_of(loaded.view("Red").canvas.picture())
    column = round(red.canvas.to_pixels(tuple(at))[0])
    assert (picture[30:, column - 1 : column + 2].max(axis=1) > 0).all(axis=1).mean() > 0.8


def test_linked_slices_zoom_together(loaded):
    loaded.window.actions_.link_slices(True)
    nodes = [loaded.view(name).view.node for name in SLICES]
    before = [node.GetFieldOfView()[0] for node in nodes]
    loaded.mouse.drag("Red", (150, 100), (150, 180), "right")
    assert all(node.GetFieldOfView()[0] < 0.9 * old for node, old in zip(nodes, before, strict=True))
    loaded.window.actions_.link_slices(False)
    between = nodes[1].GetFieldOfView()[0]
    loaded.mouse.drag("Red", (150, 100), (150, 150), "right")
    assert nodes[1].GetFieldOfView()[0] == between


def test_the_bar_shows_and_sets_the_offset_in_millimetres(loaded):
    bar, logic = loaded.view("Yellow").bar, loaded.view("Yellow").view.logic
    loaded.mouse.wheel("Yellow", 3)
    assert bar.offset.value() == pytest.approx(logic.GetSliceOffset(), abs=1e-3)
    assert bar.offset.text()[:3] in ("R: ", "L: ") and bar.offset.text().endswith(" mm")
    wanted = (bar.offset.minimum() * 3 + bar.offset.maximum()) / 4
    bar.offset.setValue(wanted)
    assert logic.GetSliceOffset() == pytest.approx(wanted, abs=1e-3)
    groove = bar.slider.size()
    middle = groove.height() / 2
    loaded.mouse.drag(bar.slider, (groove.width() / 4, middle), (groove.width() * 0.75, middle))
    assert logic.GetSliceOffset() > wanted + 10
    assert bar.offset.value() == pytest.approx(logic.GetSliceOffset(), abs=1e-3)


# -- the 3D view


def test_the_3d_view_turns_zooms_and_looks_from_any_side(loaded):
    view = loaded.view("3D")
    camera = view.view.renderer.GetActiveCamera()
    loaded.layout_manager.resetThreeDViews()
    before = np.array(camera.GetPosition())
    loaded.mouse.drag("3D", (150, 150), (220, 180))
    assert np.linalg.norm(np.array(camera.GetPosition()) - before) > 10
    distance = camera.GetDistance()
    loaded.mouse.wheel("3D", 2)
    assert camera.GetDistance() < distance
    view.canvas.rotateToViewAxis(3)
    toward = np.array(camera.GetPosition()) - camera.GetFocalPoint()
    np.testing.assert_allclose(toward / np.linalg.norm(toward), (0, 1, 0), atol=1e-6)


def test_a_place_in_3d_is_drawn_where_the_view_says(bench):
    place = (30.0, -20.0, 10.0)
    ball = vtk.vtkSphereSource()
    ball.SetCenter(*place)
    ball.SetRadius(6)
    ball.Update()
    model = bench.scene.AddNewNodeByClass("vtkMRMLModelNode", "Ball")
    model.SetAndObservePolyData(ball.GetOutput())
    model.CreateDefaultDisplayNodes()
    model.GetDisplayNode().SetColor(1, 1, 1)
    view = bench.view("3D")
    view.view.node.SetBoxVisible(False)
    view.view.node.SetAxisLabelsVisible(False)
    bench.process_events()
    seen = center_of_bright(view.canvas.picture(), threshold=90)
    assert np.linalg.norm(seen - view.canvas.to_pixels(place)) < 3


# -- what it costs, and what it shows


def test_a_view_is_rendered_once_for_many_changes_and_not_at_all_for_none(loaded):
    loaded.process_events(0.1)
    canvas, logic = loaded.view("Red").canvas, loaded.view("Red").view.logic
    before = canvas.frames
    loaded.process_events(0.2)
    assert canvas.frames == before
    for step in range(20):
        logic.SetSliceOffset(step)
    loaded.process_events()
    assert canvas.frames == before + 1


def test_paused_rendering_waits_until_it_is_resumed(loaded):
    canvas, logic = loaded.view("Red").canvas, loaded.view("Red").view.logic
    loaded.application.pauseRender()
    before = canvas.frames
    logic.SetSliceOffset(30)
    loaded.process_events()
    assert canvas.frames == before
    loaded.application.resumeRender()
    loaded.process_events()
    assert canvas.frames == before + 1


def test_the_cursor_that_vtk_asks_for_is_qts_cursor(loaded):
    canvas = loaded.view("Red").canvas
    canvas.renderWindow().SetCurrentCursor(9)
    assert canvas.cursor().shape() == Qt.CursorShape.PointingHandCursor
    canvas.renderWindow().SetCurrentCursor(0)
    assert canvas.cursor().shape() == Qt.CursorShape.ArrowCursor


def test_keys_reach_the_interactor_by_vtks_names(loaded):
    heard = []
    interactor = loaded.view("Red").canvas.interactor()
    tag = interactor.AddObserver(
        "KeyPressEvent", lambda it, _: heard.append((it.GetKeySym(), it.GetKeyCode(), it.GetShiftKey())), 100.0
    )
    for key, held in (("left", ""), ("right", "shift"), ("plus", ""), ("minus", ""), ("escape", ""), ("b", "")):
        loaded.key(key, held, view="Red")
    interactor.RemoveObserver(tag)
    assert heard == [
        ("Left", "\0", 0),
        ("Shift_L", "\0", 1),
        ("Right", "\0", 1),
        ("plus", "+", 0),
        ("minus", "-", 0),
        ("Escape", "\0", 0),
        ("b", "b", 0),
    ]
