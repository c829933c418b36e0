"""qMRMLNodeComboBox and qMRMLSegmentSelectorWidget follow a real scene."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import slicer.util
from PySide6 import QtCore, QtTest, QtWidgets

from standins import choose, rows, stand_ins

VOLUME, LABELMAP = "vtkMRMLScalarVolumeNode", "vtkMRMLLabelMapVolumeNode"


@pytest.fixture
def scene():
    with stand_ins() as application:
        yield application.mrmlScene()


@pytest.fixture
def selector(scene):
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = [VOLUME]
    selector.addEnabled = selector.removeEnabled = False
    selector.setMRMLScene(scene)
    yield selector
    selector.setMRMLScene(None)


def names(selector) -> list[str]:
    return rows(selector.comboBox())


def chosen(selector) -> str | None:
    node = selector.currentNode()
    return None if node is None else node.GetName()


def test_the_first_node_is_chosen_by_itself(scene, selector):
    heard = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", heard.append)
    assert chosen(selector) is None
    node = scene.AddNewNodeByClass(VOLUME, "A")
    scene.AddNewNodeByClass(VOLUME, "B")
    assert names(selector) == ["A", "B"]
    assert heard == [node]


def test_none_stays_chosen_where_it_is_allowed(scene, selector):
    selector.noneEnabled = True
    selector.noneDisplay = "Choose..."
    scene.AddNewNodeByClass(VOLUME, "A")
    assert names(selector) == ["Choose...", "A"]
    assert chosen(selector) is None and selector.currentNodeID == ""


def test_a_person_chooses(scene, selector):
    told, activated = [], []
    selector.connect("currentNodeIDChanged(QString)", told.append)
    selector.connect("nodeActivated(vtkMRMLNode*)", activated.append)
    scene.AddNewNodeByClass(VOLUME, "A")
    second = scene.AddNewNodeByClass(VOLUME, "B")
    choose(selector.comboBox(), "B")
    assert chosen(selector) == "B"
    assert told[-1] == second.GetID()
    assert activated == [second]


def test_names_follow(scene, selector):
    node, renamed = scene.AddNewNodeByClass(VOLUME, "A"), []
    selector.connect("currentNodeRenamed(QString)", renamed.append)
    node.SetName("Head")
    assert names(selector) == ["Head"]
    assert renamed == ["Head"]


def test_a_node_that_goes_leaves_the_row_above_it(scene, selector):
    nodes = [scene.AddNewNodeByClass(VOLUME, name) for name in "ABC"]
    selector.setCurrentNode(nodes[2])
    scene.RemoveNode(nodes[2])
    assert chosen(selector) == "B"
    selector.noneEnabled = True
    selector.setCurrentNode(nodes[0])
    scene.RemoveNode(nodes[0])
    assert chosen(selector) is None


def test_hidden_nodes_are_not_offered(scene, selector):
    node = scene.AddNewNodeByClass(VOLUME, "A")
    node.SetHideFromEditors(True)
    assert names(selector) == [] and chosen(selector) is None
    selector.showHidden = True
    assert names(selector) == ["A"]
    selector.showHidden = False
    node.SetHideFromEditors(False)
    assert chosen(selector) == "A"


def test_child_types_are_offered_unless_refused(scene, selector):
    scene.AddNewNodeByClass(LABELMAP, "Mask")
    assert names(selector) == ["Mask"]
    selector.showChildNodeTypes = False
    assert names(selector) == []
    selector.showChildNodeTypes = True
    selector.hideChildNodeTypes = [LABELMAP]
    assert names(selector) == []


def test_attributes_choose(scene, selector):
    node = scene.AddNewNodeByClass(VOLUME, "A")
    selector.addAttribute(VOLUME, "Kind", "MR")
    assert names(selector) == []
    node.SetAttribute("Kind", "CT")
    assert names(selector) == []
    node.SetAttribute("Kind", "MR")
    assert names(selector) == ["A"]
    selector.removeAttribute(VOLUME, "Kind")
    node.RemoveAttribute("Kind")
    assert names(selector) == ["A"]


def test_batches_are_followed_once_they_are_over(scene, selector):
    told = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", told.append)
    scene.StartState(scene.BatchProcessState)
    for name in "ABC":
        scene.AddNewNodeByClass(VOLUME, name)
    assert names(selector) == [] and told == []
    scene.EndState(scene.BatchProcessState)
    assert names(selector) == ["A", "B", "C"] and len(told) == 1


def test_a_scene_that_closes_and_loads(scene, selector, tmp_path):
    slicer.util.addVolumeFromArray(np.zeros((3, 3, 3)), name="Kept")
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear(False)
    assert names(selector) == [] and chosen(selector) is None
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert names(selector) == ["Kept"] and chosen(selector) == "Kept"


def test_creating_and_removing_by_the_list(scene, selector):
    created = []
    selector.connect("nodeAddedByUser(vtkMRMLNode*)", created.append)
    selector.addEnabled = selector.removeEnabled = True
    selector.baseName = "New one"
    choose(selector.comboBox(), "Create new Volume")
    assert chosen(selector) == "New one" and created == [selector.currentNode()]
    choose(selector.comboBox(), "Create new Volume")
    assert chosen(selector) == "New one_1"
    choose(selector.comboBox(), "Delete current Volume")
    assert [node.GetName() for node in selector.nodes()] == ["New one"]


def test_a_node_may_be_chosen_before_the_scene_is_known(scene):
    scene.AddNewNodeByClass(VOLUME, "A")
    node = scene.AddNewNodeByClass(VOLUME, "B")
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = [VOLUME]
    selector.setCurrentNode(node)
    selector.setMRMLScene(scene)
    assert chosen(selector) == "B"


def test_a_node_of_another_type_is_not_chosen(scene, selector):
    scene.AddNewNodeByClass(VOLUME, "A")
    selector.noneEnabled = True
    selector.setCurrentNode(scene.AddNewNodeByClass("vtkMRMLModelNode", "M"))
    assert chosen(selector) is None


def test_changing_voxels_costs_nothing(scene, selector):
    node = slicer.util.addVolumeFromArray(np.zeros((3, 3, 3)), name="A")
    told = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", told.append)
    selector.comboBox().model().rowsInserted.connect(lambda *_: told.append("rows"))
    for _ in range(10):
        slicer.util.arrayFromVolumeModified(node)
        node.Modified()
    assert told == []


def test_a_deleted_selector_leaves_the_scene_in_peace(scene, capfd):
    node = scene.AddNewNodeByClass(VOLUME, "A")
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = [VOLUME]
    selector.setMRMLScene(scene)
    selector.deleteLater()
    QtWidgets.QApplication.sendPostedEvents(selector, QtCore.QEvent.Type.DeferredDelete)
    node.SetName("B")
    scene.AddNewNodeByClass(VOLUME, "C")
    scene.RemoveNode(node)
    assert "Error" not in capfd.readouterr().err


# -- segments


def segmentation(scene, *names: str):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segmentation")
    for name in names:
        node.GetSegmentation().AddEmptySegment(name.lower(), name)
    return node


@pytest.fixture
def segments(scene):
    selector = slicer.qMRMLSegmentSelectorWidget()
    selector.setMRMLScene(scene)
    return selector


def test_segments_of_the_chosen_segmentation(scene, segments):
    told = []
    segments.connect("currentSegmentChanged(QString)", told.append)
    node = segmentation(scene, "Brain", "Tumour")
    segments.setCurrentNode(node)
    assert segments.currentNode() is node and segments.currentNodeID() == node.GetID()
    assert segments.currentSegmentID() == "brain"
    combo = segments.findChildren(QtWidgets.QComboBox)[-1]
    choose(combo, "Tumour")
    assert segments.currentSegmentID() == told[-1] == "tumour"


def test_segments_come_go_and_are_renamed(scene, segments):
    segments.noneEnabled = True
    node = segmentation(scene, "Brain")
    segments.setCurrentNode(node)
    assert segments.currentSegmentID() == ""
    segments.setCurrentSegmentID("brain")
    node.GetSegmentation().GetSegment("brain").SetName("Whole brain")
    combo = segments.findChildren(QtWidgets.QComboBox)[-1]
    assert rows(combo) == ["None", "Whole brain"]
    node.GetSegmentation().RemoveSegment("brain")
    assert segments.currentSegmentID() == ""
    scene.RemoveNode(node)
    assert segments.currentNode() is None


def test_the_scene_reaches_only_what_it_is_given_to(scene):
    widget = slicer.qMRMLWidget()
    inside = slicer.qMRMLNodeComboBox(widget)
    told = []
    widget.connect("mrmlSceneChanged(vtkMRMLScene*)", told.append)
    widget.setMRMLScene(scene)
    assert told == [scene] and widget.mrmlScene() is scene
    assert inside.mrmlScene() is None


def test_number_widgets_of_slicer(scene):
    slider = slicer.qMRMLSliderWidget()
    slider.setMRMLScene(scene)
    slider.quantity = "length"
    slider.maximum = 40
    slider.value = 12.5
    assert slider.value == 12.5 and slider.mrmlScene() is scene and slider.quantity == "length"
    QtTest.QTest.keyClick(slider.findChild(QtWidgets.QDoubleSpinBox), QtCore.Qt.Key.Key_Up)
    assert slider.value == 13.5


def test_a_widget_without_stand_in_is_an_error(scene):
    with pytest.raises(AttributeError, match="slicer.qMRMLTreeView.*qMRMLNodeComboBox"):
        _ = slicer.qMRMLTreeView
    with pytest.raises(AttributeError, match="nonsense"):
        _ = slicer.nonsense
