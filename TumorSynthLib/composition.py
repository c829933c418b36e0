"""Putting finished lesions into the host, on the host's own voxels. No network runs here.

Order for several lesions: all push the brain aside first, then all oedema, then the lesions are painted one after the
other; where two overlap, the later one takes the voxels, in the image, the mask and the map alike. Lesions too far
apart to touch the same voxels are worked out each for itself, so that changing one costs nothing for the others.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from . import blending, mass_effect, oedema
from .composition_memory import CompositionMemory
from .grid import Box, Grid, box_of, common_part, is_empty, resample, union_of, within
from .host import HostBrain
from .labelling import LesionFacts, LesionLabels, facts_of, labels_of
from .painting import Brain, PaintedLesion
from .parameters import Appearance
from .random_fields import white_noise

SURROUNDINGS_VOXELS = 48
# An elongated lesion reaches this many radii from its centre, its oedema's last finger this many reaches further.
LESION_REACH_RADII = 2.2
OEDEMA_REACHES = 1.7
LEAST_SHARE = 1e-3
# Displacement is worked out in slabs of about this many voxels, so that fine hosts do not need gigabytes.
SLAB_VOXELS = 3_000_000

Order = Literal["C", "F"]
Pairs = Sequence[tuple[PaintedLesion, Appearance]]

_numbers = itertools.count(1)


@dataclass(frozen=True, eq=False)
class Composition:
    """Lesions in the part of their host that `box` holds; beyond it nothing changed.

    Arrays are laid out in memory as the host is: mixing layouts makes every step through both many times slower.
    """

    box: Box
    image: np.ndarray
    mask: np.ndarray
    intensity_map: np.ndarray
    lesions: tuple[LesionFacts, ...]
    zone: np.ndarray

    def on_host(self, host: HostBrain) -> Composition:
        """The same on the whole of the host's grid."""
        image = host.voxels.copy(order="K")
        image[self.box] = self.image
        # Fresh zeros cost nothing until they are touched.
        mask, intensity_map, zone = (
            np.zeros(host.shape, part.dtype, _order(host)) for part in (self.mask, self.intensity_map, self.zone)
        )
        mask[self.box], intensity_map[self.box], zone[self.box] = self.mask, self.intensity_map, self.zone
        return Composition(tuple(slice(0, n) for n in host.shape), image, mask, intensity_map, self.lesions, zone)  # type: ignore[arg-type]


def compose(
    host: HostBrain,
    brain: Brain,
    lesions: Sequence[PaintedLesion],
    appearances: Sequence[Appearance],
    memory: CompositionMemory | None = None,
) -> Composition:
    """The lesions on the whole of the host's grid."""
    return compose_part(host, brain, lesions, appearances, memory).on_host(host)


def compose_part(
    host: HostBrain,
    brain: Brain,
    lesions: Sequence[PaintedLesion],
    appearances: Sequence[Appearance],
    memory: CompositionMemory | None = None,
    between: Callable[[], object] = lambda: None,
) -> Composition:
    """The lesions in the part of the host that they reach: a fraction of the work when the host is large. `between` is
    called between any two steps; what it raises ends the work."""
    work = _Work(host, brain, memory or CompositionMemory(), between)
    work.memory.begin(host, brain)
    pairs = list(zip(lesions, appearances, strict=True))
    labels = [work.labels(lesion) for lesion in lesions]
    layers = [work.surroundings(group) for group in work.groups(pairs)]
    for lesion, appearance in pairs:
        layers.append(work.painted(lesion, appearance, layers))
    box = union_of([layer.box for layer in layers] + [made.box for made in labels])
    image = host.voxels[box].copy(order=_order(host))
    zone = np.zeros(image.shape, bool, _order(host))
    for layer in layers:
        inner = within(layer.box, box)
        np.copyto(image[inner], layer.image, where=layer.zone)
        zone[inner] |= layer.zone
    mask, grey = _labelled(box, labels, _order(host))
    facts = tuple(_facts(work, box, mask, number, *pair) for number, pair in enumerate(pairs, start=1))
    work.memory.end()
    return Composition(box, image, mask, grey, facts, zone)


def _order(host: HostBrain) -> Order:
    return "F" if host.voxels.flags.f_contiguous else "C"


