"""parameterNodeWrapper over a real vtkMRMLScriptedModuleNode, with real widgets."""

from __future__ import annotations

import enum
import pathlib
import types
from typing import Annotated

import pytest
import slicer
import vtk
from PySide6 import QtCore, QtTest, QtWidgets

from standins import choose, click, stand_ins


class Structure(enum.Enum):
    SOLID = 1
    RING = 2

    def label(self) -> str:
        return self.name.capitalize()


@pytest.fixture
def scene():
    with stand_ins() as application:
        yield application.mrmlScene()


@pytest.fixture
def wrapped(scene):
    """A class with parameters of every kind, over a node of the scene."""
    from slicer.parameterNodeWrapper import Choice, Default, Maximum, Minimum, WithinRange, parameterNodeWrapper

    class Parameters:
        count: Annotated[int, WithinRange(1, 9)] = 3
        radius: Annotated[float, Minimum(0.5), Maximum(40.0)] = 10.0
        title: str = "none"
        shown: bool = True
        structure: Structure
        device: Annotated[str, Choice(["auto", "cpu"])] = "cpu"
        folder: pathlib.Path
        host: slicer.vtkMRMLScalarVolumeNode
        mask: slicer.vtkMRMLLabelMapVolumeNode | slicer.vtkMRMLSegmentationNode | None
        seed: int | None
        center: tuple[float, float, float]
        radii: list[float]
        levels: Annotated[list[float], Default(generator=lambda: [0.5, 1.0])]

        def area(self) -> float:
            return self.radius**2

    annotated = {name: eval(text) if isinstance(text, str) else text for name, text in _notes(Parameters, locals())}
    Parameters.__annotations__ = annotated
    wrapper_class = parameterNodeWrapper(Parameters)
    node = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "Parameters")
    return types.SimpleNamespace(make=wrapper_class, node=node, parameters=wrapper_class(node))


def _notes(owner: type, names: dict) -> list[tuple[str, object]]:
    """This file's annotations are texts; those of the class name things that only the fixture knows."""
    return [(name, eval(text, {**globals(), **names})) for name, text in owner.__annotations__.items()]


def test_defaults(wrapped):
    p = wrapped.parameters
    assert (p.count, p.radius, p.title, p.shown, p.device) == (3, 10.0, "none", True, "cpu")
    assert p.structure is Structure.SOLID
    assert p.host is None and p.mask is None and p.seed is None
    assert p.center == (0.0, 0.0, 0.0)
    assert p.radii == [] and p.levels == [0.5, 1.0]
    assert p.default("count").value == 3
    assert p.area() == 100.0


def test_values_are_kept_in_the_node_as_slicer_keeps_them(wrapped, scene):
    p, node = wrapped.parameters, wrapped.node
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Head")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mask")
    p.count, p.radius, p.shown, p.structure, p.host = 5, 12.5, False, Structure.RING, volume
    p.center, p.radii, p.seed, p.mask = (1.0, -2.0, 3.5), [14, 10.0], 7, segmentation
    p.folder = pathlib.Path("/data")
    assert node.GetParameter("count") == "5"
    assert node.GetParameter("radius") == "12.5"
    assert node.GetParameter("shown") == "False"
    assert node.GetParameter("structure") == "RING"
    assert node.GetParameter("folder") == "/data"
    assert node.GetNodeReferenceID("host") == volume.GetID()
    assert [node.GetParameter(f"center_{index}") for index in range(3)] == ["1.0", "-2.0", "3.5"]
    assert (node.GetParameter("radii_len"), node.GetParameter("radii_0"), node.GetParameter("radii_1")) == (
        "2",
        "14",
        "10.0",
    )
    assert node.GetParameter("seed_0") == "7" and not node.HasParameter("seed_1")
    assert node.GetNodeReferenceID("mask_1") == segmentation.GetID()
    p.seed = None
    assert node.GetParameter("seed_1") == "True" and not node.HasParameter("seed_0")
    again = wrapped.make(node)
    assert (again.count, again.shown, again.host, again.center, again.seed) == (5, False, volume, p.center, None)
    assert again.mask is segmentation


