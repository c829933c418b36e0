"""The TumorSynth module in the workbench, used as a person uses it: by clicks, drags and keys."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import slicer
import vtk
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QTableWidget, QWidget
from vtk.util.numpy_support import get_vtk_array_type

from phantoms import phantom
from TumorSynthLib.host import HostBrain
from TumorSynthLib.scene.host_volume import matrix_of, voxels_of
from TumorSynthLib.scene.lesion_editor import LesionEditor
from TumorSynthLib.scene.lesion_state import LesionState
from workbench import Workbench

SLICE_VIEWS = ("Red", "Green", "Yellow")
PLACE = (30.0, 10.0, 25.0)


class ModuleBench:
    def __init__(self) -> None:
        self.bench = Workbench.open(size=(1300, 900), module="TumorSynth", testing=True)

    @property
    def widget(self):
        return self.bench.module_widget

    @property
    def ui(self):
        return self.widget.ui

    @property
    def editor(self) -> LesionEditor:
        return self.widget.editor

    @property
    def state(self) -> LesionState:
        return self.editor.chosen.state

    # -- waiting

    def until(self, reached: Callable[[], bool], seconds: float = 60) -> None:
        ends = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < ends, f"not reached: {self.ui.statusLabel.text} {self.editor.complaint}"
            self.bench.process_events(0.005)

    def settle(self) -> None:
        """Until everything asked for is there."""
        self.bench.process_events()
        self.until(lambda: not (self.editor.at_work or self.widget.settleTimer.active))
        self.bench.process_events()

    # -- hosts

    def add_host(self, host: HostBrain | None = None, brain: np.ndarray | None = None, name: str = "Head", **grid):
        """A made-up brain in the scene, chosen, with its mask chosen too, so that no network has to look for it."""
        if host is None:
            host, brain = phantom(**{"spacing_mm": (2.0, 2.0, 2.0), **grid})
        node = volume_node("vtkMRMLScalarVolumeNode", name, host.voxels, host.affine)
        mask = volume_node("vtkMRMLLabelMapVolumeNode", f"{name} mask", brain.astype(np.uint8), host.affine)
        self.widget._parameterNode.host = node
        self.bench.process_events()
        self.editor.choose_brain_mask(mask)
        self.settle()
        self.show(PLACE)
        return node

    def show(self, world: Sequence[float]) -> None:
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            node.JumpSliceByOffsetting(*world)
        self.bench.process_events()

    def clear(self) -> None:
        self.editor.cancel()
        self.bench.close_scene()
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            node.SetOrientationToDefault()
        self.bench.process_events()

    # -- what a person does

    def click(self, button: QWidget) -> None:
        """On a button of the panel, which is scrolled there first."""
        assert button.property("enabled"), f"{button.property('text')}: {button.property('toolTip')}"
        self.reveal(button)
        size = button.property("size")
        self.bench.mouse.click(button, (size.width() / 2, size.height() / 2))
        self.bench.process_events()

    def reveal(self, widget: QWidget) -> None:
        self.bench.window.panel.scroll.ensureWidgetVisible(widget)
        self.bench.process_events()

    def place(self, view: str = "Red", at: Sequence[float] = PLACE) -> LesionState:
        self.click(self.ui.placeButton)
        self.bench.mouse.click(view, at)
        self.settle()
        return self.state

    def add(self, **fields) -> LesionState:
        """A lesion without clicks, for tests of what comes after."""
        given = {"name": self.editor.case.unused_name(), "center_ras": PLACE, "radii_mm": (12.0, 8.0, 4.0), **fields}
        self.editor.add(LesionState(**given))
        self.settle()
        return self.state

    def choose_row(self, row: int) -> None:
        table: QTableWidget = self.ui.lesionTable
        self.reveal(table)
        place = QTableWidget.visualItemRect(table, table.item(row, 1)).center()
        viewport = QTableWidget.viewport(table)
        self.bench.mouse.click(viewport, (place.x(), place.y()))
        self.bench.process_events()

    def type_into(self, widget: QWidget, text: str) -> None:
        self.reveal(widget)
        widget.setFocus()
        QTest.keySequence(widget, "Ctrl+A")
        QTest.keyClicks(widget, text)
        QTest.keyClick(widget, Qt.Key.Key_Return)
        self.bench.process_events()

    def press_groove(self, slider, share: float) -> None:
        """A slider dragged by its handle to a share of its length."""
        from PySide6.QtWidgets import QSlider

        bar = slider.findChildren(QSlider)[0]
        self.reveal(slider)
        value = QSlider.value(bar)
        low, high = QSlider.minimum(bar), QSlider.maximum(bar)
        width, height = bar.property("width"), bar.property("height")
        at = 6 + (width - 12) * (value - low) / max(high - low, 1)
        self.bench.mouse.drag(bar, (at, height / 2), (6 + (width - 12) * share, height / 2), steps=5)

    # -- where things are on the screen

    def axes(self, view: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """World directions of right, up and towards the viewer in a slice view."""
        matrix = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{view}").GetSliceToRAS()
        return tuple(np.array([matrix.GetElement(r, c) for r in range(3)]) for c in range(3))

    def on_ring(self, view: str, center: Sequence[float], radius: float, offset_mm: float = 0.0) -> np.ndarray:
        """A place on a sphere's ring, to the upper right, on the slice at a distance from the center."""
        right, up, normal = self.axes(view)
        inplane = np.sqrt(radius**2 - offset_mm**2)
        return np.array(center) + offset_mm * normal + inplane * (right + up) / np.sqrt(2)

    # -- what there is

    def nodes(self) -> Counter:
        scene = slicer.mrmlScene
        return Counter(scene.GetNthNode(n).GetClassName() for n in range(scene.GetNumberOfNodes()))


def volume_node(class_name: str, name: str, voxels: np.ndarray, affine: np.ndarray):
    image = vtk.vtkImageData()
    image.SetDimensions(voxels.shape)
    image.AllocateScalars(get_vtk_array_type(voxels.dtype), 1)
    node = slicer.mrmlScene.AddNewNodeByClass(class_name, name)
    node.SetIJKToRASMatrix(matrix_of(affine))
    node.SetAndObserveImageData(image)
    voxels_of(node)[:] = voxels
    image.Modified()
    node.CreateDefaultDisplayNodes()
    return node


def linear_transform(matrix: np.ndarray):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Tilted")
    node.SetMatrixTransformToParent(matrix_of(matrix))
    return node


def point_of(widget: QWidget) -> QPoint:
    return widget.rect().center()
