"""What comes out: the same voxels everywhere, an untouched host, overlays, files, scenes, work in the background."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import nibabel
import numpy as np
import pytest
import slicer
from PySide6.QtGui import QImage

from cases import ROOT, tumorsynth
from module_bench import PLACE, SLICE_VIEWS, ModuleBench, linear_transform
from phantoms import phantom
from TumorSynthLib import ConcentricSpheres
from TumorSynthLib.scene.case import SceneCase
from TumorSynthLib.scene.host_volume import to_world, voxels_of, world_from_host

OTHER = (-30.0, 10.0, 25.0)


@pytest.fixture
def placed(module: ModuleBench) -> ModuleBench:
    module.add_host()
    module.add(seed=7)
    return module


def layers(view: str) -> tuple:
    composite = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceCompositeNode{view}")
    return composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()


# -- the same voxels everywhere


def test_the_panel_the_console_and_the_library_make_the_same_voxels(module, synthesizer):
    host, brain = phantom(spacing_mm=(2, 2, 2))
    node = module.add_host(host, brain)
    state = module.add(seed=7)
    by_panel = voxels_of(module.editor.case.outputs.result).copy()
    expected = synthesizer.synthesize(host, state.spheres, 7, brain_mask=brain)
    np.testing.assert_array_equal(by_panel, expected.image)
    np.testing.assert_array_equal(voxels_of(module.editor.case.outputs.intensity_map), expected.intensity_map)
    logic = slicer.util.getModuleLogic("TumorSynth")
    case = logic.synthesize(node, module.editor.chosen.node, seed=7)
    np.testing.assert_array_equal(case.image, expected.image)
    np.testing.assert_array_equal(case.mask, expected.mask)


def test_the_console_takes_any_fiducial_list_of_a_center_and_rims(module, synthesizer):
    host, brain = phantom(spacing_mm=(2, 2, 2))
    node = module.add_host(host, brain)
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "By hand")
    for offset in ((0, 0, 0), (12, 0, 0), (0, 8, 0), (0, 0, 4)):
        points.AddControlPoint(np.add(PLACE, offset).tolist())
    case = slicer.util.getModuleLogic("TumorSynth").synthesize(node, points, seed=3, structure="ring")
    spheres = ConcentricSpheres(PLACE, (12, 8, 4), structure="ring")
    np.testing.assert_array_equal(case.image, synthesizer.synthesize(host, spheres, 3, brain_mask=brain).image)
    assert voxels_of(module.editor.case.outputs.result).tolist() == case.image.tolist()


def test_the_console_makes_cohorts(module, tmp_path):
    node = module.add_host()
    summary = slicer.util.getModuleLogic("TumorSynth").generateCohort(
        [node], tmp_path / "cohort", cases=2, seed=1, sizes="8:12", lesions_per_case="1:1"
    )
    assert summary.made == 2 and not summary.failures
    images = sorted((tmp_path / "cohort").rglob("*desc-synthetic_T1w.nii.gz"))
    assert len(images) == 2
    assert nibabel.load(images[0]).shape == node.GetImageData().GetDimensions()
    assert tumorsynth("verify", tmp_path / "cohort").code == 0


def test_the_host_is_never_changed(placed):
    host = placed.editor.case.host
    before = voxels_of(host).copy()
    placed.bench.mouse.drag("Red", PLACE, np.array(PLACE) + (10, 0, 0))
    placed.settle()
    np.testing.assert_array_equal(voxels_of(host), before)
    changed = voxels_of(placed.editor.case.outputs.result) != before
    patch = placed.editor.latest.box
    assert changed.any() and changed[patch].sum() == changed.sum()


def test_results_say_that_they_are_synthetic_and_lie_in_one_folder(placed):
    outputs = placed.editor.case.outputs
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    parents = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in outputs.nodes}
    assert len(parents) == 1 and "synthetic" in hierarchy.GetItemName(parents.pop())
    for node in outputs.nodes:
        assert node.GetAttribute("TumorSynth.Synthetic") == "1" and "SYNTHETIC" in node.GetDescription()


# -- in the background


def test_previews_follow_while_the_mouse_is_still_down(placed):
    seen = []
    placed.editor.on_patch, shown = lambda patch: (seen.append(patch), shown(patch)), placed.editor.on_patch
    placed.bench.mouse.move("Red", PLACE)
    placed.bench.mouse.press("Red", PLACE)
    for step in range(1, 40):
        placed.bench.mouse.move("Red", np.array(PLACE) + (step * 0.4, 0, 0))
        placed.bench.process_events(0.03)
    during = [patch.quality for patch in seen]
    shown_at = outline_center(placed, "Red")
    assert np.linalg.norm(np.subtract(shown_at, seen[-1].lesions[0].center_ras)[:2]) < 3, "the outline follows"
    placed.bench.mouse.release("Red", np.array(PLACE) + (39 * 0.4, 0, 0))
    placed.settle()
    placed.editor.on_patch = shown
    assert "preview" in during and "full" not in during
    assert seen[-1].quality == "full"
    np.testing.assert_allclose(seen[-1].lesions[0].center_ras, placed.state.center_ras)


def test_cancel_stops_within_two_seconds_and_apply_takes_it_up_again(placed):
    placed.ui.liveCheckBox.setChecked(False)
    placed.editor.change(seed=99, radii_mm=(25.0, 15.0, 8.0))
    placed.bench.process_events()
    assert placed.ui.applyButton.text == "Apply" and placed.ui.applyButton.enabled
    placed.click(placed.ui.applyButton)
    assert placed.ui.applyButton.text == "Cancel" and placed.ui.progressBar.visible
    began = time.monotonic()
    placed.click(placed.ui.applyButton)
    placed.settle()
    assert time.monotonic() - began < 2
    assert placed.ui.applyButton.text == "Apply" and not placed.ui.progressBar.visible
    placed.click(placed.ui.applyButton)
    placed.settle()
    assert placed.editor.latest.lesions[0].seed == 99
    assert not placed.ui.applyButton.enabled and "up to date" in placed.ui.applyButton.toolTip
    placed.ui.liveCheckBox.setChecked(True)


def test_a_background_process_that_is_killed_is_reported_and_comes_back(placed, caplog):
    worker = placed.widget.logic.worker
    placed.editor.change(seed=50)
    os.kill(worker.process_id, 9)
    placed.settle()
    assert "ended" in caplog.text
    placed.editor.change(seed=51)
    placed.settle()
    assert placed.editor.latest.lesions[0].seed == 51


# -- before and after


def test_holding_b_or_the_button_shows_the_brain_without_lesions(placed):
    host, result = placed.editor.case.host.GetID(), placed.editor.case.outputs.result.GetID()
    assert all(layers(view)[0] == result for view in SLICE_VIEWS)
    interactor = slicer.app.layoutManager().sliceWidget("Red").sliceView().interactor()
    interactor.SetKeySym("b")
    interactor.InvokeEvent("KeyPressEvent")
    assert all(layers(view)[0] == host for view in SLICE_VIEWS)
    interactor.InvokeEvent("KeyReleaseEvent")
    placed.until(lambda: layers("Red")[0] == result, 5)
    placed.reveal(placed.ui.beforeButton)
    placed.bench.mouse.press(placed.ui.beforeButton, (10, 10))
    assert layers("Green")[0] == host
    placed.bench.mouse.release(placed.ui.beforeButton, (10, 10))
    assert layers("Green")[0] == result


def test_the_fade_slider_blends_host_and_result(placed):
    placed.ui.fadeSlider.value = 0.25
    placed.bench.process_events()
    host, result = placed.editor.case.host.GetID(), placed.editor.case.outputs.result.GetID()
    assert layers("Red") == (host, result, 0.25)


def test_the_intensity_map_is_a_colored_foreground(placed):
    before = np.array(pixels(placed, "Red"))
    placed.ui.mapCheckBox.setChecked(True)
    placed.ui.mapOpacitySlider.value = 0.8
    placed.bench.process_events()
    levels = placed.editor.case.outputs.intensity_map
    assert layers("Red") == (placed.editor.case.outputs.result.GetID(), levels.GetID(), 0.8)
    changed = np.abs(pixels(placed, "Red").astype(int) - before).sum(-1) > 60
    x, y = placed.bench.view("Red").canvas.to_pixels(PLACE)
    assert changed[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4].all(), "color over the lesion"
    assert changed.mean() < 0.1, "no tint elsewhere"


def outline_center(module: ModuleBench, view: str) -> np.ndarray:
    """Where the mask's outline is drawn, in world RAS."""
    segmentation = module.editor.case.outputs.segmentation.GetSegmentation()
    color = 255 * np.array(segmentation.GetNthSegment(0).GetColor())
    module.bench.process_events(0.1)
    near = np.abs(pixels(module, view).astype(float) - color).max(-1) < 25
    rows, columns = np.nonzero(near)
    canvas = module.bench.view(view).canvas
    x, y = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
    node = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{view}")
    return np.array(node.GetXYToRAS().MultiplyPoint((x, canvas.height() - 1 - y, 0, 1))[:3])


