"""Placing, moving and resizing lesions with the mouse and the keyboard, in the real module."""

from __future__ import annotations

import numpy as np
import pytest

from module_bench import PLACE, SLICE_VIEWS, ModuleBench

RADII = (14.0, 10.0, 5.0)


@pytest.fixture
def placed(module: ModuleBench) -> ModuleBench:
    module.add_host()
    module.add(radii_mm=RADII)
    module.show(PLACE)
    return module


@pytest.mark.parametrize("view", SLICE_VIEWS)
def test_one_click_places_three_spheres_and_paints_a_lesion(module, view):
    module.add_host()
    state = module.place(view)
    np.testing.assert_allclose(state.center_ras, PLACE, atol=1)
    assert len(state.radii_mm) == 3 and state.radii_mm[0] == 10
    assert module.editor.latest.quality == "full"
    assert module.editor.case.outputs.result.GetName() == "Head + lesion"
    assert not module.ui.placeButton.checked


def test_a_click_in_the_3d_view_places_a_lesion_in_the_brain(module):
    module.add_host()
    state = module.place("1", (5.0, -10.0, 15.0))
    assert module.editor.brain.contains(np.array(state.center_ras))


def test_escape_gives_up_placing_and_leaves_nothing(module):
    module.add_host()
    before = module.nodes()
    module.click(module.ui.placeButton)
    assert module.ui.placeButton.text == "Click in a view..."
    module.bench.mouse.move("Red", PLACE)
    module.bench.key("escape")
    assert module.ui.placeButton.text == "Place lesion" and not module.editor.case.lesions
    assert module.nodes() == before


@pytest.mark.parametrize("offset_mm", [0.0, 6.0])
@pytest.mark.parametrize("view", SLICE_VIEWS)
def test_dragging_inside_moves_the_lesion(placed, view, offset_mm):
    right, up, normal = placed.axes(view)
    start = np.array(PLACE) + offset_mm * normal + 2 * right
    placed.show(start)
    placed.bench.mouse.drag(view, start, start + 8 * right - 4 * up)
    placed.settle()
    np.testing.assert_allclose(placed.state.center_ras, np.array(PLACE) + 8 * right - 4 * up, atol=1)
    assert placed.state.radii_mm == RADII


@pytest.mark.parametrize("offset_mm", [0.0, -3.5])
@pytest.mark.parametrize("ring", range(3))
@pytest.mark.parametrize("view", SLICE_VIEWS)
def test_dragging_any_ring_resizes_that_sphere(placed, view, ring, offset_mm):
    _right, _up, normal = placed.axes(view)
    placed.show(np.array(PLACE) + offset_mm * normal)
    wanted = RADII[ring] + 2
    start = placed.on_ring(view, PLACE, RADII[ring], offset_mm)
    placed.bench.mouse.drag(view, start, placed.on_ring(view, PLACE, wanted, offset_mm), steps=20)
    placed.settle()
    expected = [*RADII[:ring], wanted, *RADII[ring + 1 :]]
    np.testing.assert_allclose(placed.state.radii_mm, expected, atol=0.9)
    np.testing.assert_allclose(placed.state.center_ras, PLACE, atol=1e-6)
    assert sum(a != b for a, b in zip(placed.state.radii_mm, RADII, strict=True)) == 1


def test_spheres_stay_nested_however_far_a_ring_is_dragged(placed):
    start = placed.on_ring("Red", PLACE, RADII[1])
    placed.bench.mouse.drag("Red", start, placed.on_ring("Red", PLACE, 30), steps=20)
    placed.settle()
    outer, middle, core = placed.state.radii_mm
    assert outer == RADII[0] and outer > middle > outer - 1 and core == RADII[2]


def test_hovering_over_a_ring_highlights_it_and_changes_the_cursor(placed):
    canvas = placed.bench.view("Red").canvas
    placed.bench.mouse.move("Red", np.array(PLACE) + (60, 40, 0))
    assert placed.editor.chosen.hovered_ring is None
    before = canvas.cursor().shape()
    placed.bench.mouse.move("Red", placed.on_ring("Red", PLACE, RADII[1]))
    assert placed.editor.chosen.hovered_ring == 1
    assert canvas.cursor().shape() != before
    placed.bench.mouse.move("Red", np.array(PLACE) + (60, 40, 0))
    assert placed.editor.chosen.hovered_ring is None


def test_a_handle_in_the_3d_view_moves_the_lesion(placed):
    view = placed.bench.view("1")
    x, y = view.canvas.to_pixels(PLACE)
    placed.bench.mouse.drag("1", (x, y), (x + 25, y - 10), steps=10)
    placed.settle()
    moved = np.array(placed.state.center_ras) - PLACE
    assert np.linalg.norm(moved) > 2
    np.testing.assert_allclose(view.canvas.to_pixels(placed.state.center_ras), (x + 25, y - 10), atol=3)
    assert placed.state.radii_mm == RADII


@pytest.mark.parametrize(("held", "length"), [("", 1.0), ("shift", 5.0)])
def test_arrow_keys_nudge_along_the_screen(placed, held, length):
    right, up, _normal = placed.axes("Green")
    placed.bench.key("right", held, view="Green")
    placed.bench.key("up", held, view="Green")
    placed.settle()
    np.testing.assert_allclose(placed.state.center_ras, np.array(PLACE) + length * (right + up), atol=1e-6)


def test_plus_and_minus_scale_all_spheres(placed):
    placed.bench.key("+", view="Red")
    placed.settle()
    np.testing.assert_allclose(placed.state.radii_mm, 1.05 * np.array(RADII), rtol=1e-6)
    placed.bench.key("-", view="Red")
    placed.settle()
    np.testing.assert_allclose(placed.state.radii_mm, RADII, rtol=1e-6)


def test_a_press_on_another_lesion_chooses_it(placed):
    other = np.array(PLACE) - (50, 0, 0)
    placed.add(center_ras=tuple(other), radii_mm=(9.0, 6.0, 3.0))
    assert placed.editor.chosen is placed.editor.case.lesions[1]
    placed.bench.mouse.click("Red", PLACE)
    placed.settle()
    assert placed.editor.chosen is placed.editor.case.lesions[0]
    assert placed.ui.lesionTable.currentRow() == 0


def test_window_level_is_left_to_slicer_outside_lesions(placed):
    display = placed.editor.case.host.GetDisplayNode()
    before = (display.GetWindow(), display.GetLevel())
    interaction = placed.bench.core.interaction_node
    interaction.SetCurrentInteractionMode(interaction.AdjustWindowLevel)
    start = np.array(PLACE) - (60, 40, 0)
    placed.bench.mouse.drag("Red", start, start + (30, 20, 0))
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    result = placed.editor.case.outputs.result.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) != before
    assert (result.GetWindow(), result.GetLevel()) == (display.GetWindow(), display.GetLevel())
