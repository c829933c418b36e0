"""Concentric spheres: what a person asks for. Place, size and structure of a lesion, in millimetres."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from .errors import InputError
from .grid import Grid

MAX_RADIUS_MM = 40.0


@dataclass(frozen=True)
class Structure:
    """How grey levels run through a lesion.

    `values` belong to the shells, outermost first, between 0 and 1 (1 is the brightest). `heterogeneity` says how far
    chance overrules that order: 0 follows the shells strictly, 1 ignores them. `darkest` and `brightest` are what the
    values 0.5 and 1.0 look like, relative to the surrounding white matter: classes of a map carry rank only, so how
    dark necrosis is has to be said apart. Levels follow the medians of 2543 real lesion slices of each kind, somewhat
    apart so that each structure looks like its name (`python -m training.describe_records` prints them).
    """

    name: str
    values: tuple[float, ...]
    heterogeneity: float
    darkest: float
    brightest: float

    def level_of(self, value: np.ndarray | float) -> np.ndarray | float:
        return self.darkest + (self.brightest - self.darkest) * (value - 0.5) / 0.5


STRUCTURES = {
    "solid": Structure("solid", (0.5, 0.75, 1.0), 0.50, 1.25, 1.70),
    "ring": Structure("ring", (1.0, 0.75, 0.5), 0.30, 0.60, 1.50),
    "heterogeneous": Structure("heterogeneous", (0.5, 0.75, 1.0), 0.85, 0.75, 1.65),
}


@dataclass(frozen=True)
class ConcentricSpheres:
    """Two or more nested spheres, outermost first. The centre is the lesion's centre of mass, the outermost radius its
    overall size (the lesion has that sphere's volume), radii and values together its structure.

    Values may run either way: rising inwards for a solid lesion, falling inwards for one with a bright rim. Without
    values, those of `structure` are used.
    """

    center_ras: tuple[float, float, float]
    radii_mm: tuple[float, ...]
    values: tuple[float, ...] | None = None
    structure: str | Structure | None = None
    _resolved: Structure = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "center_ras", tuple(float(c) for c in self.center_ras))
        object.__setattr__(self, "radii_mm", tuple(float(r) for r in self.radii_mm))
        if self.values is not None:
            object.__setattr__(self, "values", tuple(float(v) for v in self.values))
        self._check()
        object.__setattr__(self, "_resolved", self._resolve())

    def _check(self) -> None:
        if len(self.center_ras) != 3 or not all(map(math.isfinite, self.center_ras)):
            raise InputError(f"center {self.center_ras} is not a point: give three finite numbers (R A S, mm)")
        radii = self.radii_mm
        if len(radii) < 2:
            raise InputError(f"radii {radii}: give two or more, outermost first, for example 14 10 5")
        if not all(math.isfinite(r) and r > 0 for r in radii):
            raise InputError(f"radii {radii}: every radius must be a positive number of millimetres")
        if any(outer <= inner for outer, inner in zip(radii, radii[1:], strict=False)):
            raise InputError(f"radii {radii} must strictly decrease, outermost first, for example 14 10 5")
        if radii[0] > MAX_RADIUS_MM:
            raise InputError(f"outermost radius {radii[0]:g} mm is too large: at most {MAX_RADIUS_MM:g} mm")
        if self.values is not None:
            self._check_values(self.values)
        if isinstance(self.structure, str) and self.structure not in STRUCTURES:
            raise InputError(f"structure '{self.structure}' is unknown: choose one of {', '.join(STRUCTURES)}")

    def _check_values(self, values: tuple[float, ...]) -> None:
        if self.structure is not None:
            raise InputError("values and structure exclude each other: give one of them")
        if len(values) != len(self.radii_mm):
            raise InputError(f"values {values}: give one per radius ({len(self.radii_mm)}), outermost first")
        if not all(math.isfinite(v) and 0 < v <= 1 for v in values):
            raise InputError(f"values {values}: each must be above 0 and at most 1")
        if len(set(values)) < 2:
            raise InputError(f"values {values} are all the same: a lesion needs at least two grey levels")

    def _resolve(self) -> Structure:
        if self.values is not None:
            return Structure("free", self.values, 0.25, 0.70, 1.60)
        named = self.structure if isinstance(self.structure, Structure) else STRUCTURES[self.structure or "solid"]
        if len(self.radii_mm) == len(named.values):
            return named
        values = tuple(np.linspace(named.values[0], named.values[-1], len(self.radii_mm)).tolist())
        return Structure(named.name, values, named.heterogeneity, named.darkest, named.brightest)

    @property
    def resolved_structure(self) -> Structure:
        """The structure with its values filled in, one per shell."""
        return self._resolved

    @property
    def outer_radius_mm(self) -> float:
        return self.radii_mm[0]

    @property
    def volume_mm3(self) -> float:
        return 4 / 3 * math.pi * self.radii_mm[0] ** 3

    @property
    def shell_fractions(self) -> np.ndarray:
        """Each shell's share of the whole volume, outermost first."""
        cubes = np.array([*self.radii_mm, 0.0]) ** 3
        return -np.diff(cubes) / cubes[0]

    def classes(self) -> tuple[np.ndarray, np.ndarray]:
        """The distinct grey values, darkest first, and the share of the volume that each is to fill."""
        values, which = np.unique(self._resolved.values, return_inverse=True)
        return values, np.bincount(which, weights=self.shell_fractions)

    @property
    def runs_one_way(self) -> bool:
        """Whether the values rise, or fall, all the way inwards."""
        steps = np.diff(self._resolved.values)
        return bool((steps > 0).all() or (steps < 0).all())

    def as_the_networks_know(self) -> ConcentricSpheres:
        """The same spheres with values that run one way, as all real lesions' records do. Values that go up and down
        are put back by `ranked_values`."""
        if self.runs_one_way:
            return self
        rising = tuple(np.linspace(0.5, 1.0, len(self.radii_mm)).tolist())
        structure = replace(self._resolved, values=rising)
        return ConcentricSpheres(self.center_ras, self.radii_mm, structure=structure)

    def ranked_values(self) -> tuple[np.ndarray, np.ndarray]:
        """Grey values and shares in the order of the map network's score, given `as_the_networks_know`."""
        if self.runs_one_way:
            return self.classes()
        return np.array(self._resolved.values), self.shell_fractions

    def order_along_depth(self, depth_rank: np.ndarray) -> np.ndarray:
        """The grey value's rank, -1 darkest to 1 brightest, that the shells ask for at a depth (0 surface, 1 core)."""
        middle = np.cumsum(self.shell_fractions) - self.shell_fractions / 2
        values = np.array(self._resolved.values)
        rank = 2 * (values - values.min()) / np.ptp(values) - 1
        return np.interp(depth_rank, middle, rank).astype(np.float32)

    def image(self, grid: Grid) -> np.ndarray:
        """The spheres drawn on a grid: each shell's value, edges one voxel soft so that size is finer than a voxel."""
        distance = np.sqrt(grid.squared_distance_mm2(np.array(self.center_ras)))
        edge = float(grid.voxel_mm.mean())
        out = np.zeros(grid.shape, np.float32)
        previous = 0.0
        for radius, value in zip(self.radii_mm, self._resolved.values, strict=True):
            out += (value - previous) * np.clip((radius - distance) / edge + 0.5, 0, 1)
            previous = value
        return out