def pixels(module: ModuleBench, view: str) -> np.ndarray:
    image = module.bench.view(view).canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    lines = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return lines[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


# -- every kind of grid


@pytest.mark.parametrize(
    ("grid", "tilt"),
    [
        ({"angles_degrees": (20, -15, 10)}, None),
        ({"spacing_mm": (0.9, 0.9, 3.0)}, None),
        ({"flips": (-1, 1, -1), "axes": (2, 0, 1)}, None),
        ({}, "tilted"),
        ({"angles_degrees": (20, 0, 0), "flips": (1, -1, 1)}, "tilted"),
    ],
    ids=["oblique", "anisotropic", "flipped", "transformed", "oblique and transformed"],
)
def test_screen_mask_and_request_agree_within_a_millimeter(module, grid, tilt):
    node = module.add_host(**grid)
    if tilt:
        node.SetAndObserveTransformNodeID(linear_transform(tilted()).GetID())
        mask = module.editor.case.brain_mask_node
        mask.SetAndObserveTransformNodeID(node.GetTransformNodeID())
        module.bench.process_events()
    place = to_world(node, PLACE)
    module.show(place)
    state = module.place("Green", place)
    center = to_world(node, state.center_ras)
    np.testing.assert_allclose(center, place, atol=1)
    segmentation = module.editor.case.outputs.segmentation
    centroid = np.array(segmentation.GetSegmentCenterRAS(segmentation.GetSegmentation().GetNthSegmentID(0)))
    levels = voxels_of(module.editor.case.outputs.intensity_map)
    inside = np.argwhere(levels > 0)
    affine = module.editor.latest_affine if hasattr(module.editor, "latest_affine") else grid_of(node)
    measured = (world_from_host(node) @ affine @ [*inside.mean(0), 1])[:3]
    np.testing.assert_allclose(measured, center, atol=1)
    np.testing.assert_allclose(centroid, center, atol=4)  # the middle of the segment's box, a rougher measure
    for view in SLICE_VIEWS:
        x, y = module.bench.view(view).canvas.to_pixels(center)
        radius = state.radii_mm[0]
        edge = module.bench.view(view).canvas.to_pixels(center + radius * module.axes(view)[0])
        module.bench.mouse.move(view, edge)
        assert module.editor.chosen.hovered_ring == 0, "the outermost ring is drawn where it is asked for"
        module.bench.mouse.move(view, (x, y))


def tilted() -> np.ndarray:
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", (20, -10, 30), degrees=True).as_matrix()
    matrix[:3, 3] = (12, -7, 5)
    return matrix


def grid_of(node) -> np.ndarray:
    from TumorSynthLib.scene.host_volume import affine_of

    return affine_of(node)


def test_lesions_move_with_a_host_that_is_transformed_later(placed):
    node = placed.editor.case.host
    node.SetAndObserveTransformNodeID(linear_transform(tilted()).GetID())
    placed.settle()
    expected = (tilted() @ [*PLACE, 1])[:3]
    point = [0.0] * 3
    placed.editor.chosen.node.GetNthControlPointPositionWorld(0, point)
    np.testing.assert_allclose(point, expected, atol=1e-3)
    assert placed.editor.case.outputs.result.GetTransformNodeID() == node.GetTransformNodeID()
    assert placed.state.center_ras == PLACE


# -- several hosts, saving, closing


def test_two_hosts_keep_their_own_lesions(placed):
    first = placed.editor.case.host
    second = placed.add_host(name="Another head", seed=4)
    assert placed.editor.case.states() == ()
    placed.add(center_ras=OTHER, name="Of the other")
    placed.widget._parameterNode.host = first
    placed.settle()
    assert [s.name for s in placed.editor.case.states()] == ["Lesion 1"]
    placed.widget._parameterNode.host = second
    placed.settle()
    assert [s.name for s in placed.editor.case.states()] == ["Of the other"]
    assert SceneCase.of(first).outputs.result is not SceneCase.of(second).outputs.result


def test_a_saved_scene_comes_back_whole_and_still_moves(placed, tmp_path):
    placed.add(center_ras=OTHER, structure="ring", seed=3)
    states = placed.editor.case.states()
    image = voxels_of(placed.editor.case.outputs.result).copy()
    file = tmp_path / "scene.mrb"
    placed.bench.save_scene(file)
    placed.bench.close_scene()
    assert placed.editor.case is None and placed.ui.lesionTable.rowCount == 0
    placed.bench.load_scene(file)
    placed.settle()
    assert placed.editor.case.states() == states
    assert placed.ui.lesionTable.rowCount == 2
    np.testing.assert_array_equal(voxels_of(placed.editor.case.outputs.result), image)
    placed.choose_row(0)
    placed.bench.mouse.drag("Red", PLACE, np.array(PLACE) + (8, 0, 0))
    placed.settle()
    np.testing.assert_allclose(placed.editor.case.states()[0].center_ras, np.array(PLACE) + (8, 0, 0), atol=1)
    assert placed.editor.latest.quality == "full"


def test_closing_the_scene_leaves_the_module_usable(placed):
    placed.bench.close_scene()
    placed.add_host(name="Next")
    placed.place()
    assert placed.editor.case.outputs.result.GetName() == "Next + lesion"


def test_a_host_that_is_deleted_takes_its_lesions_along(placed):
    slicer.mrmlScene.RemoveNode(placed.editor.case.host)
    placed.bench.process_events()
    assert placed.editor.case is None
    nodes = placed.nodes()
    assert not nodes["vtkMRMLMarkupsFiducialNode"] and not nodes["vtkMRMLSegmentationNode"]


def test_two_hundred_random_edits_leave_no_stray_nodes_and_an_untouched_host(placed):
    chance = np.random.default_rng(5)
    editor = placed.editor
    host = voxels_of(editor.case.host).copy()
    placed.add(center_ras=OTHER)
    counts = placed.nodes()
    edits = (
        lambda: editor.change(seed=int(chance.integers(1000))),
        lambda: editor.change(center_ras=tuple(np.add(PLACE, chance.uniform(-8, 8, 3)).tolist())),
        lambda: editor.change(structure=str(chance.choice(["solid", "ring", "heterogeneous"]))),
        lambda: editor.choose(editor.case.lesions[int(chance.integers(len(editor.case.lesions)))]),
        lambda: editor.duplicate() and editor.delete(),
        lambda: (editor.undo(), editor.redo()),
        lambda: (editor.delete(), editor.undo()),
        lambda: editor.change(appearance=type(editor.chosen.state.appearance)(contrast=float(chance.uniform(0.5, 2)))),
    )
    for _ in range(200):
        edits[int(chance.integers(len(edits)))]()
        placed.bench.process_events()
    placed.settle()
    assert len(editor.case.lesions) == 2
    assert placed.nodes() == counts
    np.testing.assert_array_equal(voxels_of(editor.case.host), host)


# -- export


def test_an_exported_case_is_what_the_command_line_writes(placed, tmp_path):
    placed.widget.panel.exportInto(str(tmp_path))
    placed.settle()
    folder = next(tmp_path.iterdir())
    names = {"image.nii.gz", "lesion_mask.nii.gz", "intensity_map.nii.gz", "provenance.json"}
    assert names <= {file.name for file in folder.iterdir()}
    image = nibabel.load(folder / "image.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), voxels_of(placed.editor.case.outputs.result))
    assert "SYNTHETIC" in image.header["descrip"].item().decode()
    record = json.loads((folder / "provenance.json").read_text())
    assert record["lesions"][0]["seed"] == 7 and record["synthetic"] is True


def test_an_exported_case_is_made_again_by_the_command_line(module, tmp_path):
    host, brain = phantom(spacing_mm=(2, 2, 2))
    host.write_volume(tmp_path / "head.nii.gz", host.voxels, "a head")
    node = module.bench.load_volume(tmp_path / "head.nii.gz")
    module.widget._parameterNode.host = node
    module.settle()
    module.add(seed=11)
    module.widget.panel.exportInto(str(tmp_path / "out"))
    module.settle()
    folder = next((tmp_path / "out").iterdir())
    answer = tumorsynth("synthesize", "--from", folder / "provenance.json", "-o", tmp_path / "again")
    assert answer.code == 0, answer.err
    again = nibabel.load(tmp_path / "again" / "image.nii.gz")
    exported = nibabel.load(folder / "image.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(again.dataobj), np.asanyarray(exported.dataobj))


def test_a_case_is_exported_as_dicom(placed, tmp_path):
    import pydicom
    from PySide6.QtWidgets import QComboBox

    QComboBox.setCurrentIndex(placed.ui.formatBox, placed.ui.formatBox.findData("dicom"))
    placed.widget.panel.exportInto(str(tmp_path))
    QComboBox.setCurrentIndex(placed.ui.formatBox, 0)
    placed.settle()
    folder = next(tmp_path.iterdir())
    slices = [pydicom.dcmread(file) for file in sorted((folder / "image").iterdir())]
    assert len(slices) == placed.editor.case.host.GetImageData().GetDimensions()[2]
    assert all("SYNTHETIC" in each.SeriesDescription for each in slices)
    assert (folder / "lesion_mask.dcm").is_file() and (folder / "provenance.json").is_file()


def test_exporting_twice_never_overwrites(placed, tmp_path):
    for _ in range(2):
        placed.widget.panel.exportInto(str(tmp_path))
        placed.settle()
    assert len(list(tmp_path.iterdir())) == 2


# -- without torch


def test_without_torch_the_module_opens_and_says_what_is_missing(tmp_path):
    for name in ("torch", "monai"):
        (tmp_path / f"hide_{name}").mkdir()
    code = """
import importlib.abc, sys
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "monai"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in ("torch", "monai") else real(name, package)
from workbench import Workbench
bench = Workbench.open(module="TumorSynth", testing=True)
ui = bench.module_widget.ui
print("MISSING", ui.missingBox.visible, ui.missingLabel.text.replace("\\n", " "))
print("ENABLED", ui.installButton.enabled, "torch" in sys.modules)
import os
os._exit(0)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert "MISSING True" in answer.stdout, answer.stdout + answer.stderr
    assert "PyTorch" in answer.stdout and "MB" in answer.stdout and "safetensors" not in answer.stdout
    assert "ENABLED True False" in answer.stdout


# -- the self-test for desktop Slicer


def test_the_self_test_passes_here_too(module):
    from TumorSynth import TumorSynthTest

    TumorSynthTest().runTest()
