"""What can be set about a lesion besides its spheres. The one place for ranges, defaults, units and explanations: the
command line, the module, provenance and training all read them here."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from .errors import InputError


@dataclass(frozen=True)
class Range:
    low: float
    high: float
    unit: str
    explanation: str


def _set(default: float, low: float, high: float, unit: str, explanation: str) -> Any:
    return field(default=default, metadata={"range": Range(low, high, unit, explanation)})


@dataclass(frozen=True)
class Appearance:
    """How a painted lesion is finished. None of these needs a network to run again."""

    smoothing_mm: float = _set(
        0.0, 0.0, 5.0, "mm", "width of the 3D Gaussian that smooths the lesion; the scan's own noise is put back"
    )
    contrast: float = _set(
        1.0, 0.0, 3.0, "x", "gain of the lesion's contrast to white matter: above 1 stands out more, below 1 less"
    )
    blend_width_mm: float = _set(2.0, 0.0, 6.0, "mm", "width of the soft edge between lesion and brain")
    mass_effect: float = _set(
        0.5, 0.0, 1.0, "", "how far the lesion pushes the brain aside: 1 by over half its own volume, 0 not at all"
    )
    oedema: float = _set(0.3, 0.0, 1.0, "", "how dark the swollen white matter around the lesion is; 0 for none")
    oedema_extent: float = _set(
        1.0, 0.2, 3.0, "x", "how far oedema reaches: 1 is usual for the lesion's size, lesions under 9 mm have little"
    )

    def __post_init__(self) -> None:
        for name, limits in ranges().items():
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not math.isfinite(value):
                raise InputError(f"{name} {value} is not a number: give one from {limits.low:g} to {limits.high:g}")
            if not limits.low <= value <= limits.high:
                unit = f" {limits.unit}" if limits.unit else ""
                raise InputError(f"{name} {value:g} is out of range: {limits.low:g} to {limits.high:g}{unit}")
            object.__setattr__(self, name, float(value))


def ranges() -> dict[str, Range]:
    return {f.name: f.metadata["range"] for f in fields(Appearance)}


def check_seed(seed: object) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed {seed} is not a whole number from 0 to {2**63 - 1}")
    return seed
