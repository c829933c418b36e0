"""A scene with three slice views and a 3D view, without Qt: mouse and keys are events of the views' own interactors,
which reach Slicer's interactor styles as in the desktop."""

from __future__ import annotations

import functools
import os

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import slicer
import vtk
from scipy.spatial.transform import Rotation

from TumorSynthLib.scene.keyboard import KeyboardControl
from TumorSynthLib.scene.lesion_state import LesionState
from TumorSynthLib.scene.slice_interaction import SliceInteraction
from TumorSynthLib.scene.sphere_handles import SphereHandles
from workbench.scene_core import SceneCore
from workbench.views import RenderedView, SliceView, ThreeDView

SLICES = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
SIZE = (360, 360)
CENTER = (12.0, 18.0, 24.0)
RADII = (18.0, 12.0, 6.0)
SHAPE = (60, 70, 60)


@dataclass
class Pointer:
    """The mouse over one view; places are world RAS or display pixels."""

    view: RenderedView
    step: int = 6

    def pixel(self, place: Sequence[float]) -> np.ndarray:
        return np.array(self.view.to_display(place) if len(place) == 3 else place, float)

    def send(self, event: str, place: Sequence[float], shift: bool = False, control: bool = False) -> None:
        x, y = np.rint(self.pixel(place)).astype(int).tolist()
        self.view.interactor.SetEventInformation(x, y, int(control), int(shift))
        self.view.interactor.InvokeEvent(event)

    def move(self, place: Sequence[float], **keys: bool) -> None:
        self.send("MouseMoveEvent", place, **keys)

    def press(self, place: Sequence[float], button: str = "Left", **keys: bool) -> None:
        self.move(place, **keys)
        self.send(f"{button}ButtonPressEvent", place, **keys)

    def release(self, place: Sequence[float], button: str = "Left", **keys: bool) -> None:
        self.send(f"{button}ButtonReleaseEvent", place, **keys)

    def pull(self, start: Sequence[float], end: Sequence[float], **keys: bool) -> None:
        """Moves with the button held."""
        start, end = self.pixel(start), self.pixel(end)
        for share in np.linspace(0, 1, self.step + 1)[1:]:
            self.move(start + share * (end - start), **keys)

    def drag(self, start: Sequence[float], end: Sequence[float], button: str = "Left", **keys: bool) -> None:
        start, end = self.pixel(start), self.pixel(end)
        self.view.interactor.InvokeEvent("EnterEvent")
        self.press(start, button, **keys)
        self.pull(start, end, **keys)
        self.release(end, button, **keys)

    def click(self, place: Sequence[float], button: str = "Left") -> None:
        self.view.interactor.InvokeEvent("EnterEvent")
        self.press(place, button)
        self.release(place, button)

    def key(self, symbol: str, shift: bool = False) -> None:
        self.view.interactor.SetKeyEventInformation(0, int(shift), "\0", 1, symbol)
        self.view.interactor.InvokeEvent("KeyPressEvent")
        self.view.interactor.InvokeEvent("CharEvent")
        self.view.interactor.SetKeyEventInformation(0, 0, "\0", 0, "")

    @property
    def cursor(self) -> int:
        return self.view.render_window.GetCurrentCursor()


