"""Choosing places for the lesions of one case, so that all of the recipe's distances hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .recipe import Recipe
from .terrain import LATTICE_MM, Terrain

Placed = tuple[np.ndarray, float]
QUICK_DRAWS = 40


@dataclass(frozen=True)
class Place:
    """Where a lesion goes, and what had to be given up to find it."""

    center_ras: tuple[float, float, float]
    by: str


def find_place(
    terrain: Terrain, recipe: Recipe, radius_mm: float, others: Sequence[Placed], rng: np.random.Generator
) -> Place | None:
    """A place for a sphere of this radius beside the others (centre, radius); None where none is left."""
    if recipe.placement == "points":
        return _listed_place(terrain, recipe, radius_mm, others, rng)
    by_junction = recipe.placement == "junction" and rng.uniform() < recipe.junction_share
    wishes = {"junction": terrain.junction, "brain": terrain.tissue, "map": terrain.map}
    order = ("map",) if recipe.placement == "map" else ("junction", "brain") if by_junction else ("brain",)
    for by in order:
        found = _drawn(terrain, by, wishes[by], recipe, radius_mm, others, rng)
        if found is not None:
            return found
    return None


def _drawn(
    terrain: Terrain,
    by: str,
    weights: np.ndarray,
    recipe: Recipe,
    radius: float,
    others: Sequence[Placed],
    rng: np.random.Generator,
) -> Place | None:
    """A place among those deep enough, as likely as its weight. What lies too near to other lesions is drawn again:
    that is quicker than to look at every place, which is done only where hardly any is left."""
    ranking = terrain.deepest_first(by, weights)
    count = ranking.deeper_than(radius + (recipe.border or 0.0))
    if not count:
        return None
    for _ in range(QUICK_DRAWS):
        row = int(ranking.rows[np.searchsorted(ranking.edges, rng.integers(ranking.edges[count - 1]), side="right")])
        room = float(_room(terrain, np.array([row]), recipe, radius, others)[0])
        if room >= 0:
            return _at(terrain, row, room, by, rng)
    rows = np.sort(ranking.rows[:count])
    rooms = _room(terrain, rows, recipe, radius, others)
    chosen = _draw(weights[rows], rooms >= 0, rng)
    return None if chosen is None else _at(terrain, rows[chosen], float(rooms[chosen]), by, rng)


def _at(terrain: Terrain, row: int, room: float, by: str, rng: np.random.Generator) -> Place:
    center = terrain.places_ras[row] + _jitter(room, terrain, rng)
    return Place(tuple(np.round(center, 3).tolist()), by)


def _listed_place(
    terrain: Terrain, recipe: Recipe, radius_mm: float, others: Sequence[Placed], rng: np.random.Generator
) -> Place | None:
    depth = terrain.points_depth_mm if recipe.border is not None else np.full(len(terrain.points_ras), np.inf)
    clear = terrain.points_clear_mm
    room = _distances(terrain.points_ras, depth, clear, recipe, radius_mm, others)
    free = (room >= 0) & np.array([not any(np.array_equal(p, c) for c, _ in others) for p in terrain.points_ras])
    chosen = _draw(np.ones(len(free), np.int64), free, rng)
    return None if chosen is None else Place(tuple(terrain.points_ras[chosen].tolist()), "points")


def _room(
    terrain: Terrain, rows: np.ndarray, recipe: Recipe, radius: float, others: Sequence[Placed]
) -> np.ndarray:
    places, depth, clear = terrain.places_ras[rows], terrain.depth_mm[rows], terrain.clear_mm[rows]
    return _distances(places, depth, clear, recipe, radius, others)


def _distances(
    places: np.ndarray, depth: np.ndarray, clear: np.ndarray, recipe: Recipe, radius: float, others: Sequence[Placed]
) -> np.ndarray:
    """How far each place could be moved before one of the distances is too short; negative where it is already."""
    room = depth - (radius + (recipe.border or 0.0))
    room = np.minimum(room, clear - (radius + recipe.keep_out_distance))
    for center, other_radius in others:
        away = np.sqrt(((places - np.asarray(center)) ** 2).sum(1))
        room = np.minimum(room, away - (radius + other_radius + recipe.between))
    return room


def _draw(weights: np.ndarray, allowed: np.ndarray, rng: np.random.Generator) -> int | None:
    rows = np.flatnonzero(allowed & (weights > 0))
    if not rows.size:
        return None
    edges = np.cumsum(weights[rows], dtype=np.int64)
    return int(rows[np.searchsorted(edges, rng.integers(edges[-1]), side="right")])


def _jitter(room: float, terrain: Terrain, rng: np.random.Generator) -> np.ndarray:
    """Anywhere in the lattice's voxel, but no farther than there is room."""
    away = rng.uniform(-0.5, 0.5, 3) * LATTICE_MM
    length = float(np.linalg.norm(away))
    return (terrain.affine[:3, :3] / LATTICE_MM) @ (away * min(1.0, max(room - 0.002, 0) / max(length, 1e-9)))
