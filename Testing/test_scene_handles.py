"""A lesion in the scene: its node, its models, what follows what, and that nothing is left behind."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk

from scene_stage import CENTER, RADII, observers, rigid, shared_stage
from TumorSynthLib.errors import InputError
from TumorSynthLib.parameters import Appearance
from TumorSynthLib.scene.lesion_state import LesionState
from TumorSynthLib.scene.nesting import MIN_GAP_MM
from TumorSynthLib.scene.sphere_handles import SphereHandles, is_spheres_node, spheres_from_node


@pytest.fixture
def stage():
    stage = shared_stage()
    stage.attach()
    yield stage
    stage.clear()


def points(handles: SphereHandles) -> np.ndarray:
    node = handles.node
    return np.array([node.GetNthControlPointPosition(i) for i in range(node.GetNumberOfControlPoints())])


def models(handles: SphereHandles) -> list:
    node = handles.node
    return [node.GetNthNodeReference("TumorSynth.Sphere", i) for i in range(len(handles.state.radii_mm))]


def drawn(model) -> tuple[np.ndarray, float]:
    """Center and radius of a model's surface, in its own coordinates."""
    bounds = np.reshape(model.GetPolyData().GetBounds(), (3, 2))
    return bounds.mean(axis=1), float(np.diff(bounds, axis=1).max() / 2)


def assert_consistent(handles: SphereHandles) -> None:
    """Points, models and attribute say what the state says."""
    state = handles.state
    placed = points(handles)
    assert placed[0] == pytest.approx(state.center_ras)
    assert np.linalg.norm(placed[1:] - placed[0], axis=1) == pytest.approx(state.radii_mm)
    for model, radius in zip(models(handles), state.radii_mm, strict=True):
        model.GetPolyDataConnection().GetProducer().Update()
        center, size = drawn(model)
        assert center == pytest.approx(state.center_ras, abs=0.2) and size == pytest.approx(radius, rel=0.01)
    assert LesionState.from_json(handles.node.GetAttribute("TumorSynth.Lesion")) == state


def listens(node: slicer.vtkMRMLNode) -> bool:
    """Whether anybody hears of the ends of drags; only SphereHandles do."""
    return bool(node.HasObserver(node.PointEndInteractionEvent))


def nodes_of(scene: slicer.vtkMRMLScene, class_name: str) -> list:
    return [scene.GetNthNodeByClass(n, class_name) for n in range(scene.GetNumberOfNodesByClass(class_name))]


def nodes(scene) -> int:
    return scene.GetNumberOfNodes()


def test_setting_the_state_moves_points_and_spheres_and_is_no_edit(stage):
    handles = stage.lesion()
    assert_consistent(handles)
    handles.state = replace(handles.state, center_ras=(1.0, 2.0, 3.0), radii_mm=(20.0, 9.0, 4.0), seed=5)
    assert_consistent(handles)
    assert stage.edits == []


def test_an_impossible_state_is_refused_and_nothing_moves(stage):
    handles = stage.lesion()
    before = points(handles)
    with pytest.raises(InputError):
        handles.state = replace(handles.state, radii_mm=(5.0, 9.0, 4.0))
    assert np.array_equal(points(handles), before)
    count = nodes(stage.scene)
    with pytest.raises(InputError):
        SphereHandles.create(stage.scene, LesionState("no", (0, 0, 0), (5.0, 9.0)))
    assert nodes(stage.scene) == count


def test_another_number_of_spheres_can_be_set_and_undone(stage):
    handles = stage.lesion()
    first, count = handles.state, nodes(stage.scene)
    handles.state = replace(first, structure=None, radii_mm=(20.0, 14.0, 9.0, 4.0))
    assert_consistent(handles)
    handles.state = replace(first, radii_mm=(20.0, 8.0))
    assert_consistent(handles)
    handles.state = first
    assert_consistent(handles)
    assert nodes(stage.scene) == count


def test_rims_point_apart_and_none_hides_the_center_along_an_axis(stage):
    directions = points(stage.lesion())[1:] - np.array(CENTER)
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    assert (directions @ directions.T - np.eye(3)).max() < 0.1
    assert np.abs(directions).max() < 0.8


# -- typed into the Markups module, renamed or hidden in the data tree


