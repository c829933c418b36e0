"""Putting finished lesions into the host, on the host's own voxels. No network runs here.

Order for several lesions: all push the brain aside first, then all oedema, then the lesions are painted one after the
other; where two overlap, the later one takes the voxels, in the image, the mask and the map alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from . import blending, mass_effect, oedema
from .grid import Grid, resample
from .host import HostBrain
from .painting import Brain, PaintedLesion, grey_values
from .parameters import Appearance

SURROUNDINGS_VOXELS = 48
# An elongated lesion reaches this many radii from its centre, its oedema's last finger this many reaches further.
LESION_REACH_RADII = 2.2
OEDEMA_REACHES = 1.7


@dataclass(frozen=True)
class LesionFacts:
    """What was asked of a lesion, and what came out, measured on the host's voxels."""

    center_ras: tuple[float, float, float]
    radii_mm: tuple[float, ...]
    values: tuple[float, ...]
    structure: str
    seed: int
    appearance: dict[str, float]
    cube_voxel_mm: float
    volume_asked_mm3: float
    volume_mm3: float
    centroid_ras: tuple[float, float, float]
    grey_values: tuple[float, ...]
    class_fractions_asked: tuple[float, ...]
    class_fractions: tuple[float, ...]
    share_in_brain: float
    voxels_hidden_by_later: int


@dataclass(frozen=True, eq=False)
class Composition:
    image: np.ndarray
    mask: np.ndarray
    intensity_map: np.ndarray
    zone: np.ndarray
    lesions: tuple[LesionFacts, ...]


@dataclass(frozen=True, eq=False)
class _Canvas:
    """The part of the host that lesions touch, on the 0..1 scale, and where it was changed."""

    box: tuple[slice, slice, slice]
    grid: Grid
    brain: np.ndarray
    values: np.ndarray
    zone: np.ndarray


def compose(
    host: HostBrain, brain: Brain, lesions: Sequence[PaintedLesion], appearances: Sequence[Appearance]
) -> Composition:
    canvas = _canvas(host, brain, lesions, appearances)
    pairs = list(zip(lesions, appearances, strict=True))
    for lesion, appearance in pairs:
        _push_aside(canvas, lesion, appearance)
    for lesion, appearance in pairs:
        _swell(canvas, lesion, appearance)
    label_type = np.uint8 if len(lesions) < 256 else np.uint16
    labels = np.zeros(host.shape, label_type)
    grey = np.zeros(host.shape, np.float32)
    facts = []
    for number, (lesion, appearance) in enumerate(pairs, start=1):
        _paint_in(canvas, lesion, appearance)
        facts.append(_label(host, brain, lesion, appearance, number, labels, grey))
    image = host.voxels.copy()
    changed = image[canvas.box]
    changed[canvas.zone] = host.to_stored(host.denormalized(canvas.values[canvas.zone]))
    zone = np.zeros(host.shape, bool)
    zone[canvas.box] = canvas.zone
    if len(pairs) > 1:
        visible = np.bincount(labels[canvas.box].ravel(), minlength=len(pairs) + 1)
        facts = [
            replace(f, voxels_hidden_by_later=round(f.volume_mm3 / host.voxel_volume_mm3) - int(visible[number]))
            for number, f in enumerate(facts, start=1)
        ]
    return Composition(image, labels, grey, zone, tuple(facts))


def _canvas(
    host: HostBrain, brain: Brain, lesions: Sequence[PaintedLesion], appearances: Sequence[Appearance]
) -> _Canvas:
    boxes = [
        host.grid.box(np.array(lesion.spheres.center_ras), _reach(lesion, appearance))
        for lesion, appearance in zip(lesions, appearances, strict=True)
    ]
    box = tuple(slice(min(b[a].start for b in boxes), max(b[a].stop for b in boxes)) for a in range(3))
    values = host.normalized(host.voxels[box])
    return _Canvas(box, host.grid.part(box), brain.mask[box], values, np.zeros(values.shape, bool))  # type: ignore[arg-type]


def _reach(lesion: PaintedLesion, appearance: Appearance) -> float:
    """How far from its centre a lesion may change the host, along any axis."""
    half_cube = lesion.cube.shape[0] / 2 * float(lesion.cube.voxel_mm[0]) + 2
    radius = lesion.spheres.outer_radius_mm
    pushed = mass_effect.reach_mm(radius) if appearance.mass_effect else 0.0
    swollen = _oedema_reach(lesion, appearance) if appearance.oedema else 0.0
    return max(min(half_cube, LESION_REACH_RADII * radius + appearance.blend_width_mm + 6), pushed, swollen)


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


def _local(canvas: _Canvas, lesion: PaintedLesion, reach: float) -> tuple[tuple[slice, slice, slice], Grid]:
    box = canvas.grid.box(np.array(lesion.spheres.center_ras), reach)
    return box, canvas.grid.part(box)


def _push_aside(canvas: _Canvas, lesion: PaintedLesion, appearance: Appearance) -> None:
    if not appearance.mass_effect:
        return
    center, radius = np.array(lesion.spheres.center_ras), lesion.spheres.outer_radius_mm
    around = _surroundings(lesion, mass_effect.reach_mm(radius))
    brain = resample(canvas.brain, canvas.grid, around) > 0.5
    field = mass_effect.displacement_mm(around, brain, center, radius, appearance.mass_effect)
    box, grid = _local(canvas, lesion, mass_effect.reach_mm(radius))
    shift = _shift_in_voxels(field, around, grid)
    values = canvas.values[box]
    moved = mass_effect.displaced(values, shift, lesion.noise, lesion.seed)
    changed = (moved != values) & canvas.brain[box]
    canvas.values[box] = np.where(changed, moved, values)
    canvas.zone[box] |= changed


