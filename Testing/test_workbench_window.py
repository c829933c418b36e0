"""The workbench's window: layouts, menus, files by dialog or drop, sample data, messages, a scripted module in it."""

from __future__ import annotations

import textwrap

import pytest
import slicer
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox

from TumorSynthLib.sample import SAMPLE_BRAIN
from volumes import save_nifti, voxels_of
from workbench import Workbench
from workbench.about import about_text
from workbench.actions import LAYOUTS
from workbench.data_probe import in_words
from workbench.messages import Messages
from workbench_helpers import GRIDS

SHOWN = {
    "four-up": {"Red", "Green", "Yellow", "1"},
    "conventional": {"Red", "Green", "Yellow", "1"},
    "side by side": {"Red", "Yellow"},
    "3D only": {"1"},
    "red only": {"Red"},
    "green only": {"Green"},
    "yellow only": {"Yellow"},
}


@pytest.fixture
def head(tmp_path):
    return save_nifti(tmp_path / "head.nii.gz", voxels_of(shape=(60, 70, 50)), GRIDS["straight"])


def shown_views(bench: Workbench) -> set[str]:
    return {name for name in ("Red", "Green", "Yellow", "1") if bench.view(name).isVisible()}


# -- layouts


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_shows_its_views_and_they_still_work(bench, head, name):
    bench.load_volume(head)
    changes = []
    bench.layout_manager.layoutChanged.connect(changes.append)
    text, number = LAYOUTS[name]
    action = next(action for action in bench.window.actions_._layouts.values() if action.text() == text)
    action.trigger()
    bench.process_events()
    bench.layout_manager.layoutChanged.disconnect(changes.append)
    assert bench.layout_manager.layout == number and action.isChecked()
    assert changes == ([] if name == "four-up" else [number])
    assert shown_views(bench) == SHOWN[name]
    for view in SHOWN[name] - {"1"}:
        before = bench.view(view).view.logic.GetSliceOffset()
        bench.mouse.wheel(view, 1)
        assert bench.view(view).view.logic.GetSliceOffset() == pytest.approx(before + 2)


def test_a_double_click_shows_one_view_alone_and_another_brings_all_back(bench, head):
    bench.load_volume(head)
    bench.mouse.double_click("Green", (40, 40))
    assert shown_views(bench) == {"Green"}
    bench.mouse.double_click("Green", (40, 40))
    assert shown_views(bench) == {"Red", "Green", "Yellow", "1"}


def test_views_in_the_layout_share_the_room_evenly(bench):
    sizes = [bench.view(name).size() for name in ("Red", "1", "Green", "Yellow")]
    assert max(size.width() for size in sizes) - min(size.width() for size in sizes) < 5
    assert max(size.height() for size in sizes) - min(size.height() for size in sizes) < 5


def test_the_layout_manager_answers_as_modules_expect(bench):
    manager = slicer.app.layoutManager()
    assert list(manager.sliceViewNames()) == ["Red", "Green", "Yellow"]
    assert manager.threeDViewCount == 1 and manager.threeDWidget(5) is None
    for name in manager.sliceViewNames():
        widget = manager.sliceWidget(name)
        assert widget.mrmlSliceNode().GetLayoutName() == name
        assert widget.sliceLogic().GetSliceNode() is widget.mrmlSliceNode()
        assert widget.sliceView().interactor().GetRenderWindow() is widget.sliceView().renderWindow()
    assert manager.threeDWidget(0).threeDView().mrmlViewNode().GetID() == "vtkMRMLViewNode1"
    slicer.util.setSliceViewerLayers(background=None)
    slicer.util.forceRenderAllViews()
    slicer.util.resetSliceViews()
    slicer.util.resetThreeDViews()
    assert slicer.util.mainWindow() is bench.window


# -- files


