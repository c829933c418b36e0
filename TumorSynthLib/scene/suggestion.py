"""Where a new lesion goes, and how large it is: beside a click, or anywhere at random."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import signal

from TumorSynthLib.errors import InputError
from TumorSynthLib.grid import Grid
from TumorSynthLib.host import HostBrain
from TumorSynthLib.painting import Brain, check_place
from TumorSynthLib.spheres import ConcentricSpheres

DEFAULT_RADIUS_MM = 10.0
# A rim as thick as ring-enhancing metastases have it, and cores large enough to be seen.
INNER_SHARES = (0.82, 0.62)
# A lesion beside the brain's border is first made smaller, down to this share, then given up.
SIZES = (1.0, 0.8, 0.64, 0.5, 0.4, 0.3)
NEAR_MM = 20.0
LATTICE_MM = 2.0
# A lesion that has to move anyway moves as far inwards as this share of it needs; the engine's own limit is half.
MOVED_SHARE_IN_BRAIN = 0.7

RANDOM_RADII_MM = (5.0, 20.0)
TYPICAL_RADIUS_MM = 9.0
RADIUS_SPREAD = 0.4
GAP_MM = 2.0
# How far beside a lesion its duplicate lies, in steps from edge to edge; where there is no room, partly in it.
APART, OVERLAPPING = (1.0, 1.5, 2.0, 3.0), (0.75, 0.5, 0.25)
RANDOM_TRIES = 80

_TOWARDS = sorted(itertools.product((1, -1, 0), repeat=3), key=np.linalg.norm)[1:]
DIRECTIONS = [np.array(towards) / np.linalg.norm(towards) for towards in _TOWARDS]

Point = tuple[float, float, float]
Suggestion = tuple[Point, tuple[float, ...]]


def radii_within(outer_mm: float) -> tuple[float, ...]:
    """Three nested radii, to a tenth of a millimetre."""
    outer = round(float(outer_mm), 1)
    return (outer, *(round(outer * share, 1) for share in INNER_SHARES))


def suggested_spheres(
    brain: Brain, host: HostBrain, point_host_ras: Sequence[float], radius_mm: float = DEFAULT_RADIUS_MM
) -> Suggestion:
    """Centre and radii for a click. In the brain, the lesion stays where the click was and is made smaller if it has
    to be; beside the brain, it moves to the nearest place inside where there is room."""
    point = np.asarray(point_host_ras, float)
    for size in SIZES if brain.contains(point) else ():
        suggestion = _suggestion(point, size * radius_mm)
        if _fits(brain, host, suggestion):
            return suggestion
    for suggestion in _places_near(brain, point, radius_mm):
        if _fits(brain, host, suggestion):
            return suggestion
    shown = " ".join(f"{c:.0f}" for c in point)
    raise InputError(f"no room for a lesion near {shown} (RAS, mm): choose a place in the brain")


def random_spheres(
    brain: Brain, host: HostBrain, rng: np.random.Generator, existing: Sequence[ConcentricSpheres] = ()
) -> Suggestion:
    """A place anywhere in the brain, all voxels alike, and a size, log-normal, that fits there. Lesions overlap only
    in a brain so full that nothing else is left."""
    least, most = RANDOM_RADII_MM
    overlapping = None
    for _ in range(RANDOM_TRIES):
        center = _random_point(brain, rng)
        wanted = float(np.clip(rng.lognormal(np.log(TYPICAL_RADIUS_MM), RADIUS_SPREAD), least, most))
        room = min((_room(center, other) for other in existing), default=np.inf)
        for radius in np.linspace(min(wanted, room), least, 4) if room >= least else ():
            if _fits(brain, host, _suggestion(center, radius)):
                return _suggestion(center, radius)
        if overlapping is None and _fits(brain, host, _suggestion(center, least)):
            overlapping = _suggestion(center, least)
    if overlapping is None:
        raise InputError(f"no room for a lesion of {least:g} mm in this brain: check its brain mask")
    return overlapping


def place_beside(
    brain: Brain, host: HostBrain, spheres: ConcentricSpheres, others: Sequence[ConcentricSpheres]
) -> Point:
    """A center for the same spheres once more: next to them where the brain has room and no other lesion is, else
    overlapping them, at last in the same place."""
    step = 2 * spheres.outer_radius_mm + GAP_MM
    for share in (*APART, *OVERLAPPING):
        for direction in DIRECTIONS:
            place, _ = _suggestion(spheres.center_ras + share * step * direction, spheres.outer_radius_mm)
            room = min((_room(np.array(place), other) for other in others), default=np.inf)
            if share in APART and room < spheres.outer_radius_mm - GAP_MM:
                continue
            if _fits(brain, host, (place, spheres.radii_mm)):
                return place
    return spheres.center_ras


def _suggestion(center: np.ndarray, radius_mm: float) -> Suggestion:
    return tuple(round(float(c), 2) for c in center), radii_within(radius_mm)  # type: ignore[return-value]


def _fits(brain: Brain, host: HostBrain, suggestion: Suggestion) -> bool:
    if not brain.contains(np.array(suggestion[0])):  # the engine would look for the nearest place, which takes time
        return False
    try:
        check_place(host, brain, ConcentricSpheres(*suggestion))
    except InputError:
        return False
    return True


def _places_near(brain: Brain, point: np.ndarray, radius_mm: float) -> Iterator[Suggestion]:
    """The most promising place for each size, the largest first, no farther away than the lesion is wide."""
    grid, inside = _lattice_around(brain, point, NEAR_MM + radius_mm)
    index = np.argwhere(inside)
    if not len(index):
        return
    distance = np.linalg.norm(grid.to_ras(index) - point, axis=1)
    nearest = float(distance.min())
    if nearest > NEAR_MM:
        return
    for size in SIZES:
        radius = size * radius_mm
        share = _share_in_brain(inside, grid, radius)[tuple(index.T)]
        good = (share >= MOVED_SHARE_IN_BRAIN) & (distance <= nearest + radius)
        if good.any():
            yield _suggestion(grid.to_ras(index[good][distance[good].argmin()]), radius)


def _lattice_around(brain: Brain, point: np.ndarray, reach_mm: float) -> tuple[Grid, np.ndarray]:
    """Every second millimetre or so of the brain's voxels: whole voxels, so that a place found is truly inside."""
    box = brain.grid.box(point, reach_mm)
    step = np.maximum(np.round(LATTICE_MM / brain.grid.voxel_mm).astype(int), 1)
    part = brain.grid.part(box)
    affine = part.affine.copy()
    affine[:3, :3] *= step
    inside = brain.mask[box][tuple(slice(None, None, s) for s in step)]
    return Grid(affine, inside.shape), inside