def test_lists_write_what_is_done_to_them(wrapped):
    radii = wrapped.parameters.radii
    radii.append(14.0)
    radii += [10.0, 5.0]
    radii[0] = 15.0
    del radii[1]
    assert wrapped.make(wrapped.node).radii == [15.0, 5.0]
    assert not wrapped.node.HasParameter("radii_2")
    with pytest.raises(TypeError):
        radii.append("wide")
    assert wrapped.parameters.radii == radii == [15.0, 5.0]


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("count", 10, ValueError),
        ("count", "3", TypeError),
        ("radius", 0.1, ValueError),
        ("device", "tpu", ValueError),
        ("title", None, ValueError),
        ("host", "vtkMRMLScalarVolumeNode1", TypeError),
        ("seed", "one", TypeError),
        ("center", (1.0, 2.0), ValueError),
    ],
)
def test_refused_values_leave_the_node_as_it_was(wrapped, name, value, error):
    before = getattr(wrapped.parameters, name)
    with pytest.raises(error):
        setattr(wrapped.parameters, name, value)
    assert getattr(wrapped.parameters, name) == before


def test_wrong_names_are_explained(wrapped):
    with pytest.raises(AttributeError, match="no parameter 'raduis'; it has count, radius"):
        wrapped.parameters.raduis = 3.0
    with pytest.raises(AttributeError, match="raduis"):
        _ = wrapped.parameters.raduis
    with pytest.raises(ValueError, match="raduis"):
        wrapped.parameters.setValue("raduis", 3.0)


def test_a_type_that_cannot_be_kept_is_refused_early(scene):
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class Unknown:
        __annotations__ = {"thing": complex}

    with pytest.raises(TypeError, match="Unknown.thing"):
        parameterNodeWrapper(Unknown)


def test_the_node_tells_of_changes_and_groups_them(wrapped):
    told = []
    p = wrapped.parameters
    tag = p.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: told.append((p.count, p.title)))
    p.count = 4
    with slicer.util.NodeModify(p):
        p.count = 5
        p.title = "both"
    p.RemoveObserver(tag)
    p.count = 6
    assert told == [(4, "none"), (5, "both")]


def test_a_reference_ends_with_its_node(wrapped, scene):
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Head")
    wrapped.parameters.host = volume
    scene.RemoveNode(volume)
    assert wrapped.parameters.host is None


# -- widgets


@pytest.fixture
def panel(wrapped, scene):
    """One widget for each parameter that can have one."""
    import ctk
    import qt

    ui = types.SimpleNamespace(
        count=qt.QSpinBox(),
        radius=ctk.ctkSliderWidget(),
        title=qt.QLineEdit(),
        shown=qt.QCheckBox("shown"),
        structure=qt.QComboBox(),
        device=qt.QComboBox(),
        folder=ctk.ctkPathLineEdit(),
        host=slicer.qMRMLNodeComboBox(),
        other=qt.QLabel(),
    )
    root = qt.QWidget()
    layout = qt.QVBoxLayout(root)
    for name, widget in vars(ui).items():
        layout.addWidget(widget)
        if name != "other":
            widget.setProperty("SlicerParameterName", name)
    ui.host.noneEnabled = True
    ui.host.setMRMLScene(scene)
    root.show()
    yield types.SimpleNamespace(ui=ui, root=root)
    root.close()


def test_widgets_show_the_parameters_at_once(wrapped, panel):
    wrapped.parameters.connectGui(panel.ui)
    ui = panel.ui
    assert (ui.count.value, ui.radius.value, ui.title.text, ui.shown.checked) == (3, 10.0, "none", True)
    assert (ui.count.minimum, ui.count.maximum) == (1, 9)
    assert (ui.radius.minimum, ui.radius.maximum) == (0.5, 40.0)
    assert [ui.structure.itemText(row) for row in range(ui.structure.count)] == ["Solid", "Ring"]
    assert ui.device.currentText == "cpu"
    assert list(ui.host.nodeTypes) == ["vtkMRMLScalarVolumeNode"]