def test_a_center_typed_into_the_markups_module_takes_the_spheres_along(stage):
    handles = stage.lesion()
    handles.node.SetNthControlPointPosition(0, 5.0, -6.0, 7.0)
    assert handles.state.center_ras == (5.0, -6.0, 7.0) and handles.state.radii_mm == RADII
    assert_consistent(handles)
    assert stage.edits == [("Lesion 1", True)]


def test_a_rim_typed_too_far_out_stops_at_the_next_sphere(stage):
    handles = stage.lesion()
    handles.node.SetNthControlPointPosition(2, CENTER[0] + 70, CENTER[1], CENTER[2])
    assert handles.state.radii_mm == (18.0, 18.0 - MIN_GAP_MM, 6.0)
    assert_consistent(handles)


def test_all_points_shifted_together_move_the_lesion_and_keep_its_sizes(stage):
    """As the middle mouse button does in Slicer."""
    handles = stage.lesion()
    shifted = points(handles) + (4.0, 5.0, 6.0)
    was_modifying = handles.node.StartModify()
    for index, point in enumerate(shifted):
        handles.node.SetNthControlPointPosition(index, *point)
    handles.node.EndModify(was_modifying)
    assert handles.state.center_ras == pytest.approx(np.array(CENTER) + (4, 5, 6))
    assert handles.state.radii_mm == pytest.approx(RADII)
    assert_consistent(handles)


def test_a_rim_turned_around_its_sphere_stays_there_and_changes_no_size(stage):
    handles = stage.lesion()
    diagonal = np.array((1.0, 1.0, 1.0)) / np.sqrt(3)
    handles.node.SetNthControlPointPosition(1, *(np.array(CENTER) + 18 * diagonal))
    assert handles.state.radii_mm == pytest.approx(RADII)
    assert points(handles)[1] == pytest.approx(np.array(CENTER) + 18 * diagonal)


def test_points_can_neither_be_added_nor_removed(stage):
    handles = stage.lesion()
    vtk.vtkObject.GlobalWarningDisplayOff()  # Slicer complains of each
    handles.node.RemoveNthControlPoint(1)
    handles.node.AddControlPoint(vtk.vtkVector3d(0, 0, 0))
    handles.node.RemoveAllControlPoints()
    vtk.vtkObject.GlobalWarningDisplayOn()
    assert handles.node.GetNumberOfControlPoints() == 4
    assert_consistent(handles)


def test_renaming_and_hiding_in_the_data_tree_reach_the_state(stage):
    handles = stage.lesion()
    handles.node.SetName("Metastasis")
    handles.node.GetDisplayNode().SetVisibility(False)
    assert (handles.state.name, handles.state.visible) == ("Metastasis", False)
    assert not any(model.GetDisplayNode().GetVisibility() for model in models(handles))
    assert stage.edits == [("Metastasis", True), ("Metastasis", True)]


def test_an_invisible_lesion_is_not_drawn_and_comes_back(stage):
    handles = stage.lesion()
    stage.jump(CENTER)
    shown = stage.views["Red"].picture()
    handles.state = replace(handles.state, visible=False)
    hidden = stage.views["Red"].picture()
    handles.state = replace(handles.state, visible=True)
    assert not np.array_equal(shown, hidden)
    assert np.array_equal(shown, stage.views["Red"].picture())


# -- drawing


def test_three_rings_in_three_colors_on_every_slice_the_active_lesion_drawn_stronger(stage):
    handles = stage.lesion()
    stage.jump(CENTER)

    def colored(name: str) -> int:
        picture = stage.views[name].picture().astype(int)
        return int(((picture.max(axis=2) - picture.min(axis=2)) > 60).sum())

    for name in ("Red", "Green", "Yellow"):
        view = stage.views[name]
        picture = view.picture().astype(int)
        seen = []
        for radius in RADII:
            matrix = view.node.GetSliceToRAS()
            right = np.array([matrix.GetElement(row, 0) for row in range(3)])
            x, y = np.rint(view.to_display(tuple(np.array(CENTER) + radius * right))).astype(int)
            spot = picture[picture.shape[0] - 1 - y - 1 : picture.shape[0] - y + 1, x - 1 : x + 2].reshape(-1, 3)
            seen.append(spot[np.argmax(spot.max(axis=1) - spot.min(axis=1))])
        for first, second in ((0, 1), (0, 2), (1, 2)):
            assert np.abs(seen[first] - seen[second]).sum() > 120, f"{name}: rings {first} and {second} look alike"
        active = colored(name)
        handles.active = False
        assert colored(name) < 0.7 * active
        handles.active = True


