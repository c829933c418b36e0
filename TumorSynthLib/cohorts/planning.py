"""What case k of a recipe is: host, bundle, and its lesions with their places, sizes, structures and seeds.

The plan of a case depends on the recipe, the case's number and the host's terrain, and on nothing else: not on other
cases, not on how many there are, not on who works them out or when.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..parameters import Appearance
from ..spheres import ConcentricSpheres
from .chance import Purpose, choose, stream
from .placement import find_place
from .recipe import Recipe
from .records import LesionRecord, draw_record, spheres_of
from .terrain import Terrain

SIZE_REDRAWS = 20
LARGEST_SEED = 2**31


@dataclass(frozen=True)
class LesionShape:
    """A lesion without its place."""

    radii_mm: tuple[float, ...]
    values: tuple[float, ...] | None
    structure: str | None
    record: int | None = None

    def at(self, center_ras: tuple[float, float, float]) -> ConcentricSpheres:
        return ConcentricSpheres(center_ras, self.radii_mm, self.values, self.structure)


@dataclass(frozen=True)
class PlannedLesion:
    spheres: ConcentricSpheres
    seed: int
    appearance: Appearance
    placed_by: str
    record: int | None


@dataclass(frozen=True)
class CasePlan:
    case: int
    host: int
    bundle: str
    lesions: tuple[PlannedLesion, ...]


def smallest_radius_mm(voxel_volume_mm3: float) -> float:
    """Of the sphere that fills one voxel: the engine refuses smaller lesions."""
    return (3 / (4 * math.pi) * voxel_volume_mm3) ** (1 / 3) * 1.001


def bundle_of(recipe: Recipe, case: int) -> str:
    return choose(stream(recipe.seed, Purpose.BUNDLE, case), recipe.bundle)


def count_of(recipe: Recipe, case: int) -> int:
    return max(recipe.lesions_per_case.draw_whole(stream(recipe.seed, Purpose.COUNT, case)), 1)


def plan_case(
    recipe: Recipe, case: int, terrain: Terrain, voxel_volume_mm3: float, records: Sequence[LesionRecord] = ()
) -> CasePlan:
    """The whole plan. Large lesions are placed first, since they find room least easily; they keep their numbers."""
    least = smallest_radius_mm(voxel_volume_mm3)
    lesions = range(count_of(recipe, case))
    shapes = [shape_of(recipe, case, lesion, least, records) for lesion in lesions]
    centers: dict[int, tuple[tuple[float, float, float], str]] = {}
    others: list[tuple[np.ndarray, float]] = []
    for lesion in sorted(lesions, key=lambda number: -shapes[number].radii_mm[0]):
        for attempt in range(SIZE_REDRAWS):
            if attempt:
                shapes[lesion] = shape_of(recipe, case, lesion, least, records, attempt)
            radius = shapes[lesion].radii_mm[0]
            place = find_place(terrain, recipe, radius, others, stream(recipe.seed, Purpose.PLACE, case, lesion))
            if place is not None:
                break
        else:
            raise InputError(_no_room(recipe, lesion, len(lesions)))
        centers[lesion] = (place.center_ras, place.by)
        others.append((np.array(place.center_ras), radius))
    planned = tuple(_planned(recipe, case, n, shapes[n], *centers[n]) for n in lesions)
    return CasePlan(case, recipe.host_of(case), bundle_of(recipe, case), planned)


def _no_room(recipe: Recipe, lesion: int, count: int) -> str:
    special = {"map": "where the map is above 0", "points": "among the listed points"}
    where = special.get(recipe.placement, "in the brain")
    return (
        f"no place is left {where} for lesion {lesion + 1} of {count}, in any of {SIZE_REDRAWS} sizes: ask for fewer or"
        " smaller lesions, or for shorter distances"
    )


def shape_of(
    recipe: Recipe, case: int, lesion: int, least_radius_mm: float, records: Sequence[LesionRecord], attempt: int = 0
) -> LesionShape:
    """Size and structure; another `attempt` is another size, for a lesion that found no room."""
    if records:
        rng = _later(stream(recipe.seed, Purpose.RECORD, case, lesion), attempt)
        patient = recipe.hosts[recipe.host_of(case)].patient
        record = draw_record(records, patient, least_radius_mm, rng)
        spheres_of(record, (0.0, 0.0, 0.0))
        return LesionShape(record.radii_mm, record.values, record.structure, record.row)
    radius = _radius(recipe, _later(stream(recipe.seed, Purpose.SIZE, case, lesion), attempt), least_radius_mm)
    weights = dict(recipe.structures)
    if 2 * radius < recipe.ring_from and len(weights) > 1:
        weights.pop("ring", None)
    structure = choose(stream(recipe.seed, Purpose.STRUCTURE, case, lesion), weights)
    middle, core = _shells(recipe, stream(recipe.seed, Purpose.SHELLS, case, lesion))
    radii = tuple(round(r, 4) for r in (radius, radius * middle, radius * middle * core))
    return LesionShape(radii, None, structure)


def _later(rng: np.random.Generator, attempt: int) -> np.random.Generator:
    """The stream from a place that no earlier attempt reaches."""
    for _ in range(attempt):
        rng.bit_generator.advance(2**64)
    return rng


def _radius(recipe: Recipe, rng: np.random.Generator, least_mm: float) -> float:
    for _ in range(1000):
        radius = recipe.sizes.draw(rng) / 2
        if radius >= least_mm:
            return radius
    raise InputError(
        f"sizes {recipe.sizes}: hardly any is as large as one voxel of this host ({2 * least_mm:.2g} mm across):"
        " ask for larger lesions"
    )


def _shells(recipe: Recipe, rng: np.random.Generator) -> tuple[float, float]:
    """Radius of the middle sphere as a share of the outermost, and of the core as a share of the middle."""
    for _ in range(1000):
        middle, core = recipe.middle.draw(rng), recipe.core.draw(rng)
        if core < 0.98 * middle:
            return middle, core / middle
    raise InputError(f"core {recipe.core} hardly ever lies inside the middle sphere ({recipe.middle}): make it smaller")


def _planned(
    recipe: Recipe, case: int, lesion: int, shape: LesionShape, center: tuple[float, float, float], by: str
) -> PlannedLesion:
    rng = stream(recipe.seed, Purpose.APPEARANCE, case, lesion)
    drawn = {name: round(spread.draw(rng), 4) for name, spread in recipe.appearance_distributions().items()}
    seed = int(stream(recipe.seed, Purpose.LESION_SEED, case, lesion).integers(LARGEST_SEED))
    return PlannedLesion(shape.at(center), seed, Appearance(**drawn), by, shape.record)
