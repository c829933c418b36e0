"""ctkPathLineEdit and ctkDirectoryButton: choosing a file or a folder."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from workbench.python_layer.pythonqt import pythonqt_class
from workbench.python_layer.ui_loader import custom_widget


@custom_widget
class ctkPathLineEdit(pythonqt_class(QtWidgets.QWidget)):
    """A path that one types or chooses in a dialog.

    Properties currentPath, filters (a value of ctkPathLineEdit.Files, Dirs, ...), nameFilters, label, showBrowseButton,
    settingKey (kept, unused); signal currentPathChanged(QString); browse(). Not covered: history and completion.
    """

    Files = QtCore.QDir.Filter.Files
    Dirs = QtCore.QDir.Filter.Dirs
    Readable = QtCore.QDir.Filter.Readable
    Writable = QtCore.QDir.Filter.Writable
    Executable = QtCore.QDir.Filter.Executable

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, *arguments: object) -> None:
        """Takes a parent, or like CTK a label, name filters, filters and a parent."""
        parent = next((value for value in arguments if isinstance(value, QtWidgets.QWidget)), None)
        super().__init__(parent)
        self._filters = QtCore.QDir.Filter.Files | QtCore.QDir.Filter.Dirs
        self._name_filters: list[str] = []
        self._label = self._setting_key = ""
        self._line = QtWidgets.QLineEdit(self)
        self._button = QtWidgets.QToolButton(self)
        self._button.setText("...")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line, 1)
        layout.addWidget(self._button)
        self.setFocusProxy(self._line)
        self._line.textChanged.connect(self.currentPathChanged)
        self._button.clicked.connect(self.browse)

    def setCurrentPath(self, path: str) -> None:
        self._line.setText(str(path))

    def setFilters(self, filters: QtCore.QDir.Filter) -> None:
        self._filters = QtCore.QDir.Filter(filters)

    def setNameFilters(self, filters: list[str]) -> None:
        self._name_filters = list(filters)

    def setLabel(self, label: str) -> None:
        self._label = label

    def setSettingKey(self, key: str) -> None:
        self._setting_key = key

    def setShowBrowseButton(self, visible: bool) -> None:
        self._button.setVisible(visible)

    def addCurrentPathToHistory(self) -> None:
        """Nothing to do without a history."""

    currentPath = Property(str, lambda self: self._line.text(), setCurrentPath)
    filters = Property(QtCore.QDir.Filter, lambda self: self._filters, setFilters)
    nameFilters = Property("QStringList", lambda self: self._name_filters, setNameFilters)
    label = Property(str, lambda self: self._label, setLabel)
    settingKey = Property(str, lambda self: self._setting_key, setSettingKey)
    showBrowseButton = Property(bool, lambda self: not self._button.isHidden(), setShowBrowseButton)

    def browse(self) -> None:
        dialog, filters = QtWidgets.QFileDialog, self._filters
        if not filters & self.Files:
            path = dialog.getExistingDirectory(self, self._label or "Choose a folder", self.currentPath)
        elif filters & self.Writable:
            path, _ = dialog.getSaveFileName(self, self._label, self.currentPath, ";;".join(self._name_filters))
        else:
            path, _ = dialog.getOpenFileName(self, self._label, self.currentPath, ";;".join(self._name_filters))
        if path:
            self.setCurrentPath(path)


@custom_widget
class ctkDirectoryButton(pythonqt_class(QtWidgets.QPushButton)):
    """A button that shows a folder; a click chooses another. Properties directory, caption; signals directoryChanged,
    directorySelected (QString)."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    def __init__(self, *arguments: object) -> None:
        parent = next((value for value in arguments if isinstance(value, QtWidgets.QWidget)), None)
        super().__init__(parent)
        self._caption = ""
        self._directory = next((value for value in arguments if isinstance(value, str)), ".")
        self.setIcon(self.style().standardIcon(QtWidgets.QStyle.StandardPixmap.SP_DirIcon))
        self.setText(self._directory)
        self.clicked.connect(self.browse)

    def setDirectory(self, directory: str) -> None:
        directory = str(directory)
        if directory != self._directory:
            self._directory = directory
            self.setText(directory)
            self.directoryChanged.emit(directory)

    def setCaption(self, caption: str) -> None:
        self._caption = caption

    directory = Property(str, lambda self: self._directory, setDirectory)
    caption = Property(str, lambda self: self._caption, setCaption)

    def browse(self) -> None:
        directory = QtWidgets.QFileDialog.getExistingDirectory(self, self._caption, self._directory)
        if directory:
            self.setDirectory(directory)
            self.directorySelected.emit(directory)