def _labelled(box: Box, made: Sequence[LesionLabels], order: Order) -> tuple[np.ndarray, np.ndarray]:
    """Labels 1..n and intensity map in a box that holds them all."""
    shape = tuple(s.stop - s.start for s in box)
    mask = np.zeros(shape, np.uint8 if len(made) < 256 else np.uint16, order)
    grey = np.zeros(shape, np.float32, order)
    for number, labels in enumerate(made, start=1):
        inner = within(labels.box, box)
        np.copyto(mask[inner], number, where=labels.mask, casting="unsafe")
        np.copyto(grey[inner], labels.grey, where=labels.mask)
    return mask, grey


def _facts(
    work: _Work, box: Box, mask: np.ndarray, number: int, lesion: PaintedLesion, appearance: Appearance
) -> LesionFacts:
    labels = work.labels(lesion)
    facts = work.memory.recall(("facts", lesion, appearance), lambda: facts_of(lesion, labels, work.brain, appearance))
    hidden = int((mask[within(labels.box, box)][labels.mask] != number).sum())
    return replace(facts, voxels_hidden_by_later=hidden) if hidden else facts


# -- what lesions do to the image


@dataclass(frozen=True, eq=False)
class _Layer:
    """New values in a box of the host, on the 0..1 scale and as stored, and which voxels have them. The number stands
    for the layer, in keys of what is made on top of it."""

    number: int
    box: Box
    values: np.ndarray
    image: np.ndarray
    zone: np.ndarray


@dataclass(frozen=True, eq=False)
class _Canvas:
    """A part of the host, on the 0..1 scale, and where it was changed."""

    box: Box
    brain: np.ndarray
    values: np.ndarray
    zone: np.ndarray

    def copy(self) -> _Canvas:
        return replace(self, values=self.values.copy(), zone=self.zone.copy())

    def change(self, box: Box, values: np.ndarray) -> None:
        """New values for a part of the host within this canvas; nothing outside the brain changes."""
        inner = within(box, self.box)
        changed = (values != self.values[inner]) & self.brain[inner]
        np.copyto(self.values[inner], values, where=changed)
        self.zone[inner] |= changed

    def cover(self, layer: _Layer) -> None:
        """Puts a layer underneath what will be changed from now on."""
        both = common_part(self.box, layer.box)
        own, other = within(both, self.box), within(both, layer.box)
        np.copyto(self.values[own], layer.values[other], where=layer.zone[other])


@dataclass(frozen=True, eq=False)
class _Push:
    """How tissue moves, on a coarse cube, and the part of the host where it does."""

    around: Grid
    field: np.ndarray
    box: Box


@dataclass(frozen=True, eq=False)
class _Share:
    """How much of something, 0..1, each voxel of a part of the host has."""

    box: Box
    grid: Grid
    share: np.ndarray


