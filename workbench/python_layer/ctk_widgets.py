"""The `ctk` module: the few of CTK's widgets that scripted modules use most.

ctkSliderWidget, ctkDoubleSlider, ctkCollapsibleButton, ctkCollapsibleGroupBox, ctkPathLineEdit, ctkDirectoryButton,
ctkCoordinatesWidget, ctkComboBox and ctkMessageBox, each with the properties and signals named in its docstring. Any
other `ctk` name is an AttributeError.
"""

from __future__ import annotations

import types

from workbench.python_layer import ctk_collapsible, ctk_paths, ctk_slider, ctk_small_widgets

_ROOMS = (ctk_slider, ctk_collapsible, ctk_paths, ctk_small_widgets)


class CtkModule(types.ModuleType):
    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        known = ", ".join(sorted(member for member in self.__dict__ if member.startswith("ctk")))
        raise AttributeError(f"ctk.{name}: desktop Slicer may have it, the workbench has only {known}")


def make_ctk_module() -> CtkModule:
    module = CtkModule("ctk", __doc__)
    for room in _ROOMS:
        for name, value in vars(room).items():
            if name.startswith("ctk"):
                setattr(module, name, value)
    return module
