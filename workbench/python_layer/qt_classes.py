"""Those of `qt`'s classes that need more than properties as attributes: dialogs, settings, menus, tables.

- Dialogs whose static functions give several values in PySide6 give one, as in PythonQt.
- `qt.QSettings()` opens the settings of `slicer.app`, as in Slicer.
- Menus, tool bars, tables and trees make their actions and headers themselves, and message boxes the buttons that are
  added with a text, so that these have PythonQt's manners, too.
"""

from __future__ import annotations

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from workbench.python_layer.pythonqt import pythonqt_class


def qt_class(plain_class: type) -> type:
    """The class that `qt` shows for one of PySide6's."""
    return _SPECIAL.get(plain_class.__name__) or pythonqt_class(plain_class)


# -- dialogs


def _first_value(method):
    return staticmethod(lambda *arguments, **named: method(*arguments, **named)[0])


class QFileDialog(pythonqt_class(QtWidgets.QFileDialog)):
    """The static functions give the chosen file or files only, an empty string or list after Cancel."""

    getOpenFileName = _first_value(QtWidgets.QFileDialog.getOpenFileName)
    getOpenFileNames = _first_value(QtWidgets.QFileDialog.getOpenFileNames)
    getSaveFileName = _first_value(QtWidgets.QFileDialog.getSaveFileName)


class QInputDialog(pythonqt_class(QtWidgets.QInputDialog)):
    """The static functions give the value only; after Cancel an empty text, or the number that was shown."""

    getText = _first_value(QtWidgets.QInputDialog.getText)
    getMultiLineText = _first_value(QtWidgets.QInputDialog.getMultiLineText)
    getItem = _first_value(QtWidgets.QInputDialog.getItem)
    getInt = _first_value(QtWidgets.QInputDialog.getInt)
    getDouble = _first_value(QtWidgets.QInputDialog.getDouble)


class _AddsButtons:
    def addButton(self, *arguments: object):
        """`addButton("Retry", role)` makes the button itself; the other forms are Qt's."""
        if len(arguments) == 2 and isinstance(arguments[0], str):
            button = qt_class(QtWidgets.QPushButton)(arguments[0])
            super().addButton(button, arguments[1])
            return button
        return super().addButton(*arguments)


class QMessageBox(_AddsButtons, pythonqt_class(QtWidgets.QMessageBox)):
    pass


class QDialogButtonBox(_AddsButtons, pythonqt_class(QtWidgets.QDialogButtonBox)):
    pass


# -- settings


class QSettings(pythonqt_class(QtCore.QSettings)):
    def __init__(self, *arguments: object) -> None:
        if not arguments:
            arguments = (slicer.app.userSettings().fileName(), QtCore.QSettings.Format.IniFormat)
        super().__init__(*arguments)


# -- menus


class _AddsActions:
    def addAction(self, *arguments: object):
        """Takes an action, or what one is made of: an icon, a text, a function."""
        if isinstance(arguments[0], QtGui.QAction):
            super().addAction(arguments[0])
            return arguments[0]
        action = qt_class(QtGui.QAction)(self)
        for argument in arguments:
            if isinstance(argument, str):
                action.setText(argument)
            elif isinstance(argument, QtGui.QIcon):
                action.setIcon(argument)
            elif isinstance(argument, QtGui.QKeySequence):
                action.setShortcut(argument)
            elif callable(argument):
                action.triggered.connect(argument)
        super().addAction(action)
        return action

    def addSeparator(self):
        action = qt_class(QtGui.QAction)(self)
        action.setSeparator(True)
        super().addAction(action)
        return action

    def addMenu(self, *arguments: object):
        if isinstance(arguments[0], QtWidgets.QMenu):
            return super().addMenu(arguments[0])
        menu = QMenu(self)
        menu.setTitle(arguments[-1])
        if len(arguments) == 2:
            menu.setIcon(arguments[0])
        super().addMenu(menu)
        return menu


class QMenu(_AddsActions, pythonqt_class(QtWidgets.QMenu)):
    pass


class QMenuBar(_AddsActions, pythonqt_class(QtWidgets.QMenuBar)):
    pass


class QToolBar(_AddsActions, pythonqt_class(QtWidgets.QToolBar)):
    pass


# -- tables and trees


class _MakesTableHeaders:
    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)
        for orientation, put in (
            (QtCore.Qt.Orientation.Horizontal, self.setHorizontalHeader),
            (QtCore.Qt.Orientation.Vertical, self.setVerticalHeader),
        ):
            header = qt_class(QtWidgets.QHeaderView)(orientation, self)
            header.setSectionsClickable(True)
            header.setHighlightSections(True)
            put(header)


class _MakesTreeHeader:
    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)
        header = qt_class(QtWidgets.QHeaderView)(QtCore.Qt.Orientation.Horizontal, self)
        header.setSectionsMovable(True)
        header.setStretchLastSection(True)
        header.setDefaultAlignment(QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter)
        self.setHeader(header)


class QTableView(_MakesTableHeaders, pythonqt_class(QtWidgets.QTableView)):
    pass


class QTableWidget(_MakesTableHeaders, pythonqt_class(QtWidgets.QTableWidget)):
    pass


class QTreeView(_MakesTreeHeader, pythonqt_class(QtWidgets.QTreeView)):
    pass


class QTreeWidget(_MakesTreeHeader, pythonqt_class(QtWidgets.QTreeWidget)):
    pass


_SPECIAL: dict[str, type] = {
    made.__name__: made
    for made in (
        QDialogButtonBox,
        QFileDialog,
        QInputDialog,
        QMenu,
        QMenuBar,
        QMessageBox,
        QSettings,
        QTableView,
        QTableWidget,
        QToolBar,
        QTreeView,
        QTreeWidget,
    )
}
for _made in _SPECIAL.values():
    _made._plain_class = _made._plain_class  # its own, so that plain objects count as its instances, too
