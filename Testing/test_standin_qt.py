"""`qt` behaves as PythonQt does in Slicer, and PySide6 itself stays as it is."""

from __future__ import annotations

import gc

import pytest
from PySide6 import QtCore, QtGui, QtWidgets

from standins import click, press_key, stand_ins
from workbench import python_layer


@pytest.fixture(scope="module")
def qt():
    with stand_ins():
        import qt

        yield qt


def test_properties_are_attributes_and_setters_stay(qt):
    button = qt.QPushButton("Go")
    assert button.text == "Go"
    button.enabled = False
    assert not button.isEnabled()
    button.setEnabled(True)
    assert button.enabled is True
    button.toolTip = "really"
    assert QtWidgets.QPushButton.toolTip(button) == "really"
    assert button.size == QtCore.QSize(button.width, button.height)


def test_a_property_that_cannot_be_set_says_so(qt):
    with pytest.raises(AttributeError, match="QPushButton.width"):
        qt.QPushButton().width = 3


def test_name_and_class_name(qt):
    label = qt.QLabel()
    label.name = "title"
    assert label.objectName == "title"
    assert label.className() == "QLabel"


def test_ordinary_pyside_is_untouched(qt):
    label = QtWidgets.QLabel("plain")
    assert label.text() == "plain"
    assert label.isEnabled()
    assert QtWidgets.QLabel.text(qt.QLabel("mine")) == "mine"


def test_plain_objects_are_instances(qt):
    assert isinstance(QtWidgets.QPushButton(), qt.QPushButton)
    assert isinstance(qt.QPushButton(), qt.QWidget)
    assert isinstance(qt.QPushButton(), QtWidgets.QAbstractButton)
    assert not isinstance(qt.QLabel(), qt.QPushButton)
    assert isinstance(QtWidgets.QMenu(), qt.QMenu)

    class Mine(qt.QLabel):
        pass

    assert isinstance(Mine(), Mine)
    assert not isinstance(qt.QLabel(), Mine)


@pytest.mark.parametrize(
    ("signal", "function", "expected"),
    [
        ("clicked(bool)", lambda got: lambda checked: got.append(checked), [True]),
        ("clicked(bool)", lambda got: lambda: got.append("none"), ["none"]),
        ("clicked()", lambda got: lambda given=7: got.append(given), [7]),
        ("toggled(bool)", lambda got: lambda checked, more=3: got.append((checked, more)), [(True, 3)]),
        ("toggled(bool)", lambda got: got.append, [True]),
    ],
)
def test_a_slot_gets_what_it_takes(qt, signal, function, expected):
    got = []
    button = qt.QPushButton()
    button.checkable = True
    assert button.connect(signal, function(got))
    click(button)
    assert got == expected


def test_disconnecting_takes_the_same_arguments(qt):
    class Listener:
        def __init__(self):
            self.heard = []

        def hear(self, value):
            self.heard.append(value)

    listener, box = Listener(), qt.QSpinBox()
    box.connect("valueChanged(int)", listener.hear)
    box.value = 3
    assert box.disconnect("valueChanged(int)", listener.hear)
    box.value = 4
    assert listener.heard == [3]
    assert not box.disconnect("valueChanged(int)", listener.hear)


def test_connecting_two_objects_by_their_slots(qt):
    box, bar = qt.QSpinBox(), qt.QProgressBar()
    box.connect("valueChanged(int)", bar, "setValue(int)")
    box.value = 42
    assert bar.value == 42


def test_signals_as_attributes(qt):
    got, slider = [], qt.QSlider()
    slider.valueChanged.connect(got.append)
    slider.value = 9
    slider.valueChanged.disconnect(got.append)
    slider.value = 1
    assert got == [9]


def test_a_signal_that_does_not_exist_is_refused_with_those_that_do(qt):
    with pytest.raises(ValueError, match=r"QLineEdit has no signal .*textChanged\(QString\)"):
        qt.QLineEdit().connect("valueChanged(int)", print)


def test_a_connection_keeps_its_function_alive(qt):
    got, button = [], qt.QPushButton()
    button.connect("clicked()", lambda: got.append(1))
    gc.collect()
    click(button)
    assert got == [1]


def test_subclasses_have_signals_events_and_connect(qt):
    class Canvas(qt.QWidget):
        moved = QtCore.Signal(object)

        def mousePressEvent(self, event):
            self.moved.emit({"button": event.button()})

    got, canvas = [], Canvas()
    canvas.connect("moved(vtkObject*)", got.append)
    click(canvas)
    assert got == [{"button": qt.Qt.LeftButton}]


def test_timers(qt):
    got, timer = [], qt.QTimer()
    timer.interval = 1
    timer.singleShot = True
    timer.connect("timeout()", lambda: got.append("timer"))
    assert not timer.active
    timer.start()
    assert timer.active
    qt.QTimer.singleShot(0, lambda: got.append("once"))
    deadline = QtCore.QDeadlineTimer(2000)
    while len(got) < 2 and not deadline.hasExpired():
        QtWidgets.QApplication.processEvents()
    assert sorted(got) == ["once", "timer"]
    assert not timer.active


def test_layouts_use_the_size_of_their_widgets(qt):
    widget = qt.QWidget()
    layout = qt.QVBoxLayout(widget)
    layout.spacing = 13
    layout.addWidget(qt.QPushButton("one"))
    layout.addWidget(qt.QPushButton("two"))
    widget.show()
    first, second = widget.findChildren(qt.QPushButton)
    assert second.y - (first.y + first.height) == 13
    assert widget.sizeHint.height() >= first.height + second.height
    assert layout.itemAt(0).widget() is first
    assert first.parent() is widget
    widget.close()


