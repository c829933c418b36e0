"""qMRMLSegmentSelectorWidget: chooses a segmentation and one of its segments."""

from __future__ import annotations

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from workbench.python_layer.node_combo_box import qMRMLNodeComboBox
from workbench.python_layer.pythonqt import pythonqt_class
from workbench.python_layer.ui_loader import custom_widget

_ROLE = QtCore.Qt.ItemDataRole.UserRole


@custom_widget
class qMRMLSegmentSelectorWidget(pythonqt_class(QtWidgets.QWidget)):
    """Two combo boxes, one for the segmentation and one for its segment; they follow the scene.

    Properties noneEnabled (neither need be chosen), segmentationNodeSelectorVisible; signals
    currentNodeChanged(vtkMRMLNode*), currentSegmentChanged(QString). Not covered: several segments at once,
    representations.
    """

    currentNodeChanged = Signal(object)
    currentSegmentChanged = Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._segment_id = ""
        self._observed: list[tuple[vtk.vtkObject, int]] = []
        self._nodes = qMRMLNodeComboBox(self)
        self._nodes.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._nodes.addEnabled = self._nodes.removeEnabled = False
        self._segments = QtWidgets.QComboBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._nodes, 1)
        layout.addWidget(self._segments, 1)
        self._nodes.currentNodeChanged.connect(self._node_changed)
        self._segments.activated.connect(lambda row: self._choose(self._segments.itemData(row, _ROLE) or ""))
        self._fill()

    # -- scene and segmentation

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._nodes.mrmlScene()

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        self._nodes.setMRMLScene(scene)

    def currentNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        return self._nodes.currentNode()

    def currentNodeID(self) -> str:
        return self._nodes.currentNodeID

    def setCurrentNode(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        self._nodes.setCurrentNode(node)

    def setCurrentNodeID(self, node_id: str) -> None:
        self._nodes.setCurrentNodeID(node_id)

    def _node_changed(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        for observed, tag in self._observed:
            observed.RemoveObserver(tag)
        self._observed = []
        if node is not None:
            kind, segmentation = slicer.vtkSegmentation, node.GetSegmentation()
            for event in (kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified, kind.SegmentsOrderModified):
                self._observed.append((segmentation, segmentation.AddObserver(event, self._fill)))
        self._fill()
        self.currentNodeChanged.emit(node)

    # -- segment

    def currentSegmentID(self) -> str:
        return self._segment_id

    def setCurrentSegmentID(self, segment_id: str) -> None:
        known = self._segments.findData(segment_id, _ROLE) >= 0
        self._choose(segment_id if known else "")

    def _choose(self, segment_id: str) -> None:
        self._segments.setCurrentIndex(self._segments.findData(segment_id, _ROLE))
        if segment_id != self._segment_id:
            self._segment_id = segment_id
            self.currentSegmentChanged.emit(segment_id)

    def _fill(self, *_: object) -> None:
        node = self.currentNode()
        segmentation = node.GetSegmentation() if node is not None else None
        rows = [("None", "")] if self._nodes.noneEnabled else []
        for index in range(segmentation.GetNumberOfSegments() if segmentation else 0):
            segment_id = segmentation.GetNthSegmentID(index)
            rows.append((segmentation.GetSegment(segment_id).GetName(), segment_id))
        self._segments.clear()
        for text, segment_id in rows:
            self._segments.addItem(text)
            self._segments.setItemData(self._segments.count() - 1, segment_id, _ROLE)
        ids = [segment_id for _, segment_id in rows]
        self._choose(self._segment_id if self._segment_id in ids else ids[0] if ids else "")

    # -- what it shows

    def setNoneEnabled(self, enabled: bool) -> None:
        self._nodes.noneEnabled = enabled
        self._fill()

    def setSegmentationNodeSelectorVisible(self, visible: bool) -> None:
        self._nodes.setVisible(visible)

    noneEnabled = Property(bool, lambda self: self._nodes.noneEnabled, setNoneEnabled)
    segmentationNodeSelectorVisible = Property(
        bool, lambda self: not self._nodes.isHidden(), setSegmentationNodeSelectorVisible
    )