@dataclass(frozen=True, eq=False)
class _Work:
    """One composition at work: the host, its brain, and what is remembered of the compositions before."""

    host: HostBrain
    brain: Brain
    memory: CompositionMemory
    between: Callable[[], object]

    def labels(self, lesion: PaintedLesion) -> LesionLabels:
        # The lesion itself is kept alive by every key that it is part of, so its size is counted here, once.
        return self.memory.recall(("labels", lesion), lambda: (labels_of(lesion, self.host, self.brain), lesion))[0]

    def _bare(self, box: Box) -> _Canvas:
        values = np.ascontiguousarray(self.host.normalized(self.host.voxels[box]))
        return _Canvas(box, np.ascontiguousarray(self.brain.mask[box]), values, np.zeros(values.shape, bool))

    def _layer(self, canvas: _Canvas) -> _Layer:
        """What was changed on a canvas, and no more."""
        inner = box_of(canvas.zone)
        box = tuple(slice(c.start + i.start, c.start + i.stop) for c, i in zip(canvas.box, inner, strict=True))
        values, zone = canvas.values[inner].copy(), canvas.zone[inner]
        image = self.host.to_stored(self.host.denormalized(values))
        image, zone = (np.array(array, order=_order(self.host)) for array in (image, zone))
        return _Layer(next(_numbers), box, values, image, zone)  # type: ignore[arg-type]

    # -- around the lesions

    def groups(self, pairs: Pairs) -> list[Pairs]:
        """Lesions that push or swell the same voxels, directly or through others, in their order."""
        active = [(pair, self._reach(*pair)) for pair in pairs if pair[1].mass_effect or pair[1].oedema]
        group_of = list(range(len(active)))
        for later, earlier in itertools.combinations(range(len(active)), 2):
            if not is_empty(common_part(active[earlier][1], active[later][1])):
                old, new = group_of[later], group_of[earlier]
                group_of = [new if group == old else group for group in group_of]
        members = [(pair, group) for (pair, _), group in zip(active, group_of, strict=True)]
        return [[pair for pair, own in members if own == group] for group in dict.fromkeys(group_of)]

    def _reach(self, lesion: PaintedLesion, appearance: Appearance) -> Box:
        boxes = []
        if appearance.mass_effect:
            boxes.append(self._push(lesion, appearance.mass_effect).box)
        if appearance.oedema:
            boxes.append(self._swelling(lesion, appearance.oedema_extent).box)
        return union_of(boxes)

    def surroundings(self, group: Pairs) -> _Layer:
        """A group's part of the host, pushed aside and swollen."""
        box = union_of([self._reach(*pair) for pair in group])
        pushing = tuple((lesion, a.mass_effect) for lesion, a in group if a.mass_effect)
        swelling = tuple((lesion, a.oedema, a.oedema_extent) for lesion, a in group if a.oedema)
        pushed_key = ("pushed", tuple((s.start, s.stop) for s in box), pushing)

        def made() -> _Layer:
            # Of a fine host not every stage can be kept.
            is_small = np.prod([s.stop - s.start for s in box]) < SLAB_VOXELS
            push = partial(self._pushed, box, pushing)
            canvas = self.memory.recall(pushed_key, push).copy() if is_small else push()
            for number, swells in enumerate(swelling):
                self.between()
                self._swell(canvas, (pushed_key, swelling[:number]), is_small, *swells)
            return self._layer(canvas)

        return self.memory.recall(("swollen", pushed_key, swelling), made)

    def _pushed(self, box: Box, pushing: tuple) -> _Canvas:
        canvas = self._bare(box)
        for lesion, amount in pushing:
            self.between()
            self._push_aside(canvas, lesion, amount)
        return canvas

    def _push_aside(self, canvas: _Canvas, lesion: PaintedLesion, amount: float) -> None:
        push = self._push(lesion, amount)
        if is_empty(push.box):
            return
        before = canvas.values[within(push.box, canvas.box)].copy()
        rows = max(1, SLAB_VOXELS // max(before[0].size, 1))
        grain = white_noise(np.random.default_rng([lesion.seed, 5]), self.host.grid.part(push.box))
        grain *= np.float32(lesion.noise)
        for start in range(0, before.shape[0], rows):
            first = push.box[0].start + start
            slab = (slice(first, min(first + rows, push.box[0].stop)), *push.box[1:])
            shift = mass_effect.shift_in_voxels(push.field, push.around, self.host.grid.part(slab))
            canvas.change(slab, mass_effect.displaced(before, shift, grain[start : start + rows], start))

    def _push(self, lesion: PaintedLesion, amount: float) -> _Push:
        return self.memory.recall(("push", lesion, amount), lambda: self._new_push(lesion, amount))

    def _new_push(self, lesion: PaintedLesion, amount: float) -> _Push:
        center, radius = np.array(lesion.spheres.center_ras), lesion.spheres.outer_radius_mm
        around = _cube_around(lesion, mass_effect.reach_mm(radius))
        brain, room = self.memory.recall(("room", lesion), lambda: self._room(around, center, radius))
        field = mass_effect.displacement_mm(around, brain, center, radius, amount, room)
        grid = self.host.grid
        moves = np.abs(field).max(0) > mass_effect.LEAST_SHIFT_VOXELS * float(grid.voxel_mm.min())
        return _Push(around, field, grid.box_covering(around, moves))

    def _room(self, around: Grid, center: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
        brain = self._brain_at(around)
        return brain, mass_effect.room_to_move(around, brain, center, radius)

    def _brain_at(self, around: Grid) -> np.ndarray:
        box = self.host.grid.box_covering(around, np.ones(around.shape, bool))
        return resample(self.brain.mask[box], self.host.grid.part(box), around) > 0.5

    def _swell(
        self, canvas: _Canvas, before: tuple, is_small: bool, lesion: PaintedLesion, amount: float, extent: float
    ) -> None:
        swelling = self._swelling(lesion, extent)
        values = canvas.values[within(swelling.box, canvas.box)]
        made = partial(oedema.whiteness, values, lesion.white_matter, swelling.grid.voxel_mm)
        whiteness = self.memory.recall(("whiteness", before, lesion, extent), made) if is_small else made()
        canvas.change(swelling.box, oedema.darkened_by(values, swelling.share, whiteness, amount))

    def _swelling(self, lesion: PaintedLesion, extent: float) -> _Share:
        return self.memory.recall(("swelling", lesion, extent), lambda: self._new_swelling(lesion, extent))

    def _new_swelling(self, lesion: PaintedLesion, extent: float) -> _Share:
        reach = oedema.reach_mm(lesion.spheres.outer_radius_mm, extent)
        around = _cube_around(lesion, LESION_REACH_RADII * lesion.spheres.outer_radius_mm + OEDEMA_REACHES * reach)
        inside = resample(lesion.mask, lesion.cube, around) > 0.4
        share = oedema.spread(around, inside, self._brain_at(around), reach, lesion.seed)
        share[share < LEAST_SHARE] = 0
        box = self.host.grid.box_covering(around, share > 0)
        grid = self.host.grid.part(box)
        return _Share(box, grid, resample(share, around, grid))

    # -- the lesions themselves

    def painted(self, lesion: PaintedLesion, appearance: Appearance, below: Sequence[_Layer]) -> _Layer:
        """A lesion over its surroundings and the lesions before it."""
        seam = self._seam(lesion, appearance.blend_width_mm)
        below = [layer for layer in below if not is_empty(common_part(layer.box, seam.box))]
        finish = (appearance.blend_width_mm, appearance.smoothing_mm, appearance.contrast)

        def made() -> _Layer:
            self.between()
            canvas = self._bare(seam.box)
            for layer in below:
                canvas.cover(layer)
            canvas.change(seam.box, self._blended(canvas.values, seam, lesion, appearance))
            return self._layer(canvas)

        return self.memory.recall(("painted", lesion, finish, tuple(layer.number for layer in below)), made)

    def _seam(self, lesion: PaintedLesion, width_mm: float) -> _Share:
        return self.memory.recall(("seam", lesion, width_mm), lambda: self._new_seam(lesion, width_mm))

    def _new_seam(self, lesion: PaintedLesion, width_mm: float) -> _Share:
        share = blending.seam(lesion.matte, lesion.mask, float(lesion.cube.voxel_mm[0]), width_mm)
        box = self.host.grid.box_covering(lesion.cube, (share > 0) | (lesion.beside > 0))
        grid = self.host.grid.part(box)
        share = np.clip(resample(share, lesion.cube, grid), 0, 1)
        share[share < LEAST_SHARE] = 0
        return _Share(box, grid, share)

    def _blended(self, base: np.ndarray, seam: _Share, lesion: PaintedLesion, appearance: Appearance) -> np.ndarray:
        finished = blending.with_contrast(self._smoothed(lesion, appearance.smoothing_mm), appearance.contrast)
        finished = blending.within_ceiling(np.maximum(finished, 0), float(finished[lesion.mask].max()), lesion.ceiling)
        # The part of the cube that is read from and written to.
        near = lesion.cube.box_covering(seam.grid, np.ones(seam.grid.shape, bool))
        small = lesion.cube.part(near)
        small_base = resample(base, seam.grid, small) / lesion.white_matter
        known = resample(np.ones(base.shape, np.float32), seam.grid, small)
        beside = blending.changed_beside(small_base, known, lesion.strands[near], lesion.beside[near])
        at_cube, painted, beside = (
            resample(part, small, seam.grid) * lesion.white_matter for part in (small_base, finished[near], beside)
        )
        made = blending.blended(base + beside, at_cube + beside, painted, seam.share, lesion.noise)
        return np.where((seam.share > 0) | (beside != 0), np.maximum(made, 0), base)

    def _smoothed(self, lesion: PaintedLesion, smoothing_mm: float) -> np.ndarray:
        voxel = float(lesion.cube.voxel_mm[0])
        noise = lesion.noise / lesion.white_matter
        make = partial(blending.smoothed, lesion.painted, smoothing_mm / voxel, noise, lesion.seed)
        return self.memory.recall(("smoothed", lesion, smoothing_mm), make) if smoothing_mm else lesion.painted


def _cube_around(lesion: PaintedLesion, reach: float) -> Grid:
    """A coarse cube around a lesion: displacement and oedema are smooth, so they are worked out on few voxels."""
    voxel = 2 * reach / SURROUNDINGS_VOXELS
    affine = lesion.cube.affine.copy()
    affine[:3, :3] *= voxel / lesion.cube.voxel_mm[0]
    affine[:3, 3] = np.array(lesion.spheres.center_ras) - affine[:3, :3] @ np.full(3, (SURROUNDINGS_VOXELS - 1) / 2)
    return Grid(affine, (SURROUNDINGS_VOXELS,) * 3)
