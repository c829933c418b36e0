"""`slicer.i18n`: `tr` and `translate`. The workbench speaks English only; texts come back unless the application
translates them."""

from __future__ import annotations

import inspect
import types
from pathlib import Path

import slicer


def translate(context: str, text: str) -> str:
    application = getattr(slicer, "app", None)
    return application.translate(context, text) if hasattr(application, "translate") else text


def getContext(sourceFile: str) -> str:
    """The file's name without ending, after its package's name if it lies in a package."""
    path = Path(sourceFile)
    is_in_package = path.is_file() and (path.parent / "__init__.py").is_file()
    return f"{path.parent.name}.{path.stem}" if is_in_package else path.stem


def tr(text: str) -> str:
    """`translate` with the context of the calling file."""
    caller = inspect.currentframe().f_back
    return translate(getContext(inspect.getsourcefile(caller) or caller.f_code.co_filename), text)


def make_i18n_module() -> types.ModuleType:
    module = types.ModuleType("slicer.i18n", __doc__)
    module.translate, module.getContext, module.tr = translate, getContext, tr
    return module