def test_what_a_person_does_reaches_the_parameters(wrapped, panel, scene):
    p, ui = wrapped.parameters, panel.ui
    p.connectGui(panel.root)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Head")
    QtTest.QTest.keyClick(ui.count, QtCore.Qt.Key.Key_Up)
    QtTest.QTest.keyClick(ui.radius.findChild(QtWidgets.QDoubleSpinBox), QtCore.Qt.Key.Key_Down)
    ui.title.selectAll()
    QtTest.QTest.keyClicks(ui.title, "lesion")
    click(ui.shown, QtCore.QPoint(8, ui.shown.height // 2))
    choose(ui.structure, "Ring")
    choose(ui.device, "auto")
    QtTest.QTest.keyClicks(ui.folder.findChild(QtWidgets.QLineEdit), "/x")
    choose(ui.host.comboBox(), "Head")
    assert (p.count, p.radius, p.title, p.shown) == (4, 9.0, "lesion", False)
    assert (p.structure, p.device, p.host) == (Structure.RING, "auto", volume)
    assert p.folder.name == "x"


def test_what_code_does_reaches_the_widgets(wrapped, panel, scene):
    p, ui = wrapped.parameters, panel.ui
    p.connectGui(ui)
    p.count, p.radius, p.structure = 7, 20.0, Structure.RING
    p.host = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Head")
    assert (ui.count.value, ui.radius.value, ui.structure.currentText) == (7, 20.0, "Ring")
    assert ui.host.currentNode().GetName() == "Head"


def test_one_change_of_a_widget_is_one_change_of_the_node(wrapped, panel):
    p = wrapped.parameters
    p.connectGui(panel.ui)
    told = []
    p.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: told.append(p.count))
    panel.ui.count.value = 8
    assert told == [8]


def test_after_disconnecting_neither_follows_the_other(wrapped, panel):
    p, ui = wrapped.parameters, panel.ui
    tag = p.connectGui(ui)
    p.disconnectGui(tag)
    p.count = 7
    ui.title.text = "mine"
    assert ui.count.value == 3 and p.title == "none"
    assert not wrapped.node.HasObserver("ModifiedEvent")
    p.disconnectGui(tag)


def test_two_panels_for_one_parameter(wrapped):
    import qt

    first, second = qt.QSpinBox(), qt.QSpinBox()
    wrapped.parameters.connectParametersToGui({"count": first})
    wrapped.parameters.connectParametersToGui({"count": second})
    first.value = 9
    assert second.value == wrapped.parameters.count == 9


def test_widgets_that_do_not_fit_are_refused(wrapped):
    import ctk
    import qt

    with pytest.raises(RuntimeError, match="QLabel cannot show"):
        wrapped.parameters.connectParametersToGui({"count": qt.QLabel()})
    with pytest.raises(ValueError, match="nothing"):
        wrapped.parameters.connectParametersToGui({"nothing": qt.QSpinBox()})
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class Unbounded:
        __annotations__ = {"amount": float}

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    with pytest.raises(RuntimeError, match="WithinRange"):
        parameterNodeWrapper(Unbounded)(node).connectParametersToGui({"amount": ctk.ctkSliderWidget()})


def test_closing_the_scene_empties_the_parameters(wrapped, scene):
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    class ThingLogic(ScriptedLoadableModuleLogic):
        pass

    node = ThingLogic().getParameterNode()
    assert ThingLogic().getParameterNode() is node
    assert (node.GetAttribute("ModuleName"), node.GetSingletonTag()) == ("Thing", "Thing")
    p = wrapped.make(node)
    p.count = 8
    scene.Clear(False)
    assert ThingLogic().getParameterNode().GetAttribute("ModuleName") == "Thing"
    assert wrapped.make(ThingLogic().getParameterNode()).count == 3


def test_several_parameter_nodes_where_wanted(scene):
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    class ThingLogic(ScriptedLoadableModuleLogic):
        def __init__(self):
            super().__init__()
            self.isSingletonParameterNode = False

    logic = ThingLogic()
    first = logic.getParameterNode()
    second = scene.AddNode(logic.createParameterNode())
    assert logic.getAllParameterNodes() == [first, second]
    assert logic.getParameterNode() is first