def _share_in_brain(inside: np.ndarray, grid: Grid, radius_mm: float) -> np.ndarray:
    """For every point of a lattice, how much of the ball around it lies in the brain."""
    reach = np.maximum(np.ceil(radius_mm / grid.voxel_mm).astype(int), 1)
    offsets = np.indices(2 * reach + 1) - reach[:, None, None, None]
    ball = ((offsets * grid.voxel_mm[:, None, None, None]) ** 2).sum(0) <= radius_mm**2
    # Cut out by hand: "same" would give the ball's size where that is the larger.
    counted = signal.fftconvolve(inside.astype(np.float32), ball.astype(np.float32), "full")
    middle = tuple(slice(r, r + n) for r, n in zip(reach, inside.shape, strict=True))
    return counted[middle] / ball.sum()


def _random_point(brain: Brain, rng: np.random.Generator) -> np.ndarray:
    """All of the brain's voxels alike, and anywhere within the voxel."""
    shape = brain.mask.shape
    for _ in range(10_000):
        index = rng.integers(0, shape)
        if brain.mask[tuple(index)]:
            return brain.grid.to_ras(index + rng.uniform(-0.5, 0.5, 3))
    inside = np.argwhere(brain.mask)
    if not len(inside):
        raise InputError("the brain mask is empty: mark the brain with 1")
    return brain.grid.to_ras(inside[rng.integers(len(inside))])


def _room(center: np.ndarray, other: ConcentricSpheres) -> float:
    """The largest radius here that leaves a gap to another lesion."""
    return float(np.linalg.norm(center - other.center_ras)) - other.outer_radius_mm - GAP_MM
