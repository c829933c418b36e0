"""What the panel's controls do: sliders, structure, seed, the table of lesions, undo, and why a button is grey."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from module_bench import PLACE, ModuleBench, volume_node
from phantoms import phantom
from TumorSynthLib.parameters import Appearance, ranges

OTHER = (-30.0, 10.0, 25.0)


@pytest.fixture
def placed(module: ModuleBench) -> ModuleBench:
    module.add_host()
    module.add()
    return module


# -- the chosen lesion


def test_radius_sliders_and_spheres_follow_each_other(placed):
    slider = placed.widget.panel.lesion.shells.sliders["radius0"]
    assert slider.value == 12
    placed.press_groove(slider, 0.5)
    placed.settle()
    assert placed.state.radii_mm[0] == pytest.approx(slider.value) and 15 < slider.value < 25
    placed.bench.key("+", view="Red")
    placed.settle()
    assert slider.value == pytest.approx(placed.state.radii_mm[0], abs=0.06)


def test_a_radius_slider_stops_at_its_neighbor(placed):
    placed.press_groove(placed.widget.panel.lesion.shells.sliders["radius2"], 0.9)
    placed.settle()
    outer, middle, core = placed.state.radii_mm
    assert outer > middle > core
    assert placed.widget.panel.lesion.shells.sliders["radius2"].value == pytest.approx(core, abs=0.06)


def test_center_boxes_and_lesion_follow_each_other(placed):
    sliders = placed.widget.panel.lesion.center.sliders
    assert [round(sliders[axis].value, 1) for axis in "RAS"] == list(PLACE)
    sliders["A"].value = -3.0
    placed.settle()
    assert placed.state.center_ras == pytest.approx((PLACE[0], -3, PLACE[2]))
    placed.bench.key("right", view="Red")
    placed.settle()
    assert sliders["R"].value == pytest.approx(placed.state.center_ras[0], abs=0.06)


@pytest.mark.parametrize("name", ["solid", "ring", "heterogeneous"])
def test_structure_is_chosen_by_name(placed, name):
    choose_structure(placed, name)
    placed.settle()
    assert placed.state.spheres.resolved_structure.name == name
    assert placed.editor.latest.lesions[0].structure == name


def test_free_values_for_each_shell(placed):
    choose_structure(placed, "free")
    placed.settle()
    sliders = placed.widget.panel.lesion.shells.sliders
    assert placed.state.values is not None and sliders["value1"].visible
    sliders["value1"].value = 0.9
    placed.settle()
    assert placed.state.values[1] == pytest.approx(0.9)
    assert 0.9 in np.round(placed.editor.latest.lesions[0].values, 3)


def test_new_variation_changes_the_lesion_and_the_same_seed_brings_it_back(placed):
    first = placed.editor.latest.mask.copy(), placed.editor.latest.box
    placed.click(placed.ui.variationButton)
    placed.settle()
    assert placed.state.seed == 1 and placed.ui.seedEdit.text == "1"
    assert placed.editor.latest.box != first[1] or (placed.editor.latest.mask != first[0]).any()
    placed.type_into(placed.ui.seedEdit, "0")
    placed.settle()
    assert placed.state.seed == 0
    np.testing.assert_array_equal(placed.editor.latest.mask, first[0])


@pytest.mark.parametrize("name", list(ranges()))
def test_every_appearance_slider_reaches_the_result(placed, name):
    before = placed.editor.latest
    placed.press_groove(placed.widget.panel.lesion.appearance.sliders[name], 0.85)
    placed.settle()
    value = getattr(placed.state.appearance, name)
    assert value != getattr(Appearance(), name)
    assert placed.editor.latest.lesions[0].appearance[name] == value
    assert before.box != placed.editor.latest.box or (before.image != placed.editor.latest.image).any()
    placed.click(placed.ui.resetAppearanceButton)
    placed.settle()
    assert placed.state.appearance == Appearance()


# -- several lesions


def test_the_table_lists_every_lesion_as_it_is(placed):
    placed.add(center_ras=OTHER, structure="solid", seed=5, name="Second")
    table = placed.ui.lesionTable
    row = [table.item(1, column).text() for column in range(1, 7)]
    assert row[:3] == ["Second", "-30.0 10.0 25.0", "24.0"] and row[4:] == ["solid", "5"]
    assert float(row[3]) == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.02)


def test_choosing_a_row_moves_the_views_there(placed):
    placed.add(center_ras=OTHER)
    placed.show((0, 0, 0))
    placed.choose_row(0)
    assert placed.editor.chosen is placed.editor.case.lesions[0]
    nodes = [slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{view}") for view in ("Yellow", "Green", "Red")]
    offsets = [node.GetSliceOffset() for node in nodes]
    np.testing.assert_allclose(np.abs(offsets), np.abs(PLACE), atol=0.5)


def test_duplicate_and_delete(placed):
    placed.click(placed.ui.duplicateButton)
    placed.settle()
    first, second = placed.editor.case.states()
    assert second.seed == first.seed + 1 and second.radii_mm == first.radii_mm and second.name != first.name
    assert set(np.unique(placed.editor.latest.mask)) == {0, 1, 2}
    placed.click(placed.ui.deleteButton)
    placed.settle()
    assert placed.editor.case.states() == (first,)
    placed.click(placed.ui.deleteButton)
    placed.settle()
    assert placed.editor.case.outputs.result is None and placed.ui.lesionTable.rowCount == 0


def test_random_placement_stays_in_the_brain_and_apart(module):
    module.add_host()
    for _ in range(4):
        module.click(module.ui.randomButton)
        module.settle()
    states = module.editor.case.states()
    assert len(states) == 4 and module.editor.complaint is None
    for n, one in enumerate(states):
        for other in states[n + 1 :]:
            apart = np.linalg.norm(np.subtract(one.center_ras, other.center_ras))
            assert apart > one.radii_mm[0] + other.radii_mm[0]


def test_renaming_and_hiding_in_the_table(placed):
    table = placed.ui.lesionTable
    table.item(0, 1).setText("Left frontal")
    placed.settle()
    assert placed.state.name == "Left frontal"
    segment = placed.editor.case.outputs.segmentation.GetSegmentation().GetNthSegment(0)
    assert segment.GetName() == "Left frontal"
    from PySide6.QtCore import Qt

    table.item(0, 0).setCheckState(Qt.CheckState.Unchecked)
    placed.settle()
    assert not placed.state.visible
    assert not placed.editor.case.outputs.segmentation.GetDisplayNode().GetSegmentVisibility(
        placed.editor.case.outputs.segmentation.GetSegmentation().GetNthSegmentID(0)
    )


# -- undo


def test_fifty_changes_are_undone_one_by_one_and_done_again(placed):
    states = [placed.editor.case.states()]
    for n in range(50):
        placed.editor.change(seed=n + 1)
        states.append(placed.editor.case.states())
    placed.settle()
    for expected in states[-2::-1]:
        placed.bench.key("z", "ctrl")
        assert placed.editor.case.states() == expected
    for expected in states[1:]:
        placed.bench.key("z", "ctrl+shift")
        assert placed.editor.case.states() == expected
    placed.settle()


def test_a_drag_is_one_step_of_undo(placed):
    before = placed.editor.case.states()
    placed.bench.mouse.drag("Red", PLACE, np.array(PLACE) + (15, 5, 0), steps=12)
    placed.settle()
    assert placed.editor.case.states() != before
    placed.click(placed.ui.undoButton)
    placed.settle()
    assert placed.editor.case.states() == before


def test_a_slider_pulled_slowly_is_one_step_of_undo(placed):
    before = placed.editor.case.states()
    for value in (13.0, 14.0, 15.0):
        placed.widget.panel.lesion.shells.sliders["radius0"].value = value
        placed.bench.process_events(0.05)
    placed.settle()
    placed.click(placed.ui.undoButton)
    placed.settle()
    assert placed.editor.case.states() == before


def test_undo_brings_a_deleted_lesion_back(placed):
    before = placed.editor.case.states()
    image = placed.editor.latest.image.copy()
    placed.click(placed.ui.deleteButton)
    placed.settle()
    placed.click(placed.ui.undoButton)
    placed.settle()
    assert placed.editor.case.states() == before
    np.testing.assert_array_equal(placed.editor.latest.image, image)


# -- refusals


def refusal(module: ModuleBench) -> str:
    assert not module.ui.placeButton.enabled and not module.ui.applyButton.enabled
    assert module.ui.placeButton.toolTip == module.ui.applyButton.toolTip
    return module.ui.placeButton.toolTip


def test_no_volume(module):
    assert "choose" in refusal(module)


def choose(module: ModuleBench, node) -> None:
    module.widget._parameterNode.host = node
    module.bench.process_events()


def test_a_non_linear_transform(module):
    host, _brain = phantom(spacing_mm=(3, 3, 3))
    node = volume_node("vtkMRMLScalarVolumeNode", "Bent", host.voxels, host.affine)
    bend = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    node.SetAndObserveTransformNodeID(bend.GetID())
    choose(module, node)
    assert "non-linear" in refusal(module) and "harden" in refusal(module)


def test_a_flat_volume(module):
    choose(module, volume_node("vtkMRMLScalarVolumeNode", "Flat", np.ones((40, 40, 1), np.int16), np.eye(4)))
    assert "3D volume" in refusal(module)


def test_a_constant_volume(module):
    choose(module, volume_node("vtkMRMLScalarVolumeNode", "Empty", np.zeros((40, 40, 40), np.int16), np.eye(4)))
    assert "'Empty'" in refusal(module)


@pytest.mark.parametrize("wrong", ["empty", "other size"])
def test_a_brain_mask_that_does_not_fit(module, wrong):
    node = module.add_host()
    shape = node.GetImageData().GetDimensions() if wrong == "empty" else (10, 10, 10)
    mask = volume_node("vtkMRMLLabelMapVolumeNode", "Wrong mask", np.zeros(shape, np.uint8), np.eye(4))
    if wrong == "empty":
        mask.SetIJKToRASMatrix(node_matrix(node))
    module.editor.choose_brain_mask(mask)
    module.bench.process_events()
    assert "'Wrong mask'" in refusal(module)


def node_matrix(node):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix


def test_spheres_outside_the_brain_say_so_and_can_be_moved_back(placed):
    before = placed.editor.case.outputs.result
    placed.widget.panel.lesion.center.sliders["R"].value = 65.0
    placed.settle()
    assert "outside" in placed.ui.statusLabel.text or "lies in the brain" in placed.ui.statusLabel.text
    assert not placed.ui.applyButton.enabled and not placed.ui.exportButton.enabled
    assert placed.ui.applyButton.toolTip.rstrip(".") in placed.ui.statusLabel.text
    assert placed.editor.case.outputs.result is before
    placed.click(placed.ui.undoButton)
    placed.settle()
    assert placed.editor.complaint is None and placed.ui.exportButton.enabled


def test_a_lesion_without_room_is_refused_with_the_largest_radius(placed):
    placed.editor.change(center_ras=(65.0, -10.0, 15.0), radii_mm=(38.0, 20.0, 10.0))
    placed.settle()
    assert "radius of at most" in placed.ui.statusLabel.text


def test_buttons_without_a_lesion_say_why(module):
    module.add_host()
    for button in (module.ui.duplicateButton, module.ui.deleteButton, module.ui.undoButton, module.ui.exportButton):
        assert not button.enabled and len(button.toolTip) > 10


def test_every_control_has_a_tooltip(module):
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QTableWidget

    named = [w for kind in (QAbstractButton, QComboBox, QLineEdit, QTableWidget) for w in panel_widgets(module, kind)]
    silent = [w.property("objectName") for w in named if not tooltip_of(w)]
    assert not silent


def panel_widgets(module: ModuleBench, kind: type) -> list:
    panel = module.bench.window.panel.place
    names = ("qt_spinbox_lineedit", "")
    found = panel.findChildren(kind)
    return [w for w in found if w.property("objectName") not in names and "Section" not in w.property("objectName")]


def tooltip_of(widget) -> str:
    while widget is not None and not widget.property("toolTip"):
        widget = widget.parentWidget() if callable(getattr(widget, "parentWidget", None)) else None
    return widget.property("toolTip") if widget is not None else ""


def choose_structure(module: ModuleBench, name: str) -> None:
    """By keyboard, in the list of structures."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    box = module.ui.structureBox
    module.reveal(box)
    box.setFocus()
    wanted = box.findData(name)
    for _ in range(box.property("count")):
        QTest.keyClick(box, Qt.Key.Key_Up)
    for _ in range(wanted):
        QTest.keyClick(box, Qt.Key.Key_Down)
    module.bench.process_events()


