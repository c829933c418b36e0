"""Slicer's own slicer.util works on the stand-ins: files, dialogs, .ui files; and SampleData, i18n, packaging."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicer.util
from PySide6 import QtCore, QtWidgets

from standins import stand_ins

UI = Path(__file__).with_name("standin_module") / "Resources" / "UI" / "Brighten.ui"


@pytest.fixture
def application():
    with stand_ins() as application:
        yield application


@pytest.fixture
def window(application):
    """An ordinary PySide6 main window, named as Slicer's."""
    window = QtWidgets.QMainWindow()
    window.setObjectName("qSlicerMainWindow")
    window.show()
    yield window
    window.close()


def volume(name: str = "Head"):
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    return slicer.util.addVolumeFromArray(array, ijkToRAS=np.diag([1.0, 2.0, 3.0, 1.0]), name=name)


# -- files


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
def test_volumes_are_saved_and_loaded(application, tmp_path, ending):
    path = tmp_path / f"head.t1{ending}"
    assert slicer.util.saveNode(volume(), str(path))
    loaded = slicer.util.loadVolume(str(path))
    assert loaded.GetName() == "head.t1"
    assert loaded.GetSpacing() == (1.0, 2.0, 3.0)
    assert slicer.util.arrayFromVolume(loaded)[2, 3, 4] == 59
    assert slicer.util.loadVolume(path, {"name": "Again", "show": False}).GetName() == "Again"


def test_a_labelmap_is_loaded_as_one(application, tmp_path):
    slicer.util.saveNode(volume(), str(tmp_path / "mask.nrrd"))
    loaded = slicer.util.loadLabelVolume(str(tmp_path / "mask.nrrd"))
    assert loaded.IsA("vtkMRMLLabelMapVolumeNode")
    assert application.applicationLogic().GetSelectionNode().GetActiveLabelVolumeID() == loaded.GetID()


def test_a_segmentation_is_saved_and_loaded(application, tmp_path):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lesions")
    reference = volume()
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    node.GetSegmentation().AddEmptySegment("lesion", "Lesion 1")
    mask = np.zeros((3, 4, 5), np.uint8)
    mask[1, 1:3, 1:3] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, "lesion", reference)
    assert slicer.util.saveNode(node, str(tmp_path / "lesions.seg.nrrd"))
    loaded = slicer.util.loadSegmentation(str(tmp_path / "lesions.seg.nrrd"))
    assert loaded.GetName() == "lesions"
    assert loaded.GetSegmentation().GetNthSegment(0).GetName() == "Lesion 1"


def test_markups_transforms_and_models(application, tmp_path):
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Points")
    points.AddControlPoint((1.0, 2.0, 3.0))
    slicer.util.saveNode(points, str(tmp_path / "points.mrk.json"))
    assert slicer.util.loadMarkups(str(tmp_path / "points.mrk.json")).GetNthControlPointPosition(0) == (1.0, 2.0, 3.0)
    shift = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Shift")
    slicer.util.saveNode(shift, str(tmp_path / "shift.tfm"))
    assert slicer.util.loadTransform(str(tmp_path / "shift.tfm")).IsA("vtkMRMLLinearTransformNode")


def test_a_file_that_is_not_there_is_an_error_with_its_name(application, tmp_path):
    with pytest.raises(RuntimeError, match="missing.nrrd"):
        slicer.util.loadVolume(str(tmp_path / "missing.nrrd"))


@pytest.mark.parametrize("name", ["scene.mrb", "folder"])
def test_scenes_are_saved_and_loaded(application, tmp_path, name):
    volume("Kept")
    assert slicer.util.saveScene(str(tmp_path / name))
    slicer.mrmlScene.Clear(False)
    saved = tmp_path / name
    scene_file = saved if saved.is_file() else next(saved.glob("*.mrml"))
    slicer.util.loadScene(str(scene_file), {"clear": True})
    assert slicer.util.arrayFromVolume(slicer.util.getNode("Kept"))[2, 3, 4] == 59


