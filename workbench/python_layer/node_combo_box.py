"""qMRMLNodeComboBox: chooses a node of the scene, and creates, renames and deletes nodes."""

from __future__ import annotations

import slicer
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from workbench.python_layer.node_list import NodeList
from workbench.python_layer.pythonqt import pythonqt_class
from workbench.python_layer.ui_loader import custom_widget

_ROLE = QtCore.Qt.ItemDataRole.UserRole


def _filter_property(kind: type | str, field: str) -> Property:
    def change(self, value) -> None:
        setattr(self._list.filter, field, value)
        self._list.refresh()
        self._fill()

    return Property(kind, lambda self: getattr(self._list.filter, field), change)


def _shown_property(kind: type, field: str) -> Property:
    def change(self, value) -> None:
        self.__dict__[field] = value
        self._fill()

    return Property(kind, lambda self: self.__dict__[field], change)


@custom_widget
class qMRMLNodeComboBox(pythonqt_class(QtWidgets.QWidget)):
    """Offers the nodes of some types; follows the scene, names, attributes and HideFromEditors.

    Properties nodeTypes, showChildNodeTypes, hideChildNodeTypes, showHidden, noneEnabled, noneDisplay, addEnabled,
    removeEnabled, renameEnabled, editEnabled, selectNodeUponCreation, baseName, currentNodeID; signals
    currentNodeChanged, nodeAddedByUser, nodeActivated, nodeAboutToBeEdited (vtkMRMLNode*), currentNodeIDChanged,
    currentNodeRenamed (QString). As in Slicer the first node is chosen by itself unless `noneEnabled`, and when the
    chosen node goes, the row above it is chosen. Not covered: own menu actions, other models, sorting, several types
    to create from (the first of `nodeTypes` is created).
    """

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    currentNodeRenamed = Signal(str)
    nodeAddedByUser = Signal(object)
    nodeActivated = Signal(object)
    nodeAboutToBeEdited = Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._none_enabled, self._none_display, self._base_name = False, "None", ""
        self._add_enabled = self._remove_enabled = self._select_created = True
        self._rename_enabled = self._edit_enabled = False
        self._current_id = ""
        self._wanted_id = ""  # chosen before the scene or the node was there
        self._list = NodeList(self._fill)
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setFocusProxy(self._combo)
        self._combo.activated.connect(self._activated)
        self.destroyed.connect(lambda *_, nodes=self._list: nodes.stop())
        self._fill()

    nodeTypes = _filter_property("QStringList", "types")
    showChildNodeTypes = _filter_property(bool, "child_types")
    hideChildNodeTypes = _filter_property("QStringList", "hidden_child_types")
    showHidden = _filter_property(bool, "hidden_nodes")
    noneEnabled = _shown_property(bool, "_none_enabled")
    noneDisplay = _shown_property(str, "_none_display")
    addEnabled = _shown_property(bool, "_add_enabled")
    removeEnabled = _shown_property(bool, "_remove_enabled")
    renameEnabled = _shown_property(bool, "_rename_enabled")
    editEnabled = _shown_property(bool, "_edit_enabled")
    selectNodeUponCreation = _shown_property(bool, "_select_created")
    baseName = _shown_property(str, "_base_name")

    def setNodeTypes(self, types: list[str]) -> None:
        self.nodeTypes = list(types)

    def setNoneEnabled(self, enabled: bool) -> None:
        self.noneEnabled = enabled

    def setNoneDisplay(self, text: str) -> None:
        self.noneDisplay = text

    def setAddEnabled(self, enabled: bool) -> None:
        self.addEnabled = enabled

    def setRemoveEnabled(self, enabled: bool) -> None:
        self.removeEnabled = enabled

    def setRenameEnabled(self, enabled: bool) -> None:
        self.renameEnabled = enabled

    def setEditEnabled(self, enabled: bool) -> None:
        self.editEnabled = enabled

    def setShowHidden(self, shown: bool) -> None:
        self.showHidden = shown

    def setShowChildNodeTypes(self, shown: bool) -> None:
        self.showChildNodeTypes = shown

    def addAttribute(self, nodeType: str, attributeName: str, attributeValue: str | None = None) -> None:
        """Offers nodes of this type only if they have the attribute (with this value, if one is given)."""
        self._list.filter.attributes.setdefault(nodeType, {})[attributeName] = attributeValue
        self._list.refresh()

    def removeAttribute(self, nodeType: str, attributeName: str) -> None:
        self._list.filter.attributes.get(nodeType, {}).pop(attributeName, None)
        self._list.refresh()

    # -- the scene

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._list.scene

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is not self._list.scene:
            self._list.set_scene(scene)

    def nodes(self) -> list[slicer.vtkMRMLNode]:
        return self._list.nodes()

    def nodeCount(self) -> int:
        return len(self._list.nodes())

    def nodeFromIndex(self, index: int) -> slicer.vtkMRMLNode | None:
        nodes = self._list.nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    # -- the chosen node

    def currentNode(self) -> slicer.vtkMRMLNode | None:
        return self._list.scene.GetNodeByID(self._current_id) if self._list.scene and self._current_id else None

    def setCurrentNode(self, node: slicer.vtkMRMLNode | str | None) -> None:
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str | None) -> None:
        node_id = node_id or ""
        if node_id and node_id not in self._offered_ids():
            self._wanted_id = node_id
            node_id = ""
        else:
            self._wanted_id = ""
        self._choose(node_id)

    def setCurrentNodeIndex(self, index: int) -> None:
        self.setCurrentNode(self.nodeFromIndex(index))

    currentNodeID = Property(str, lambda self: self._current_id, setCurrentNodeID)

    def _offered_ids(self) -> list[str]:
        return [node.GetID() for node in self._list.nodes()]

    def _choose(self, node_id: str) -> None:
        self._combo.setCurrentIndex(self._combo.findData(node_id, _ROLE))
        if node_id != self._current_id:
            self._current_id = node_id
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(node_id)

    # -- the rows: "None", the nodes, what can be done

    def _fill(self) -> None:
        row_before = self._combo.currentIndex()
        name_before = self._combo.currentText()
        nodes = self._list.nodes()
        rows = [(self._none_display, "")] if self._none_enabled else []
        rows += [(node.GetName() or node.GetID(), node.GetID()) for node in nodes]
        self._combo.clear()
        for text, node_id in rows:
            self._combo.addItem(text)
            self._combo.setItemData(self._combo.count() - 1, node_id, _ROLE)
        self._add_actions(bool(rows))
        ids = [node_id for _, node_id in rows]
        if self._wanted_id in ids and self._wanted_id:
            wanted, self._wanted_id = self._wanted_id, ""
            self._choose(wanted)
        elif self._current_id in ids:
            self._choose(self._current_id)
            if self._current_id and self._combo.currentText() != name_before:
                self.currentNodeRenamed.emit(self._combo.currentText())
        elif ids and not (self._wanted_id and self._list.scene is None):
            self._choose(ids[min(max(row_before - 1, 0), len(ids) - 1)] if self._current_id else ids[0])
        else:
            self._choose("")

    def _add_actions(self, after_rows: bool) -> None:
        type_name = self._type_name()
        actions = {
            f"Create new {type_name}": self.addNode if self._add_enabled else None,
            f"Edit current {type_name}": self.editCurrentNode if self._edit_enabled else None,
            f"Rename current {type_name}": self.renameCurrentNode if self._rename_enabled else None,
            f"Delete current {type_name}": self.removeCurrentNode if self._remove_enabled else None,
        }
        self._actions = {text: action for text, action in actions.items() if action is not None}
        if self._actions and after_rows:
            self._combo.insertSeparator(self._combo.count())
        for text in self._actions:
            self._combo.addItem(text)

    def _type_name(self) -> str:
        if self._list.scene is None or not self.nodeTypes:
            return "node"
        node = self._list.scene.CreateNodeByClass(self.nodeTypes[0])
        if node is None:
            return "node"
        node.UnRegister(None)
        return node.GetTypeDisplayName()

    def _activated(self, row: int) -> None:
        action = self._actions.get(self._combo.itemText(row)) if self._combo.itemData(row, _ROLE) is None else None
        if action is not None:
            self._choose(self._current_id)
            action()
            return
        self._choose(self._combo.itemData(row, _ROLE) or "")
        self.nodeActivated.emit(self.currentNode())

    # -- what can be done

    def addNode(self, node_type: str | None = None) -> slicer.vtkMRMLNode | None:
        scene = self._list.scene
        if scene is None or not (node_type or self.nodeTypes):
            return None
        node = scene.CreateNodeByClass(node_type or self.nodeTypes[0])
        node.UnRegister(None)
        node.SetName(scene.GetUniqueNameByString(self._base_name or node.GetTypeDisplayName()))
        for name, value in self._list.filter.attributes.get(node.GetClassName(), {}).items():
            node.SetAttribute(name, value or "")
        scene.AddNode(node)
        if self._select_created:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        if self.currentNode() is not None:
            self._list.scene.RemoveNode(self.currentNode())

    def editCurrentNode(self) -> None:
        if self.currentNode() is not None:
            self.nodeAboutToBeEdited.emit(self.currentNode())

    def renameCurrentNode(self) -> None:
        node = self.currentNode()
        if node is None:
            return
        line = QtWidgets.QLineEdit.EchoMode.Normal
        name, agreed = QtWidgets.QInputDialog.getText(self, "Rename", "New name:", line, node.GetName())
        if agreed and name:
            node.SetName(name)

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._combo
