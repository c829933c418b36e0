"""The reading module in the workbench, used as a reader uses it: by keys and clicks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import slicer
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from cases import ROOT
from reading_studies import make_study, shared_sources
from TumorSynthLib.reading import Protocol, Session
from TumorSynthLib.reading.answers import AnswerRow
from TumorSynthLib.reading.responses import answer_files
from workbench import Workbench

MODULE = ROOT / "TumorSynthReading" / "TumorSynthReading.py"
CASES = 6
WINDOW_LEVEL = {"window": 1800.0, "level": 900.0}


@pytest.fixture(scope="module")
def make(tmp_path_factory) -> Callable[..., Path]:
    """Fresh copies of studies that are made once each."""
    made: dict[str, Path] = {}

    def copy(name: str = "confidence", **more: object) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name) / "study"
            make_study(made[name], *shared_sources(), CASES, task=name.split("-")[0], **WINDOW_LEVEL, **more)
        folder = tmp_path_factory.mktemp("copies") / "study"
        shutil.copytree(made[name], folder)
        shutil.rmtree(folder / "key")  # as a reader gets it
        return folder

    return copy


class Reading:
    """The module, and what a reader does with it."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench

    @property
    def panel(self):
        return self.bench.module_widget.panel

    @property
    def ui(self):
        return self.bench.module_widget.ui

    def open(self, study: Path, reader: str = "anna") -> Reading:
        self.bench.module_widget.openStudy(study, reader)
        self.bench.process_events()
        self.press(Qt.Key.Key_Return)
        return self

    def press(self, *keys: str | Qt.Key, held: str = "") -> None:
        for key in keys:
            self.bench.key(key, held)
            self.bench.process_events()

    def click(self, button) -> None:
        self.bench.window.panel.scroll.ensureWidgetVisible(button)
        self.bench.process_events()
        size = button.property("size")
        self.bench.mouse.click(button, (size.width() / 2, size.height() / 2))
        self.bench.process_events()

    def leave(self) -> None:
        self.bench.leave_module()

    def again(self) -> None:
        self.bench.show_module(str(MODULE))

    def volumes(self) -> list:
        return slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")

    def display(self):
        return self.volumes()[0].GetDisplayNode()

    def offset(self, view: str = "Red") -> float:
        return self.bench.view(view).mrmlSliceNode().GetSliceOffset()

    def brightness(self, view: str = "Red") -> float:
        """Of the picture in a view, without letters and bars."""
        return float(self.bench.view(view).view.picture().mean())


@pytest.fixture
def reading(bench: Workbench) -> Iterator[Reading]:
    bench.application.settings().clear()
    bench.show_module(str(MODULE))
    yield Reading(bench)
    bench.leave_module()


def answers(study: Path, reader: str = "anna") -> list[AnswerRow]:
    rows = answer_files(study, Protocol.read(study))[reader]
    return [row for row in rows if row.event == "answered"]


def test_a_study_is_read_to_the_end_by_keys_alone(reading, make):
    study = make("confidence", repeats=0.0)
    reading.open(study)
    pressed = [("1", 1), ("2", 5), ("2", 3), ("1", 2), ("1", 4), ("2", 1)]
    for number, (choice, confidence) in enumerate(pressed):
        assert reading.ui.progressLabel.text == f"{number + 1} of {CASES}"
        assert len(answers(study)) == number  # on the disk before the next case shows
        reading.press(choice, str(confidence))
    words = {"1": "real", "2": "synthetic"}
    assert [(row.answer, int(row.confidence)) for row in answers(study)] == [(words[c], n) for c, n in pressed]
    assert all(float(row.load_s) > 0 and float(row.answer_s) > 0 for row in answers(study))
    assert "Thank you" in reading.ui.endLabel.text and reading.ui.endBox.visible
    told = reading.ui.endLabel.text + reading.ui.endText.text
    assert not any(word in told.lower() for word in ("correct", "right", "wrong", "%"))
    assert reading.volumes() == []


