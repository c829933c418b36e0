"""The lesion masks: one segment per lesion, cropped to it, in the order of the mask's labels."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk

from TumorSynthLib.brain_mask import bounding_box
from TumorSynthLib.scene.brain_masks import voxels_of_image
from TumorSynthLib.scene.host_volume import SYNTHETIC, affine_of, matrix_of

if TYPE_CHECKING:
    from TumorSynthLib.scene.sphere_handles import SphereHandles

KEY_ATTRIBUTE = "TumorSynth.Segment"

# Light enough to be seen on a dark image, and other hues than the first three spheres have (blue, amber, pink).
COLORS = (
    (0.30, 0.90, 0.35),
    (1.00, 0.35, 0.15),
    (0.70, 0.50, 1.00),
    (0.10, 0.85, 0.75),
    (0.85, 1.00, 0.25),
    (0.85, 0.45, 0.35),
    (0.85, 0.85, 0.80),
    (0.60, 0.70, 0.30),
)
TERMINOLOGY = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^49755003^Morphologically Altered Structure"
    "~SCT^4147007^Mass~^^~Anatomic codes - DICOM master list~SCT^12738006^Brain~^^"
)
FILL_OPACITY = 0.25


@dataclass(frozen=True)
class SegmentLabel:
    """How a lesion's segment is called and whether it is shown. `key` is its ID, and stays with the lesion."""

    key: str
    name: str
    visible: bool


def label_of(handles: SphereHandles) -> SegmentLabel:
    return SegmentLabel(handles.node.GetAttribute(KEY_ATTRIBUTE), handles.state.name, handles.state.visible)


def give_key(node: slicer.vtkMRMLNode, others: Iterable[slicer.vtkMRMLNode]) -> None:
    """A key for a new lesion's spheres node: it is the segment's ID and picks its color."""
    taken = {other.GetAttribute(KEY_ATTRIBUTE) for other in others}
    number = next(n for n in itertools.count(1) if f"lesion-{n}" not in taken)
    node.SetAttribute(KEY_ATTRIBUTE, f"lesion-{number}")


class LesionSegments:
    """Writes lesion masks into a segmentation node. Surfaces, which take time, are made anew only where the mask did
    change; Slicer itself would drop all of them with every change."""

    def __init__(self, node: slicer.vtkMRMLSegmentationNode) -> None:
        self.node = node
        self._surfaces: dict[str, vtk.vtkPolyData] = {}

    def update(
        self,
        box: tuple[slice, ...],
        mask: np.ndarray,
        labels: Sequence[SegmentLabel | None],
        host: slicer.vtkMRMLVolumeNode,
    ) -> None:
        """Label n of the mask becomes the segment of the nth lesion, if there is one. Other segments go."""
        numbered = [(number, label) for number, label in enumerate(labels, start=1) if label is not None]
        segmentation = self.node.GetSegmentation()
        for gone in set(segmentation.GetSegmentIDs()) - {label.key for _, label in numbered}:
            segmentation.RemoveSegment(gone)
            self._surfaces.pop(gone, None)
        for index, (number, label) in enumerate(numbered):
            drawn = _cropped(mask == number, box, affine_of(host))
            if segmentation.GetSegment(label.key) is None:
                segmentation.AddSegment(_new_segment(label, drawn), label.key)
                self._surfaces.pop(label.key, None)
            elif _differs(segmentation.GetSegment(label.key), drawn):
                _replace(segmentation.GetSegment(label.key), drawn)
                self._surfaces.pop(label.key, None)
            if segmentation.GetSegmentIndex(label.key) != index:
                segmentation.SetSegmentIndex(label.key, index)
        self.relabel([label for _, label in numbered])

    def relabel(self, labels: Sequence[SegmentLabel]) -> None:
        display = self.node.GetDisplayNode()
        for label in labels:
            segment = self.node.GetSegmentation().GetSegment(label.key)
            if segment is None:
                continue
            if segment.GetName() != label.name:
                segment.SetName(label.name)
            if display is not None and bool(display.GetSegmentVisibility(label.key)) != label.visible:
                display.SetSegmentVisibility(label.key, label.visible)

    def move(self, affine: np.ndarray) -> None:
        """Every segment to the same voxels of a host that lies elsewhere now."""
        segmentation, now = self.node.GetSegmentation(), vtk.vtkMatrix4x4()
        for key in _ids(segmentation):
            image = segmentation.GetSegment(key).GetRepresentation(_labelmap_name())
            if image is None:
                continue
            image.GetImageToWorldMatrix(now)
            if not np.allclose(now.GetData(), affine.ravel(), atol=1e-6):
                image.SetImageToWorldMatrix(matrix_of(affine))
                image.Modified()
                self._surfaces.pop(key, None)

    def make_surfaces(self) -> None:
        segmentation = self.node.GetSegmentation()
        for key, surface in self._surfaces.items():
            segmentation.GetSegment(key).AddRepresentation(_surface_name(), surface)
        segmentation.CreateRepresentation(_surface_name())
        made = {key: segmentation.GetSegment(key).GetRepresentation(_surface_name()) for key in _ids(segmentation)}
        self._surfaces = {key: surface for key, surface in made.items() if surface is not None}

    def drop_surfaces(self) -> None:
        """They show lesions as they were; nothing is better while a lesion is being moved."""
        segmentation = self.node.GetSegmentation()
        if any(segmentation.GetSegment(key).GetRepresentation(_surface_name()) for key in _ids(segmentation)):
            self.node.RemoveClosedSurfaceRepresentation()


