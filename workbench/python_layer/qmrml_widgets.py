"""The qMRML widgets that scripted modules use most, as attributes of `slicer`.

qMRMLWidget, qSlicerWidget, qMRMLNodeComboBox, qMRMLSegmentSelectorWidget, qMRMLSliderWidget and qMRMLCoordinatesWidget.
As in Slicer, a widget knows only the scene that it is given: by `setMRMLScene`, or by a connection of
`mrmlSceneChanged(vtkMRMLScene*)` in the .ui file.
"""

from __future__ import annotations

from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal

from workbench.python_layer.ctk_slider import ctkSliderWidget
from workbench.python_layer.ctk_small_widgets import ctkCoordinatesWidget
from workbench.python_layer.pythonqt import pythonqt_class
from workbench.python_layer.ui_loader import custom_widget


@custom_widget
class qMRMLWidget(pythonqt_class(QtWidgets.QWidget)):
    """A widget that knows the scene and tells when it gets one."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


@custom_widget
class qSlicerWidget(qMRMLWidget):
    """In Slicer a qMRMLWidget's twin; often the root of a .ui file."""


class _UnitAware:
    """What Slicer's unit-aware widgets have besides ctk's; units themselves are not looked up."""

    def mrmlScene(self):
        return self.__dict__.get("_scene")

    def setMRMLScene(self, scene) -> None:
        self.__dict__["_scene"] = scene

    def setQuantity(self, quantity: str) -> None:
        self.__dict__["_quantity"] = quantity

    def quantity_text(self) -> str:
        return self.__dict__.get("_quantity", "")


@custom_widget
class qMRMLSliderWidget(_UnitAware, ctkSliderWidget):
    """A ctkSliderWidget. `quantity` is kept; prefix, suffix and range do not follow the scene's units."""

    quantity = Property(str, _UnitAware.quantity_text, _UnitAware.setQuantity)


@custom_widget
class qMRMLCoordinatesWidget(_UnitAware, ctkCoordinatesWidget):
    """A ctkCoordinatesWidget. `quantity` is kept; prefix, suffix and range do not follow the scene's units."""

    quantity = Property(str, _UnitAware.quantity_text, _UnitAware.setQuantity)