def test_nothing_names_the_origin_or_the_file(reading, make):
    study = make("confidence", repeats=0.0)
    reading.open(study)
    names = {file.name.split(".")[0] for files in Protocol.read(study).cases.values() for file in files}
    assert len(names) == CASES
    reading.bench.mouse.move("Red", (0.0, 0.0, 0.0))
    reading.bench.process_events()
    probe = reading.bench.window.probe
    assert "Case" in probe.text()
    scene = slicer.mrmlScene
    told = [probe.text(), reading.bench.window.windowTitle(), *reading.bench.view("Red").canvas.corner_lines()]
    labels = reading.bench.window.panel.findChildren(QLabel)
    told += [label.property("text") for label in labels if label.property("visible")]
    for number in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(number)
        told += [node.GetName() or "", node.GetID(), node.GetDescription() or "", *map(str, node.GetAttributeNames())]
        storage = node.GetStorageNode() if node.IsA("vtkMRMLStorableNode") else None
        assert storage is None or not storage.GetFileName()
    text = "\n".join(told)
    assert not any(word in text for word in (*names, str(study), ".nii"))
    (volume,) = reading.volumes()
    assert volume.GetName() == "Case" and volume.GetStorageNode() is None and not volume.GetSaveWithScene()
    assert not reading.bench.core.has_unsaved_data  # so that closing the window asks nothing


def test_a_closed_window_resumes_at_the_first_unanswered_case(reading, make):
    study = make("confidence", repeats=0.0)
    reading.open(study)
    reading.press("1", "3", "2", "3", "1")  # the third case is chosen, not rated
    reading.leave()
    assert reading.volumes() == []
    reading.again()
    assert reading.ui.studyPath.currentPath == str(study) and reading.ui.readerBox.currentText == "anna"
    reading.press(Qt.Key.Key_Return)
    assert reading.ui.progressLabel.text == f"3 of {CASES}" and len(answers(study)) == 2


def test_a_pause_hides_the_images_and_takes_no_answers(reading, make):
    study = make("confidence", repeats=0.0)
    reading.open(study)
    shown = reading.brightness()
    assert shown > 20
    reading.press("space")
    assert reading.brightness() < 5 and "Paused" in reading.ui.questionLabel.text
    reading.press("1", "4", "up")
    assert answers(study) == []
    reading.press("space")
    assert reading.brightness() == pytest.approx(shown, abs=1)
    reading.press("1", "4")
    (row,) = answers(study)
    assert (row.pauses, row.scrolls) == ("1", "0") and float(row.paused_s) > 0


def test_brightness_is_free_and_comes_back_with_the_next_case(reading, make):
    study = make("confidence", repeats=0.0)
    reading.open(study)
    fixed = (WINDOW_LEVEL["window"], WINDOW_LEVEL["level"])
    assert (reading.display().GetWindow(), reading.display().GetLevel()) == fixed
    reading.bench.mouse.drag("Red", (150, 150), (210, 190))
    dragged = reading.display().GetWindow(), reading.display().GetLevel()
    assert dragged != fixed
    reading.press("2", "2")
    row = answers(study)[0]
    assert row.window_level_changes == "1"
    assert (float(row.window), float(row.level)) == pytest.approx(dragged, rel=1e-4)
    assert (reading.display().GetWindow(), reading.display().GetLevel()) == fixed
    reading.press("]")
    assert reading.display().GetWindow() < fixed[0]
    reading.press("r")
    assert (reading.display().GetWindow(), reading.display().GetLevel()) == fixed


def test_scrolls_are_counted_and_the_next_case_is_centered(reading, make):
    study = make("confidence", repeats=0.0)
    reading.open(study)
    assert [reading.offset(view) for view in ("Red", "Yellow", "Green")] == pytest.approx([0, 0, 0], abs=1e-6)
    reading.press("up", "up", "page down", Qt.Key.Key_Home)
    assert reading.offset() == pytest.approx(6) and reading.offset("Yellow") == pytest.approx(-3)
    reading.bench.mouse.wheel("Green", 2)
    reading.press("1", "1")
    row = answers(study)[0]
    assert row.scrolls == "6" and float(row.first_interaction_s) <= float(row.answer_s)
    assert [reading.offset(view) for view in ("Red", "Yellow", "Green")] == pytest.approx([0, 0, 0], abs=1e-6)


def test_the_same_reader_twice_is_refused_and_nothing_is_lost(reading, make):
    study = make("confidence", repeats=0.0)
    with Session.open(study, "anna"):
        reading.open(study)
        assert "open in another window" in reading.ui.messageLabel.text and reading.ui.setupBox.visible
    reading.press(Qt.Key.Key_Return)
    assert reading.ui.progressLabel.text == f"1 of {CASES}" and not reading.ui.messageLabel.visible


