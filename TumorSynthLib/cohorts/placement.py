"""Choosing places for the lesions of one case, so that all of the recipe's distances hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .recipe import Recipe
from .terrain import LATTICE_MM, Terrain

Placed = tuple[np.ndarray, float]
BATCH, BATCHES = 512, 8
# Places are written to a thousandth of a millimetre.
ROUNDING_MM = 0.002


@dataclass(frozen=True)
class Place:
    """Where a lesion goes, and which way of placing it came from."""

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
    """A place, as likely as its weight, among those where all distances hold.

    Points are drawn anywhere in the image until one fits: a brain mask that differs by a few voxels, as it may on
    another computer, then leaves nearly every lesion where it was. Every place is looked at only where hardly any is
    left.
    """
    largest = int(weights.max(initial=0))
    for _ in range(BATCHES if largest else 0):
        points, rows, away = terrain.anywhere(rng, BATCH)
        wished = np.flatnonzero((rows >= 0) & (rng.uniform(0, largest, BATCH) < weights[rows]))
        fits = _room(terrain, rows[wished], recipe, radius, others, points[wished], away[wished]) >= ROUNDING_MM
        if fits.any():
            return Place(tuple(np.round(points[wished[fits.argmax()]], 3).tolist()), by)
    rows = np.flatnonzero((weights > 0) & (terrain.depth_mm >= radius + (recipe.border or 0.0)))
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
    terrain: Terrain,
    rows: np.ndarray,
    recipe: Recipe,
    radius: float,
    others: Sequence[Placed],
    points: np.ndarray | None = None,
    away: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Of places by row, or of points near them: how deep a place is, its neighbours are at least less how far away."""
    places = terrain.places_ras[rows] if points is None else points
    return _distances(places, terrain.depth_mm[rows] - away, terrain.clear_mm[rows] - away, recipe, radius, others)


def _distances(
    places: np.ndarray, depth: np.ndarray, clear: np.ndarray, recipe: Recipe, radius: float, others: Sequence[Placed]
) -> np.ndarray:
    """How far each place could be moved before one of the distances is too short; negative where it is already."""
    room = np.minimum(depth, depth - (radius + (recipe.border or 0.0)))  # a centre outside the brain is never right
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
    return (terrain.affine[:3, :3] / LATTICE_MM) @ (away * min(1.0, max(room - ROUNDING_MM, 0) / max(length, 1e-9)))
