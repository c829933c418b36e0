"""A scripted module written for desktop Slicer runs unchanged on the stand-ins, and is clicked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer
import slicer.util
from PySide6 import QtCore, QtWidgets

from standins import choose, click, stand_ins
from workbench import python_layer

MODULE = Path(__file__).with_name("standin_module") / "Brighten.py"


@pytest.fixture
def application():
    with stand_ins() as application:
        yield application


@pytest.fixture
def panel(application):
    panel = QtWidgets.QWidget()
    QtWidgets.QVBoxLayout(panel)
    panel.resize(360, 400)
    panel.show()
    yield panel
    panel.close()


@pytest.fixture
def module(panel):
    return python_layer.load_scripted_module(MODULE, panel)


def volume(name: str = "Head", value: float = 3.0):
    return slicer.util.addVolumeFromArray(np.full((4, 5, 6), value), name=name)


def test_widgets_named_in_the_ui_file_are_there(module):
    assert module.ui.factorSlider.value == 2.0
    assert module.ui.factorSlider.suffix == " x"
    assert module.ui.inputSelector.toolTip == "The volume to brighten."
    assert module.ui.inputsCollapsibleButton.text == "Inputs"
    assert [module.ui.endsBox.itemText(row) for row in range(module.ui.endsBox.count)] == ["KEEP", "CUT"]


def test_apply_waits_for_a_volume_and_says_so(module):
    assert not module.ui.applyButton.enabled
    assert module.ui.applyButton.toolTip == "Choose a volume first"
    node = volume()
    choose(module.ui.inputSelector.comboBox(), "Head")
    assert module._parameterNode.inputVolume is node
    assert module.ui.applyButton.enabled


def test_a_click_on_apply_computes(module):
    node = volume()
    choose(module.ui.inputSelector.comboBox(), "Head")
    click(module.ui.invertBox, QtCore.QPoint(8, module.ui.invertBox.height // 2))
    click(module.ui.applyButton)
    result = module._parameterNode.outputVolume
    assert result.GetName() == "Head bright"
    assert np.array_equal(slicer.util.arrayFromVolume(result), np.full((4, 5, 6), -6.0))
    assert module.ui.statusLabel.text == "Head bright is ready"
    assert np.all(slicer.util.arrayFromVolume(node) == 3.0)


def test_an_error_is_told_and_the_cursor_comes_back(module, capsys):
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    choose(module.ui.inputSelector.comboBox(), "Empty")
    click(module.ui.applyButton)
    assert "the volume is empty" in capsys.readouterr().err
    assert QtWidgets.QApplication.overrideCursor() is None


def test_closing_the_scene_leaves_a_working_module(module):
    volume()
    choose(module.ui.inputSelector.comboBox(), "Head")
    module._parameterNode.factor = 5.0
    slicer.mrmlScene.Clear(False)
    assert module._parameterNode.inputVolume is None
    assert module.ui.inputSelector.currentNode() is None
    volume("Other", 1.0)
    choose(module.ui.inputSelector.comboBox(), "Other")
    click(module.ui.applyButton)
    assert module._parameterNode.outputVolume.GetName() == "Other bright"


def test_parameters_come_back_with_the_scene(module, application, tmp_path):
    node = volume()
    choose(module.ui.inputSelector.comboBox(), "Head")
    module.ui.factorSlider.value = 7.5
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"), {"clear": True})
    module.initializeParameterNode()
    assert module.ui.factorSlider.value == 7.5
    assert module._parameterNode.inputVolume.GetName() == node.GetName()
    assert len(module.logic.getAllParameterNodes()) == 1


def test_a_module_that_was_left_does_not_follow_its_parameters(module):
    module.parent.exit()
    assert not module.parent.isEntered
    module._parameterNode.factor = 4.0
    assert module.ui.factorSlider.value == 2.0
    module.parent.enter()
    assert module.ui.factorSlider.value == 4.0


def test_slicer_finds_the_module(module, application):
    assert slicer.util.getModuleWidget("Brighten") is module
    assert slicer.util.getModuleLogic("Brighten") is module.logic
    assert slicer.util.getModule("Brighten").title == "Brighten"
    assert slicer.util.modulePath("Brighten") == str(MODULE.resolve())
    assert slicer.modules.brighten.categories == ["Examples"]
    assert "Brighten" in slicer.util.moduleNames()
    assert slicer.modules.BrightenWidget is module
    application.startupCompleted.emit()
    assert slicer.modules.BrightenInstance.startups == 1


def test_an_unknown_module_is_named(application):
    with pytest.raises(RuntimeError, match="Nonsense"):
        slicer.util.getModuleWidget("Nonsense")
    with pytest.raises(AttributeError, match="nonsense"):
        _ = slicer.modules.nonsense


def test_core_modules_have_their_logic(application):
    copy = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, volume(), "Copy")
    assert copy.GetName() == "Copy"
    assert slicer.util.getModuleLogic("Markups").IsA("vtkSlicerMarkupsLogic")


def test_the_self_test_of_the_module_runs(module):
    slicer.selfTests["Brighten"]()


def test_unloading_cleans_up(module, application):
    node = module.logic.getParameterNode().parameterNode
    application.moduleManager().unloadModules()
    assert not module.Observations
    assert not node.HasObserver("ModifiedEvent")
    assert not hasattr(slicer.modules, "BrightenWidget")


def test_reloading_makes_a_new_panel_from_the_file(module):
    slicer.util.reloadScriptedModule("Brighten")
    again = slicer.modules.BrightenWidget
    assert again is not module
    assert not module.Observations
    assert again.ui.factorSlider.value == 2.0


def test_host_code_reads_the_widgets_of_a_module_in_pyside_style(module):
    slider = module.ui.applyButton
    assert QtWidgets.QPushButton.text(slider) == slider.property("text") == "Apply"
    label = QtWidgets.QLabel("mine")
    assert label.text() == "mine"