def test_a_changed_case_or_protocol_is_told_in_one_line(reading, make):
    study = make("confidence", repeats=0.0)
    order = Protocol.read(study).reader("anna").order
    path = next(study.glob(f"cases/{Protocol.read(study).cases[order[1]][0].name}"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    reading.open(study)
    reading.press("1", "2")
    assert "changed after" in reading.ui.messageLabel.text and reading.ui.setupBox.visible
    assert len(answers(study)) == 1 and reading.volumes() == []
    (study / "session.json").write_text((study / "session.json").read_text().replace("1800", "1801"))
    reading.bench.module_widget.openStudy(study, "anna")
    assert "session.json" in reading.ui.messageLabel.text and not reading.ui.startButton.enabled


def test_a_full_disk_keeps_the_case_and_takes_the_answer_later(reading, make, monkeypatch):
    study = make("confidence", repeats=0.0)
    reading.open(study)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("TumorSynthLib.reading.answers.os.write", full)
        reading.press("1", "2")
    assert "No space left" in reading.ui.messageLabel.text and len(reading.volumes()) == 1
    reading.press("2", "5")
    assert [(row.answer, row.confidence) for row in answers(study)] == [("synthetic", "5")]
    assert reading.ui.progressLabel.text == f"2 of {CASES}" and not reading.ui.messageLabel.visible


def test_a_comment_takes_its_letters_and_digits(reading, make):
    study = make("confidence", repeats=0.0)
    reading.open(study)
    reading.press("c")
    QTest.keyClicks(reading.ui.commentEdit, "12 rims, c")
    reading.press(Qt.Key.Key_Return)
    assert answers(study) == [] and not reading.ui.commentEdit.focus
    reading.press("1", "2")
    assert answers(study)[0].comment == "12 rims, c" and reading.ui.commentEdit.text == ""


def test_a_choice_may_be_taken_back_before_it_is_rated(reading, make):
    study = make("confidence", repeats=0.0)
    reading.open(study)
    reading.press("1")
    reading.press(Qt.Key.Key_Backspace)
    reading.click(reading.ui.secondButton)
    reading.click(reading.ui.confidenceButton4)
    assert [(row.answer, row.confidence) for row in answers(study)] == [("synthetic", "4")]
    reading.press(Qt.Key.Key_Backspace)  # this protocol knows no going back
    assert reading.ui.progressLabel.text == f"2 of {CASES}" and not reading.ui.backButton.visible


def test_training_is_told_and_going_back_is_possible_where_the_protocol_allows_it(reading, make):
    study = make("yesno", repeats=0.0, training_cases=2, going_back=True)
    truth = Protocol.read(study).training
    order = Protocol.read(study).reader("anna").order
    reading.open(study)
    for case in order[:2]:
        assert "Training" in reading.ui.trainingLabel.text
        reading.press("1")
        word = "Right" if truth[case] == "real" else "Wrong"
        assert word in reading.ui.feedbackLabel.text and truth[case] in reading.ui.feedbackLabel.text
        reading.press("2")  # answered already
        reading.press(Qt.Key.Key_Return)
    assert not reading.ui.trainingLabel.visible
    reading.press("1", Qt.Key.Key_Backspace)
    assert reading.ui.progressLabel.text.startswith("3 of ") and "before" in reading.ui.trainingLabel.text
    reading.press("2")
    assert [row.answer for row in answers(study)] == ["real", "real", "real", "synthetic"]
    assert reading.ui.progressLabel.text.startswith("4 of ")


def test_two_images_scroll_and_brighten_together(reading, make):
    study = make("2afc", repeats=0.0)
    reading.open(study)
    assert [node.GetName() for node in reading.volumes()] == ["Left", "Right"]
    reading.press("up")
    assert reading.offset("Red") == reading.offset("Red+") == pytest.approx(3)
    reading.bench.mouse.wheel("Yellow+", 1)
    assert reading.offset("Yellow") == reading.offset("Yellow+") != 0
    reading.bench.mouse.drag("Green+", (60, 60), (90, 90))
    first, second = (node.GetDisplayNode() for node in reading.volumes())
    assert first.GetWindow() == second.GetWindow() != WINDOW_LEVEL["window"]
    reading.press("2")
    row = answers(study)[0]
    assert (row.answer, row.scrolls, row.window_level_changes) == ("right", "2", "1")


def test_a_click_is_the_answer_to_where(reading, make):
    study = make("locate", repeats=0.0)
    reading.open(study)
    reading.press("1")
    assert "Click on the lesion" in reading.ui.messageLabel.text and answers(study) == []
    reading.bench.mouse.click("Red", (10.0, -6.0, 0.0))
    reading.press("1")
    reading.press("up", "p", "1")
    reading.press("2")
    rows = answers(study)
    points = [[float(row.point_r_mm or "nan"), float(row.point_a_mm or "nan")] for row in rows]
    assert [row.answer for row in rows] == ["here", "here", "none"]
    assert np.allclose(points[0], (10, -6), atol=1) and np.allclose(points[1], (0, 0), atol=1e-3)
    assert slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode") == []


def test_a_scene_closed_in_the_middle_shows_the_case_again(reading, make):
    study = make("confidence", repeats=0.0)
    reading.open(study)
    reading.press("1")
    reading.bench.close_scene()
    assert len(reading.volumes()) == 1 and reading.brightness() > 20
    reading.press("2", "2")
    assert [row.answer for row in answers(study)] == ["synthetic"]


def test_a_double_click_answers_one_case(reading, make):
    study = make("yesno", repeats=0.0, training_cases=2, going_back=True)
    with Session.open(study, "anna") as session:
        for _ in range(2):
            session.current_case()
            session.answer("real")
    reading.open(study)
    size = reading.ui.firstButton.size
    reading.bench.mouse.double_click(reading.ui.firstButton, (size.width() / 2, size.height() / 2))
    reading.bench.process_events()
    assert len(answers(study)) == 3


def test_a_key_that_is_held_answers_one_case(reading, make):
    study = make("yesno", repeats=0.0, training_cases=2, going_back=True)
    reading.open(study)
    window = reading.bench.window.windowHandle()
    for repeats in (False, True, True):
        event = QKeyEvent(QKeyEvent.Type.KeyPress, Qt.Key.Key_1, Qt.KeyboardModifier.NoModifier, "1", repeats)
        QApplication.sendEvent(window, event)
        reading.bench.process_events()
        reading.press(Qt.Key.Key_Return)
    assert len(answers(study)) == 1


def test_every_key_does_what_the_panel_says(reading, make):
    reading.open(make("confidence", repeats=0.0))
    display, node = reading.display(), reading.bench.view("Red").mrmlSliceNode()
    field = node.GetFieldOfView()[0]
    reading.press("+")
    assert node.GetFieldOfView()[0] < field
    reading.press("-", "-")
    assert node.GetFieldOfView()[0] > field
    for key, value, sign in (
        ("[", "GetWindow", 1),
        ("]", "GetWindow", -1),
        (".", "GetLevel", -1),
        (",", "GetLevel", 1),
    ):
        before = getattr(display, value)()
        reading.press(key)
        assert np.sign(getattr(display, value)() - before) == sign, key


def test_another_module_hides_the_case_and_stops_the_clock(reading, make):
    study = make("confidence", repeats=0.0)
    reading.open(study)
    layout = slicer.app.layoutManager().layout
    reading.bench.module_widget.exit()
    assert slicer.app.layoutManager().layout != layout and reading.brightness() < 5
    reading.press("1", "1")
    reading.bench.module_widget.enter()
    reading.press("space", "2", "1")
    (row,) = answers(study)
    assert (row.answer, row.pauses) == ("synthetic", "1")


def test_a_killed_program_loses_no_answer(make):
    """Everything but the keys happens in another process, which is killed in the middle of a case."""
    study = make("confidence", repeats=0.0)
    code = f"""
import os, signal, sys
from workbench import Workbench
bench = Workbench.open(size=(900, 700), module={str(MODULE)!r}, testing=True)
bench.module_widget.openStudy({str(study)!r}, "anna")
for key in ("return", "1", "3", "2", "4", "1"):
    bench.key(key)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=120)
    assert done.returncode == -9
    assert [(row.answer, row.confidence) for row in answers(study)] == [("real", "3"), ("synthetic", "4")]
    with Session.open(study, "anna") as session:
        assert session.current_case().position == 2


def test_the_command_opens_the_study_and_refuses_unknown_readers(make, tmp_path):
    study, picture = make("confidence", repeats=0.0), tmp_path / "window.png"
    command = [sys.executable, "-m", "TumorSynthLib", "reading", "run", str(study), "--reader"]
    refused = subprocess.run([*command, "zoe"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert refused.returncode == 2 and "choose one of anna, ben" in refused.stderr
    shown = subprocess.run([*command, "anna", "--snapshot", str(picture)], cwd=ROOT, capture_output=True, timeout=120)
    assert shown.returncode == 0 and picture.is_file()
