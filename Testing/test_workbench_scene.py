"""The workbench's scene: points placed by mouse, segments, saving, closing and opening, files read or refused."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from slicer.util import arrayFromVolume

from dicom_files import write_series
from TumorSynthLib.errors import InputError
from TumorSynthLib.volume_files import read_volume
from volumes import oblique_affine, save_nifti, voxels_of
from workbench import Workbench
from workbench_helpers import GRIDS, dot_volume, pixels_of

PLACES = {"Red": (130.0, 120.0), "Green": (140.0, 110.0), "Yellow": (120.0, 140.0)}
POINTS = "vtkMRMLMarkupsFiducialNode"


@pytest.fixture
def head(tmp_path):
    return save_nifti(tmp_path / "head.nii.gz", voxels_of(shape=(60, 70, 50)), GRIDS["oblique"])


def start_placing(bench: Workbench) -> slicer.vtkMRMLMarkupsFiducialNode:
    node = bench.scene.AddNewNodeByClass(POINTS, "P")
    node.CreateDefaultDisplayNodes()
    bench.core.selection_node.SetReferenceActivePlaceNodeClassName(POINTS)
    bench.core.selection_node.SetActivePlaceNodeID(node.GetID())
    bench.core.interaction_node.SwitchToSinglePlaceMode()
    bench.process_events()
    return node


# -- placing


@pytest.mark.parametrize("name", PLACES)
def test_a_click_in_a_slice_places_a_point_there_and_a_drag_moves_it(bench, head, name):
    bench.load_volume(head)
    view = bench.view(name)
    node = start_placing(bench)
    bench.mouse.click(name, PLACES[name])
    assert node.GetNumberOfControlPoints() == 1
    assert bench.core.interaction_node.GetCurrentInteractionMode() == slicer.vtkMRMLInteractionNode.ViewTransform
    np.testing.assert_allclose(view.canvas.to_pixels(node.GetNthControlPointPositionWorld(0)), PLACES[name], atol=1)
    bench.mouse.drag(name, PLACES[name], (160.0, 150.0))
    np.testing.assert_allclose(view.canvas.to_pixels(node.GetNthControlPointPositionWorld(0)), (160, 150), atol=1.5)


def test_a_click_on_a_surface_in_3d_places_a_point_on_it(bench):
    ball = vtk.vtkSphereSource()
    ball.SetRadius(40)
    ball.SetThetaResolution(60)
    ball.SetPhiResolution(60)
    ball.Update()
    model = bench.scene.AddNewNodeByClass("vtkMRMLModelNode", "Ball")
    model.SetAndObservePolyData(ball.GetOutput())
    model.CreateDefaultDisplayNodes()
    bench.view("3D").canvas.resetFocalPoint()
    bench.process_events()
    node = start_placing(bench)
    bench.mouse.click("3D", bench.view("3D").canvas.to_pixels((0.0, 0.0, 0.0)))
    assert node.GetNumberOfControlPoints() == 1
    assert np.linalg.norm(node.GetNthControlPointPositionWorld(0)) == pytest.approx(40, abs=2)


@pytest.mark.parametrize("way", ["escape", "right click", "view mode"])
def test_placing_can_be_given_up(bench, head, way):
    bench.load_volume(head)
    node = start_placing(bench)
    assert bench.window.actions_.mouse_modes.actions["place"].isChecked()
    bench.mouse.move("Red", (100, 100))
    bench.mouse.move("Red", (110, 105))
    if way == "escape":
        bench.key("escape")
    elif way == "right click":
        bench.mouse.click("Red", (110, 105), "right")
    else:
        bench.window.actions_.mouse_modes.actions["view"].trigger()
    bench.process_events()
    assert bench.core.interaction_node.GetCurrentInteractionMode() == slicer.vtkMRMLInteractionNode.ViewTransform
    assert node.GetNumberOfDefinedControlPoints() == 0


# -- segments, and what is under the mouse


def add_ball_segment(bench: Workbench, volume: slicer.vtkMRMLScalarVolumeNode, center: np.ndarray) -> None:
    node = bench.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lesions")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    ball = vtk.vtkSphereSource()
    ball.SetCenter(*center)
    ball.SetRadius(12)
    ball.Update()
    node.AddSegmentFromClosedSurfaceRepresentation(ball.GetOutput(), "Ball", [0, 1, 0])
    node.CreateBinaryLabelmapRepresentation()


def green_share(picture) -> float:
    pixels = pixels_of(picture).astype(int)
    return float(((pixels[..., 1] > pixels[..., 0] + 40) & (pixels[..., 1] > pixels[..., 2] + 40)).mean())


def test_segments_are_drawn_in_all_views_and_named_under_the_mouse(bench, tmp_path):
    path, place = dot_volume(tmp_path / "dot.nii.gz", "oblique")
    volume = bench.load_volume(path)
    volume.GetDisplayNode().SetAutoWindowLevel(False)
    volume.GetDisplayNode().SetWindowLevelMinMax(0, 2000)
    add_ball_segment(bench, volume, place)
    for name in ("Red", "Green", "Yellow"):
        bench.view(name).view.node.JumpSliceByOffsetting(*place)
    bench.process_events()
    for name in ("Red", "Green", "Yellow", "3D"):
        assert green_share(bench.view(name).canvas.picture()) > 0.003, name
    bench.mouse.move("Red", (5, 5))
    bench.mouse.move("Red", tuple(place))
    line = bench.window.probe.text()
    assert "B dot (20, 45, 30) = 1000" in line and "S Ball" in line
    sides = ("R" if place[0] > 0 else "L", "A" if place[1] > 0 else "P", "S" if place[2] > 0 else "I")
    assert all(f"{side} {abs(value):.0f}"[:4] in line for side, value in zip(sides, place, strict=True))


def test_values_under_the_mouse_follow_a_transformed_volume(bench, tmp_path):
    path, place = dot_volume(tmp_path / "dot.nii.gz", "straight")
    volume = bench.load_volume(path)
    moved = bench.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    shift = vtk.vtkMatrix4x4()
    shift.SetElement(0, 3, 10)
    moved.SetMatrixTransformToParent(shift)
    volume.SetAndObserveTransformNodeID(moved.GetID())
    place = place + (10, 0, 0)
    bench.view("Red").view.node.JumpSliceByOffsetting(*place)
    bench.process_events()
    bench.mouse.move("Red", (5, 5))
    bench.mouse.move("Red", tuple(place))
    assert "B dot (20, 45, 30) = 1000" in bench.window.probe.text()


# -- the subject hierarchy, which Slicer's Qt plugins keep in the desktop


def test_data_nodes_have_an_item_in_the_subject_hierarchy_as_long_as_they_live(bench, head):
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(bench.scene)
    volume = bench.load_volume(head)
    hidden = slicer.vtkMRMLModelNode()
    hidden.SetHideFromEditors(True)
    bench.scene.AddNode(hidden)
    item = tree.GetItemByDataNode(volume)
    assert item and tree.GetItemName(item) == "head"
    assert not tree.GetItemByDataNode(hidden)
    folder = tree.CreateFolderItem(tree.GetSceneItemID(), "Folder")
    tree.SetItemParent(item, folder)
    bench.scene.RemoveNode(volume)
    assert tree.GetNumberOfItemChildren(folder) == 0
    tree.CreateItem(folder, bench.load_volume(head))
    tree.RemoveItem(folder)
    assert bench.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


# -- scenes


@pytest.mark.parametrize("name", ["saved.mrb", "saved folder"])
def test_a_scene_comes_back_from_a_bundle_and_from_a_folder(bench, head, tmp_path, name):
    volume = bench.load_volume(head)
    voxels = arrayFromVolume(volume).copy()
    add_ball_segment(bench, volume, np.array(GRIDS["oblique"] @ [30, 35, 25, 1])[:3])
    points = bench.scene.AddNewNodeByClass(POINTS, "Points")
    points.AddControlPoint(1.5, -2.5, 3.5)
    bench.layout_manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    bench.view("Red").view.logic.SetSliceOffset(12)
    bench.save_scene(tmp_path / name)
    bench.close_scene()
    bench.layout_manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    assert bench.scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0
    assert bench.view("Red").canvas.corner_lines() == []
    bench.load_scene(tmp_path / name)
    assert bench.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1
    volume = bench.scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    np.testing.assert_array_equal(arrayFromVolume(volume), voxels)
    assert bench.scene.GetFirstNodeByName("Points").GetNthControlPointPosition(0) == (1.5, -2.5, 3.5)
    assert bench.scene.GetFirstNodeByName("Lesions").GetSegmentation().GetNumberOfSegments() == 1
    assert bench.layout_manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    assert bench.view("Red").view.logic.GetSliceOffset() == pytest.approx(12, abs=1e-3)
    assert bench.view("Red").canvas.corner_lines() == ["B: head"]
    bench.mouse.wheel("Red", 1)
    assert bench.view("Red").view.logic.GetSliceOffset() != pytest.approx(12, abs=1e-3)
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(bench.scene)
    children = vtk.vtkIdList()
    tree.GetItemChildren(tree.GetSceneItemID(), children, True)
    names = [tree.GetItemName(children.GetId(n)) for n in range(children.GetNumberOfIds())]
    assert sorted(name for name in names if name in ("head", "Lesions", "Points")) == ["Lesions", "Points", "head"]


def test_a_damaged_scene_leaves_the_open_one_as_it_is(bench, head, tmp_path):
    bench.load_volume(head)
    for name in ("bad.mrb", "bad.mrml"):
        (tmp_path / name).write_bytes(b"not a scene")
        with pytest.raises(InputError, match="not a scene"):
            bench.load_scene(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        bench.load_scene(tmp_path / "absent.mrb")
    assert bench.scene.GetFirstNodeByName("head") is not None


def test_a_scene_that_cannot_be_saved_says_so(bench, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        bench.save_scene(tmp_path / "nowhere" / "scene.mrb")
    with pytest.raises(InputError, match="/proc"):
        bench.save_scene("/proc/scene.mrb")


# -- volumes


@pytest.mark.parametrize("grid", GRIDS)
def test_a_volume_lies_where_its_file_says(bench, tmp_path, grid):
    path = save_nifti(tmp_path / "head.nii", voxels_of(shape=(12, 10, 8)), GRIDS[grid])
    node = bench.load_volume(path)
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    found = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    np.testing.assert_allclose(found, read_volume(path).affine, atol=1e-4)


def test_a_dicom_folder_becomes_the_volume_that_the_command_line_reads(bench, tmp_path):
    folder = tmp_path / "series"
    write_series(folder)
    stored = read_volume(folder)
    node = bench.load_volume(folder)
    np.testing.assert_array_equal(arrayFromVolume(node).T, stored.voxels)
    assert node.GetName() == "series"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder / "absent.nii.gz", "no such file"),
        (lambda folder: folder, "no DICOM images"),
        (lambda folder: (folder / "notes.txt").write_text("hello") and folder / "notes.txt", "not a volume"),
        (lambda folder: short_nifti(folder), "damaged"),
    ],
)
def test_what_is_no_volume_is_refused_in_one_line(bench, tmp_path, make, says):
    path = make(tmp_path)
    with pytest.raises(InputError, match=says) as refused:
        bench.load_volume(path)
    assert str(path.name) in str(refused.value) and "\n" not in str(refused.value)
    assert bench.scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0


def short_nifti(folder):
    path = save_nifti(folder / "short.nii.gz", voxels_of(), oblique_affine())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path
