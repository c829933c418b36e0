"""TumorSynth: synthetic tumours in brain MRI, from three concentric spheres. Importing this package costs nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import InputError
    from .host import HostBrain
    from .parameters import Appearance
    from .spheres import ConcentricSpheres
    from .synthesis import LesionRequest, LesionSynthesizer

__version__ = "0.1.0"

__all__ = ["Appearance", "ConcentricSpheres", "HostBrain", "InputError", "LesionRequest", "LesionSynthesizer"]

_HOMES = {
    "Appearance": "parameters",
    "ConcentricSpheres": "spheres",
    "HostBrain": "host",
    "InputError": "errors",
    "LesionRequest": "synthesis",
    "LesionSynthesizer": "synthesis",
}


def __getattr__(name: str) -> Any:
    """Imports a name's module when the name is first used, so that torch waits until a lesion is made."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
