"""The stand-ins of CTK's widgets, under the mouse and keyboard, against CTK's documented behaviour."""

from __future__ import annotations

import pytest
from PySide6 import QtCore, QtTest, QtWidgets

from standins import click, press_key, stand_ins


@pytest.fixture(scope="module")
def ctk():
    with stand_ins():
        import ctk

        yield ctk


@pytest.fixture
def slider(ctk):
    slider = ctk.ctkSliderWidget()
    slider.minimum, slider.maximum, slider.singleStep, slider.decimals = 0.0, 10.0, 0.5, 1
    slider.resize(400, 30)
    slider.show()
    yield slider
    slider.close()


class Listener:
    def __init__(self, slider) -> None:
        self.changed: list[float] = []
        self.changing: list[float] = []
        slider.connect("valueChanged(double)", self.changed.append)
        slider.connect("valueIsChanging(double)", self.changing.append)


def handle(slider) -> tuple[QtWidgets.QSlider, QtCore.QPoint]:
    bar = slider.findChild(QtWidgets.QSlider)
    option = QtWidgets.QStyleOptionSlider()
    bar.initStyleOption(option)
    style = QtWidgets.QStyle
    rect = bar.style().subControlRect(style.ComplexControl.CC_Slider, option, style.SubControl.SC_SliderHandle, bar)
    return bar, rect.center()


def drag(slider, steps: list[int]) -> None:
    """Presses on the handle, moves by each number of pixels, releases."""
    bar, position = handle(slider)
    left = QtCore.Qt.MouseButton.LeftButton
    QtTest.QTest.mousePress(bar, left, pos=position)
    for step in steps:
        position += QtCore.QPoint(step, 0)
        QtTest.QTest.mouseMove(bar, position)
    QtTest.QTest.mouseRelease(bar, left, pos=position)


def test_dragging_with_tracking_tells_every_step(slider):
    heard = Listener(slider)
    drag(slider, [40, 40, 40])
    assert len(heard.changed) == 3
    assert heard.changed == sorted(heard.changed)
    assert slider.value == heard.changed[-1] > 0
    assert heard.changing == []
    assert all(value % 0.5 == 0 for value in heard.changed)


def test_dragging_without_tracking_tells_the_value_on_release(slider):
    slider.tracking = False
    heard = Listener(slider)
    during: list[float] = []
    slider.connect("valueIsChanging(double)", lambda _: during.append(slider.value))
    drag(slider, [40, 40, 40])
    assert len(heard.changing) == 3
    assert heard.changed == [heard.changing[-1]] == [slider.value]
    assert during == [0.0, 0.0, 0.0]


def test_a_drag_back_to_where_it_began_is_no_change(slider):
    slider.tracking = False
    heard = Listener(slider)
    drag(slider, [60, -60])
    assert heard.changing and heard.changed == []


def test_typing_a_number(slider):
    heard = Listener(slider)
    box = slider.findChild(QtWidgets.QDoubleSpinBox)
    box.selectAll()
    QtTest.QTest.keyClicks(box, "4.5")
    press_key(box, QtCore.Qt.Key.Key_Return)
    assert slider.value == 4.5
    assert heard.changed[-1] == 4.5


def test_setting_a_value_moves_both_halves_and_tells_once(slider):
    heard = Listener(slider)
    slider.value = 7.5
    slider.setValue(7.5)
    assert heard.changed == [7.5]
    assert slider.findChild(QtWidgets.QSlider).value() == 15
    assert slider.findChild(QtWidgets.QDoubleSpinBox).value() == 7.5


def test_values_are_rounded_to_decimals_and_kept_in_bounds(slider):
    slider.value = 3.14159
    assert slider.value == 3.1
    slider.value = 99
    assert slider.value == 10.0
    slider.maximum = 5
    assert slider.value == 5.0
    slider.setRange(-2, -1)
    assert (slider.minimum, slider.maximum, slider.value) == (-2.0, -1.0, -1.0)
    slider.reset()
    assert slider.value == -1.0


