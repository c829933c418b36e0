"""A case in the scene: lesions, undo, several hosts, following the host, saving and loading, and leaving nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import slicer
import vtk

from scene_cases import CENTER, SlicerScene, add_host, add_volume, apply_drawn, lesion, moved
from TumorSynthLib.errors import InputError
from TumorSynthLib.parameters import Appearance
from TumorSynthLib.scene.case import SceneCase
from TumorSynthLib.scene.host_volume import affine_of, matrix_of, to_world, voxels_of, why_not
from TumorSynthLib.scene.sphere_handles import is_spheres_node
from volumes import oblique_affine

COARSE = dict(spacing_mm=(3, 3, 3))
RIGID = oblique_affine((1, 1, 1), (10, 20, -15), origin_ras=(12, -7, 30))


@pytest.fixture(scope="module")
def shared():
    return SlicerScene()


@pytest.fixture
def stage(shared):
    """An empty scene; afterwards closing it must leave no more than an empty scene has."""
    shared.scene.Clear(False)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(shared.scene)  # makes the data tree
    empty = shared.counts()
    yield shared
    shared.scene.Clear(False)
    left = shared.counts() - empty
    left.pop("vtkMRMLColorTableNode", None)  # the map's colors, one for all scenes
    assert not left


@pytest.fixture
def head(stage):
    node, _ = add_host(stage.scene, **COARSE)
    return node


def transform_node(scene, matrix=RIGID):
    node = slicer.vtkMRMLLinearTransformNode()
    node.SetMatrixTransformToParent(matrix_of(matrix))
    return scene.AddNode(node)


def names(case):
    return [state.name for state in case.states()]


# -- one case per host


def test_a_host_has_one_case(stage, head):
    assert SceneCase.of(head, create=False) is None
    case = SceneCase.of(head)
    assert SceneCase.of(head) is case and SceneCase.all_in(stage.scene) == [case]
    assert case.node.GetHideFromEditors() and case.host is head


def test_hosts_keep_their_own_lesions_outputs_and_colors(stage, head):
    other, _ = add_host(stage.scene, "FLAIR", **COARSE)
    cases = SceneCase.of(head), SceneCase.of(other)
    cases[0].add(lesion())
    for name in ("Lesion 1", "Lesion 2"):
        cases[1].add(lesion((25, 0, 10), name))
    for case in cases:
        apply_drawn(case)
    assert [len(case.lesions) for case in cases] == [1, 2]
    assert [case.outputs.result.GetName() for case in cases] == ["T1c + lesion", "FLAIR + lesion"]
    assert len(stage.nodes("vtkMRMLSegmentationNode")) == 2
    cases[0].remove_all()
    assert SceneCase.all_in(stage.scene) == [cases[1]]
    assert len(cases[1].lesions) == 2 and cases[1].outputs.result is not None


# -- lesions


def test_lesions_are_named_one_after_another_and_gaps_are_filled(head):
    case = SceneCase.of(head)
    for _ in range(3):
        case.add(lesion(name=case.unused_name()))
    case.remove(case.lesions[1])
    assert names(case) == ["Lesion 1", "Lesion 3"] and case.unused_name() == "Lesion 2"


def test_a_removed_lesion_leaves_nothing(stage, head):
    case = SceneCase.of(head)
    case.remove(case.add(lesion()))  # the first makes a folder
    before = stage.counts()
    case.remove(case.add(lesion()))
    assert stage.counts() == before and case.node.GetNumberOfNodeReferences("TumorSynth.Lesion") == 0


def test_undo_brings_every_number_back_and_keeps_nodes_that_stayed(head):
    case = SceneCase.of(head)
    for number in range(1, 4):
        case.add(lesion((10.1 * number, 1 / 3, 5.0), f"Lesion {number}", seed=number))
    before, nodes = case.states(), [handles.node for handles in case.lesions]
    case.remove(case.lesions[1])
    case.lesions[0].state = replace(
        case.lesions[0].state, name="edge", appearance=Appearance(contrast=1.234567890123), visible=False
    )
    changed = case.states()
    case.restore(before)
    assert case.states() == before
    assert case.lesions[0].node is nodes[0] and case.lesions[2].node is nodes[2]
    case.restore(changed)
    assert case.states() == changed and case.lesions[1].node is nodes[2]


def test_undo_to_another_order_is_kept_by_the_scene(head):
    case = SceneCase.of(head)
    for number in range(1, 4):
        case.add(lesion(name=f"Lesion {number}"))
    states = case.states()
    case.restore((states[2], states[0]))
    assert names(case) == ["Lesion 3", "Lesion 1"]
    in_scene = [case.node.GetNthNodeReference("TumorSynth.Lesion", n).GetName() for n in range(2)]
    assert in_scene == ["Lesion 3", "Lesion 1"]


def test_a_lesion_deleted_in_the_data_tree_is_gone_from_the_case(stage, head):
    case, told = SceneCase.of(head), []
    case.on_changed = told.append
    case.add(lesion())
    before = stage.counts()
    second = case.add(lesion(name="Lesion 2"))
    stage.scene.RemoveNode(second.node)
    assert names(case) == ["Lesion 1"] and told == ["lesions"]
    assert stage.counts() == before


# -- brain


def test_the_found_brain_is_kept_with_the_case_and_given_back(stage):
    node, brain = add_host(stage.scene, **COARSE)
    case = SceneCase.of(node)
    assert case.brain() is None
    case.keep_found_brain(brain, "network")
    assert np.array_equal(case.brain().mask, brain) and case.brain().method == "network"
    assert case.brain() is case.brain(), "one object, so that what is known of it stays known"
    assert case.found_brain_node.GetName() == "T1c brain mask"


def test_a_chosen_mask_goes_before_the_found_one_and_says_what_is_wrong_with_it(stage):
    node, brain = add_host(stage.scene, **COARSE)
    case = SceneCase.of(node)
    case.keep_found_brain(brain, "network")
    smaller = brain & (np.arange(brain.shape[2]) > 30)
    chosen = add_volume(stage.scene, smaller.astype(np.uint8), affine_of(node), "drawn", "LabelMapVolume")
    case.set_brain_mask(chosen)
    assert np.array_equal(case.brain().mask, smaller) and case.brain().method == "given"
    voxels_of(chosen)[:] = 0
    chosen.GetImageData().GetPointData().GetScalars().Modified()
    with pytest.raises(InputError, match="'drawn' marks nothing"):
        case.brain()
    case.set_brain_mask(None)
    assert np.array_equal(case.brain().mask, brain)


# -- following the host


def test_everything_goes_with_the_host_under_a_transform_and_back(stage):
    head, brain = add_host(stage.scene, **COARSE)
    case = SceneCase.of(head)
    case.add(lesion())
    case.keep_found_brain(brain, "network")
    apply_drawn(case)
    nodes = [case.lesions[0].node, case.found_brain_node, *case.outputs.nodes]
    transform = transform_node(stage.scene)
    head.SetAndObserveTransformNodeID(transform.GetID())
    assert {node.GetTransformNodeID() for node in nodes} == {transform.GetID()}
    assert np.allclose(case.lesions[0].node.GetNthControlPointPositionWorld(0), to_world(head, CENTER))
    case.add(lesion(name="Lesion 2"))
    assert case.lesions[1].node.GetTransformNodeID() == transform.GetID()
    head.SetAndObserveTransformNodeID(None)
    assert {node.GetTransformNodeID() for node in nodes} == {None}
    stage.scene.RemoveNode(transform)


def test_hardening_a_transform_takes_lesions_and_outputs_along(stage, head):
    case = SceneCase.of(head)
    case.add(lesion())
    apply_drawn(case)
    transform = transform_node(stage.scene)
    head.SetAndObserveTransformNodeID(transform.GetID())
    world = to_world(head, CENTER)
    told = []
    case.on_changed = told.append
    assert head.HardenTransform()
    assert np.allclose(case.lesions[0].state.center_ras, world, atol=1e-6)
    assert np.allclose(case.lesions[0].node.GetNthControlPointPositionWorld(0), world, atol=1e-6)
    assert case.lesions[0].node.GetTransformNodeID() is None
    assert np.allclose(affine_of(case.outputs.result), affine_of(head))
    assert "host" in told
    stage.scene.RemoveNode(transform)


def bending(scene):
    node = slicer.vtkMRMLGridTransformNode()
    scene.AddNode(node)
    field = vtk.vtkImageData()
    field.SetDimensions(3, 3, 3)
    field.SetSpacing(50, 50, 50)
    field.AllocateScalars(vtk.VTK_DOUBLE, 3)
    field.GetPointData().GetScalars().Fill(0)
    field.SetScalarComponentFromDouble(1, 1, 1, 0, 9.0)
    warp = slicer.vtkOrientedGridTransform()
    warp.SetDisplacementGridData(field)
    node.SetAndObserveTransformToParent(warp)
    return node


def test_a_non_linear_transform_on_the_host_refuses_patches_until_it_is_taken_away(stage, head):
    case, told = SceneCase.of(head), []
    case.add(lesion())
    patch = apply_drawn(case)
    case.on_changed = told.append
    transform = bending(stage.scene)
    head.SetAndObserveTransformNodeID(transform.GetID())
    assert told == ["host"] and "non-linear" in why_not(head)
    assert not case.outputs.apply(patch, True)
    head.SetAndObserveTransformNodeID(None)
    assert told == ["host", "host"] and why_not(head) is None
    assert case.outputs.apply(patch, True)
    stage.scene.RemoveNode(transform)


def test_centering_the_host_takes_lesions_along(head):
    case = SceneCase.of(head)
    case.add(lesion())
    apply_drawn(case)
    origin = np.array(head.GetOrigin())
    head.SetOrigin(*(origin + (7, -8, 9)))
    assert np.allclose(case.lesions[0].state.center_ras, np.add(CENTER, (7, -8, 9)))
    assert np.allclose(affine_of(case.outputs.intensity_map), affine_of(head))
    image = slicer.vtkOrientedImageData()
    case.outputs.segmentation.GetBinaryLabelmapRepresentation("lesion-1", image)
    assert np.allclose(image.GetOrigin(), head.GetOrigin())
    assert np.allclose(np.array(image.GetBounds()).reshape(3, 2).mean(1), case.lesions[0].state.center_ras, atol=2)


def test_a_host_that_is_deleted_takes_its_case_with_it(stage, head):
    other, _ = add_host(stage.scene, "FLAIR", **COARSE)
    case, told = SceneCase.of(head), []
    case.on_changed = told.append
    before = stage.counts()
    SceneCase.of(other).add(lesion())
    case.add(lesion())
    apply_drawn(case)
    stage.scene.RemoveNode(head)
    assert told == ["removed"] and not case.is_alive
    assert SceneCase.all_in(stage.scene) == [SceneCase.of(other)]
    assert [node.GetName() for node in stage.nodes("vtkMRMLScalarVolumeNode")] == ["FLAIR"]
    gained = stage.counts() - before
    assert gained["vtkMRMLMarkupsFiducialNode"] == 1 and gained["vtkMRMLSegmentationNode"] == 0
    assert not case.outputs.apply(None, True), "a patch that comes too late is dropped"


# -- the end of a scene


def test_nothing_dangles_after_the_scene_is_closed(stage, head):
    case = SceneCase.of(head)
    handles = case.add(lesion())
    patch = apply_drawn(case)
    watched = (stage.scene, head, case.node, handles.node)
    stage.scene.Clear(False)
    assert not case.is_alive and case.host is None and SceneCase.all_in(stage.scene) == []
    assert not case.outputs.apply(patch, True)
    case.outputs.clear()
    case.outputs.relabel()
    case.detach()
    for node in watched[1:]:
        node.Modified()


def test_observers_are_taken_back(stage, head):
    events = (vtk.vtkCommand.ModifiedEvent, head.TransformModifiedEvent, head.ImageDataModifiedEvent)
    free = [head.HasObserver(event) for event in events]
    told = []
    case = SceneCase.of(head)
    case.on_changed = told.append
    case.add(lesion())
    apply_drawn(case)
    case.remove_all()
    assert [head.HasObserver(event) for event in events] == free
    head.SetOrigin(1, 2, 3)
    assert told == []


def test_hundreds_of_random_edits_leave_no_stray_nodes_and_an_unchanged_host(stage, head):
    untouched = voxels_of(head).copy()
    before = stage.counts()
    case = SceneCase.of(head)
    rng, kept = np.random.default_rng(0), [()]
    for _ in range(200):
        what = rng.choice(["add", "remove", "restore", "apply", "preview", "clear", "rename", "delete output"])
        if what == "add" and len(case.lesions) < 5:
            case.add(lesion(rng.uniform(-25, 25, 3), case.unused_name(), rng.uniform(5, 12)))
            kept.append(case.states())
        elif what == "remove" and case.lesions:
            case.remove(case.lesions[rng.integers(len(case.lesions))])
        elif what == "restore":
            case.restore(kept[rng.integers(len(kept))])
        elif what in ("apply", "preview"):
            apply_drawn(case, "full" if what == "apply" else "preview")
        elif what == "clear":
            case.outputs.clear()
        elif what == "rename":
            head.SetName(f"T1c {rng.integers(3)}")
        elif what == "delete output" and case.outputs.nodes:
            stage.scene.RemoveNode(case.outputs.nodes[rng.integers(len(case.outputs.nodes))])
        assert len(stage.nodes("vtkMRMLMarkupsFiducialNode")) == len(case.lesions)
        assert len(stage.nodes("vtkMRMLModelNode")) == 4 * len(case.lesions)
        assert len(case.outputs.nodes) == (
            len(stage.nodes("vtkMRMLScalarVolumeNode")) - 1 + len(stage.nodes("vtkMRMLSegmentationNode"))
        )
    assert np.array_equal(voxels_of(head), untouched)
    case.remove_all()
    left = stage.counts() - before
    left.pop("vtkMRMLColorTableNode", None)
    assert not left
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(stage.scene)
    assert tree.GetNumberOfItemChildren(tree.GetSceneItemID()) == 0


# -- saved and loaded


def full_case(stage, head, brain):
    case = SceneCase.of(head)
    case.keep_found_brain(brain, "network")
    case.add(lesion((-15.123456789012345, 5, 25), seed=7, structure="ring"))
    case.add(lesion((20, -1 / 3, 20), "Lesion: 2; 50% <b>", 8, values=(1.0, 0.25, 0.6), visible=False))
    apply_drawn(case)
    return case


def test_a_saved_scene_brings_everything_back_linked(tmp_path, stage):
    head, brain = add_host(stage.scene, **COARSE)
    transform = transform_node(stage.scene)
    head.SetAndObserveTransformNodeID(transform.GetID())
    case = full_case(stage, head, brain)
    states, result = case.states(), voxels_of(case.outputs.result).copy()
    masks = list(case.outputs.segmentation.GetSegmentation().GetSegmentIDs())
    counts = stage.counts()
    stage.save(tmp_path / "scene.mrb")
    stage.load(tmp_path / "scene.mrb")

    (case,) = SceneCase.all_in(stage.scene)
    assert case.states() == states
    assert case.host.GetName() == "T1c" and case.outputs.result.GetName() == "T1c + lesion"
    assert np.array_equal(voxels_of(case.outputs.result), result)
    assert list(case.outputs.segmentation.GetSegmentation().GetSegmentIDs()) == masks
    assert np.array_equal(case.brain().mask, brain) and case.brain().method == "network"
    assert case.outputs.provenance == {"made": "by hand"}
    assert case.outputs.intensity_map.GetDisplayNode().GetColorNode().GetName() == "Intensity map"
    assert {n.GetTransformNodeID() for n in (case.lesions[0].node, *case.outputs.nodes)} == {
        case.host.GetTransformNodeID()
    }
    again = stage.counts()
    for name in ("ScalarVolume", "Segmentation", "MarkupsFiducial", "Model", "ScriptedModule", "LabelMapVolume"):
        assert again[f"vtkMRML{name}Node"] == counts[f"vtkMRML{name}Node"], name

    case.lesions[0].state = moved(case.lesions[0].state, 6, 0, 0)
    patch = apply_drawn(case)
    outside = np.ones(result.shape, bool)
    outside[patch.box] = False
    assert np.array_equal(voxels_of(case.outputs.result)[outside], voxels_of(case.host)[outside])
    assert len(stage.nodes("vtkMRMLScalarVolumeNode")) == 3, "the loaded result is used again"


def test_the_same_scene_imported_twice_gives_two_separate_cases(tmp_path, stage):
    head, brain = add_host(stage.scene, **COARSE)
    full_case(stage, head, brain)
    stage.save(tmp_path / "scene.mrb")
    stage.load(tmp_path / "scene.mrb")
    first = SceneCase.all_in(stage.scene)
    stage.load(tmp_path / "scene.mrb", clear=False)
    one, two = SceneCase.all_in(stage.scene)
    assert first == [one]
    for what in ("host", "node"):
        assert getattr(one, what) is not getattr(two, what)
    ids = [{n.GetID() for n in (*(h.node for h in c.lesions), *c.outputs.nodes)} for c in (one, two)]
    assert not ids[0] & ids[1] and [len(i) for i in ids] == [5, 5]
    two.lesions[0].state = moved(two.lesions[0].state, 9, 9, 9)
    apply_drawn(two)
    assert one.states() != two.states()
    assert not np.array_equal(voxels_of(one.outputs.result), voxels_of(two.outputs.result))
    assert all(is_spheres_node(node) for node in stage.nodes("vtkMRMLMarkupsFiducialNode"))
    one.remove_all()
    assert len(two.lesions) == 2 and len(two.outputs.nodes) == 3