def test_exporting_leaves_the_storage_alone(application, tmp_path):
    node = volume()
    slicer.util.exportNode(node, str(tmp_path / "out.nrrd"))
    assert (tmp_path / "out.nrrd").is_file()
    assert node.GetStorageNode() is None


# -- .ui files


def test_a_ui_file_becomes_named_widgets(application):
    widget = slicer.util.loadUI(str(UI))
    ui = slicer.util.childWidgetVariables(widget)
    assert ui.applyButton.text == "Apply" and not ui.applyButton.enabled
    assert ui.factorSlider.property("SlicerParameterName") == "factor"
    assert widget.className() == "qMRMLWidget"
    assert ui.line.frameShape == QtWidgets.QFrame.Shape.HLine
    assert slicer.util.findChild(widget, "invertBox") is ui.invertBox


def test_the_connections_of_a_ui_file_carry_the_scene(application):
    widget = slicer.util.loadUI(str(UI))
    ui = slicer.util.childWidgetVariables(widget)
    assert ui.inputSelector.mrmlScene() is None
    widget.setMRMLScene(slicer.mrmlScene)
    assert ui.inputSelector.mrmlScene() is slicer.mrmlScene


def test_an_unknown_widget_in_a_ui_file_is_named(application, tmp_path):
    text = UI.read_text().replace('class="ctkSliderWidget"', 'class="ctkThermometer"')
    (tmp_path / "odd.ui").write_text(text)
    with pytest.raises(RuntimeError, match="ctkThermometer"):
        slicer.util.loadUI(str(tmp_path / "odd.ui"))


def test_a_missing_ui_file_is_an_error(application, tmp_path):
    with pytest.raises(RuntimeError, match="not found"):
        slicer.util.loadUI(str(tmp_path / "none.ui"))


# -- windows and messages


def test_the_main_window_is_found(application, window):
    assert slicer.util.mainWindow() is window
    assert slicer.util.showStatusMessage("ready", 1000)
    assert window.statusBar().currentMessage() == "ready"


def test_without_a_window_there_is_none(application):
    assert slicer.util.mainWindow() is None
    assert not slicer.util.showStatusMessage("nobody sees this")


def test_while_testing_no_dialog_waits(application, window, caplog):
    caplog.set_level(logging.INFO)
    started = QtCore.QElapsedTimer()
    started.start()
    slicer.util.errorDisplay("it failed")
    slicer.util.infoDisplay("it worked")
    slicer.util.delayDisplay("a moment", 2000)
    slicer.util.confirmOkCancelDisplay("sure?")
    slicer.util.messageBox("hello")
    assert started.elapsed() < 1000
    for text in ("it failed", "it worked", "a moment", "sure?", "hello"):
        assert text in caplog.text


def test_otherwise_a_message_box_waits_for_a_click(application, window):
    application.testing = False
    seen = []

    def answer():
        box = QtWidgets.QApplication.activeModalWidget()
        seen.append((QtWidgets.QMessageBox.text(box), QtWidgets.QMessageBox.detailedText(box)))
        QtWidgets.QMessageBox.button(box, QtWidgets.QMessageBox.StandardButton.Cancel).click()

    QtCore.QTimer.singleShot(0, answer)
    assert not slicer.util.confirmOkCancelDisplay("Really?", detailedText="because")
    assert seen == [("Really?", "because")]


def test_a_message_that_is_not_to_be_shown_again(application, window):
    import ctk

    answers = []

    def answer():
        box = QtWidgets.QApplication.activeModalWidget()
        QtWidgets.QMessageBox.checkBox(box).setChecked(True)
        QtWidgets.QMessageBox.button(box, QtWidgets.QMessageBox.StandardButton.Ok).click()
        answers.append("asked")

    for _ in range(2):
        box = ctk.ctkMessageBox(window)
        box.setStandardButtons(QtWidgets.QMessageBox.StandardButton.Ok)
        box.dontShowAgainSettingsKey = "Test/again"
        if not answers:
            QtCore.QTimer.singleShot(0, answer)
        assert box.exec_() == QtWidgets.QMessageBox.StandardButton.Ok
    assert answers == ["asked"]
    assert application.userSettings().contains("Test/again")
    application.userSettings().remove("Test/again")