# -- under a transform


def test_everything_follows_the_hosts_transform(stage):
    handles = stage.lesion()
    matrix = rigid((10, 20, 30), (5, -7, 9))
    node = stage.transform(matrix)
    assert handles.world_from_host() == pytest.approx(matrix)
    assert {model.GetTransformNodeID() for model in models(handles)} == {node.GetID()}
    assert handles.state.center_ras == CENTER and stage.edits == []
    world = [0.0] * 3
    handles.node.GetNthControlPointPositionWorld(0, world)
    assert world == pytest.approx((matrix @ (*CENTER, 1))[:3])
    handles.node.SetAndObserveTransformNodeID(None)
    assert {model.GetTransformNodeID() for model in models(handles)} == {None}


def test_a_new_lesion_is_born_under_its_hosts_transform(stage):
    node = stage.transform(rigid((0, 0, 90)))
    handles = stage.lesion()
    assert handles.node.GetTransformNodeID() == node.GetID()
    assert handles.node.GetNodeReference("TumorSynth.Host") is stage.volume


# -- saving


def save_and_load(scene: slicer.vtkMRMLScene, folder: Path) -> tuple[slicer.vtkMRMLScene, str]:
    """The scene as files, opened again as another scene, and the text of its scene file."""
    file, other = folder / "scene.mrml", slicer.vtkMRMLScene()
    for opened in (scene, other):
        opened.RegisterNodeClass(slicer.vtkMRMLMarkupsJsonStorageNode())
        opened.SetURL(str(file))
        opened.SetRootDirectory(str(folder))
    for node in nodes_of(scene, "vtkMRMLMarkupsNode"):
        node.AddDefaultStorageNode(str(folder / f"{node.GetID()}.mrk.json"))
        assert node.GetStorageNode().WriteData(node)
    assert scene.Commit()
    assert other.Connect()
    return other, file.read_text()


def test_a_saved_lesion_comes_back_exactly_and_its_models_are_made_anew(tmp_path):
    scene = slicer.vtkMRMLScene()
    state = LesionState("Lesion 1", (12.3, 0.1 + 0.2, 1 / 3), (18.7, 12.1, 5.9), "ring", seed=77)
    state = replace(state, appearance=Appearance(contrast=1.7))
    handles = SphereHandles.create(scene, state)
    turned = np.array(state.center_ras) + 18.7 * np.array((0.6, 0.8, 0.0))
    handles.node.SetNthControlPointPosition(1, *turned)
    state = handles.state
    other, text = save_and_load(scene, tmp_path)
    assert "<MarkupsFiducial" in text and "<Model" not in text
    found = [node for node in nodes_of(other, "vtkMRMLMarkupsNode") if is_spheres_node(node)]
    assert len(found) == 1
    again = SphereHandles(found[0])
    assert again.state == state
    assert points(again)[1] == pytest.approx(turned, abs=1e-3)
    assert_consistent(again)
    again.remove()
    assert nodes_of(other, "vtkMRMLModelNode") == []


def test_closing_the_scene_lets_go_of_everything(tmp_path):
    scene = slicer.vtkMRMLScene()
    before = observers(scene)
    handles = SphereHandles.create(scene, LesionState("Lesion 1", CENTER, RADII))
    node = handles.node
    assert observers(scene) == before + 2 and listens(node)
    scene.Clear(False)
    assert observers(scene) == before and not listens(node)
    assert scene.GetNumberOfNodes() == 0
    handles.active = True
    handles.remove()


def test_a_lesion_adopted_again_has_no_double_models(stage):
    handles = stage.lesion()
    count = nodes(stage.scene)
    handles.detach()
    stage.lesions[0] = again = SphereHandles(handles.node)
    assert nodes(stage.scene) == count
    assert_consistent(again)


def test_a_copy_of_the_node_leaves_the_originals_models_alone(stage):
    handles = stage.lesion()
    copy = slicer.vtkMRMLMarkupsFiducialNode()
    copy.Copy(handles.node)
    stage.scene.AddNode(copy)
    twin = SphereHandles(copy)
    stage.lesions.append(twin)
    twin.state = replace(twin.state, center_ras=(-20.0, 0.0, 0.0))
    assert_consistent(handles)
    assert_consistent(twin)
    assert {m.GetID() for m in models(handles)}.isdisjoint(m.GetID() for m in models(twin))


