"""The workbench's main window: the module at the left, the views at the right, menus, tools, the line at the foot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLabel,
    QMainWindow,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from . import files
from .actions import Actions
from .application import NAME, WorkbenchApplication
from .data_probe import DataProbe
from .messages import Messages

PANEL_WIDTH = 430
NARROWEST = 320
GEOMETRY = "MainWindow/geometry"


class ModulePanel(QWidget):
    """The left side: the name of the module, and its panel below, scrolling when it is long."""

    def __init__(self) -> None:
        super().__init__()
        self.title = QLabel("No module")
        self.title.setObjectName("ModuleTitle")
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.title.setContentsMargins(8, 6, 8, 6)
        self.scroll = QScrollArea()
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setWidgetResizable(True)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.place = QWidget()
        QVBoxLayout(self.place).setContentsMargins(4, 0, 4, 4)
        self.scroll.setWidget(self.place)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.title)
        layout.addWidget(self.scroll, 1)
        self.place.installEventFilter(self)
        self._fit_width()

    def ensureWidgetVisible(self, widget: QWidget) -> None:
        """Scrolls a part of the module into sight."""
        self.scroll.ensureWidgetVisible(widget)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Nothing of a module is cut off at the right: as in Slicer, the panel is never narrower than what it shows."""
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self._fit_width()
        return super().eventFilter(watched, event)

    def _fit_width(self) -> None:
        bar = self.scroll.verticalScrollBar().sizeHint().width()
        self.setMinimumWidth(max(NARROWEST, self.place.minimumSizeHint().width() + bar))


class MainWindow(QMainWindow):
    """Stands for qSlicerMainWindow, under whose name `slicer.util.mainWindow()` finds it."""

    def __init__(self, application: WorkbenchApplication) -> None:
        super().__init__()
        self.application = application
        self.core = application.core
        self.layout_manager = application.layoutManager()
        self.messages = Messages(self, quiet=application.testingEnabled())
        self.before_closing: Callable[[], None] = lambda: None
        self.asks_before_closing = True
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle(NAME)
        self.setAcceptDrops(True)
        self.panel = ModulePanel()
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setObjectName("CentralSplitter")
        self.splitter.addWidget(self.panel)
        self.splitter.addWidget(self.layout_manager.viewport)
        self.splitter.setStretchFactor(0, 0)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setSizes([PANEL_WIDTH, 1000])
        self.setCentralWidget(self.splitter)
        self.probe = DataProbe(self.core)
        self.probe.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.statusBar().addWidget(self.probe, 1)
        self.actions_ = Actions(self)

    # -- what slicer.util asks of the main window

    def moduleSelector(self) -> MainWindow:
        return self

    def selectModule(self, name: str) -> None:
        """The one module that is here is always selected; others cannot be."""
        if name != self.selectedModule:
            raise ValueError(f"{name}: the workbench shows one module only, {self.selectedModule or 'none'} here")

    @property
    def selectedModule(self) -> str:
        return self.panel.title.property("module") or ""

    # -- files

    def open_files(self, paths: list[Path]) -> bool:
        """Opens what a person chose or dropped; what cannot be opened is told, and does not stop the rest."""
        went_well = True
        for path in paths:
            if files.is_scene(path) and not self.actions_.may_discard():
                continue
            before = len(self.messages.shown)
            with self.messages.telling("open the file"), self.application.waiting():
                files.load(self.core, path)
            went_well &= len(self.messages.shown) == before
        return went_well

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.open_files(paths)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        node = self.core.interaction_node
        if event.key() == Qt.Key.Key_Escape and node.GetCurrentInteractionMode() == node.Place:
            node.SwitchToViewTransformMode()
        else:
            super().keyPressEvent(event)

    # -- coming and going

    def show_title(self, module: str, title: str) -> None:
        self.panel.title.setText(title)
        self.panel.title.setProperty("module", module)
        self.setWindowTitle(f"{title} - {NAME}")

    def show_no_module(self) -> None:
        self.panel.title.setText("No module")
        self.panel.title.setProperty("module", "")
        self.setWindowTitle(NAME)
        self.splitter.setSizes([PANEL_WIDTH, self.size().width() - PANEL_WIDTH])

    def restore_geometry(self) -> bool:
        saved = self.application.settings().value(GEOMETRY)
        return saved is not None and self.restoreGeometry(saved)

    def let_go(self) -> None:
        """The end: nothing of VTK's is to reach this window any more."""
        self.probe.observed.clear()
        self.actions_.mouse_modes.observed.clear()

    def closeEvent(self, event: QCloseEvent) -> None:
        if self.asks_before_closing and not self.actions_.may_discard():
            event.ignore()
            return
        self.application.settings().setValue(GEOMETRY, self.saveGeometry())
        self.before_closing()
        event.accept()
        QApplication.quit()  # also when a message is still open