def test_settings_are_those_of_the_application(application):
    import qt

    application.userSettings().setValue("Test/number", 3)
    assert slicer.util.settingsValue("Test/number", 0, converter=int) == 3
    qt.QSettings().setValue("Test/number", 4)
    assert int(application.userSettings().value("Test/number")) == 4
    application.userSettings().remove("Test/number")


def test_the_wait_cursor_comes_and_goes(application):
    with slicer.util.WaitCursor():
        assert QtWidgets.QApplication.overrideCursor().shape() == QtCore.Qt.CursorShape.WaitCursor
    assert QtWidgets.QApplication.overrideCursor() is None


def test_temporary_folders(application):
    folder = Path(slicer.util.tempDirectory("case"))
    assert folder.is_dir() and folder.parent == Path(application.temporaryPath)


def test_a_progress_dialog_is_set_by_attributes(application, window):
    dialog = slicer.util.createProgressDialog(maximum=10, labelText="Working")
    dialog.value = 4
    assert (dialog.value, dialog.maximum, dialog.labelText) == (4, 10, "Working")
    dialog.close()


# -- other modules of the layer


def test_sample_data_is_registered_and_loaded_from_disk(application, tmp_path):
    import SampleData

    slicer.util.saveNode(volume(), str(tmp_path / "brain.nrrd"))
    for _ in range(2):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="TumorSynth",
            sampleName="Sample brain",
            uris=(tmp_path / "brain.nrrd").as_uri(),
            fileNames="brain.nrrd",
            nodeNames="A brain",
            thumbnailFileName=str(tmp_path / "brain.png"),
        )
    (source,) = SampleData.SampleDataLogic.sampleDataSourcesByCategory("TumorSynth")
    assert slicer.modules.sampleDataSources["TumorSynth"] == [source]
    assert source.thumbnailFileName.endswith("brain.png")
    (node,) = SampleData.SampleDataLogic().downloadSamples("Sample brain")
    assert node.GetName() == "A brain"
    assert SampleData.downloadSample("Sample brain").IsA("vtkMRMLScalarVolumeNode")


def test_sample_data_problems_are_named(application, tmp_path):
    import SampleData

    logic = SampleData.SampleDataLogic()
    with pytest.raises(ValueError, match="Nobody"):
        logic.downloadSample("Nobody")
    missing = (tmp_path / "gone.nrrd").as_uri()
    logic.registerCustomSampleDataSource(sampleName="Gone", uris=[missing], fileNames=["gone.nrrd"])
    with pytest.raises(FileNotFoundError, match="gone.nrrd"):
        logic.downloadSample("Gone")


def test_texts_are_translated_by_the_application(application):
    from slicer.i18n import tr, translate

    assert tr("Apply") == "Apply"
    application.translate = lambda context, text: f"{context}:{text}"
    assert tr("Apply") == "test_standin_slicer:Apply"
    assert translate("Somewhere", "Apply") == "Somewhere:Apply"


def test_installed_packages_are_known_and_tests_install_nothing(application, tmp_path):
    import slicer.packaging as packaging

    assert packaging.pip_check("numpy>=1.20")
    assert not packaging.pip_check(["numpy", "no-such-package-here"])
    assert packaging.pip_check("numpy<1; python_version < '3.0'")
    packaging.pip_ensure("no-such-package-here", requester="TumorSynth")
    (tmp_path / "requirements.txt").write_text("# needed\nnumpy>=1.20\n--no-deps\n\nscipy\n")
    assert packaging.pip_check(packaging.load_requirements(tmp_path / "requirements.txt"))


def test_a_failed_installation_is_an_error(application, tmp_path):
    import subprocess

    said = []
    with pytest.raises(subprocess.CalledProcessError):
        slicer.util.pip_install(f"--no-index {tmp_path / 'nothing-here.whl'}", logCallback=said.append)
    assert said


def test_python_modules_run_in_this_python(application):
    said = []
    slicer.util.executePythonModule("this", [], logCallback=said.append)
    assert any("Beautiful" in line for line in said)
