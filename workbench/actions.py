"""The menus and the tool bar."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QFileDialog, QMenu, QMessageBox, QToolBar, QToolButton

from . import files
from .about import TITLE, about_text
from .icons import icon
from .mouse_modes import MouseModes

if TYPE_CHECKING:
    from .window import MainWindow

_LAYOUT, _CROSSHAIR = slicer.vtkMRMLLayoutNode, slicer.vtkMRMLCrosshairNode
LAYOUTS = {
    "four-up": ("Four-up", _LAYOUT.SlicerLayoutFourUpView),
    "conventional": ("Conventional", _LAYOUT.SlicerLayoutConventionalView),
    "side by side": ("Side by side", _LAYOUT.SlicerLayoutSideBySideView),
    "3D only": ("3D only", _LAYOUT.SlicerLayoutOneUp3DView),
    "red only": ("Red slice only", _LAYOUT.SlicerLayoutOneUpRedSliceView),
    "green only": ("Green slice only", _LAYOUT.SlicerLayoutOneUpGreenSliceView),
    "yellow only": ("Yellow slice only", _LAYOUT.SlicerLayoutOneUpYellowSliceView),
}
CROSSHAIRS = {
    "No crosshair": _CROSSHAIR.NoCrosshair,
    "Basic crosshair": _CROSSHAIR.ShowBasic,
    "Basic + intersection": _CROSSHAIR.ShowIntersection,
    "Small basic crosshair": _CROSSHAIR.ShowSmallBasic,
}
OPENED = "*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.dcm *.mrb *.mrml *.vtp *.stl *.mrk.json *.h5 *.tfm"
LAST_FOLDER = "General/lastFolder"


class Actions:
    """Everything in the menus. Each action's work is a method, so that it can be called without the dialog, too."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self.core = window.core
        self.bar = QToolBar("Tools")
        self.bar.setObjectName("MainToolBar")
        self.bar.setMovable(False)
        window.addToolBar(self.bar)
        self._make_file_menu(window.menuBar().addMenu("&File"))
        self.bar.addSeparator()
        self.mouse_modes = MouseModes(self.core, window.layout_manager, self.bar)
        self.bar.addSeparator()
        self._make_view_menu(window.menuBar().addMenu("&View"))
        help_menu = window.menuBar().addMenu("&Help")
        help_menu.addAction(TITLE, self.show_about)
        window.layout_manager.layoutChanged.connect(self._follow_layout)
        self._follow_layout(window.layout_manager.layout)

    # -- File

    def _make_file_menu(self, menu: QMenu) -> None:
        def add(text: str, work: Callable[[], None], keys: str = "", picture: str = "", tip: str = "") -> QAction:
            action = QAction(text, menu)
            action.triggered.connect(lambda _=False: work())
            if keys:
                action.setShortcut(QKeySequence(keys))
            if picture:
                action.setIcon(icon(picture))
                self.bar.addAction(action)
            if tip:
                action.setToolTip(tip)
            menu.addAction(action)
            return action

        add("Open a &volume or file...", self.ask_for_files, "Ctrl+O", "folder", "Open a volume, scene or other file")
        add("Open a &DICOM folder...", self.ask_for_folder, "Ctrl+D")
        add("Open a s&cene...", self.ask_for_scene)
        add("Sample &brain", self.open_sample_brain, "", "brain", "Open the sample brain")
        menu.addSeparator()
        add("&Save scene...", self.ask_where_to_save, "Ctrl+S", "save", "Save all in one file (MRB) or a folder")
        self.save_one = menu.addMenu("Save one &node")
        self.save_one.aboutToShow.connect(self._list_nodes)
        menu.addSeparator()
        add("&Close scene", self.close_scene, "Ctrl+W")
        add("&Quit", self.window.close, "Ctrl+Q")

    def ask_for_files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(
            self.window,
            "Open",
            self._folder(),
            f"Images, scenes and more ({OPENED});;All files (*)",
        )
        self._open_remembered([Path(name) for name in chosen])

    def ask_for_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self.window, "Open a DICOM folder", self._folder())
        self._open_remembered([Path(chosen)] if chosen else [])

    def ask_for_scene(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self.window, "Open a scene", self._folder(), "Scenes (*.mrb *.mrml)")
        self._open_remembered([Path(chosen)] if chosen else [])

    def _open_remembered(self, paths: list[Path]) -> None:
        if paths:
            self.window.application.settings().setValue(LAST_FOLDER, str(paths[0].parent))
            self.window.open_files(paths)

    def _folder(self) -> str:
        return str(self.window.application.settings().value(LAST_FOLDER, ""))

    def open_sample_brain(self) -> None:
        """By way of the registry of sample data, where the module has put it; straight from its file otherwise."""
        import SampleData

        from TumorSynthLib.sample import SAMPLE_BRAIN

        with self.window.messages.telling("open the sample brain"), self.window.application.waiting():
            sources = SampleData.SampleDataLogic.sampleDataSourcesByCategory("TumorSynth")
            if sources:
                SampleData.SampleDataLogic().downloadFromSource(sources[0])
            else:
                files.load_volume(self.core, SAMPLE_BRAIN)

    def ask_where_to_save(self) -> bool:
        """Whether the scene was saved."""
        kinds = "One file: MRB bundle (*.mrb);;A folder with MRML and data files (*)"
        chosen, kind = QFileDialog.getSaveFileName(self.window, "Save scene", self._folder(), kinds)
        if not chosen:
            return False
        path = Path(chosen)
        if "mrb" in kind and path.suffix.lower() != ".mrb":
            path = path.with_name(path.name + ".mrb")
        return self.save_scene(path)

    def save_scene(self, path: Path) -> bool:
        with self.window.messages.telling("save the scene"), self.window.application.waiting():
            files.save_scene(self.core, path)
            self.window.statusBar().showMessage(f"Saved {path}", 5000)
            return True
        return False

    def may_discard(self) -> bool:
        """Asks whether the scene may go, if something in it would be lost."""
        if not self.core.has_unsaved_data:
            return True
        answer = self.window.messages.ask_what_to_do_with_changes()
        return self.ask_where_to_save() if answer == "save" else answer == "discard"

    def _list_nodes(self) -> None:
        self.save_one.clear()
        scene = self.core.scene
        for index in range(scene.GetNumberOfNodesByClass("vtkMRMLStorableNode")):
            node = scene.GetNthNodeByClass(index, "vtkMRMLStorableNode")
            if not node.GetHideFromEditors() and node.GetSaveWithScene() and not node.IsA("vtkMRMLColorNode"):
                self.save_one.addAction(node.GetName(), functools.partial(self.ask_where_to_save_node, node))

    def ask_where_to_save_node(self, node: slicer.vtkMRMLStorableNode) -> None:
        endings = [text.split("(")[-1].rstrip(")") for text in slicer.app.coreIOManager().fileWriterExtensions(node)]
        chosen, _ = QFileDialog.getSaveFileName(
            self.window, f"Save {node.GetName()}", self._folder(), f"Files (*{' *'.join(endings)})"
        )
        if chosen:
            self.save_node(node, Path(chosen))

    def save_node(self, node: slicer.vtkMRMLStorableNode, path: Path) -> None:
        with self.window.messages.telling(f"save {node.GetName()}"), self.window.application.waiting():
            files.save_node(node, path)

    def close_scene(self) -> None:
        if self.may_discard():
            self.core.scene.Clear(False)

    # -- View

    def _make_view_menu(self, menu: QMenu) -> None:
        layouts = menu.addMenu("&Layout")
        group = QActionGroup(menu)
        self._layouts: dict[int, QAction] = {}
        for picture, (text, number) in LAYOUTS.items():
            action = layouts.addAction(icon(picture), text)
            action.setCheckable(True)
            action.triggered.connect(lambda _=False, number=number: self.window.layout_manager.setLayout(number))
            group.addAction(action)
            self._layouts[number] = action
        self._layout_button = self._menu_button("four-up", "Layout of the views", layouts)
        crosshair = menu.addMenu("&Crosshair")
        group = QActionGroup(menu)
        self._crosshairs: dict[int, QAction] = {}
        for text, mode in CROSSHAIRS.items():
            action = crosshair.addAction(text)
            action.setCheckable(True)
            action.triggered.connect(lambda _=False, mode=mode: self.core.crosshair_node.SetCrosshairMode(mode))
            group.addAction(action)
            self._crosshairs[mode] = action
        crosshair.addSeparator()
        self._menu_button("crosshair", "Crosshair; move it with Shift and the mouse", crosshair)
        self._intersections = menu.addAction("Slice &intersections")
        self._intersections.setCheckable(True)
        self._intersections.triggered.connect(self.show_intersections)
        crosshair.addAction(self._intersections)
        self._linked = menu.addAction("Lin&k slices")
        self._linked.setCheckable(True)
        self._linked.triggered.connect(self.link_slices)
        for shown in (menu, crosshair):
            shown.aboutToShow.connect(self._follow_scene)
        menu.addSeparator()
        reset = menu.addAction(icon("fit"), "&Reset field of view", self.reset_views)
        reset.setToolTip("Fit all views to what they show")
        self.bar.addAction(reset)

    def _menu_button(self, picture: str, tip: str, menu: QMenu) -> QToolButton:
        button = QToolButton()
        button.setIcon(icon(picture))
        button.setToolTip(tip)
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.bar.addWidget(button)
        return button

    def _follow_layout(self, number: int) -> None:
        action = self._layouts.get(number)
        if action is not None:
            action.setChecked(True)
            self._layout_button.setIcon(action.icon())

    def _follow_scene(self) -> None:
        """A scene brings its own crosshair and links."""
        logic = self.core.application_logic
        for mode, action in self._crosshairs.items():
            action.setChecked(mode == self.core.crosshair_node.GetCrosshairMode())
        self._intersections.setChecked(bool(logic.GetIntersectingSlicesEnabled(logic.IntersectingSlicesVisibility)))
        self._linked.setChecked(any(composite.GetLinkedControl() for composite in self._composites()))

    def _composites(self) -> list[slicer.vtkMRMLSliceCompositeNode]:
        manager = self.window.layout_manager
        return [manager.sliceWidget(name).view.composite_node for name in manager.sliceViewNames()]

    def show_intersections(self, shown: bool) -> None:
        logic = self.core.application_logic
        logic.SetIntersectingSlicesEnabled(slicer.vtkMRMLApplicationLogic.IntersectingSlicesVisibility, shown)

    def link_slices(self, linked: bool) -> None:
        for composite in self._composites():
            composite.SetLinkedControl(linked)

    def reset_views(self) -> None:
        self.window.layout_manager.resetSliceViews()
        self.window.layout_manager.resetThreeDViews()

    # -- Help

    def show_about(self) -> None:
        box = QMessageBox(QMessageBox.Icon.NoIcon, TITLE, about_text(), QMessageBox.StandardButton.Ok, self.window)
        box.open()