def test_suffix_and_prefix_are_shown(slider):
    slider.suffix = " mm"
    slider.prefix = "about "
    assert slider.findChild(QtWidgets.QDoubleSpinBox).text() == "about 0.0 mm"


def test_number_boxes_under_one_parent_are_equally_wide(ctk):
    parent = QtWidgets.QWidget()
    layout = QtWidgets.QVBoxLayout(parent)
    short, long = ctk.ctkSliderWidget(), ctk.ctkSliderWidget()
    layout.addWidget(short)
    layout.addWidget(long)
    long.suffix = " millimeters"
    parent.show()
    QtWidgets.QApplication.processEvents()
    first, second = (slider.findChild(QtWidgets.QDoubleSpinBox).width() for slider in (short, long))
    assert first == second
    parent.close()


@pytest.fixture
def section(ctk):
    section = ctk.ctkCollapsibleButton("Inputs")
    layout = QtWidgets.QVBoxLayout(section)
    first, second = QtWidgets.QPushButton("first"), QtWidgets.QPushButton("second")
    layout.addWidget(first)
    layout.addWidget(second)
    second.hide()
    window = QtWidgets.QWidget()
    box = QtWidgets.QVBoxLayout(window)
    box.addWidget(section)
    box.addStretch(1)
    window.resize(300, 300)
    window.show()
    QtWidgets.QApplication.processEvents()
    yield section, first, second
    window.close()


def test_a_click_on_its_title_folds_a_section_and_another_unfolds_it(section):
    section, first, second = section
    told = []
    section.connect("contentsCollapsed(bool)", told.append)
    open_height = section.height
    title = QtCore.QPoint(section.width // 2, 8)
    click(section, title)
    QtWidgets.QApplication.processEvents()
    assert section.collapsed and not section.checked
    assert first.isHidden()
    assert section.height < open_height
    click(section, title)
    QtWidgets.QApplication.processEvents()
    assert not section.collapsed
    assert not first.isHidden() and second.isHidden()
    assert section.height == open_height
    assert told == [True, False]


def test_contents_lie_below_the_title_and_clicks_there_do_not_fold(section):
    section, first, _ = section
    header = section.contentsMargins().top()
    assert first.y() >= header > 10
    click(section, QtCore.QPoint(2, section.height - 3))
    assert not section.collapsed


def test_what_is_added_to_a_folded_section_shows_when_it_unfolds(section):
    section, _, _ = section
    section.collapsed = True
    late = QtWidgets.QLabel("late", section)
    section.layout().addWidget(late)
    assert late.isHidden()
    section.collapsed = False
    assert not late.isHidden()


def test_a_group_box_folds(ctk):
    group = ctk.ctkCollapsibleGroupBox("More")
    inside = QtWidgets.QLabel("x", group)
    group.collapsed = True
    assert inside.isHidden() and not group.checked
    group.collapsed = False
    assert not inside.isHidden()
    assert group.title == "More"


def test_a_path_is_typed_or_set(ctk):
    told, edit = [], ctk.ctkPathLineEdit()
    edit.connect("currentPathChanged(QString)", told.append)
    edit.filters = ctk.ctkPathLineEdit.Dirs
    edit.currentPath = "/tmp"
    QtTest.QTest.keyClicks(edit.findChild(QtWidgets.QLineEdit), "/x")
    assert edit.currentPath == "/tmp/x"
    assert told == ["/tmp", "/tmp/", "/tmp/x"]


def test_coordinates_are_a_text(ctk):
    told, widget = [], ctk.ctkCoordinatesWidget()
    widget.connect("coordinatesChanged(double*)", lambda: told.append(widget.coordinates))
    widget.coordinates = "1.5,-20,30.25"
    widget.setCoordinates("1.5,-20,30.25")
    assert told == ["1.5,-20,30.25"]
    widget.findChildren(QtWidgets.QDoubleSpinBox)[2].setValue(4)
    assert told[-1] == "1.5,-20,4"


def test_a_widget_without_stand_in_is_an_error(ctk):
    with pytest.raises(AttributeError, match="ctk.ctkRangeWidget.*ctkSliderWidget"):
        _ = ctk.ctkRangeWidget
