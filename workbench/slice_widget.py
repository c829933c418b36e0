"""A slice view as a person sees it: the coloured bar with the offset slider, and the picture with its letters."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider

from .bars import ViewBar
from .canvas import Canvas
from .scene_core import SceneCore
from .view_frame import ViewFrame
from .views import SliceView

ORIENTATIONS = ("Axial", "Sagittal", "Coronal")
LETTERS = ("R", "L"), ("A", "P"), ("S", "I")
SLIDER_STEPS = 10_000
MARGIN = 6


def letter(direction_ras: np.ndarray) -> str:
    """Where a direction mostly points to: R, L, A, P, S or I."""
    axis = int(np.argmax(np.abs(direction_ras)))
    return LETTERS[axis][0 if direction_ras[axis] > 0 else 1]


class SliceCanvas(Canvas):
    """The picture of a slice, with orientation letters at its edges and the names of its volumes in a corner."""

    view: SliceView

    def sliceLogic(self) -> slicer.vtkMRMLSliceLogic:
        return self.view.logic

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:
        return self.view.node

    def edge_letters(self) -> dict[str, str]:
        """The letters at the left, right, top and bottom edge."""
        to_ras = self.view.node.GetSliceToRAS()
        right, up = (np.array([to_ras.GetElement(row, column) for row in range(3)]) for column in (0, 1))
        return {"left": letter(-right), "right": letter(right), "top": letter(up), "bottom": letter(-up)}

    def corner_lines(self) -> list[str]:
        composite = self.view.composite_node
        lines: list[str] = []
        if composite is None:
            return lines
        for mark, node_id, opacity in (
            ("L", composite.GetLabelVolumeID(), composite.GetLabelOpacity()),
            ("F", composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()),
            ("B", composite.GetBackgroundVolumeID(), None),
        ):
            node = self.view.core.scene.GetNodeByID(node_id) if node_id else None
            if node is not None and opacity != 0:
                share = "" if opacity is None else f" ({opacity:.0%})"
                lines.append(f"{mark}: {node.GetName()}{share}")
        return lines

    def paint_over(self, painter: QPainter, area: QRect) -> None:
        font = self.font()
        font.setPixelSize(13)
        painter.setFont(font)
        inside = area.adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        if self.view.logic.GetBackgroundLayer() and self.view.logic.GetBackgroundLayer().GetVolumeNode():
            edges = self.edge_letters()
            middle, center = Qt.AlignmentFlag.AlignVCenter, Qt.AlignmentFlag.AlignHCenter
            _write(painter, inside, middle | Qt.AlignmentFlag.AlignLeft, edges["left"])
            _write(painter, inside, middle | Qt.AlignmentFlag.AlignRight, edges["right"])
            _write(painter, inside, center | Qt.AlignmentFlag.AlignTop, edges["top"])
            _write(painter, inside, center | Qt.AlignmentFlag.AlignBottom, edges["bottom"])
        corner = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom
        _write(painter, inside, corner, "\n".join(self.corner_lines()))


def _write(painter: QPainter, area: QRect, where: Qt.AlignmentFlag, text: str) -> None:
    """Light letters with a dark shadow, readable on bright and on dark."""
    painter.setPen(QColor(0, 0, 0, 200))
    painter.drawText(area.translated(1, 1), where, text)
    painter.setPen(QColor(235, 235, 235))
    painter.drawText(area, where, text)


class SliceBar(ViewBar):
    """Stands for qMRMLSliceControllerWidget: which slice is shown, and how."""

    def __init__(self, view: SliceView) -> None:
        super().__init__(view.node.GetLayoutColor(), view.node.GetLayoutLabel())
        self.view = view
        self._updating = False
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, SLIDER_STEPS)
        self.slider.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.slider.setToolTip("Position of the slice")
        self.offset = QDoubleSpinBox()
        self.offset.setDecimals(3)
        self.offset.setSuffix(" mm")
        self.offset.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.offset.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.offset.setFixedWidth(96)
        self.offset.setToolTip("Position of the slice in millimetres")
        self.offset.setKeyboardTracking(False)
        layout: QHBoxLayout = self.layout()
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.offset)
        self._low, self._high = -100.0, 100.0
        self._fill_menu()
        self.slider.valueChanged.connect(self._on_slider)
        self.slider.sliderPressed.connect(lambda: self.view.logic.StartSliceOffsetInteraction())
        self.slider.sliderReleased.connect(lambda: self.view.logic.EndSliceOffsetInteraction())
        self.offset.valueChanged.connect(self.set_offset)
        # Not the composite node itself: closing the scene takes it away for a while.
        for thing, event in (
            (view.node, vtk.vtkCommand.ModifiedEvent),
            (view.logic, vtk.vtkCommand.ModifiedEvent),
            (view.logic, slicer.vtkMRMLSliceLogic.CompositeModifiedEvent),
        ):
            self.observed.add(thing, event, self._on_modified)
        self.refresh()

    def set_offset(self, millimetres: float) -> None:
        if not self._updating:
            self.view.logic.StartSliceOffsetInteraction()
            self.view.logic.SetSliceOffset(millimetres)
            self.view.logic.EndSliceOffsetInteraction()

    def setSliceOffsetValue(self, millimetres: float) -> None:
        self.set_offset(millimetres)

    def setSliceVisible(self, visible: bool) -> None:
        """Whether 3D views show this slice."""
        self.view.node.SetSliceVisible(visible)

    def setSliceLink(self, linked: bool) -> None:
        for logic in _items(self.view.core.application_logic.GetSliceLogics()):
            logic.GetSliceCompositeNode().SetLinkedControl(linked)

    def fitSliceToBackground(self) -> None:
        logic = self.view.logic
        logic.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.ResetFieldOfViewFlag)
        self.view.fit()
        logic.EndSliceNodeInteraction()

    def sliceOffsetSlider(self) -> QSlider:
        return self.slider

    def _fill_menu(self) -> None:
        self.add_button("fit", "Adjust the field of view to the volume (r)").clicked.connect(self.fitSliceToBackground)
        menu = self.menu
        menu.addAction("Reset field of view", self.fitSliceToBackground)
        self.linked = menu.addAction("Link slice controls (all views)")
        self.linked.setCheckable(True)
        self.linked.toggled.connect(self._on_linked)
        self.shown = menu.addAction("Show slice in 3D")
        self.shown.setCheckable(True)
        self.shown.toggled.connect(self._on_shown)
        menu.addSeparator()
        for name in ORIENTATIONS:
            menu.addAction(name, lambda name=name: self.view.node.SetOrientation(name))
        menu.addAction("Rotate to volume plane", lambda: self.view.logic.RotateSliceToLowestVolumeAxes(True))

    def _on_linked(self, linked: bool) -> None:
        if not self._updating:
            self.setSliceLink(linked)

    def _on_shown(self, shown: bool) -> None:
        if not self._updating:
            self.setSliceVisible(shown)

    def _on_slider(self, step: int) -> None:
        if not self._updating:
            self.set_offset(self._low + (self._high - self._low) * step / SLIDER_STEPS)

    def _on_modified(self, *_: object) -> None:
        self.refresh()

    def refresh(self) -> None:
        node, logic, composite = self.view.node, self.view.logic, self.view.composite_node
        if composite is None:
            return
        limits, resolution = [0.0, 0.0], vtk.reference(1.0)
        logic.GetSliceOffsetRangeResolution(limits, resolution)
        offset = logic.GetSliceOffset()
        self._updating = True
        if limits[1] > limits[0]:
            self._low, self._high = limits
        self.slider.setPageStep(max(1, round(SLIDER_STEPS * 5 * resolution.get() / (self._high - self._low))))
        self.slider.setSingleStep(max(1, round(SLIDER_STEPS * resolution.get() / (self._high - self._low))))
        self.slider.setValue(round((offset - self._low) / (self._high - self._low) * SLIDER_STEPS))
        self.offset.setRange(min(self._low, offset), max(self._high, offset))
        self.offset.setSingleStep(resolution.get())
        to_ras = node.GetSliceToRAS()
        normal = np.array([to_ras.GetElement(row, 2) for row in range(3)])
        # The letter of the direction in which the millimetres count.
        self.offset.setPrefix(f"{letter(normal)}: ")
        self.offset.setValue(offset)
        self.linked.setChecked(bool(composite.GetLinkedControl()))
        self.shown.setChecked(bool(node.GetSliceVisible()))
        self._updating = False


def _items(collection: vtk.vtkCollection) -> list[vtk.vtkObject]:
    return [collection.GetItemAsObject(index) for index in range(collection.GetNumberOfItems())]


class SliceWidget(ViewFrame):
    """Stands for qMRMLSliceWidget."""

    view: SliceView
    bar: SliceBar
    canvas: SliceCanvas

    def __init__(self, core: SceneCore, node: slicer.vtkMRMLSliceNode) -> None:
        view = SliceView(core, node)
        super().__init__(view, SliceBar(view), SliceCanvas(view), f"qMRMLSliceWidget{node.GetLayoutName()}")

    def sliceView(self) -> SliceCanvas:
        return self.canvas

    def sliceController(self) -> SliceBar:
        return self.bar

    def sliceLogic(self) -> slicer.vtkMRMLSliceLogic:
        return self.view.logic

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:
        return self.view.node

    def fitSliceToBackground(self) -> None:
        self.bar.fitSliceToBackground()