@dataclass
class Stage:
    """The views, and lesions with the interactions that a module would give them."""

    core: SceneCore
    views: dict[str, RenderedView]
    volume: slicer.vtkMRMLScalarVolumeNode
    lesions: list[SphereHandles] = field(default_factory=list)
    interactions: list = field(default_factory=list)
    edits: list[tuple[str, bool]] = field(default_factory=list)
    chosen: list[SphereHandles] = field(default_factory=list)

    @property
    def scene(self) -> slicer.vtkMRMLScene:
        return self.core.scene

    def mouse(self, name: str) -> Pointer:
        return Pointer(self.views[name])

    def attach(self) -> None:
        for name, view in self.views.items():
            if name in SLICES:
                interaction = SliceInteraction(view.interactor, view.node, lambda: self.lesions)
                interaction.on_chosen = self.chosen.append
                self.interactions.append(interaction)
            self.interactions.append(KeyboardControl(view.interactor, view.node, lambda: self.lesions))

    def lesion(
        self,
        center: Sequence[float] = CENTER,
        radii: Sequence[float] = RADII,
        name: str = "Lesion 1",
        active: bool = True,
    ) -> SphereHandles:
        state = LesionState(name, tuple(map(float, center)), tuple(map(float, radii)), "ring")
        handles = SphereHandles.create(self.scene, state, self.volume)
        handles.active = active
        handles.on_edit = lambda handles, finished: self.edits.append((handles.state.name, finished))
        self.lesions.append(handles)
        return handles

    def jump(self, world: Sequence[float]) -> None:
        for name in SLICES:
            self.views[name].node.JumpSliceByOffsetting(*map(float, world))

    def transform(self, matrix: np.ndarray) -> slicer.vtkMRMLLinearTransformNode:
        """Puts the host, and the lesions that there are, under a transform."""
        node = self.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Host to world")
        node.SetMatrixTransformToParent(vtk_matrix(matrix))
        for member in (self.volume, *(handles.node for handles in self.lesions)):
            member.SetAndObserveTransformNodeID(node.GetID())
        return node

    def clear(self) -> None:
        for interaction in self.interactions:
            interaction.detach()
        for handles in self.lesions:
            handles.remove()
        self.volume.SetAndObserveTransformNodeID(None)
        for node in slicer.util.getNodesByClass("vtkMRMLLinearTransformNode", self.scene):
            self.scene.RemoveNode(node)
        for name, orientation in SLICES.items():
            self.views[name].node.SetOrientation(orientation)
            self.views[name].fit()
        self.lesions, self.interactions, self.edits, self.chosen = [], [], [], []

    def render(self) -> None:
        for view in self.views.values():
            view.render()

    def save(self, folder: Path, name: str) -> None:
        from PIL import Image

        pictures = [self.views[view].picture() for view in self.views]
        rows = [np.hstack(pictures[:2]), np.hstack(pictures[2:])]
        Image.fromarray(np.vstack(rows)).save(folder / f"{name}.png")


def observers(subject: vtk.vtkObject) -> int:
    """How many observers a VTK object has, as it prints itself."""
    return str(subject).count("vtkObserver (")


def vtk_matrix(matrix: np.ndarray) -> vtk.vtkMatrix4x4:
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, float).ravel())
    return result


def rigid(
    angles: Sequence[float], shift: Sequence[float] = (0, 0, 0), flips: Sequence[float] = (1, 1, 1)
) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * flips
    matrix[:3, 3] = shift
    return matrix


def turn(node: slicer.vtkMRMLSliceNode, angles: Sequence[float], through: Sequence[float]) -> None:
    """An oblique slice through a point."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(node.GetSliceToRAS())
    turned = rigid(angles) @ np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
    turned[:3, 3] = through
    node.GetSliceToRAS().DeepCopy(turned.ravel())
    node.UpdateMatrices()


def made_up_volume(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLScalarVolumeNode:
    """A soft ball of tissue, 2 mm voxels, centered on the origin."""
    steps = np.meshgrid(*(np.linspace(-1, 1, size) for size in SHAPE), indexing="ij")
    voxels = (900 * np.exp(-2 * sum(step**2 for step in steps))).astype(np.int16)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "head")
    node.SetSpacing(2, 2, 2)
    node.SetOrigin(*(-(size - 1.0) for size in SHAPE))
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(voxels.T))
    node.CreateDefaultDisplayNodes()
    return node


def view_node(scene: slicer.vtkMRMLScene, class_name: str, name: str) -> slicer.vtkMRMLAbstractViewNode:
    """The node of a view, as the layout names it; the one that is there, or a new one."""
    node = scene.GetSingletonNode(name, class_name)
    if node is None:
        node = scene.CreateNodeByClass(class_name)
        node.UnRegister(None)
        node.SetName(name)
        node.SetLayoutName(name)
        node.SetSingletonTag(name)
        scene.AddNode(node)
    return node


def open_stage(size: tuple[int, int] = SIZE, volume_file: Path | None = None) -> Stage:
    core = SceneCore()
    views: dict[str, RenderedView] = {}
    for name, orientation in SLICES.items():
        node = view_node(core.scene, "vtkMRMLSliceNode", name)
        node.SetOrientation(orientation)
        views[name] = SliceView(core, node)
    views["3D"] = ThreeDView(core, view_node(core.scene, "vtkMRMLViewNode", "1"))
    if volume_file is not None:
        volume = core.module_logics["Volumes"].AddArchetypeVolume(str(volume_file), "brain")
    else:
        volume = made_up_volume(core.scene)
    for name, view in views.items():
        view.resize(*size)
        if name in SLICES:
            view.composite_node.SetBackgroundVolumeID(volume.GetID())
            view.fit()
    return Stage(core, views, volume)


@functools.cache
def shared_stage() -> Stage:
    """One for all tests of a session; each clears it behind itself."""
    return open_stage()
