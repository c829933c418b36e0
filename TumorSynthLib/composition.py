"""Putting finished lesions into the host, on the host's own voxels. No network runs here.

Order for several lesions: all push the brain aside first, then all oedema, then the lesions are painted one after the
other; where two overlap, the later one takes the voxels, in the image, the mask and the map alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import blending, mass_effect, oedema
from .grid import Grid, resample
from .host import HostBrain
from .labelling import LesionFacts, LesionLabels, facts_of, labels_of
from .painting import Brain, PaintedLesion
from .parameters import Appearance

SURROUNDINGS_VOXELS = 48
# An elongated lesion reaches this many radii from its centre, its oedema's last finger this many reaches further.
LESION_REACH_RADII = 2.2
OEDEMA_REACHES = 1.7
LEAST_SHARE = 1e-3
# Displacement is worked out in slabs of about this many voxels, so that fine hosts do not need gigabytes.
SLAB_VOXELS = 3_000_000


@dataclass(frozen=True, eq=False)
class Composition:
    image: np.ndarray
    mask: np.ndarray
    intensity_map: np.ndarray
    lesions: tuple[LesionFacts, ...]
    zone: np.ndarray


@dataclass(frozen=True, eq=False)
class _Canvas:
    """The part of the host that lesions touch, on the 0..1 scale, and where it was changed."""

    box: tuple[slice, slice, slice]
    grid: Grid
    brain: np.ndarray
    values: np.ndarray
    zone: np.ndarray


class CompositionMemory:
    """What one composition lends to the next of the same lesions: the displaced, swollen surroundings, which contrast,
    smoothing and blending do not touch, and the labels, which no appearance touches."""

    def __init__(self) -> None:
        self._key: tuple | None = None
        self._surroundings: _Canvas | None = None
        self._labels: dict[tuple, LesionLabels] = {}

    def surroundings(self, key: tuple, made: Callable[[], _Canvas]) -> _Canvas:
        if self._surroundings is None or key != self._key:
            self._key, self._surroundings = key, made()
        kept = self._surroundings
        return replace(kept, values=kept.values.copy(), zone=kept.zone.copy())

    def labels(self, lesions: Sequence[PaintedLesion], host: HostBrain, brain: Brain) -> list[LesionLabels]:
        known = self._labels
        keys = [(lesion, host, brain) for lesion in lesions]
        self._labels = {key: known[key] if key in known else labels_of(*key) for key in keys}
        return [self._labels[key] for key in keys]


def compose(
    host: HostBrain,
    brain: Brain,
    lesions: Sequence[PaintedLesion],
    appearances: Sequence[Appearance],
    memory: CompositionMemory | None = None,
) -> Composition:
    memory = memory or CompositionMemory()
    pairs = list(zip(lesions, appearances, strict=True))
    around = tuple((lesion, a.mass_effect, a.oedema, a.oedema_extent) for lesion, a in pairs)
    canvas = memory.surroundings((host, brain, around), lambda: _surroundings_of(host, brain, pairs))
    for lesion, appearance in pairs:
        _paint_in(canvas, lesion, appearance)
    # Arrays laid out in memory like the host: mixing layouts makes every step through both many times slower.
    image = host.voxels.copy(order="K")
    image[canvas.box][canvas.zone] = host.to_stored(host.denormalized(canvas.values[canvas.zone]))
    zone = np.zeros_like(host.voxels, bool)
    zone[canvas.box] = canvas.zone
    return Composition(image, *_labelled(host, brain, pairs, memory.labels(lesions, host, brain)), zone)


def _surroundings_of(host: HostBrain, brain: Brain, pairs: list[tuple[PaintedLesion, Appearance]]) -> _Canvas:
    canvas = _canvas(host, brain, pairs)
    for lesion, appearance in pairs:
        _push_aside(canvas, lesion, appearance)
    for lesion, appearance in pairs:
        _swell(canvas, lesion, appearance)
    return canvas


def _labelled(
    host: HostBrain, brain: Brain, pairs: list[tuple[PaintedLesion, Appearance]], made: list[LesionLabels]
) -> tuple[np.ndarray, np.ndarray, tuple[LesionFacts, ...]]:
    """Label volume, intensity map, and the facts of each lesion."""
    mask = np.zeros_like(host.voxels, np.uint8 if len(pairs) < 256 else np.uint16)
    grey = np.zeros_like(host.voxels, np.float32)
    for number, labels in enumerate(made, start=1):
        mask[labels.box][labels.mask] = number
        grey[labels.box][labels.mask] = labels.grey[labels.mask]
    facts = []
    for number, ((lesion, appearance), labels) in enumerate(zip(pairs, made, strict=True), start=1):
        hidden = int((mask[labels.box][labels.mask] != number).sum())
        facts.append(replace(facts_of(lesion, labels, brain, appearance), voxels_hidden_by_later=hidden))
    return mask, grey, tuple(facts)


def _canvas(host: HostBrain, brain: Brain, pairs: list[tuple[PaintedLesion, Appearance]]) -> _Canvas:
    boxes = [host.grid.box(np.array(lesion.spheres.center_ras), _reach(lesion, a)) for lesion, a in pairs]
    box = tuple(slice(min(b[a].start for b in boxes), max(b[a].stop for b in boxes)) for a in range(3))
    values = np.ascontiguousarray(host.normalized(host.voxels[box]))
    inside = np.ascontiguousarray(brain.mask[box])
    return _Canvas(box, host.grid.part(box), inside, values, np.zeros(values.shape, bool))  # type: ignore[arg-type]


def _reach(lesion: PaintedLesion, appearance: Appearance) -> float:
    """How far from its centre a lesion may change the host, along any axis."""
    half_cube = lesion.cube.shape[0] / 2 * float(lesion.cube.voxel_mm[0]) + 2
    radius = lesion.spheres.outer_radius_mm
    pushed = mass_effect.reach_mm(radius) if appearance.mass_effect else 0.0
    swollen = _oedema_reach(lesion, appearance) if appearance.oedema else 0.0
    return max(half_cube, pushed, swollen)


def _oedema_reach(lesion: PaintedLesion, appearance: Appearance) -> float:
    radius = lesion.spheres.outer_radius_mm
    return LESION_REACH_RADII * radius + OEDEMA_REACHES * oedema.reach_mm(radius, appearance.oedema_extent)


def _surroundings(lesion: PaintedLesion, reach: float) -> Grid:
    """A coarse cube around a lesion: displacement and oedema are smooth, so they are worked out on few voxels."""
    voxel = 2 * reach / SURROUNDINGS_VOXELS
    affine = lesion.cube.affine.copy()
    affine[:3, :3] *= voxel / lesion.cube.voxel_mm[0]
    affine[:3, 3] = np.array(lesion.spheres.center_ras) - affine[:3, :3] @ np.full(3, (SURROUNDINGS_VOXELS - 1) / 2)
    return Grid(affine, (SURROUNDINGS_VOXELS,) * 3)


def _push_aside(canvas: _Canvas, lesion: PaintedLesion, appearance: Appearance) -> None:
    if not appearance.mass_effect:
        return
    center, radius = np.array(lesion.spheres.center_ras), lesion.spheres.outer_radius_mm
    around = _surroundings(lesion, mass_effect.reach_mm(radius))
    brain = resample(canvas.brain, canvas.grid, around) > 0.5
    field = mass_effect.displacement_mm(around, brain, center, radius, appearance.mass_effect)
    moves = np.abs(field).max(0) > mass_effect.LEAST_SHIFT_VOXELS * float(canvas.grid.voxel_mm.min())
    box = canvas.grid.box_covering(around, moves)
    before = canvas.values[box].copy()
    rows = max(1, SLAB_VOXELS // max(before[0].size, 1)) if before.size else 1
    for number, start in enumerate(range(0, before.shape[0], rows)):
        slab = (slice(box[0].start + start, min(box[0].start + start + rows, box[0].stop)), *box[1:])
        shift = _shift_in_voxels(field, around, canvas.grid.part(slab))
        rng = np.random.default_rng([lesion.seed, 5, number])
        _change(canvas, slab, mass_effect.displaced(before, shift, lesion.noise, rng, start))


def _change(canvas: _Canvas, box: tuple[slice, slice, slice], values: np.ndarray) -> None:
    """New values for a part of the canvas; nothing outside the brain changes."""
    changed = (values != canvas.values[box]) & canvas.brain[box]
    np.copyto(canvas.values[box], values, where=changed)
    canvas.zone[box] |= changed


def _shift_in_voxels(field: np.ndarray, around: Grid, grid: Grid) -> np.ndarray:
    """A displacement along a cube's axes, as voxels along the canvas' axes."""
    turn = (grid.affine[:3, :3] / grid.voxel_mm).T @ (around.affine[:3, :3] / around.voxel_mm)
    shift = np.empty((3, *grid.shape), np.float32)
    for component, along in enumerate(np.abs(turn).argmax(0)):
        shift[along] = resample(field[component], around, grid) * (turn[along, component] / grid.voxel_mm[along])
    return shift


def _swell(canvas: _Canvas, lesion: PaintedLesion, appearance: Appearance) -> None:
    if not appearance.oedema:
        return
    reach = oedema.reach_mm(lesion.spheres.outer_radius_mm, appearance.oedema_extent)
    around = _surroundings(lesion, _oedema_reach(lesion, appearance))
    brain = resample(canvas.brain, canvas.grid, around) > 0.5
    inside = resample(lesion.mask, lesion.cube, around) > 0.4
    share = oedema.spread(around, inside, brain, reach, lesion.seed)
    share[share < LEAST_SHARE] = 0
    box = canvas.grid.box_covering(around, share > 0)
    grid = canvas.grid.part(box)
    share = resample(share, around, grid)
    values = canvas.values[box]
    _change(canvas, box, oedema.darkened(values, share, lesion.white_matter, appearance.oedema, grid.voxel_mm))


def _paint_in(canvas: _Canvas, lesion: PaintedLesion, appearance: Appearance) -> None:
    cube, voxel = lesion.cube, float(lesion.cube.voxel_mm[0])
    share = blending.soft_mask(lesion.mask, voxel, appearance.blend_width_mm)
    noise = lesion.noise / lesion.white_matter
    finished = blending.smoothed(lesion.painted, appearance.smoothing_mm / voxel, noise, lesion.seed)
    finished = blending.with_contrast(finished, appearance.contrast)
    finished = blending.within_ceiling(np.maximum(finished, 0), float(finished[lesion.mask].max()), lesion.ceiling)
    box = canvas.grid.box_covering(cube, share > 0)
    grid = canvas.grid.part(box)
    share = np.clip(resample(share, cube, grid), 0, 1)
    share[share < LEAST_SHARE] = 0
    base = canvas.values[box]
    at_cube = resample(resample(base, grid, cube), cube, grid)
    painted = resample(finished, cube, grid) * lesion.white_matter
    made = blending.blended(base, at_cube, painted, share, lesion.noise)
    _change(canvas, box, np.where(share > 0, np.maximum(made, 0), base))
