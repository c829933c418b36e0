"""What a case shows and leaves: the host with its lesions, the lesion masks, and the intensity map."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import vtk

from TumorSynthLib.host import HostBrain
from TumorSynthLib.labelling import LesionFacts
from TumorSynthLib.scene import display, lesion_segments
from TumorSynthLib.scene.host_volume import (
    SYNTHETIC,
    affine_of,
    empty_volume_like,
    host_of,
    matrix_of,
    voxels_changed,
    voxels_of,
    why_not,
)
from TumorSynthLib.scene.lesion_segments import LesionSegments, SegmentLabel, label_of
from TumorSynthLib.scene.scene_parts import map_colors, put_in_folder, remove_with_companions

if TYPE_CHECKING:
    from TumorSynthLib.background.messages import CasePatch
    from TumorSynthLib.scene.case import SceneCase
    from TumorSynthLib.scene.sphere_handles import SphereHandles

RESULT, SEGMENTATION, MAP = "TumorSynth.Result", "TumorSynth.Segmentation", "TumorSynth.IntensityMap"
NAMES = {RESULT: "{host} + lesion", SEGMENTATION: "{host} lesion masks", MAP: "{host} intensity map"}
FOLDER_NAME = "{host} synthetic lesions"
DESCRIPTIONS = {
    RESULT: "SYNTHETIC image: its lesions were made by TumorSynth. Not for diagnosis.",
    SEGMENTATION: "SYNTHETIC lesion masks by TumorSynth, one segment per lesion.",
    MAP: "SYNTHETIC intensity map by TumorSynth: the grey level asked for in every voxel of a lesion.",
}
NAMED_AFTER, PROVENANCE = "TumorSynth.NamedAfter", "TumorSynth.Provenance"
DARKEST_USUAL = 0.5
# Below every grey level, above the 0 outside lesions, which the map's threshold makes transparent.
LEAST_LEVEL = 1e-6
# Above the lesion's brightest voxels, so that they are not quite white.
HEADROOM = 1.05

Box = tuple[slice, slice, slice]


class Outputs:
    """The three nodes of one case. They are made when first needed, and again when somebody removed them."""

    def __init__(self, case: SceneCase) -> None:
        self._case = case
        self._host: HostBrain | None = None
        self._written: dict[str, Box] = {}
        self._lesion_segments: LesionSegments | None = None
        self.on_made: Callable[[], None] = lambda: None

    @property
    def result(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        return self._node(RESULT)

    @property
    def segmentation(self) -> slicer.vtkMRMLSegmentationNode | None:
        return self._node(SEGMENTATION)

    @property
    def intensity_map(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        return self._node(MAP)

    @property
    def nodes(self) -> list[slicer.vtkMRMLNode]:
        return [node for role in NAMES if (node := self._node(role)) is not None]

    @property
    def provenance(self) -> dict[str, Any] | None:
        """All it takes to make the result again; None while it shows a preview, which nobody should keep."""
        text = self._case.node.GetAttribute(PROVENANCE) or ""
        return json.loads(text) if text else None

    def apply(self, patch: CasePatch, final: bool) -> bool:
        """Shows a patch in place of the one before. False if the host is not, or no longer, one that it fits."""
        if not self._case.is_alive or why_not(self._case.host):
            return False
        host = host_of(self._case.host)
        if any(part.stop > size for part, size in zip(patch.box, host.shape, strict=True)):
            return False
        if host is not self._host:
            self._host, self._written = host, {}
        self._make_missing()
        self._write(RESULT, patch.box, patch.image, host.voxels)
        self._write(MAP, patch.box, patch.intensity_map, None)
        self._show_levels(patch.intensity_map)
        segments = self._segments()
        segments.update(patch.box, patch.mask, self._labels(patch.lesions), self._case.host)
        if final:
            segments.make_surfaces()
        else:
            segments.drop_surfaces()
        self._make_room_for(patch)
        kept = json.dumps(dict(patch.provenance)) if final and patch.provenance else ""
        self._case.node.SetAttribute(PROVENANCE, kept)
        return True

    def relabel(self) -> None:
        """Names and visibility of the lesions and of the host, as they are now."""
        if self._case.is_alive:
            self._rename()
            if self.segmentation is not None:
                self._segments().relabel([label_of(handles) for handles in self._case.lesions])

    def clear(self) -> None:
        """Removes the nodes; views that show the result show the host again."""
        display.step_aside(self._case, *self.nodes)
        for node in self.nodes:
            remove_with_companions(node)
        self.forget()

    def forget(self) -> None:
        """The next patch is written on a new copy of the host."""
        self._host, self._written, self._lesion_segments = None, {}, None
        if self._case.node.GetScene() is not None:
            self._case.node.SetAttribute(PROVENANCE, "")

    def follow_transform(self) -> None:
        """Under the same transform as the host."""
        transform_id = self._case.host.GetTransformNodeID()
        for node in self.nodes:
            if node.GetTransformNodeID() != transform_id:
                node.SetAndObserveTransformNodeID(transform_id)

    def follow_geometry(self) -> None:
        """Voxels lie where the host's voxels lie."""
        affine = affine_of(self._case.host)
        for node in (self.result, self.intensity_map):
            if node is not None:
                node.SetIJKToRASMatrix(matrix_of(affine))
        if self.segmentation is not None:
            self._segments().move(affine)

    # -- inner workings

    def _node(self, role: str) -> slicer.vtkMRMLNode | None:
        return self._case.node.GetNodeReference(role) if self._case.node.GetScene() is not None else None

    def _segments(self) -> LesionSegments:
        if self._lesion_segments is None or self._lesion_segments.node is not self.segmentation:
            self._lesion_segments = LesionSegments(self.segmentation)
        return self._lesion_segments

    def _write(self, role: str, box: Box, values: np.ndarray, ground: np.ndarray | None) -> None:
        """Only what may differ from before: the box of the last patch, and the box of this one."""
        node = self._node(role)
        voxels = voxels_of(node)
        before = self._written.get(role, (slice(None),) * 3)
        voxels[before] = 0 if ground is None else ground[before]
        voxels[box] = values
        self._written[role] = box
        voxels_changed(node)

    def _make_missing(self) -> None:
        host_node = self._case.host
        made = self.segmentation is None
        for role, node in ((RESULT, self.result), (MAP, self.intensity_map)):
            kind = host_node.GetImageData().GetScalarType() if role == RESULT else vtk.VTK_FLOAT
            if node is not None and _holds(node, host_node.GetImageData().GetDimensions(), kind):
                continue
            self._written.pop(role, None)
            image = empty_volume_like(host_node, None if role == RESULT else np.dtype(np.float32))
            if node is None:
                self._make_volume(role, image)
                made = True
            else:
                node.SetAndObserveImageData(image)
        if self.segmentation is None:
            self._make_segmentation()
        self.follow_geometry()
        self._rename()
        if made:
            self._gather()
            self.on_made()

    def _make_volume(self, role: str, image: vtk.vtkImageData) -> None:
        node = slicer.vtkMRMLScalarVolumeNode()
        self._register(role, node)
        look = slicer.vtkMRMLScalarVolumeDisplayNode()
        look.SetAutoWindowLevel(False)  # before there is an image: its histogram costs more than all the rest
        node.GetScene().AddNode(look)
        node.SetAndObserveDisplayNodeID(look.GetID())
        node.SetAndObserveImageData(image)
        self.dress(role)

    def _make_segmentation(self) -> None:
        node = slicer.vtkMRMLSegmentationNode()
        self._register(SEGMENTATION, node)
        lesion_segments.prepare(node)
        node.SetReferenceImageGeometryParameterFromVolumeNode(self._case.host)

    def _register(self, role: str, node: slicer.vtkMRMLDisplayableNode) -> None:
        """Puts a new node into the scene, marked, under the host's transform and known to the case."""
        node.SetName(NAMES[role].format(host=self._case.host.GetName()))
        node.SetAttribute(SYNTHETIC, "1")
        node.SetDescription(DESCRIPTIONS[role])
        self._case.host.GetScene().AddNode(node)
        node.SetAndObserveTransformNodeID(self._case.host.GetTransformNodeID())
        self._case.node.SetNodeReferenceID(role, node.GetID())

    def dress(self, role: str) -> None:
        """The display of a result like the host's; of a map, colors that are not saved with the scene."""
        node = self._node(role)
        look = node.GetDisplayNode() if node is not None else None
        if look is None:
            return
        if role == MAP:
            look.SetAndObserveColorNodeID(map_colors(node.GetScene()).GetID())
            look.SetInterpolate(False)
            look.SetApplyThreshold(True)
            look.SetAutoThreshold(False)
        elif self._case.host.GetDisplayNode() is not None:
            look.SetInterpolate(self._case.host.GetDisplayNode().GetInterpolate())
            copy_window(self._case.host.GetDisplayNode(), look)

    def _make_room_for(self, patch: CasePatch) -> None:
        """A window that Slicer chose for the host alone may show all of a bright lesion white: it is made wider, once.
        One that the user set stays."""
        look = self._case.host.GetDisplayNode()
        lesion = patch.image[patch.mask > 0]
        if look is None or not look.GetAutoWindowLevel() or not lesion.size:
            return
        brightest = HEADROOM * float(np.percentile(lesion, 99))
        if brightest > look.GetWindowLevelMax():
            lowest = look.GetWindowLevelMin()
            look.SetAutoWindowLevel(False)
            look.SetWindowLevelMinMax(lowest, brightest)

    def _show_levels(self, levels: np.ndarray) -> None:
        """Colors run over the usual levels, 0.5 to 1, or over all where a lesion has darker ones."""
        shown = levels[levels > 0]
        lowest = 0.0 if shown.size and shown.min() < DARKEST_USUAL - 1e-3 else DARKEST_USUAL
        look = self.intensity_map.GetDisplayNode()
        if look is None or (look.GetWindowLevelMin(), look.GetLowerThreshold()) == (lowest, LEAST_LEVEL):
            return
        look.SetWindowLevelMinMax(lowest, 1.0)
        look.SetThreshold(LEAST_LEVEL, 1.0)

    def _labels(self, facts: Sequence[LesionFacts]) -> list[SegmentLabel | None]:
        """Which lesion each label of a patch is. In a patch from before a lesion came or went, its place tells."""
        lesions: list[SphereHandles | None] = list(self._case.lesions)
        if len(facts) != len(lesions):
            by_place = {handles.state.center_ras: handles for handles in self._case.lesions}
            lesions = [by_place.get(fact.center_ras) for fact in facts]
        return [label_of(handles) if handles is not None else None for handles in lesions]

    def _rename(self) -> None:
        """Names follow the host's, unless the user gave them others."""
        host_name, before = self._case.host.GetName(), self._case.node.GetAttribute(NAMED_AFTER)
        for role, pattern in NAMES.items():
            node = self._node(role)
            if node is not None and before and node.GetName() == pattern.format(host=before):
                node.SetName(pattern.format(host=host_name))
        self._case.node.SetAttribute(NAMED_AFTER, host_name)
        if before and before != host_name:
            self._gather()

    def _gather(self) -> None:
        """Puts nodes that lie nowhere in particular into the case's folder."""
        nodes = [*self.nodes, *(handles.node for handles in self._case.lesions)]
        put_in_folder(nodes, FOLDER_NAME.format(host=self._case.host.GetName()), self._case.host)


def copy_window(source: slicer.vtkMRMLScalarVolumeDisplayNode, target: slicer.vtkMRMLScalarVolumeDisplayNode) -> None:
    """Brightness, contrast and colors, so that changing between two volumes changes nothing else."""
    if target.GetColorNodeID() != source.GetColorNodeID():
        target.SetAndObserveColorNodeID(source.GetColorNodeID())
    if target.GetAutoWindowLevel():
        target.SetAutoWindowLevel(False)
    wanted = (source.GetWindow(), source.GetLevel())
    if (target.GetWindow(), target.GetLevel()) != wanted:
        target.SetWindowLevel(*wanted)


def _holds(node: slicer.vtkMRMLVolumeNode, shape: tuple[int, ...], kind: int) -> bool:
    image = node.GetImageData()
    return image is not None and image.GetDimensions() == shape and image.GetScalarType() == kind