def _shift_in_voxels(field: np.ndarray, around: Grid, grid: Grid) -> np.ndarray:
    """A displacement along a cube's axes, as voxels along the canvas' axes."""
    turn = (grid.affine[:3, :3] / grid.voxel_mm).T @ (around.affine[:3, :3] / around.voxel_mm)
    parts = [resample(component, around, grid) for component in field]
    return np.stack([
        sum(turn[axis, k] * parts[k] for k in range(3) if abs(turn[axis, k]) > 1e-6) / grid.voxel_mm[axis]
        for axis in range(3)
    ]).astype(np.float32)  # fmt: skip


def _swell(canvas: _Canvas, lesion: PaintedLesion, appearance: Appearance) -> None:
    if not appearance.oedema:
        return
    radius = lesion.spheres.outer_radius_mm
    reach = oedema.reach_mm(radius, appearance.oedema_extent)
    around = _surroundings(lesion, _oedema_reach(lesion, appearance))
    brain = resample(canvas.brain, canvas.grid, around) > 0.5
    inside = resample(lesion.mask, lesion.cube, around) > 0.4
    share = oedema.spread(around, inside, brain, reach, lesion.seed)
    box, grid = _local(canvas, lesion, _oedema_reach(lesion, appearance))
    share = resample(share, around, grid) * canvas.brain[box]
    touched = share > 1e-3
    values = canvas.values[box]
    dark = oedema.darkened(values, share, lesion.white_matter, appearance.oedema, grid.voxel_mm)
    changed = touched & (dark != values)
    canvas.values[box] = np.where(changed, dark, values)
    canvas.zone[box] |= changed


def _paint_in(canvas: _Canvas, lesion: PaintedLesion, appearance: Appearance) -> None:
    cube, voxel = lesion.cube, float(lesion.cube.voxel_mm[0])
    share_cube = blending.soft_mask(lesion.mask, voxel, appearance.blend_width_mm)
    noise = lesion.noise / lesion.white_matter
    finished = blending.smoothed(lesion.painted, appearance.smoothing_mm / voxel, noise, lesion.seed)
    finished = blending.with_contrast(finished, share_cube, appearance.contrast)
    box, grid = _local(canvas, lesion, cube.shape[0] / 2 * voxel + 2)
    share = np.clip(resample(share_cube, cube, grid), 0, 1)
    share[share < 1e-3] = 0
    base = canvas.values[box]
    at_cube = resample(resample(base, grid, cube), cube, grid)
    painted = resample(finished, cube, grid) * lesion.white_matter
    made = blending.blended(base, at_cube, painted, share, lesion.noise)
    changed = share > 0
    canvas.values[box] = np.where(changed, np.maximum(made, 0), base)
    canvas.zone[box] |= changed


def _label(
    host: HostBrain,
    brain: Brain,
    lesion: PaintedLesion,
    appearance: Appearance,
    number: int,
    labels: np.ndarray,
    grey: np.ndarray,
) -> LesionFacts:
    """Marks the lesion's voxels on the host's grid, in exactly the volume asked for, and its grey values."""
    spheres, cube = lesion.spheres, lesion.cube
    box = host.grid.box(np.array(spheres.center_ras), cube.shape[0] / 2 * float(cube.voxel_mm[0]) + 2)
    grid = host.grid.part(box)
    mask = host_mask(lesion, grid, brain.mask[box])
    values = grey_values(mask, resample(lesion.score, cube, grid), spheres)
    labels[box][mask] = number
    grey[box][mask] = values[mask]
    wanted, shares = spheres.classes()
    counts = np.array([(values[mask] == np.float32(v)).sum() for v in wanted])
    centroid = grid.to_ras(np.argwhere(mask).mean(0))
    structure = spheres.resolved_structure
    return LesionFacts(
        center_ras=spheres.center_ras,
        radii_mm=spheres.radii_mm,
        values=structure.values,
        structure=structure.name,
        seed=lesion.seed,
        appearance=asdict(appearance),
        cube_voxel_mm=float(cube.voxel_mm[0]),
        volume_asked_mm3=spheres.volume_mm3,
        volume_mm3=float(mask.sum() * grid.voxel_volume_mm3),
        centroid_ras=tuple(centroid.tolist()),
        grey_values=tuple(wanted.tolist()),
        class_fractions_asked=tuple(shares.tolist()),
        class_fractions=tuple((counts / max(counts.sum(), 1)).tolist()),
        share_in_brain=float((mask & brain.mask[box]).sum() / mask.sum()),
        voxels_hidden_by_later=0,
    )


def host_mask(lesion: PaintedLesion, grid: Grid, brain: np.ndarray) -> np.ndarray:
    """The lesion on the host's voxels: those deepest in its field, as many as its volume takes."""
    field = resample(lesion.field, lesion.cube, grid, fill=1e3)
    # Half a voxel of tolerance around the cube's own mask keeps fragments of the field elsewhere out.
    near = resample(blending.soft_mask(lesion.mask, 1.0, 1.0), lesion.cube, grid) > 0.01
    allowed = near & brain
    if not allowed.any():
        allowed = near
    count = int(np.clip(round(lesion.spheres.volume_mm3 / grid.voxel_volume_mm3), 1, allowed.sum()))
    candidates = np.where(allowed, field, np.inf).ravel()
    chosen = np.argpartition(candidates, count - 1)[:count]
    mask = np.zeros(candidates.size, bool)
    mask[chosen] = True
    return mask.reshape(grid.shape)


