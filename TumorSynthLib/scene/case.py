"""A case in the scene: one host, its lesions, its brain mask and its outputs, held together by one hidden node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import slicer
import vtk

from TumorSynthLib.errors import InputError
from TumorSynthLib.painting import Brain
from TumorSynthLib.scene import display
from TumorSynthLib.scene.brain_masks import brain_mask_array, mask_state, write_brain_mask
from TumorSynthLib.scene.host_volume import affine_of, host_of, matrix_of, why_not
from TumorSynthLib.scene.lesion_segments import KEY_ATTRIBUTE, give_key
from TumorSynthLib.scene.lesion_state import LesionState
from TumorSynthLib.scene.node_memory import NodeMemory
from TumorSynthLib.scene.observations import Observations
from TumorSynthLib.scene.outputs import FOLDER_NAME, MAP, RESULT, Outputs, copy_window
from TumorSynthLib.scene.scene_parts import companions, forget_item, put_in_folder, remove_all, remove_with_companions
from TumorSynthLib.scene.sphere_handles import SphereHandles, is_spheres_node
from TumorSynthLib.scene.sphere_models import leftover_models

MODULE = "TumorSynth"
CASE_ATTRIBUTE = "TumorSynth.Case"
HOST, LESION = "TumorSynth.Host", "TumorSynth.Lesion"
BRAIN_MASK, BRAIN_SEGMENT = "TumorSynth.BrainMask", "TumorSynth.BrainSegment"
FOUND_BRAIN, FOUND_BY = "TumorSynth.FoundBrain", "TumorSynth.FoundBy"
FOUND_BRAIN_NAME = "{host} brain mask"

_cases: NodeMemory[SceneCase] = NodeMemory()


class SceneCase:
    """One per host volume. `of` and `all_in` give the same object for the same host as long as it is attached."""

    def __init__(self, node: slicer.vtkMRMLScriptedModuleNode) -> None:
        self.node = node
        self.lesions: list[SphereHandles] = []
        self.outputs = Outputs(self)
        self.wanted = display.Wanted()
        self.on_changed: Callable[[str], None] = lambda what: None
        """Told "host" when the host's voxels or its place in its own RAS changed, or whether it can be a host at all;
        "lesions" when spheres were removed from outside, "outputs" when one of them was; "removed" when the host went
        and the case with it."""
        self._observations = Observations()
        self._windows = Observations()
        self._observed_host: slicer.vtkMRMLScalarVolumeNode | None = None
        self._host_state: tuple | None = None
        self._host_refused = False
        self._brain: tuple[tuple, Brain] | None = None
        self._leaving: tuple[slicer.vtkMRMLNode | None, list[slicer.vtkMRMLNode]] = None, []
        self._busy = False
        self.outputs.on_made = self._watch_windows

    # -- finding cases

    @classmethod
    def of(cls, host_node: slicer.vtkMRMLScalarVolumeNode, create: bool = True) -> SceneCase | None:
        for case in cls.all_in(host_node.GetScene()):
            if case.host is host_node:
                return case
        if not create:
            return None
        node = slicer.vtkMRMLScriptedModuleNode()
        node.SetModuleName(MODULE)
        node.SetName(f"{host_node.GetName()} case")
        node.SetAttribute(CASE_ATTRIBUTE, "1")
        node.SetHideFromEditors(True)
        host_node.GetScene().AddNode(node)
        node.SetNodeReferenceID(HOST, host_node.GetID())
        return _case_of(node)

    @classmethod
    def all_in(cls, scene: slicer.vtkMRMLScene) -> list[SceneCase]:
        """Every case whose host is in the scene, attached."""
        class_name = "vtkMRMLScriptedModuleNode"
        count = scene.GetNumberOfNodesByClass(class_name)
        nodes = [scene.GetNthNodeByClass(number, class_name) for number in range(count)]
        return [_case_of(node) for node in nodes if node.GetAttribute(CASE_ATTRIBUTE) and node.GetNodeReference(HOST)]

    @property
    def host(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        return self.node.GetNodeReference(HOST) if self.node.GetScene() is not None else None

    @property
    def is_alive(self) -> bool:
        """Whether the case and its host are still in the scene."""
        return self.host is not None and self.host.GetScene() is not None

    # -- lesions

    def add(self, state: LesionState) -> SphereHandles:
        handles = SphereHandles.create(self.node.GetScene(), state, self.host)
        give_key(handles.node, [other.node for other in self.lesions])
        put_in_folder([handles.node, *self._folder_mates()], FOLDER_NAME.format(host=self.host.GetName()), self.host)
        self.lesions.append(handles)
        self.node.AddNodeReferenceID(LESION, handles.node.GetID())
        return handles

    def remove(self, handles: SphereHandles) -> None:
        """Takes a lesion away; the outputs show it until the next patch."""
        self.lesions.remove(handles)
        self._discard(handles)
        self._write_order()

    def states(self) -> tuple[LesionState, ...]:
        return tuple(handles.state for handles in self.lesions)

    def restore(self, states: Sequence[LesionState]) -> None:
        """Makes the lesions what they were. Those that are still there keep their nodes, known by what did not change
        about them: everything, or else the name, or else the number."""
        spare = list(self.lesions)
        restored: list[SphereHandles | None] = [None] * len(states)
        for alike in (_equal, _namesakes, _any):
            for number, state in enumerate(states):
                found = next((h for h in spare if alike(h.state, state)), None) if restored[number] is None else None
                if found is not None:
                    spare.remove(found)
                    restored[number] = found
        for handles in spare:
            self.remove(handles)
        self.lesions = [self._restored(handles, state) for handles, state in zip(restored, states, strict=True)]
        self._write_order()
        self.outputs.relabel()

    def _restored(self, handles: SphereHandles | None, state: LesionState) -> SphereHandles:
        if handles is None:
            return self.add(state)
        handles.state = state
        return handles

    def unused_name(self) -> str:
        names = {handles.state.name for handles in self.lesions}
        return next(name for n in range(1, len(names) + 2) if (name := f"Lesion {n}") not in names)

    def _write_order(self) -> None:
        was_modifying = self.node.StartModify()
        self.node.RemoveNodeReferenceIDs(LESION)
        for handles in self.lesions:
            self.node.AddNodeReferenceID(LESION, handles.node.GetID())
        self.node.EndModify(was_modifying)

    def _folder_mates(self) -> list[slicer.vtkMRMLNode]:
        return [*self.outputs.nodes, *(handles.node for handles in self.lesions)]

    def _discard(self, handles: SphereHandles) -> None:
        was_busy, self._busy = self._busy, True
        try:
            if self.node.GetScene() is not None:
                forget_item(self.node.GetScene(), handles.node)
            handles.remove()
        finally:
            self._busy = was_busy

    # -- brain

    @property
    def brain_mask_node(self) -> slicer.vtkMRMLNode | None:
        """The labelmap volume or segmentation that the user chose; None to have the brain found."""
        return self.node.GetNodeReference(BRAIN_MASK)

    @property
    def brain_segment_id(self) -> str | None:
        return self.node.GetAttribute(BRAIN_SEGMENT) or None

    def set_brain_mask(self, node: slicer.vtkMRMLNode | None, segment_id: str | None = None) -> None:
        self.node.SetNodeReferenceID(BRAIN_MASK, node.GetID() if node is not None else None)
        self.node.SetAttribute(BRAIN_SEGMENT, segment_id or "")

    @property
    def found_brain_node(self) -> slicer.vtkMRMLLabelMapVolumeNode | None:
        """Where the brain was found for this host, kept with the scene."""
        return self.node.GetNodeReference(FOUND_BRAIN)

    def keep_found_brain(self, mask: np.ndarray, method: str) -> None:
        node = self.found_brain_node
        if node is None:
            node = slicer.vtkMRMLLabelMapVolumeNode()
            node.SetName(FOUND_BRAIN_NAME.format(host=self.host.GetName()))
            node.SetDescription("The brain as TumorSynth found it")
            self.node.GetScene().AddNode(node)
            node.CreateDefaultDisplayNodes()
            self.node.SetNodeReferenceID(FOUND_BRAIN, node.GetID())
        write_brain_mask(mask, node, self.host)
        node.SetAndObserveTransformNodeID(self.host.GetTransformNodeID())
        self.node.SetAttribute(FOUND_BY, method)

    def brain(self) -> Brain | None:
        """The brain chosen, or else the brain found earlier; None if it has to be found. InputError says what is wrong
        with the chosen mask. The same object as long as mask and host stay."""
        mask_node = self.brain_mask_node or self.found_brain_node
        if mask_node is None:
            return None
        is_chosen = mask_node is self.brain_mask_node
        segment_id = self.brain_segment_id if is_chosen else None
        state = mask_state(mask_node, segment_id, self.host)
        if self._brain is None or self._brain[0] != state:
            try:
                mask = brain_mask_array(mask_node, segment_id, self.host)
            except InputError:
                if is_chosen:
                    raise
                return None  # found for the host as it was before
            method = "given" if is_chosen else self.node.GetAttribute(FOUND_BY) or "network"
            self._brain = state, Brain(mask, method, host_of(self.host).grid)
        return self._brain[1]

    # -- life in the scene

    def attach(self) -> None:
        """Takes up what is in the scene: after loading, or at once for a new case. Harmless to repeat."""
        if not self.is_alive:
            return
        _cases.keep(self.node, self)
        known = {handles.node.GetID(): handles for handles in self.lesions if handles.in_scene}
        count = self.node.GetNumberOfNodeReferences(LESION)
        nodes = [self.node.GetNthNodeReference(LESION, number) for number in range(count)]
        self.lesions = [known.get(node.GetID()) or SphereHandles(node) for node in nodes if is_spheres_node(node)]
        for handles in self.lesions:
            if not handles.node.GetAttribute(KEY_ATTRIBUTE):
                give_key(handles.node, [other.node for other in self.lesions])
        for role in (RESULT, MAP):
            self.outputs.dress(role)
        self._observe()
        self._follow_host()

    def detach(self) -> None:
        """Lets go of the scene; the nodes stay as they are."""
        self._observations.clear()
        self._windows.clear()
        self._observed_host = None
        for handles in self.lesions:
            handles.detach()
        _cases.forget(self.node)

    def remove_all(self) -> None:
        """Removes everything of the case but its host."""
        scene = self.node.GetScene()
        for handles in self.lesions:
            self._discard(handles)
        self.lesions = []
        self._busy = True
        if scene is not None:
            self.outputs.clear()
            remove_with_companions(self.found_brain_node)
        self.detach()
        if scene is not None:
            scene.RemoveNode(self.node)

    def _observe(self) -> None:
        if self._observed_host is self.host:
            return
        self._observations.clear()
        scene, host, add = self.node.GetScene(), self.host, self._observations.add
        add(scene, scene.StartCloseEvent, lambda *_: self.detach())
        add(scene, scene.NodeAboutToBeRemovedEvent, self._on_node_leaving)
        add(scene, scene.NodeRemovedEvent, self._on_node_removed)
        add(host, host.TransformModifiedEvent, self._on_host_transform)
        add(host, host.ImageDataModifiedEvent, self._on_host_changed)
        add(host, vtk.vtkCommand.ModifiedEvent, self._on_host_changed)
        self._observed_host = host
        self._host_state = _geometry(host)
        self._host_refused = why_not(host) is not None
        self._watch_windows()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_leaving(self, _scene: vtk.vtkObject, _event: str, node: slicer.vtkMRMLNode) -> None:
        """While its references still lead somewhere: what else goes when this node is gone."""
        if self._busy or not self.is_alive:
            return
        if node in self.outputs.nodes:
            self._leaving = node, companions(node)
            display.step_aside(self, node)
        elif any(handles.node is node for handles in self.lesions):
            models = leftover_models(node)
            self._leaving = node, [*companions(node), *(c for model in models for c in companions(model)), *models]

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_removed(self, _scene: vtk.vtkObject, _event: str, node: slicer.vtkMRMLNode) -> None:
        """Somebody removed a node, maybe one of ours: the case goes with its host, a lesion with its spheres."""
        if self._busy:
            return
        if node is self._observed_host:
            self.remove_all()
            self.on_changed("removed")
        elif node is self.node:
            self.detach()
        elif gone := [handles for handles in self.lesions if handles.node is node]:
            self.lesions = [handles for handles in self.lesions if handles not in gone]
            for handles in gone:
                handles.detach()
            self._forget_leaving()
            self._write_order()
            self.on_changed("lesions")
        elif node is self._leaving[0]:
            self._forget_leaving()
            self.on_changed("outputs")

    def _forget_leaving(self) -> None:
        node, others = self._leaving
        self._leaving = None, []
        if node is not None:
            forget_item(self.node.GetScene(), node)
            remove_all(self.node.GetScene(), others)

    # -- following the host

    def _on_host_transform(self, *_: object) -> None:
        if not self.is_alive:
            return
        self._follow_host()
        before, self._host_refused = self._host_refused, why_not(self.host) is not None
        if before != self._host_refused:  # under a non-linear transform now, or no longer
            self.on_changed("host")

    def _follow_host(self) -> None:
        transform_id = self.host.GetTransformNodeID()
        for node in [*(handles.node for handles in self.lesions), self.found_brain_node]:
            if node is not None and node.GetTransformNodeID() != transform_id:
                node.SetAndObserveTransformNodeID(transform_id)
        self.outputs.follow_transform()

    def _on_host_changed(self, *_: object) -> None:
        if not self.is_alive or self.host.GetImageData() is None:
            return
        before, now = self._host_state, _geometry(self.host)
        if now == before:
            return
        self._host_state = now
        moved = np.frombuffer(before[0]).reshape(4, 4), np.frombuffer(now[0]).reshape(4, 4)
        if before[0] != now[0] and before[1] == now[1]:
            self._move_lesions(moved[1] @ np.linalg.inv(moved[0]))
        if before[1] == now[1]:
            self.outputs.follow_geometry()
            if self.found_brain_node is not None:
                self.found_brain_node.SetIJKToRASMatrix(matrix_of(affine_of(self.host)))
        self.on_changed("host")

    def _move_lesions(self, matrix: np.ndarray) -> None:
        """The host was given another place in its own RAS (centered, or a transform hardened): its lesions go along."""
        for handles in self.lesions:
            center = matrix[:3, :3] @ np.array(handles.state.center_ras) + matrix[:3, 3]
            handles.state = replace(handles.state, center_ras=tuple(center.tolist()))

    def _watch_windows(self) -> None:
        """Brightness and contrast are the same before and after, whichever of the two the user adjusts."""
        self._windows.clear()
        shown = [self.host, self.outputs.result] if self.is_alive else []
        looks = [node.GetDisplayNode() for node in shown if node is not None and node.GetDisplayNode() is not None]
        if len(looks) == 2:
            for look, other in (looks, looks[::-1]):
                changed = _copier(look, other)
                self._windows.add(look, vtk.vtkCommand.ModifiedEvent, changed)


def _copier(source: vtk.vtkObject, target: vtk.vtkObject) -> Callable[..., None]:
    return lambda *_: copy_window(source, target)


def _case_of(node: slicer.vtkMRMLScriptedModuleNode) -> SceneCase:
    case = _cases.get(node)
    if case is None:
        case = SceneCase(node)
        case.attach()
    return case


def _geometry(host: slicer.vtkMRMLScalarVolumeNode) -> tuple[bytes, tuple[int, ...], int]:
    image = host.GetImageData()
    shape, changed = (image.GetDimensions(), image.GetMTime()) if image is not None else ((0, 0, 0), 0)
    return affine_of(host).tobytes(), shape, changed


def _equal(old: LesionState, new: LesionState) -> bool:
    return old == new


def _namesakes(old: LesionState, new: LesionState) -> bool:
    return old.name == new.name


def _any(old: LesionState, new: LesionState) -> bool:
    return True
