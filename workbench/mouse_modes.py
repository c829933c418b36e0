"""What the left mouse button does in the views: Slicer's mouse modes, as buttons that follow the interaction node."""

from __future__ import annotations

import slicer
import vtk
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QToolBar, QToolButton

from TumorSynthLib.scene.observations import Observations

from .icons import icon
from .layout import LayoutManager
from .scene_core import SceneCore

POINTS = "vtkMRMLMarkupsFiducialNode"
VIEW, WINDOW_LEVEL, PLACE = "view", "window-level", "place"
_NODE = slicer.vtkMRMLInteractionNode
MODES = {VIEW: _NODE.ViewTransform, WINDOW_LEVEL: _NODE.AdjustWindowLevel, PLACE: _NODE.Place}
# Mode: picture, text, what it tells.
_ACTIONS = {
    VIEW: ("arrow", "View", "Turn the 3D view, drag what can be dragged; right-drag zooms, middle-drag pans"),
    WINDOW_LEVEL: (
        "window-level",
        "Window/level",
        "Left-drag in a slice: up and down for brightness, right and left for contrast",
    ),
    PLACE: ("place", "Place point", "Click in a view to place a point; right-click or Esc ends it"),
}


class MouseModes:
    def __init__(self, core: SceneCore, layout_manager: LayoutManager, bar: QToolBar) -> None:
        self.core, self.layout_manager = core, layout_manager
        self.actions: dict[str, QAction] = {}
        group = QActionGroup(bar)
        for mode, (picture, text, tip) in _ACTIONS.items():
            action = QAction(icon(picture), text, bar)
            action.setToolTip(f"<b>{text}</b><br>{tip}")
            action.setCheckable(True)
            action.triggered.connect(lambda _=False, mode=mode: self.switch_to(mode))
            group.addAction(action)
            bar.addAction(action)
            self.actions[mode] = action
        button: QToolButton = bar.widgetForAction(self.actions[WINDOW_LEVEL])
        button.setMenu(self._window_menu(button))
        button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        self.observed = Observations()
        for event in (vtk.vtkCommand.ModifiedEvent, _NODE.InteractionModeChangedEvent):
            self.observed.add(core.interaction_node, event, self._follow)
        self._follow()

    def switch_to(self, mode: str) -> None:
        node = self.core.interaction_node
        if mode == PLACE:
            if not self.core.selection_node.GetActivePlaceNodeClassName():
                self.core.selection_node.SetReferenceActivePlaceNodeClassName(POINTS)
            node.SwitchToSinglePlaceMode()
        else:
            node.SetCurrentInteractionMode(MODES[mode])

    def _follow(self, *_: object) -> None:
        current = self.core.interaction_node.GetCurrentInteractionMode()
        for mode, number in MODES.items():
            self.actions[mode].setChecked(number == current)
        cursor = Qt.CursorShape.CrossCursor if current == MODES[PLACE] else Qt.CursorShape.ArrowCursor
        for widget in self.layout_manager.view_widgets():
            widget.canvas.setDefaultViewCursor(cursor)

    # -- brightness and contrast of the shown volume

    def _window_menu(self, parent: QToolButton) -> QMenu:
        menu = QMenu(parent)
        menu.addAction("Automatic window/level", self.automatic)
        menu.addAction("Full range", self.full_range)
        return menu

    def _shown(self) -> slicer.vtkMRMLScalarVolumeDisplayNode | None:
        volume = self.core.scene.GetNodeByID(self.core.selection_node.GetActiveVolumeID() or "")
        display = volume.GetDisplayNode() if volume is not None else None
        return display if display is not None and display.IsA("vtkMRMLScalarVolumeDisplayNode") else None

    def automatic(self) -> None:
        display = self._shown()
        if display is not None:
            display.SetAutoWindowLevel(False)
            display.SetAutoWindowLevel(True)

    def full_range(self) -> None:
        display = self._shown()
        if display is not None:
            limits = [0.0, 0.0]
            display.GetDisplayScalarRange(limits)
            display.SetAutoWindowLevel(False)
            display.SetWindowLevelMinMax(*limits)
