"""The layout manager: which views there are and how they share the window, by Slicer's own layout descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import slicer
import vtk
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QSplitter, QTabWidget, QVBoxLayout, QWidget

from TumorSynthLib.scene.observations import Observations

from .scene_core import SceneCore
from .slice_widget import SliceWidget
from .threed_widget import ThreeDWidget

ViewWidget = SliceWidget | ThreeDWidget
DEFAULT_LAYOUT = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView


class LayoutManager(QObject):
    """Stands for qSlicerLayoutManager. Views are made when a layout first shows them, and kept."""

    layoutChanged = Signal(int)
    activeMRMLThreeDViewNodeChanged = Signal(object)

    def __init__(self, core: SceneCore) -> None:
        super().__init__()
        self.core = core
        self.viewport = QWidget()
        self.viewport.setObjectName("CentralWidgetLayoutFrame")
        QVBoxLayout(self.viewport).setContentsMargins(0, 0, 0, 0)
        self._slices: dict[str, SliceWidget] = {}
        self._three_ds: dict[str, ThreeDWidget] = {}
        self._content: QWidget | None = None
        self._shown: tuple[int, str] | None = None
        self._paused = 0
        self._observed = Observations()
        self._observed.add(core.layout_node, vtk.vtkCommand.ModifiedEvent, self._on_layout_node)
        logic = core.application_logic
        self._observed.add(logic, slicer.vtkMRMLApplicationLogic.PauseRenderEvent, self._on_pause)
        self._observed.add(logic, slicer.vtkMRMLApplicationLogic.ResumeRenderEvent, self._on_resume)
        core.layout_node.SetViewArrangement(DEFAULT_LAYOUT)
        self._on_layout_node()

    # -- what modules call in desktop Slicer

    def sliceViewNames(self) -> list[str]:
        return list(self._slices)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        return self._slices.get(name)

    def threeDWidget(self, which: int | str) -> ThreeDWidget | None:
        if isinstance(which, str):
            return self._three_ds.get(which)
        widgets = list(self._three_ds.values())
        return widgets[which] if 0 <= which < len(widgets) else None

    @property
    def threeDViewCount(self) -> int:
        return len(self._three_ds)

    tableViewCount = 0
    plotViewCount = 0

    @property
    def layout(self) -> int:
        return self.core.layout_node.GetViewArrangement()

    @layout.setter
    def layout(self, layout: int) -> None:
        self.setLayout(layout)

    def setLayout(self, layout: int) -> None:
        self.core.layout_node.SetViewArrangement(layout)

    def layoutLogic(self) -> slicer.vtkMRMLLayoutLogic:
        return self.core.layout_logic

    def mrmlScene(self) -> slicer.vtkMRMLScene:
        return self.core.scene

    def mrmlSliceLogics(self) -> vtk.vtkCollection:
        return self.core.application_logic.GetSliceLogics()

    def mrmlViewLogics(self) -> vtk.vtkCollection:
        return self.core.application_logic.GetViewLogics()

    def resetSliceViews(self) -> None:
        self.core.application_logic.FitSliceToBackground()

    def resetThreeDViews(self) -> None:
        for widget in self._three_ds.values():
            widget.view.fit()

    def activeMRMLThreeDViewNode(self) -> slicer.vtkMRMLViewNode | None:
        widget = self.threeDWidget(0)
        return widget.view.node if widget else None

    def activeThreeDRenderer(self) -> vtk.vtkRenderer | None:
        widget = self.threeDWidget(0)
        return widget.view.renderer if widget else None

    # -- for the workbench

    def view_widgets(self) -> Iterator[ViewWidget]:
        yield from self._slices.values()
        yield from self._three_ds.values()

    def find(self, name: str) -> ViewWidget:
        """By layout name: "Red", "Green", "Yellow", or "1" and "3D" for the first 3D view."""
        widget = self._slices.get(name) or self._three_ds.get(name) or (self.threeDWidget(0) if name == "3D" else None)
        if widget is None:
            raise KeyError(f"no view {name!r}; there are {', '.join([*self._slices, *self._three_ds])}")
        return widget

    def close(self) -> None:
        self._observed.clear()
        for widget in self.view_widgets():
            widget.close_view()

    # -- building

    def _on_layout_node(self, *_: object) -> None:
        node = self.core.layout_node
        wanted = node.GetViewArrangement(), self._description()
        if wanted == self._shown or not wanted[1].strip():
            return
        self._shown = wanted
        self._build(ElementTree.fromstring(wanted[1]))
        self.layoutChanged.emit(wanted[0])

    def _description(self) -> str:
        """What the layout node says, or one view alone that was maximized by a double click."""
        node = self.core.layout_node
        description = node.GetCurrentLayoutDescription() or ""
        if node.GetNumberOfMaximizedViewNodes():
            return self.core.layout_logic.GetMaximizedViewLayoutDescription(node.GetMaximizedViewNode(0), description)
        return description

    def _build(self, description: ElementTree.Element) -> None:
        old = self._content
        for widget in self.view_widgets():
            widget.hide()
            widget.setParent(self.viewport)
        self._content = self._element(description)
        self.viewport.layout().addWidget(self._content)
        self._content.show()
        if old is not None:
            self.viewport.layout().removeWidget(old)
            old.deleteLater()

    def _element(self, element: ElementTree.Element) -> QWidget:
        return self._view(element) if element.tag == "view" else self._group(element)

    def _group(self, element: ElementTree.Element) -> QWidget:
        kind = element.get("type", "vertical")
        if kind == "tab":
            tabs = QTabWidget()
            for item in element.findall("item"):
                tabs.addTab(self._element(item[0]), item.get("name", ""))
            return tabs
        if kind == "grid":
            box = QWidget()
            grid = QGridLayout(box)
            grid.setContentsMargins(0, 0, 0, 0)
            grid.setSpacing(2)
            for item in element.findall("item"):
                place = (int(item.get(name, default)) for name, default in _CELL)
                grid.addWidget(self._element(item[0]), *place)
            return box
        splitter = QSplitter(Qt.Orientation.Horizontal if kind == "horizontal" else Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(3)
        for item in element.findall("item"):
            splitter.addWidget(self._element(item[0]))
        share = [int(item.get("splitSize", 0)) or 1000 for item in element.findall("item")]
        splitter.setSizes(share)
        return splitter

    def _view(self, element: ElementTree.Element) -> QWidget:
        kind, name = element.get("class", ""), element.get("singletontag", "")
        node = self.core.scene.GetSingletonNode(name, kind)
        if kind == "vtkMRMLSliceNode" and node is not None:
            widget: QWidget = self._slices.get(name) or self._slices.setdefault(name, SliceWidget(self.core, node))
        elif kind == "vtkMRMLViewNode" and node is not None:
            widget = self._three_ds.get(name) or self._three_ds.setdefault(name, ThreeDWidget(self.core, node))
        else:
            label = QLabel("This kind of view is not in the workbench.")
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            return label
        widget.setVisible(True)
        return widget

    def _on_pause(self, *_: object) -> None:
        for widget in self.view_widgets():
            widget.canvas.pause()

    def _on_resume(self, *_: object) -> None:
        for widget in self.view_widgets():
            widget.canvas.resume()


_CELL = (("row", "0"), ("column", "0"), ("rowspan", "1"), ("colspan", "1"))
