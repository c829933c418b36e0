"""The 3D view as a person sees it."""

from __future__ import annotations

import slicer
import vtk

from .bars import ViewBar
from .canvas import Canvas
from .scene_core import SceneCore
from .view_frame import ViewFrame
from .views import ThreeDView

AXES = ("Left", "Right", "Posterior", "Anterior", "Inferior", "Superior")


class ThreeDCanvas(Canvas):
    """Stands for qMRMLThreeDView."""

    view: ThreeDView

    def mrmlViewNode(self) -> slicer.vtkMRMLViewNode:
        return self.view.node

    def cameraNode(self) -> slicer.vtkMRMLCameraNode | None:
        return self.view.camera_node

    def resetFocalPoint(self) -> None:
        self.view.reset_focal_point()

    def resetCamera(self) -> None:
        self.view.fit()

    def rotateToViewAxis(self, axis: int) -> None:
        """0 to 5: seen from the left, right, behind, the front, below, above."""
        self.view.look_from(axis)


class ThreeDBar(ViewBar):
    """Stands for qMRMLThreeDViewControllerWidget."""

    def __init__(self, view: ThreeDView) -> None:
        super().__init__(view.node.GetLayoutColor(), view.node.GetLayoutLabel())
        self.view = view
        self.add_button("fit", "Center the view on what it shows").clicked.connect(self.resetFocalPoint)
        self.layout().addStretch(1)
        for number, name in enumerate(AXES):
            self.menu.addAction(f"Look from {name.lower()}", lambda number=number: self.view.look_from(number))
        self.menu.addSeparator()
        self.box = self.menu.addAction("Box and axis labels")
        self.box.setCheckable(True)
        self.observed.add(view.node, vtk.vtkCommand.ModifiedEvent, self._follow_box)
        self._follow_box()
        self.box.toggled.connect(self._show_box)

    def resetFocalPoint(self) -> None:
        self.view.fit()

    def _follow_box(self, *_: object) -> None:
        self.box.setChecked(bool(self.view.node.GetBoxVisible()))

    def _show_box(self, shown: bool) -> None:
        self.view.node.SetBoxVisible(shown)
        self.view.node.SetAxisLabelsVisible(shown)


class ThreeDWidget(ViewFrame):
    """Stands for qMRMLThreeDWidget."""

    view: ThreeDView
    bar: ThreeDBar
    canvas: ThreeDCanvas

    def __init__(self, core: SceneCore, node: slicer.vtkMRMLViewNode) -> None:
        view = ThreeDView(core, node)
        super().__init__(view, ThreeDBar(view), ThreeDCanvas(view), f"ThreeDWidget{node.GetLayoutName()}")

    def threeDView(self) -> ThreeDCanvas:
        return self.canvas

    def threeDController(self) -> ThreeDBar:
        return self.bar

    def mrmlViewNode(self) -> slicer.vtkMRMLViewNode:
        return self.view.node

    def viewLogic(self) -> slicer.vtkMRMLViewLogic:
        return self.view.logic