def drop(bench: Workbench, *paths) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(500, 400), copy, data, left, none)
    QApplication.sendEvent(bench.window, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(bench.window, QDropEvent(QPointF(500, 400), copy, data, left, none))
    bench.process_events()


def test_files_can_be_dropped_onto_the_window(bench, head, tmp_path):
    bench.load_volume(head)
    points = bench.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Points")
    points.AddControlPoint(1, 2, 3)
    bench.window.actions_.save_node(points, tmp_path / "points.mrk.json")
    bench.save_scene(tmp_path / "scene.mrb")
    bench.close_scene()
    drop(bench, head, tmp_path / "points.mrk.json")
    assert bench.scene.GetFirstNodeByName("head") is not None
    assert bench.scene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode").GetNumberOfControlPoints() == 1
    bench.close_scene()
    drop(bench, tmp_path / "scene.mrb")
    assert bench.scene.GetFirstNodeByName("Points") is not None
    assert bench.window.messages.shown == []


def test_what_cannot_be_opened_is_told_and_the_rest_is_opened(bench, head, tmp_path):
    (tmp_path / "letter.doc").write_text("hello")
    drop(bench, tmp_path / "letter.doc", head)
    assert bench.scene.GetFirstNodeByName("head") is not None
    (told,) = bench.window.messages.shown
    assert told.startswith("Could not open the file: ") and "letter.doc" in told
    assert QApplication.overrideCursor() is None


def test_the_menu_opens_and_saves_by_dialogs(bench, head, tmp_path, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(head)], ""))
    bench.window.actions_.ask_for_files()
    assert bench.scene.GetFirstNodeByName("head") is not None
    kept = str(tmp_path / "kept"), "One file: MRB bundle (*.mrb)"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: kept)
    bench.window.actions_.ask_where_to_save()
    assert (tmp_path / "kept.mrb").is_file()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "head2.nrrd"), ""))
    bench.window.actions_.save_one.aboutToShow.emit()
    (entry,) = (action for action in bench.window.actions_.save_one.actions() if action.text() == "head")
    entry.trigger()
    assert (tmp_path / "head2.nrrd").is_file()
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([], ""))
    bench.window.actions_.ask_for_files()
    bench.window.actions_.close_scene()
    assert bench.scene.GetFirstNodeByName("head") is None
    assert bench.window.messages.shown == []


@pytest.mark.parametrize("answer", ["save", "discard", "cancel"])
def test_what_is_not_saved_is_not_lost_without_a_word(bench, tmp_path, monkeypatch, answer):
    asked = []
    monkeypatch.setattr(Messages, "ask_what_to_do_with_changes", lambda _: asked.append(1) or answer)
    kept = str(tmp_path / "kept"), "One file: MRB bundle (*.mrb)"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: kept)
    bench.window.actions_.close_scene()
    assert asked == []
    bench.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Mine").AddControlPoint(1, 2, 3)
    bench.window.actions_.close_scene()
    assert asked == [1]
    assert (bench.scene.GetFirstNodeByName("Mine") is not None) == (answer == "cancel")
    assert (tmp_path / "kept.mrb").is_file() == (answer == "save")
    if answer == "cancel":
        assert not bench.window.close() and bench.window.isVisible()


def test_the_view_menu_acts_on_the_scene_and_follows_it(bench, head):
    bench.load_volume(head)
    actions = bench.window.actions_
    view, crosshair = bench.window.menuBar().actions()[1].menu(), actions._crosshairs
    crosshair[slicer.vtkMRMLCrosshairNode.ShowBasic].trigger()
    actions._linked.trigger()
    actions._intersections.trigger()
    assert bench.core.crosshair_node.GetCrosshairMode() == slicer.vtkMRMLCrosshairNode.ShowBasic
    assert all(bench.view(name).view.composite_node.GetLinkedControl() for name in ("Red", "Green", "Yellow"))
    logic = bench.core.application_logic
    assert logic.GetIntersectingSlicesEnabled(logic.IntersectingSlicesVisibility)
    bench.core.crosshair_node.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.NoCrosshair)
    actions.link_slices(False)
    actions.show_intersections(False)
    view.aboutToShow.emit()
    assert crosshair[slicer.vtkMRMLCrosshairNode.NoCrosshair].isChecked()
    assert not actions._linked.isChecked() and not actions._intersections.isChecked()


def test_the_sample_brain_opens_from_the_menu_with_and_without_the_modules_registration(bench):
    bench.window.actions_.open_sample_brain()
    bench.process_events()
    assert bench.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1
    bench.close_scene()
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="TumorSynth", sampleName="TumorSynthSampleBrain", uris=SAMPLE_BRAIN.as_uri(),
        fileNames=SAMPLE_BRAIN.name, nodeNames="Sample brain", loadFileType="VolumeFile",
    )  # fmt: skip
    bench.window.actions_.open_sample_brain()
    slicer.modules.sampleDataSources.pop("TumorSynth")
    assert bench.scene.GetFirstNodeByName("Sample brain") is not None
    assert bench.view("Red").canvas.corner_lines() == ["B: Sample brain"]


