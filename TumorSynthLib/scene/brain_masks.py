"""Brain masks in the scene: a labelmap volume or a segment, on the host's grid; and the brain found for a host."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from TumorSynthLib.errors import InputError
from TumorSynthLib.grid import Grid
from TumorSynthLib.itk_files import times
from TumorSynthLib.scene.host_volume import (
    affine_of,
    empty_volume_like,
    matrix_of,
    voxels_changed,
    voxels_of,
    world_from_host,
)

SAME_PLACE_MM = 0.01
# A mask so small is a slip of the hand, not a brain.
LEAST_BRAIN_ML = 1.0


def brain_mask_array(
    mask_node: slicer.vtkMRMLNode, segment_id: str | None, host_node: slicer.vtkMRMLScalarVolumeNode
) -> np.ndarray:
    """The mask as booleans on the host's grid; InputError says why it cannot be the host's brain."""
    if mask_node.IsA("vtkMRMLSegmentationNode"):
        mask = _from_segment(mask_node, segment_id, host_node)
    elif mask_node.IsA("vtkMRMLScalarVolumeNode"):
        mask = _from_volume(mask_node, host_node)
    else:
        raise InputError(f"'{mask_node.GetName()}' is no mask: choose a labelmap volume or a segment")
    volume_ml = np.count_nonzero(mask) * Grid(affine_of(host_node), mask.shape).voxel_volume_mm3 / 1000
    if volume_ml == 0:
        raise InputError(
            f"'{mask_node.GetName()}' marks nothing within '{host_node.GetName()}': choose a mask of this brain"
        )
    if volume_ml < LEAST_BRAIN_ML:
        raise InputError(
            f"'{mask_node.GetName()}' marks only {volume_ml:.2g} mL of '{host_node.GetName()}':"
            " choose a mask of the whole brain"
        )
    return mask


def mask_state(mask_node: slicer.vtkMRMLNode, segment_id: str | None, host_node: slicer.vtkMRMLNode) -> tuple:
    """Equal as long as the mask and its place relative to the host are; cheap."""
    place = np.round(np.linalg.inv(world_from_host(host_node)) @ world_from_host(mask_node), 6).tobytes()
    host = (affine_of(host_node).tobytes(), host_node.GetImageData().GetDimensions())
    if mask_node.IsA("vtkMRMLSegmentationNode"):
        segment = mask_node.GetSegmentation().GetSegment(segment_id or "")
        content = _representation_state(segment) if segment is not None else mask_node.GetSegmentation().GetMTime()
    else:
        image = mask_node.GetImageData()
        content = (image.GetMTime() if image is not None else 0, affine_of(mask_node).tobytes())
    return mask_node.GetID(), segment_id, content, place, host


def write_brain_mask(mask: np.ndarray, node: slicer.vtkMRMLLabelMapVolumeNode, host_node: slicer.vtkMRMLNode) -> None:
    """Puts a mask on the host's grid into a labelmap volume."""
    matrix = matrix_of(affine_of(host_node))
    node.SetIJKToRASMatrix(matrix)
    image = empty_volume_like(host_node, np.dtype(np.uint8))
    node.SetAndObserveImageData(image)
    voxels_of(node)[:] = mask
    voxels_changed(node)


# -- from a labelmap volume


def _from_volume(node: slicer.vtkMRMLScalarVolumeNode, host_node: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    image, name = node.GetImageData(), node.GetName()
    if image is None or image.GetPointData().GetScalars() is None:
        raise InputError(f"'{name}' is empty: choose a mask that marks the brain")
    shape, host_shape = image.GetDimensions(), host_node.GetImageData().GetDimensions()
    if shape != host_shape:
        raise InputError(
            f"'{name}' has {times(shape)} voxels, '{host_node.GetName()}' {times(host_shape)}:"
            " choose a mask on the host's grid, or import it as a segment"
        )
    place = np.linalg.inv(world_from_host(host_node)) @ world_from_host(node) @ affine_of(node)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(shape) - 1)
    own, wanted = Grid(place, shape).to_ras(corners), Grid(affine_of(host_node), shape).to_ras(corners)
    away = float(np.linalg.norm(own - wanted, axis=1).max())
    if away > SAME_PLACE_MM:
        raise InputError(
            f"'{name}' lies elsewhere than '{host_node.GetName()}' (corners up to {away:.3g} mm apart):"
            " choose a mask on the host's grid, or import it as a segment"
        )
    mask = voxels_of(node) != 0
    values = voxels_of(node)[mask]
    if not node.IsA("vtkMRMLLabelMapVolumeNode") and values.size and (values != values[0]).any():
        raise InputError(f"'{name}' is an image, not a mask: choose a volume of 0 and one other number, or a segment")
    return mask