def prepare(node: slicer.vtkMRMLSegmentationNode) -> None:
    """How lesion masks look at first: outlined in slices, solid in 3D."""
    node.GetSegmentation().SetSourceRepresentationName(_labelmap_name())
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetOpacity2DFill(FILL_OPACITY)
    display.SetSliceIntersectionThickness(2)
    display.SetPreferredDisplayRepresentationName3D(_surface_name())


def _ids(segmentation: slicer.vtkSegmentation) -> list[str]:
    return list(segmentation.GetSegmentIDs())


def _labelmap_name() -> str:
    return slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()


def _surface_name() -> str:
    return slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()


def _new_segment(label: SegmentLabel, drawn: slicer.vtkOrientedImageData) -> slicer.vtkSegment:
    segment = slicer.vtkSegment()
    segment.SetName(label.name)
    segment.SetNameAutoGenerated(False)
    segment.SetColor(*COLORS[_number(label.key) % len(COLORS)])
    segment.SetColorAutoGenerated(False)
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), TERMINOLOGY)
    segment.SetTag(SYNTHETIC, "1")
    segment.AddRepresentation(_labelmap_name(), drawn)
    return segment


def _number(key: str) -> int:
    digits = "".join(character for character in key if character.isdigit())
    return int(digits or 1) - 1


def _cropped(marked: np.ndarray, box: tuple[slice, ...], affine: np.ndarray) -> slicer.vtkOrientedImageData:
    """A mask in a box of the host, as an image no larger than what is marked."""
    tight = bounding_box(marked) or (slice(0, 1),) * 3
    image = slicer.vtkOrientedImageData()
    extent = []
    for outer, inner in zip(box, tight, strict=True):
        extent += [outer.start + inner.start, outer.start + inner.stop - 1]
    image.SetExtent(*extent)
    image.SetImageToWorldMatrix(matrix_of(affine))
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    voxels_of_image(image)[:] = marked[tight]
    return image


def _differs(segment: slicer.vtkSegment, drawn: slicer.vtkOrientedImageData) -> bool:
    old = segment.GetRepresentation(_labelmap_name())
    if old is None or old.GetExtent() != drawn.GetExtent():
        return True
    matrices = [vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()]
    old.GetImageToWorldMatrix(matrices[0])
    drawn.GetImageToWorldMatrix(matrices[1])
    if not np.allclose(matrices[0].GetData(), matrices[1].GetData(), atol=1e-6):
        return True
    return not np.array_equal(voxels_of_image(old) != 0, voxels_of_image(drawn) != 0)


def _replace(segment: slicer.vtkSegment, drawn: slicer.vtkOrientedImageData) -> None:
    """As a new image: slice views do not hear of one that changes its extent. The old image's surface goes with it."""
    segment.RemoveRepresentation(_surface_name())
    segment.AddRepresentation(_labelmap_name(), drawn)
