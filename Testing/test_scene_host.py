"""Which volumes of a scene can be hosts, their voxels for the engine, and brain masks for them."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import numpy as np
import pytest
import slicer
import vtk

from phantoms import phantom
from scene_cases import SlicerScene, add_host, add_volume
from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain
from TumorSynthLib.scene import host_volume
from TumorSynthLib.scene.brain_masks import brain_mask_array
from TumorSynthLib.scene.host_volume import affine_of, host_of, matrix_of, to_host, to_world, voxels_of, why_not
from volumes import oblique_affine, patch, save_nifti
from volumes import voxels_of as made_up_voxels

DTYPES = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64")
AFFINES = {
    "straight": oblique_affine(angles_degrees=(0, 0, 0)),
    "oblique": oblique_affine(),
    "anisotropic": oblique_affine((0.5, 0.5, 3.0)),
    "permuted": oblique_affine(axes=(2, 0, 1)),
    "turned over": oblique_affine(flips=(-1, -1, 1)),
}
LEFT_HANDED = {
    "left-handed": oblique_affine(flips=(-1, 1, 1)),
    "left-handed, straight": oblique_affine(angles_degrees=(0, 0, 0), flips=(-1, 1, 1)),
    "left-handed, permuted": oblique_affine(axes=(1, 0, 2)),
}


@pytest.fixture(scope="module")
def slicer_scene():
    return SlicerScene()


@pytest.fixture
def scene(slicer_scene):
    yield slicer_scene.scene
    slicer_scene.scene.Clear(False)


@pytest.fixture
def load(slicer_scene, scene):
    return slicer_scene.load_volume


def transform_node(scene, matrix):
    node = slicer.vtkMRMLLinearTransformNode()
    node.SetMatrixTransformToParent(matrix_of(matrix))
    return scene.AddNode(node)


def rigid(angles=(10, 20, -15), offset=(12, -7, 30)):
    matrix = oblique_affine((1, 1, 1), angles, origin_ras=offset)
    return matrix


# -- the same as on the command line


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize(("dtype", "place"), [*((d, "oblique") for d in DTYPES), *(("int16", a) for a in AFFINES)])
def test_a_loaded_file_is_the_host_that_the_command_line_reads(tmp_path, load, dtype, place, suffix):
    path = tmp_path / f"t1c{suffix}"
    HostBrain.from_array(made_up_voxels(dtype), AFFINES[place]).write_volume(path, made_up_voxels(dtype))
    in_file, in_scene = HostBrain.read(path), host_of(load(path))
    assert in_scene.voxels.dtype == in_file.voxels.dtype
    assert np.array_equal(in_scene.voxels, in_file.voxels)
    assert np.allclose(in_scene.affine, in_file.affine, atol=1e-4)
    assert in_scene.intensity_window == in_file.intensity_window
    assert in_scene.source == path


@pytest.mark.parametrize("place", LEFT_HANDED)
def test_a_left_handed_file_has_its_slices_turned_round_and_means_the_same_places(tmp_path, load, place):
    path = save_nifti(tmp_path / "t1c.nii.gz", made_up_voxels(), LEFT_HANDED[place])
    in_file, in_scene = HostBrain.read(path), host_of(load(path))
    assert np.array_equal(in_scene.voxels, in_file.voxels[:, :, ::-1])
    last = in_file.shape[2] - 1
    for corner in np.ndindex(2, 2, 2):
        index = np.array(corner) * (np.array(in_file.shape) - 1)
        turned = index * (1, 1, -1) + (0, 0, last)
        assert np.allclose(in_scene.ijk_to_ras(turned), in_file.ijk_to_ras(index), atol=1e-4)
    assert in_scene.intensity_window == in_file.intensity_window


def test_a_rescaled_file_has_its_values_multiplied_out_by_slicer(tmp_path, load):
    path = patch(save_nifti(tmp_path / "t1c.nii", made_up_voxels()), 112, "<2f", 0.5, -3)
    in_file, in_scene = HostBrain.read(path), host_of(load(path))
    assert np.allclose(in_scene.voxels, in_file.voxels * 0.5 - 3)
    assert np.allclose(in_scene.normalized(in_scene.voxels), in_file.normalized(in_file.voxels), atol=1e-6)


# -- copied once


def test_the_host_is_copied_once_and_again_when_the_image_or_its_place_changes(scene):
    node, _ = add_host(scene, spacing_mm=(3, 3, 3))
    first = host_of(node)
    assert host_of(node) is first and not np.shares_memory(first.voxels, voxels_of(node))
    node.SetName("renamed")
    assert host_of(node) is first
    voxels_of(node)[5, 5, 5] += 1
    host_volume.voxels_changed(node)
    second = host_of(node)
    assert second is not first and second.voxels[5, 5, 5] == first.voxels[5, 5, 5] + 1
    node.SetOrigin(1, 2, 3)
    assert np.allclose(host_of(node).affine, affine_of(node)) and host_of(node) is not second


def test_nothing_is_kept_of_a_volume_that_is_gone(scene):
    node, _ = add_host(scene, spacing_mm=(4, 4, 4))
    host_of(node)
    scene.RemoveNode(node)
    del node
    gc.collect()
    assert len(host_volume._examined.values()) == 0


# -- refusals


def four_d(scene):
    return add_volume(scene, np.ones((8, 8, 8, 3), np.float32), np.eye(4), "bold")


def with_nan(scene):
    voxels = made_up_voxels("float32")
    voxels[2, 3, 4] = np.nan
    return add_volume(scene, voxels, oblique_affine())


def sheared(scene):
    affine = oblique_affine(angles_degrees=(0, 0, 0))
    affine[0, 1] = 0.2
    return add_volume(scene, made_up_voxels(), affine)


def bent(scene):
    node, _ = add_host(scene, spacing_mm=(4, 4, 4))
    spline = vtk.vtkThinPlateSplineTransform()
    points = [vtk.vtkPoints(), vtk.vtkPoints()]
    for place in np.ndindex(2, 2, 2):
        points[0].InsertNextPoint(np.array(place) * 50.0)
        points[1].InsertNextPoint(np.array(place) * 50.0 + np.sin(place))
    spline.SetSourceLandmarks(points[0])
    spline.SetTargetLandmarks(points[1])
    spline.SetBasisToR()
    transform = slicer.vtkMRMLTransformNode()
    transform.SetName("warp")
    scene.AddNode(transform)
    transform.SetAndObserveTransformToParent(spline)
    node.SetAndObserveTransformNodeID(transform.GetID())
    return node


def flattened(scene):
    node, _ = add_host(scene, spacing_mm=(4, 4, 4))
    node.SetAndObserveTransformNodeID(transform_node(scene, np.diag([1.0, 1.0, 0.0, 1.0])).GetID())
    return node


def one_of_a_sequence(scene):
    browser = scene.AddNode(slicer.vtkMRMLSequenceBrowserNode())
    sequence = scene.AddNode(slicer.vtkMRMLSequenceNode())
    node, _ = add_host(scene, spacing_mm=(4, 4, 4))
    sequence.SetDataNodeAtValue(node, "0")
    browser.AddSynchronizedSequenceNodeID(sequence.GetID())
    return browser.AddProxyNode(node, sequence, False)


def made_by_us(scene):
    node, _ = add_host(scene, "T1c + lesion", spacing_mm=(4, 4, 4))
    node.SetAttribute("TumorSynth.Synthetic", "1")
    return node


REFUSED = {
    "none": (lambda scene: None, "choose one"),
    "labelmap": (lambda s: add_volume(s, made_up_voxels("uint8"), np.eye(4), kind="LabelMapVolume"), "labels"),
    "segmentation": (lambda scene: scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "T1c"), "labels"),
    "model": (lambda scene: scene.AddNewNodeByClass("vtkMRMLModelNode", "T1c"), "not a scalar volume"),
    "vector": (lambda s: add_volume(s, np.ones((8, 8, 8, 3), np.uint8), np.eye(4), kind="VectorVolume"), "color"),
    "4D": (four_d, "3 values per voxel"),
    "sequence": (lambda scene: scene.AddNode(slicer.vtkMRMLSequenceNode()), "sequence"),
    "one of a sequence": (one_of_a_sequence, "clone"),
    "no image": (lambda scene: scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "T1c"), "no image"),
    "few slices": (lambda s: add_volume(s, made_up_voxels()[:, :, :3], oblique_affine()), "at least 4"),
    "one slice": (lambda s: add_volume(s, made_up_voxels()[:, :, :1], oblique_affine()), "2D"),
    "NaN": (with_nan, "not finite"),
    "constant": (lambda s: add_volume(s, np.full((9, 9, 9), 7, np.int16), np.eye(4)), "every voxel is 7"),
    "sheared": (sheared, "sheared"),
    "huge voxels": (lambda s: add_volume(s, made_up_voxels(), np.diag([20.0, 20, 20, 1])), "between 0.1 and 10"),
    "non-linear": (bent, "non-linear transform: harden it"),
    "flattened": (flattened, "inverted"),
    "synthetic": (made_by_us, "choose its host"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_a_host_is_refused_in_one_line_that_helps(scene, kind):
    make, says = REFUSED[kind]
    node = make(scene)
    reason = why_not(node)
    assert reason and says in reason and "\n" not in reason
    assert (":" in reason or ";" in reason) and not reason.endswith(".")
    if node is not None:
        assert reason.startswith(f"'{node.GetName()}' ")
        with pytest.raises(InputError, match="."):
            host_of(node)


def test_a_reason_names_the_volume_as_it_is_called_now(scene):
    node = with_nan(scene)
    assert "'T1c'" in why_not(node)
    node.SetName("FLAIR")
    assert "'FLAIR'" in why_not(node) and "T1c" not in why_not(node)


# -- to the world and back


def test_points_go_to_the_world_and_back_through_nested_transforms(scene):
    node, _ = add_host(scene, spacing_mm=(4, 4, 4))
    inner, outer = transform_node(scene, rigid()), transform_node(scene, rigid((0, 0, 90), (100, 0, 0)))
    inner.SetAndObserveTransformNodeID(outer.GetID())
    node.SetAndObserveTransformNodeID(inner.GetID())
    point = np.array([3.0, -4.0, 5.0])
    expected = (rigid((0, 0, 90), (100, 0, 0)) @ rigid() @ [*point, 1])[:3]
    assert np.allclose(to_world(node, point), expected)
    assert np.allclose(to_host(node, expected), point)
    assert np.allclose(host_of(node).affine, affine_of(node)), "the host knows nothing of the transform"


# -- brain masks


def labelmap(scene, mask, affine, name="brain"):
    return add_volume(scene, mask.astype(np.uint8), affine, name, kind="LabelMapVolume")


def segmentation_of(scene, *labelmaps):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "structures")
    for each in labelmaps:
        slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(each, node)
    return node


@pytest.fixture
def head(scene):
    node, brain = add_host(scene, spacing_mm=(2, 2.5, 3), angles_degrees=(10, 5, -20), flips=(1, -1, 1))
    return SimpleNamespace(node=node, brain=brain, affine=affine_of(node))


def test_a_labelmap_on_the_hosts_grid_is_taken_as_it_is(scene, head):
    assert np.array_equal(brain_mask_array(labelmap(scene, 3 * head.brain, head.affine), None, head.node), head.brain)


def test_a_mask_loaded_as_a_plain_volume_will_do_too(scene, head):
    mask = add_volume(scene, 255 * head.brain.astype(np.uint8), head.affine, "mask")
    assert np.array_equal(brain_mask_array(mask, None, head.node), head.brain)


def test_a_segment_is_put_on_the_hosts_grid_although_it_is_cropped(scene, head):
    segments = segmentation_of(scene, labelmap(scene, head.brain, head.affine))
    assert np.array_equal(brain_mask_array(segments, None, head.node), head.brain)


def test_the_chosen_one_of_several_segments_is_taken(scene, head):
    half = head.brain.copy()
    half[: half.shape[0] // 2] = False
    segments = segmentation_of(
        scene, labelmap(scene, head.brain, head.affine), labelmap(scene, half, head.affine, "half")
    )
    ids = segments.GetSegmentation().GetSegmentIDs()
    assert np.array_equal(brain_mask_array(segments, ids[1], head.node), half)
    with pytest.raises(InputError, match="choose the one"):
        brain_mask_array(segments, None, head.node)


def test_a_segment_drawn_on_another_image_is_resampled(scene, head):
    finer, brain = phantom((1.5, 1.5, 1.5))
    segments = segmentation_of(scene, labelmap(scene, brain, finer.affine))
    found = brain_mask_array(segments, None, head.node)
    overlap = 2 * (found & head.brain).sum() / (found.sum() + head.brain.sum())
    assert overlap > 0.97


def test_a_segment_follows_transforms_of_its_own_and_of_the_host(scene, head):
    segments = segmentation_of(scene, labelmap(scene, head.brain, head.affine))
    node = transform_node(scene, rigid())
    for each in (head.node, segments):
        each.SetAndObserveTransformNodeID(node.GetID())
    assert np.array_equal(brain_mask_array(segments, None, head.node), head.brain)
    segments.SetAndObserveTransformNodeID(None)
    assert not np.array_equal(brain_mask_array(segments, None, head.node), head.brain)


def test_a_segment_known_only_as_a_surface_is_filled_in_a_copy(scene, head):
    segments = segmentation_of(scene, labelmap(scene, head.brain, head.affine))
    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    image = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segments.GetSegmentation().CreateRepresentation(surface)
    segments.GetSegmentation().SetSourceRepresentationName(surface)
    segments.GetSegmentation().RemoveRepresentation(image)
    found = brain_mask_array(segments, None, head.node)
    assert 2 * (found & head.brain).sum() / (found.sum() + head.brain.sum()) > 0.95
    assert not segments.GetSegmentation().ContainsRepresentation(image), "the user's segmentation stays as it is"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda s, h: labelmap(s, np.zeros_like(h.brain), h.affine), "marks nothing"),
        (lambda s, h: labelmap(s, h.brain[:-1], h.affine), "voxels"),
        (lambda s, h: labelmap(s, h.brain, h.affine @ oblique_affine((1, 1, 1), (0, 0, 0))), "lies elsewhere"),
        (lambda s, h: s.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn"), "no segment"),
        (lambda s, h: s.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "new"), "is empty"),
        (lambda s, h: s.AddNewNodeByClass("vtkMRMLModelNode", "shell"), "no mask"),
        (lambda s, h: add_volume(s, voxels_of(h.node), h.affine, "T2"), "is an image, not a mask"),
        (
            lambda s, h: segmentation_of(
                s, labelmap(s, h.brain, h.affine @ oblique_affine((1, 1, 1), origin_ras=(900, 0, 0)))
            ),
            "marks nothing",
        ),
    ],
)
def test_a_mask_that_is_not_this_brain_is_refused(scene, head, make, says):
    with pytest.raises(InputError) as error:
        brain_mask_array(make(scene, head), None, head.node)
    assert says in str(error.value) and "\n" not in str(error.value) and ":" in str(error.value)