# -- from a segment


def _from_segment(
    node: slicer.vtkMRMLSegmentationNode, segment_id: str | None, host_node: slicer.vtkMRMLScalarVolumeNode
) -> np.ndarray:
    segment_id = _require_segment(node, segment_id)
    drawn = _labelmap(node, segment_id, host_node)
    shape = host_node.GetImageData().GetDimensions()
    host_from_segments = np.linalg.inv(world_from_host(host_node)) @ world_from_host(node)
    reference = slicer.vtkOrientedImageData()
    reference.SetExtent(0, shape[0] - 1, 0, shape[1] - 1, 0, shape[2] - 1)
    reference.SetImageToWorldMatrix(matrix_of(affine_of(host_node)))
    reference.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    transform = vtk.vtkTransform()
    transform.SetMatrix(matrix_of(host_from_segments))
    on_host = slicer.vtkOrientedImageData()
    done = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        drawn, reference, on_host, False, False, transform
    )
    if not done or on_host.GetPointData().GetScalars() is None:
        return np.zeros(shape, bool)
    return voxels_in_extent(on_host, shape) != 0


def _require_segment(node: slicer.vtkMRMLSegmentationNode, segment_id: str | None) -> str:
    segmentation = node.GetSegmentation()
    if segment_id is None and segmentation.GetNumberOfSegments() == 1:
        segment_id = segmentation.GetNthSegmentID(0)
    if segmentation.GetNumberOfSegments() == 0:
        raise InputError(f"'{node.GetName()}' has no segment: draw the brain, or choose another mask")
    if not segment_id or segmentation.GetSegment(segment_id) is None:
        raise InputError(f"'{node.GetName()}' has several segments: choose the one that is the brain")
    return segment_id


def _labelmap(
    node: slicer.vtkMRMLSegmentationNode, segment_id: str, host_node: slicer.vtkMRMLScalarVolumeNode
) -> slicer.vtkOrientedImageData:
    """The segment's voxels in the segmentation's own RAS. A segment known only as a surface is filled, in a copy."""
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    labelmap = slicer.vtkOrientedImageData()
    if node.GetSegmentation().GetSegment(segment_id).GetRepresentation(name) is None:
        filled = slicer.vtkSegmentation()
        filled.SetSourceRepresentationName(node.GetSegmentation().GetSourceRepresentationName())
        filled.CopySegmentFromSegmentation(node.GetSegmentation(), segment_id)
        parameter = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
        filled.SetConversionParameter(parameter, _geometry_text(node, host_node))
        if filled.CreateRepresentation(name):
            labelmap.DeepCopy(filled.GetSegment(segment_id).GetRepresentation(name))
        return labelmap
    node.GetBinaryLabelmapRepresentation(segment_id, labelmap)
    return labelmap


def _geometry_text(node: slicer.vtkMRMLSegmentationNode, host_node: slicer.vtkMRMLScalarVolumeNode) -> str:
    geometry = slicer.vtkOrientedImageData()
    shape = host_node.GetImageData().GetDimensions()
    geometry.SetExtent(0, shape[0] - 1, 0, shape[1] - 1, 0, shape[2] - 1)
    in_segments = np.linalg.inv(world_from_host(node)) @ world_from_host(host_node) @ affine_of(host_node)
    geometry.SetImageToWorldMatrix(matrix_of(in_segments))
    return slicer.vtkSegmentationConverter.SerializeImageGeometry(geometry)


def voxels_in_extent(image: slicer.vtkOrientedImageData, shape: tuple[int, int, int]) -> np.ndarray:
    """An image that covers some extent, on the whole grid; 0 beyond the extent."""
    whole = np.zeros(shape, np.uint8, order="F")
    extent = image.GetExtent()
    low = np.maximum(extent[::2], 0)
    high = np.minimum(np.array(extent[1::2]) + 1, shape)
    if (high <= low).any():
        return whole
    inner = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    outer = tuple(slice(a - e, b - e) for a, b, e in zip(low, high, extent[::2], strict=True))
    whole[inner] = voxels_of_image(image)[outer]
    return whole


def voxels_of_image(image: vtk.vtkImageData) -> np.ndarray:
    from vtk.util.numpy_support import vtk_to_numpy

    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1]).T


def _representation_state(segment: slicer.vtkSegment) -> tuple:
    names = (
        slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName(),
        slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName(),
    )
    shown = [segment.GetRepresentation(name) for name in names]
    return tuple(image.GetMTime() if image is not None else 0 for image in shown)