# -- messages


def test_about_says_what_it_is_and_what_it_is_not(bench):
    text = about_text()
    for words in ("slicer-core 5.12", "not desktop Slicer", "not a medical device", "synthetic", "never for diagnosis"):
        assert words in text
    bench.window.actions_.show_about()
    bench.process_events()
    box = QApplication.activeModalWidget()
    assert isinstance(box, QMessageBox) and box.text() == text
    bench.keyboard.press_in(box, "escape")
    assert QApplication.activeModalWidget() is None


def test_an_error_no_one_caught_is_shown_with_its_traceback_to_copy(bench):
    messages = Messages(bench.window, quiet=False)
    undo = messages.catch_all()
    try:
        tag = bench.scene.AddObserver(bench.scene.EndCloseEvent, lambda *_: 1 / 0)
        bench.close_scene()
        bench.close_scene()
        bench.scene.RemoveObserver(tag)
        bench.process_events()
    finally:
        undo()
    assert messages.shown == ["Something went wrong: division by zero"] * 2
    boxes = (widget for widget in QApplication.topLevelWidgets() if isinstance(widget, QMessageBox))
    (box,) = (box for box in boxes if box.isVisible())
    assert box.detailedText().count("ZeroDivisionError") == 2 and not box.isModal()
    box.close()


def test_a_place_is_told_as_radiologists_say_it():
    assert in_words([-12.34, 5.0, -0.06]) == "L 12.3  A 5.0  I 0.1 mm"


# -- a module

MODULE = """
    import ctk, qt, slicer
    from slicer.ScriptedLoadableModule import *

    class Tiny(ScriptedLoadableModule):
        def __init__(self, parent):
            ScriptedLoadableModule.__init__(self, parent)
            parent.title = "Tiny module"
            slicer.app.connect("startupCompleted()", lambda: setattr(slicer.modules, "tinyStarted", True))

    class TinyWidget(ScriptedLoadableModuleWidget):
        def setup(self):
            ScriptedLoadableModuleWidget.setup(self)
            self.seen = []
            assert slicer.modules.tinyStarted
            self.button = qt.QPushButton("Count volumes")
            self.button.connect("clicked(bool)", self.onClicked)
            self.layout.addWidget(self.button)
            self.wide = qt.QLabel("wide")
            self.wide.setMinimumWidth(700)
            self.layout.addWidget(self.wide)
            slicer.app.layoutManager().connect("layoutChanged(int)", self.seen.append)

        def onClicked(self):
            self.seen.append(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"))

        def enter(self):
            self.seen.append("enter")

        def exit(self):
            self.seen.append("exit")

        def cleanup(self):
            self.seen.append("cleanup")

        def isBusy(self):
            return len(self.seen) < 2
"""


def test_a_scripted_module_is_shown_clicked_and_left(bench, head, tmp_path):
    (tmp_path / "Tiny.py").write_text(textwrap.dedent(MODULE))
    bench.show_module(str(tmp_path / "Tiny.py"))
    widget = bench.module_widget
    assert bench.window.windowTitle().startswith("Tiny module")
    assert bench.window.panel.size().width() > 700
    assert not bench.settle(0.1)
    bench.load_volume(head)
    size = widget.button.property("size")
    bench.mouse.click(widget.button, (size.width() / 2, size.height() / 2))
    bench.layout_manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    assert bench.settle(5)
    bench.leave_module()
    assert widget.seen == ["enter", 1, 6, "exit", "cleanup"]
    assert bench.window.panel.size().width() < 700 and bench.module_widget is None


def test_a_module_that_cannot_be_shown_leaves_a_usable_window(bench, tmp_path):
    with pytest.raises(ValueError, match="no such module"):
        bench.show_module("Nonesuch")
    (tmp_path / "Broken.py").write_text("import nonesuch_package")
    with pytest.raises(ModuleNotFoundError):
        bench.show_module(str(tmp_path / "Broken.py"))
    assert bench.window.panel.title.text() == "No module" and bench.module_widget is None


def test_settings_are_not_the_users(bench):
    slicer.app.userSettings().setValue("TumorSynth/test", "1")
    assert slicer.app.userSettings().fileName().startswith(str(bench.core.folder))
