"""What a case leaves in the scene: result, masks and map, in the right place, marked, and shown without a jump."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk

from scene_cases import CENTER, SlicerScene, add_host, add_volume, apply_drawn, drawn_patch, lesion, moved, patch_of
from TumorSynthLib.host import HostBrain
from TumorSynthLib.scene import display
from TumorSynthLib.scene.brain_masks import brain_mask_array, voxels_of_image
from TumorSynthLib.scene.case import SceneCase
from TumorSynthLib.scene.display import Wanted
from TumorSynthLib.scene.host_volume import affine_of, array_of, host_of, matrix_of, to_world, voxels_changed, voxels_of
from TumorSynthLib.scene.outputs import Outputs
from volumes import oblique_affine

COARSE = dict(spacing_mm=(3, 3, 3))
HOSTS = {
    "straight": dict(spacing_mm=(1.5, 1.5, 1.5)),
    "oblique": dict(spacing_mm=(1.2, 1.5, 1.5), angles_degrees=(20, -20, 20)),
    "anisotropic": dict(spacing_mm=(0.5, 0.5, 3.0)),
    "flipped": dict(spacing_mm=(1.5, 1.5, 2), flips=(-1, 1, 1)),
    "permuted": dict(spacing_mm=(1.5, 1.5, 1.5), axes=(2, 0, 1)),
    "8 bit": dict(spacing_mm=(2, 2, 2), dtype=np.uint8),
    "floating point": dict(spacing_mm=(2, 2, 2), dtype=np.float32),
}
RIGID = oblique_affine((1, 1, 1), (10, 20, -15), origin_ras=(12, -7, 30))


@pytest.fixture(scope="module")
def shared():
    return SlicerScene()


@pytest.fixture
def stage(shared):
    shared.scene.Clear(False)
    yield shared
    shared.scene.Clear(False)


@pytest.fixture
def head(stage):
    return add_host(stage.scene, **COARSE)[0]


@pytest.fixture
def case(head):
    return SceneCase.of(head)


def transform_node(scene, matrix=RIGID):
    node = slicer.vtkMRMLLinearTransformNode()
    node.SetMatrixTransformToParent(matrix_of(matrix))
    return scene.AddNode(node)


def segment_ids(case: SceneCase) -> list[str]:
    return list(case.outputs.segmentation.GetSegmentation().GetSegmentIDs())


def segment(case: SceneCase, number: int) -> slicer.vtkSegment:
    return case.outputs.segmentation.GetSegmentation().GetNthSegment(number)


def has_surface(case: SceneCase, number: int) -> bool:
    name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    return segment(case, number).GetRepresentation(name) is not None


def world_centroid_of_segment(case: SceneCase, key: str) -> np.ndarray:
    """As Slicer itself places the segment."""
    image = slicer.vtkOrientedImageData()
    case.outputs.segmentation.GetBinaryLabelmapRepresentation(key, image)
    transform = case.outputs.segmentation.GetParentTransformNode()
    matrix, to_world_matrix = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    if transform is not None:
        transform.GetMatrixTransformToWorld(to_world_matrix)
    marked = np.argwhere(voxels_of_image(image)).mean(0) + np.array(image.GetExtent()[::2])
    return (array_of(to_world_matrix) @ array_of(matrix) @ [*marked, 1])[:3]


def world_centroid_of_change(case: SceneCase) -> np.ndarray:
    changed = voxels_of(case.outputs.result) != voxels_of(case.host)
    index = np.argwhere(changed).mean(0)
    return to_world(case.outputs.result, (affine_of(case.outputs.result) @ [*index, 1])[:3])


# -- right place


@pytest.mark.parametrize("under_transform", [False, True], ids=["at rest", "transformed"])
@pytest.mark.parametrize("kind", HOSTS)
def test_spheres_mask_and_result_lie_in_one_place_of_the_world(stage, kind, under_transform):
    head, _ = add_host(stage.scene, **HOSTS[kind])
    if under_transform:
        head.SetAndObserveTransformNodeID(transform_node(stage.scene).GetID())
    case = SceneCase.of(head)
    handles = case.add(lesion())
    untouched = voxels_of(head).copy()
    apply_drawn(case)
    asked = to_world(head, CENTER)
    assert np.allclose(handles.node.GetNthControlPointPositionWorld(0), asked, atol=1e-3)
    assert np.linalg.norm(world_centroid_of_segment(case, "lesion-1") - asked) < 1
    assert np.linalg.norm(world_centroid_of_change(case) - asked) < 1
    assert case.outputs.result.GetImageData().GetScalarType() == head.GetImageData().GetScalarType()
    assert np.array_equal(voxels_of(head), untouched)


@pytest.mark.parametrize("kind", ["oblique", "anisotropic"])
def test_what_the_engine_makes_comes_out_whole_and_in_place(stage, synthesizer, kind):
    head, brain = add_host(stage.scene, **HOSTS[kind])
    transform = transform_node(stage.scene)
    head.SetAndObserveTransformNodeID(transform.GetID())
    case = SceneCase.of(head)
    case.add(lesion(radius=9, seed=3, structure="ring"))
    case.add(lesion((25, 5, 20), "Lesion 2", 7, seed=4))
    before = host_of(head).checksum()
    made = synthesizer.synthesize_many(host_of(head), [s.request() for s in case.states()], brain_mask=brain)
    case.outputs.apply(patch_of(made), True)
    assert np.array_equal(voxels_of(case.outputs.result), made.image)
    assert np.array_equal(voxels_of(case.outputs.intensity_map), made.intensity_map)
    for number, (key, state) in enumerate(zip(segment_ids(case), case.states(), strict=True), start=1):
        on_host = brain_mask_array(case.outputs.segmentation, key, head)
        assert np.array_equal(on_host, made.mask == number)
        assert np.linalg.norm(world_centroid_of_segment(case, key) - to_world(head, state.center_ras)) < 1
    assert case.outputs.provenance["lesions"][0]["seed"] == 3
    assert HostBrain.from_array(voxels_of(head), affine_of(head)).checksum() == before


# -- only what a patch says


def test_a_patch_takes_the_place_of_the_one_before(case):
    handles = case.add(lesion())
    for step in range(4):
        handles.state = moved(handles.state, 8 * step, -5 * step, 3)
        patch = apply_drawn(case, "preview")
        expected = host_of(case.host).voxels.copy()
        expected[patch.box] = patch.image
        assert np.array_equal(voxels_of(case.outputs.result), expected)
        levels = np.zeros(expected.shape, np.float32)
        levels[patch.box] = patch.intensity_map
        assert np.array_equal(voxels_of(case.outputs.intensity_map), levels)


def test_a_patch_without_lesions_gives_the_host_back(case):
    handles = case.add(lesion())
    apply_drawn(case)
    case.remove(handles)
    apply_drawn(case)
    assert np.array_equal(voxels_of(case.outputs.result), voxels_of(case.host))
    assert not voxels_of(case.outputs.intensity_map).any() and segment_ids(case) == []


def test_a_host_that_was_changed_is_copied_anew(case):
    case.add(lesion())
    apply_drawn(case)
    voxels_of(case.host)[2:5, 2:5, 2:5] = 777
    voxels_changed(case.host)
    patch = apply_drawn(case)
    expected = voxels_of(case.host).copy()
    expected[patch.box] = patch.image
    assert np.array_equal(voxels_of(case.outputs.result), expected)


def test_a_patch_of_the_host_as_it_was_before_cropping_is_dropped(case):
    case.add(lesion((40, 40, 50)))
    patch = drawn_patch(host_of(case.host), case.states())
    smaller = vtk.vtkExtractVOI()
    smaller.SetInputData(case.host.GetImageData())
    smaller.SetVOI(0, 30, 0, 30, 0, 30)
    smaller.Update()
    case.host.SetAndObserveImageData(smaller.GetOutput())
    assert not case.outputs.apply(patch, True) and case.outputs.nodes == []


def test_outputs_deleted_by_the_user_come_back(stage, case):
    case.add(lesion())
    told = []
    case.on_changed = told.append
    patch = apply_drawn(case)
    for name in ("result", "segmentation", "intensity_map"):
        stage.scene.RemoveNode(getattr(case.outputs, name))
        assert getattr(case.outputs, name) is None and told.pop() == "outputs"
        assert case.outputs.apply(patch, True) and getattr(case.outputs, name) is not None
    expected = voxels_of(case.host).copy()
    expected[patch.box] = patch.image
    assert np.array_equal(voxels_of(case.outputs.result), expected) and segment_ids(case) == ["lesion-1"]


# -- segments


def test_there_is_one_segment_per_lesion_in_the_order_of_the_labels(case):
    for number in range(1, 5):
        case.add(lesion((20 * number - 50, 0, 15), f"Lesion {number}", 7))
    apply_drawn(case)
    assert segment_ids(case) == [f"lesion-{number}" for number in range(1, 5)]
    colors = {tuple(np.round(segment(case, n).GetColor(), 2)) for n in range(4)}
    assert len(colors) == 4
    states = case.states()
    case.restore([states[3], states[1], states[0]])
    apply_drawn(case)
    assert [segment(case, n).GetName() for n in range(3)] == ["Lesion 4", "Lesion 2", "Lesion 1"]
    assert segment_ids(case) == ["lesion-4", "lesion-2", "lesion-1"]


def test_renaming_and_hiding_a_lesion_reaches_its_segment_at_once(case):
    handles = case.add(lesion())
    apply_drawn(case)
    color = segment(case, 0).GetColor()
    handles.state = replace(handles.state, name="left temporal", visible=False)
    case.outputs.relabel()
    look = case.outputs.segmentation.GetDisplayNode()
    assert segment(case, 0).GetName() == "left temporal" and not look.GetSegmentVisibility("lesion-1")
    handles.state = replace(handles.state, visible=True)
    apply_drawn(case)
    assert look.GetSegmentVisibility("lesion-1")
    assert segment_ids(case) == ["lesion-1"] and segment(case, 0).GetColor() == color


def test_segments_are_cropped_to_their_lesions(case):
    case.add(lesion((-30, 0, 15), radius=6))
    case.add(lesion((35, 0, 15), "Lesion 2", 6))
    apply_drawn(case)
    for number in range(2):
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        extent = np.array(segment(case, number).GetRepresentation(name).GetExtent())
        assert np.all(extent[1::2] - extent[::2] <= 5)


def test_surfaces_are_made_for_results_and_only_for_what_changed(case):
    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    first, second = case.add(lesion((-30, 0, 15))), case.add(lesion((30, 0, 15), "Lesion 2"))
    apply_drawn(case, "preview")
    assert not has_surface(case, 0) and not has_surface(case, 1)
    apply_drawn(case)
    kept, other = (segment(case, n).GetRepresentation(surface) for n in range(2))
    second.state = moved(second.state, 5, 0, 0)
    apply_drawn(case)
    assert segment(case, 0).GetRepresentation(surface) is kept
    assert segment(case, 1).GetRepresentation(surface) is not other
    low, high = np.array(segment(case, 1).GetRepresentation(surface).GetBounds()).reshape(3, 2).T
    assert np.allclose((low + high) / 2, second.state.center_ras, atol=1.5)
    first.state = moved(first.state, 5, 0, 0)
    kept = segment(case, 1).GetRepresentation(surface)
    apply_drawn(case, "preview")
    assert not has_surface(case, 0) and not has_surface(case, 1)
    apply_drawn(case)
    assert has_surface(case, 0) and segment(case, 1).GetRepresentation(surface) is kept


def test_a_late_patch_of_a_lesion_that_is_gone_shows_the_others_only(case):
    first, second = case.add(lesion((-30, 0, 15))), case.add(lesion((30, 0, 15), "Lesion 2"))
    late = drawn_patch(host_of(case.host), case.states())
    case.remove(first)
    case.outputs.apply(late, False)
    assert segment_ids(case) == ["lesion-2"] and segment(case, 0).GetName() == second.state.name
    assert np.linalg.norm(world_centroid_of_segment(case, "lesion-2") - (30, 0, 15)) < 1


# -- names and marks


def test_everything_says_that_it_is_synthetic(case):
    case.add(lesion())
    apply_drawn(case)
    for node in case.outputs.nodes:
        assert node.GetAttribute("TumorSynth.Synthetic") == "1" and node.GetDescription().startswith("SYNTHETIC")
    tag = vtk.mutable("")
    assert segment(case, 0).GetTag("TumorSynth.Synthetic", tag) and str(tag) == "1"
    assert segment(case, 0).GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), tag) and "Mass" in str(tag)


def folders(scene):
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items, found = vtk.vtkIdList(), {}
    tree.GetItemChildren(tree.GetSceneItemID(), items)
    for n in range(items.GetNumberOfIds()):
        inside = vtk.vtkIdList()
        tree.GetItemChildren(items.GetId(n), inside)
        names = {tree.GetItemName(inside.GetId(m)) for m in range(inside.GetNumberOfIds())}
        found[tree.GetItemName(items.GetId(n))] = names
    return found


def test_lesions_and_outputs_lie_in_one_folder_that_goes_with_them(stage, case):
    case.add(lesion())
    apply_drawn(case)
    inside = {"Lesion 1", "T1c + lesion", "T1c lesion masks", "T1c intensity map"}
    assert folders(stage.scene) == {"T1c synthetic lesions": inside}
    case.outputs.clear()
    assert folders(stage.scene) == {"T1c synthetic lesions": {"Lesion 1"}}
    case.remove_all()
    assert folders(stage.scene) == {}


def test_names_follow_the_host_unless_the_user_gave_others(stage, case):
    case.add(lesion())
    apply_drawn(case)
    case.outputs.intensity_map.SetName("my map")
    case.host.SetName("Anna T1")
    apply_drawn(case)
    assert [n.GetName() for n in case.outputs.nodes] == ["Anna T1 + lesion", "Anna T1 lesion masks", "my map"]
    assert list(folders(stage.scene)) == ["Anna T1 synthetic lesions"]


def test_a_preview_carries_no_provenance(case):
    case.add(lesion())
    apply_drawn(case)
    assert case.outputs.provenance == {"made": "by hand"}
    apply_drawn(case, "preview")
    assert case.outputs.provenance is None


def test_the_result_saved_as_nrrd_equals_the_host_outside_the_lesion(tmp_path, stage):
    head, _ = add_host(stage.scene, **HOSTS["oblique"])
    case = SceneCase.of(head)
    case.add(lesion())
    patch = apply_drawn(case)
    storage = stage.scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    for node, name in ((case.outputs.result, "result.nrrd"), (head, "host.nrrd")):
        storage.SetFileName(str(tmp_path / name))
        assert storage.WriteData(node)
    result, host = (sitk.ReadImage(tmp_path / name) for name in ("result.nrrd", "host.nrrd"))
    assert result.GetDirection() == host.GetDirection() and np.allclose(result.GetOrigin(), host.GetOrigin())
    result, host = (sitk.GetArrayFromImage(image).T for image in (result, host))
    assert result.dtype == host.dtype
    changed = result != host
    assert changed.any() and np.array_equal(changed[patch.box], changed[patch.box] & (patch.mask > 0))
    assert changed.sum() == changed[patch.box].sum()


# -- what views show


@pytest.fixture
def views(stage):
    return [stage.composite(name) for name in ("Red", "Green", "Yellow")]


def layers(view):
    named = [view.GetScene().GetNodeByID(i) for i in (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()) if i]
    return [node.GetName() for node in named]


def test_a_chosen_host_is_shown_everywhere_and_its_result_when_there_is_one(case, views):
    display.show(case)
    assert [layers(view) for view in views] == [["T1c"]] * 3
    case.add(lesion())
    apply_drawn(case)
    display.show(case)
    assert [layers(view) for view in views] == [["T1c + lesion"]] * 3
    display.show(case, Wanted(map_opacity=0.4))
    assert [layers(view) for view in views] == [["T1c + lesion", "T1c intensity map"]] * 3
    assert views[0].GetForegroundOpacity() == 0.4


def test_views_that_show_something_else_are_left_alone(stage, case, views):
    other = add_volume(stage.scene, voxels_of(case.host), affine_of(case.host), "FLAIR")
    case.add(lesion())
    apply_drawn(case)
    display.show(case)
    views[2].SetBackgroundVolumeID(other.GetID())
    display.show_host(case)
    assert [layers(view) for view in views] == [["T1c"], ["T1c"], ["FLAIR"]]
    display.show(case, everywhere=True)
    assert layers(views[2]) != ["FLAIR"]


def test_before_after_and_between(case, views):
    case.add(lesion())
    apply_drawn(case)
    display.show(case, Wanted(map_opacity=0.5))
    look = case.outputs.segmentation.GetDisplayNode()
    display.show_host(case)
    assert layers(views[0]) == ["T1c"] and not look.GetVisibility2DOutline()
    display.fade(case, 0.3)
    assert layers(views[0]) == ["T1c", "T1c + lesion"] and views[0].GetForegroundOpacity() == pytest.approx(0.3)
    display.show_result(case)
    assert layers(views[0]) == ["T1c + lesion", "T1c intensity map"] and look.GetVisibility2DOutline()


def test_masks_and_surface_are_shown_as_wanted(case, views):
    case.add(lesion())
    apply_drawn(case)
    look = case.outputs.segmentation.GetDisplayNode()
    for outline, fill, surface in ((True, False, True), (False, True, False), (False, False, False)):
        display.show(case, Wanted(outline=outline, fill=fill, surface=surface))
        shown = look.GetVisibility2DOutline(), look.GetVisibility2DFill(), look.GetVisibility3D()
        assert tuple(map(bool, shown)) == (outline, fill, surface)


def test_no_view_goes_dark_when_outputs_go(stage, case, views):
    case.add(lesion())
    for end in (case.outputs.clear, lambda: stage.scene.RemoveNode(case.outputs.result)):
        apply_drawn(case)
        display.show(case, Wanted(map_opacity=0.5))
        end()
        assert layers(views[0])[0] == "T1c"


@pytest.mark.parametrize("adjusted", ["host", "result"])
def test_brightness_is_the_same_before_and_after_whichever_was_adjusted(case, adjusted):
    case.host.GetDisplayNode().SetAutoWindowLevel(False)
    case.host.GetDisplayNode().SetWindowLevel(900, 400)
    case.add(lesion())
    apply_drawn(case)
    before, after = case.host.GetDisplayNode(), case.outputs.result.GetDisplayNode()
    assert (after.GetWindow(), after.GetLevel()) == (900, 400)
    (before if adjusted == "host" else after).SetWindowLevel(555, 222)
    assert {(look.GetWindow(), look.GetLevel()) for look in (before, after)} == {(555, 222)}
    apply_drawn(case)
    assert (after.GetWindow(), after.GetLevel()) == (555, 222) and not after.GetAutoWindowLevel()


def test_the_map_is_transparent_where_it_is_zero_and_its_colors_are_made_once(stage, case):
    case.add(lesion())
    apply_drawn(case)
    look = case.outputs.intensity_map.GetDisplayNode()
    assert look.GetApplyThreshold() and 0 < look.GetLowerThreshold() < 0.1 and look.GetUpperThreshold() >= 1
    assert (look.GetWindowLevelMin(), look.GetWindowLevelMax()) == (0.5, 1.0)
    other, _ = add_host(stage.scene, "FLAIR", **COARSE)
    second = SceneCase.of(other)
    second.add(lesion(values=(0.2, 0.6, 1.0)))
    apply_drawn(second)
    assert second.outputs.intensity_map.GetDisplayNode().GetWindowLevelMin() == 0, "dark levels are told apart"
    assert second.outputs.intensity_map.GetDisplayNode().GetColorNodeID() == look.GetColorNodeID()
    named = [node for node in stage.nodes("vtkMRMLColorTableNode") if node.GetName() == "Intensity map"]
    assert len(named) == 1 and named[0].GetHideFromEditors()


def test_outputs_without_a_scene_do_nothing():
    class NoCase:
        node = slicer.vtkMRMLScriptedModuleNode()
        lesions: list = []
        host, is_alive = None, False

    outputs = Outputs(NoCase())
    assert outputs.nodes == [] and outputs.result is None and not outputs.apply(None, True)
    outputs.clear()