def test_a_reference_that_a_loaded_scene_turned_to_somebody_elses_model_does_no_harm(stage):
    handles = stage.lesion()
    bone = stage.scene.AddNewNodeByClass("vtkMRMLModelNode", "bone")
    handles.detach()
    handles.node.SetNthNodeReferenceID("TumorSynth.Sphere", 3, bone.GetID())
    stage.lesions[0] = SphereHandles(handles.node)
    assert stage.scene.IsNodePresent(bone)
    stage.lesions[0].remove()
    assert stage.scene.IsNodePresent(bone)
    stage.scene.RemoveNode(bone)


def test_any_fiducial_list_can_be_read_as_spheres(stage):
    node = stage.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "mine")
    for point in ((1, 2, 3), (1, 2, 8), (11, 2, 3)):
        node.AddControlPoint(vtk.vtkVector3d(*point))
    assert not is_spheres_node(node)
    spheres = spheres_from_node(node)
    assert spheres.center_ras == (1, 2, 3) and spheres.radii_mm == (10, 5)
    node.RemoveNthControlPoint(2)
    with pytest.raises(InputError, match="2 points"):
        spheres_from_node(node)
    stage.scene.RemoveNode(node)


# -- nothing left behind


def test_models_are_hidden_helpers(stage):
    for model in models(stage.lesion()):
        assert model.GetHideFromEditors() and not model.GetSaveWithScene()
        assert not model.GetDisplayNode().GetSaveWithScene()
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(stage.scene)
        assert hierarchy is None or hierarchy.GetItemByDataNode(model) == 0


def test_two_hundred_edits_leave_no_node_behind_and_removal_leaves_none_at_all(stage):
    before = nodes(stage.scene)
    handles = stage.lesion()
    count = nodes(stage.scene)
    chance = np.random.default_rng(5)
    for _ in range(200):
        radii = tuple(np.sort(chance.uniform(2, 30, 3))[::-1].tolist())
        center = tuple(chance.uniform(-30, 30, 3).tolist())
        state = replace(handles.state, center_ras=center, radii_mm=radii, visible=bool(chance.integers(2)))
        handles.edit(state, finished=bool(chance.integers(2)))
        handles.active = bool(chance.integers(2))
    assert nodes(stage.scene) == count
    assert_consistent(handles)
    handles.remove()
    assert nodes(stage.scene) == before


def test_after_removal_no_observer_is_left_and_the_object_is_free(stage):
    scene_before = observers(stage.scene)
    volume_before = observers(stage.volume)
    handles = SphereHandles.create(stage.scene, LesionState("short-lived", CENTER, RADII), stage.volume)
    node = handles.node
    assert observers(stage.scene) > scene_before
    handles.remove()
    assert (observers(stage.scene), observers(stage.volume)) == (scene_before, volume_before)
    assert not listens(node)
    gone = weakref.ref(handles)
    del handles
    gc.collect()
    assert gone() is None


def test_a_scene_may_go_without_warning(stage):
    """Garbage collection takes scene, lesion and observers in any order; nothing may be called half dead."""
    scene = slicer.vtkMRMLScene()
    handles = SphereHandles.create(scene, LesionState("Lesion 1", CENTER, RADII))
    gone = weakref.ref(handles)
    handles.myself = handles  # a cycle, so that only the collector frees it
    del scene, handles
    gc.collect()
    assert gone() is None


def test_detaching_leaves_the_nodes_and_stops_listening(stage):
    handles = stage.lesion()
    assert listens(handles.node)
    handles.detach()
    assert not listens(handles.node)
    handles.node.SetNthControlPointPosition(0, 0.0, 0.0, 0.0)
    assert handles.state.center_ras == CENTER and stage.edits == []


def test_deleting_the_node_in_the_data_tree_takes_its_models_along(stage):
    before = nodes(stage.scene)
    handles = stage.lesion()
    display = handles.node.GetDisplayNode()
    stage.scene.RemoveNode(handles.node)
    stage.scene.RemoveNode(display) if stage.scene.IsNodePresent(display) else None
    assert nodes(stage.scene) == before
    assert not handles.in_scene and not handles.can_be_grabbed
    handles.active = False  # whoever still holds it may go on
    handles.state = replace(handles.state, seed=3)
    handles.remove()