def test_children_are_found_by_class_or_its_name(qt):
    widget = qt.QWidget()
    button = qt.QPushButton(widget)
    button.name = "go"
    assert widget.findChildren("QAbstractButton") == [button]
    assert widget.findChildren(qt.QPushButton) == [button]
    assert widget.findChild(qt.QPushButton, "go") is button
    assert widget.findChild(qt.QLabel, "go") is None


def test_tables(qt):
    table = qt.QTableWidget(0, 2)
    table.setHorizontalHeaderLabels(["Name", "Size"])
    table.insertRow(table.rowCount)
    item = qt.QTableWidgetItem("Lesion 1")
    item.setFlags(item.flags() & ~qt.Qt.ItemIsEditable)
    table.setItem(0, 0, item)
    box = qt.QCheckBox()
    table.setCellWidget(0, 1, box)
    header = table.horizontalHeader()
    header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
    header.visible = False
    got = []
    table.connect("cellClicked(int,int)", lambda row, column: got.append((row, column)))
    table.cellClicked.emit(0, 1)
    assert table.rowCount == 1
    assert table.item(0, 0).text() == "Lesion 1"
    assert table.cellWidget(0, 1) is box
    assert header.isHidden()
    assert got == [(0, 1)]


def test_menus_and_actions(qt):
    got, menu = [], qt.QMenu("File")
    action = menu.addAction("Open")
    action.connect("triggered()", lambda: got.append("open"))
    menu.addAction("Close", lambda: got.append("close"))
    action.enabled = False
    action.trigger()
    action.enabled = True
    action.trigger()
    menu.actions()[1].trigger()
    submenu = menu.addMenu("Recent")
    submenu.title = "Last"
    assert got == ["open", "close"]
    assert [one.property("text") for one in menu.actions()] == ["Open", "Close", "Last"]


def test_shortcuts(qt):
    got, widget = [], qt.QWidget()
    shortcut = qt.QShortcut(widget)
    shortcut.setKey(qt.QKeySequence("Ctrl+Z"))
    shortcut.connect("activated()", lambda: got.append(1))
    shortcut.activated.emit()
    assert got == [1]
    assert shortcut.key == QtGui.QKeySequence("Ctrl+Z")


def test_an_event_filter_sees_the_keys_of_an_ordinary_window(qt):
    class Keys(qt.QObject):
        def __init__(self):
            super().__init__()
            self.seen = []

        def eventFilter(self, watched, event):
            if event.type() in (qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
                self.seen.append((event.type() == qt.QEvent.KeyPress, event.key() == qt.Qt.Key_B))
                return True
            return False

    keys, window = Keys(), QtWidgets.QMainWindow()
    window.installEventFilter(keys)
    press_key(window, QtCore.Qt.Key.Key_B)
    window.removeEventFilter(keys)
    press_key(window, QtCore.Qt.Key.Key_B)
    assert keys.seen == [(True, True), (False, True)]


def test_enums_compare_as_modules_write_it(qt):
    assert qt.QDialog.Accepted == 1
    assert qt.QMessageBox.Ok | qt.QMessageBox.Cancel
    box = qt.QCheckBox()
    box.setCheckState(qt.Qt.Checked)
    assert box.checked
    assert box.checkState() == qt.Qt.Checked


def test_file_dialogs_give_one_text(qt):
    def cancel():
        next(w for w in QtWidgets.QApplication.topLevelWidgets() if isinstance(w, QtWidgets.QFileDialog)).reject()

    QtCore.QTimer.singleShot(0, cancel)
    options = qt.QFileDialog.DontUseNativeDialog
    assert qt.QFileDialog.getOpenFileName(None, "Choose", "", "All (*)", "", options) == ""


def test_settings(qt, tmp_path):
    settings = qt.QSettings(str(tmp_path / "settings.ini"), qt.QSettings.IniFormat)
    settings.setValue("a/b", 3)
    settings.sync()
    again = qt.QSettings(str(tmp_path / "settings.ini"), qt.QSettings.IniFormat)
    assert int(again.value("a/b", 1)) == 3
    assert again.value("missing", "default") == "default"


def test_a_missing_name_is_explained(qt):
    with pytest.raises(AttributeError, match="qt.QNonsense"):
        _ = qt.QNonsense


def test_adopting_teaches_connect_to_objects_of_ordinary_code(qt):
    class Window(QtWidgets.QMainWindow):
        closed = QtCore.Signal(str)

    got, window = [], python_layer.adopt(Window())
    window.connect("closed(QString)", got.append)
    window.closed.emit("bye")
    assert got == ["bye"]
    assert window.isEnabled() and window.windowTitle() == ""


def test_objects_come_and_go_without_harm(qt):
    for round_ in range(20):
        widget = qt.QWidget()
        layout = qt.QVBoxLayout(widget)
        table = qt.QTableWidget(2, 2)
        layout.addWidget(table)
        table.horizontalHeader().connect("sectionClicked(int)", lambda index: None)
        python_layer.adopt(QtWidgets.QPushButton(widget)).connect("clicked()", lambda: None)
        qt.QMenu(widget).addAction("x").connect("triggered()", lambda: None)
        del widget, layout, table
        if round_ % 10 == 9:
            gc.collect()
    assert qt.QWidget().visible is False
