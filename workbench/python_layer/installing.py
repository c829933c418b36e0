"""Puts the stand-ins where scripted modules import them from."""

from __future__ import annotations

import sys
import types

import slicer

from workbench.python_layer import (
    ctk_widgets,
    i18n,
    modules,
    node_combo_box,
    packaging_module,
    parameter_node_wrapper,
    qmrml_widgets,
    qt_module,
    sample_data,
    scripted_loadable_module,
    segment_selector,
    slicer_util,
)
from workbench.python_layer.io_manager import CoreIOManager
from workbench.python_layer.pythonqt import adopt

_WIDGET_ROOMS = (qmrml_widgets, node_combo_box, segment_selector, modules)
_STAND_INS = ("qMRML", "qSlicer")


def install(application: object) -> None:
    """Makes `qt`, `ctk`, `SampleData` and the missing parts of `slicer` importable, with `application` as slicer.app.

    May be called again with another application; modules that were loaded under the former one are forgotten.
    """
    adopt(application)
    slicer.app = application
    slicer.mrmlScene = application.mrmlScene()
    for name, made in (("moduleManager", modules.ModuleManager), ("coreIOManager", CoreIOManager)):
        if not hasattr(application, name):
            manager = made()
            setattr(application, name, lambda manager=manager: manager)
    if not hasattr(application, "ioManager"):
        application.ioManager = application.coreIOManager
    _put(qt_module.make_qt_module())
    _put(ctk_widgets.make_ctk_module())
    _put(sample_data.make_sample_data_module())
    _put(modules.SlicerModules("slicer.modules", modules.__doc__))
    _put(i18n.make_i18n_module())
    _put(scripted_loadable_module.make_scripted_loadable_module_module())
    _put(parameter_node_wrapper.make_parameter_node_wrapper_module())
    _put(packaging_module.make_packaging_module())
    for room in _WIDGET_ROOMS:
        for name, value in vars(room).items():
            if name.startswith(_STAND_INS):
                setattr(slicer, name, value)
    slicer.__getattr__ = _missing
    slicer_util.install()


def _put(module: types.ModuleType) -> None:
    """A module under its name; one named `slicer.x` is also an attribute of `slicer`."""
    sys.modules[module.__name__] = module
    package, _, name = module.__name__.rpartition(".")
    if package == "slicer":
        setattr(slicer, name, module)


def _missing(name: str):
    if name.startswith(_STAND_INS):
        known = ", ".join(sorted(attribute for attribute in vars(slicer) if attribute.startswith(_STAND_INS)))
        raise AttributeError(f"slicer.{name}: desktop Slicer may have it, the workbench has only {known}")
    raise AttributeError(f"module 'slicer' has no attribute '{name}'")
