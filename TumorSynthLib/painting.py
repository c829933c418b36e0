"""One lesion through the three generators: spheres -> mask -> intensity map -> painted slices, in the working cube."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from .blending import fine_detail, noise_level, seam, within_ceiling
from .calibration import centred_field, matte_of_volume, split_by_shares, spread_outwards, with_levels
from .cube import WINDOW_RADII, brain_prior, cube_around, window_for_mask, window_for_radius
from .errors import InputError
from .grain import PATCH_VOXELS, as_delivered
from .grid import Grid, box_of, canonical_axes, resample
from .host import HostBrain
from .networks import (
    MATTE_SOFTNESS_VOXELS,
    map_input,
    mask_input,
    mask_logits,
    memory_layout,
    paint,
    rank_in_unit_interval,
    share_of_strands,
)
from .parameters import Appearance
from .random_fields import outline_field, smooth_field
from .spheres import ConcentricSpheres

if TYPE_CHECKING:
    import torch

IRREGULARITY = (0.08, 0.30)
ELONGATION = (0.05, 0.35)
CLUMP_LENGTH = (0.14, 0.32)
# In real lesions classes are less in order than the map network puts them: speckled, with islands, rims now thick now
# thin. By so much of the lesion's volume, in standard deviations, is a voxel's rank moved; weights and lengths in
# voxels. Tuned on development patients. A small core would be torn: no more than that much of the smallest class.
DISORDER, DISORDER_LENGTHS = 0.15, ((0.2, 1.0), (0.4, 2.0), (0.4, 4.0))
DISORDER_OF_SMALLEST = 0.75
# How far around a lesion the painter paints, and up to how many slices beyond it: as far as its matte may reach.
HOLE_MARGIN_VOXELS = 3
SLICES_BEYOND = 2
PAINT_CONTEXT_VOXELS = 5
PAINT_MULTIPLE = 16
NOISE_SHARED_VOXELS = 0.45
# An outline smoother than a voxel, so that finer hosts do not show the cube's steps.
FIELD_SOFTNESS_VOXELS = 0.6
# Brain reaches into no lesion in fingers narrower than this share of its radius to either side: they are closed.
FINGER_RADII = 0.2
LEVEL_SOFTNESS_VOXELS = 0.7
MASK_SOFTNESS_VOXELS = 0.5
# Where less of the lesion shows, what the painter made of it is not to be relied on.
LEAST_MATTE = 0.15
# Logits beyond this say nothing more about where the edge lies.
SURE = 6.0
# White matter lies in the upper middle of all brain voxels, on T1 with or without contrast agent.
WHITE_MATTER_PERCENTILE = 65
NOISE_VOXELS = 20
LEAST_SHARE_IN_BRAIN = 0.5
ROOM_STEPS = 12
# Near the brain's border a lesion may drift inwards: forcing its centre back would squeeze it flat along the border.
FARTHEST_RECENTRING_RADII = 0.3


@dataclass(frozen=True, eq=False)
class Brain:
    """Where the brain is in a host, and how it was found."""

    mask: np.ndarray
    method: str
    grid: Grid

    @cached_property
    def _marginals(self) -> list[np.ndarray]:
        return [self.mask.sum(axis=others, dtype=np.int64) for others in ((1, 2), (0, 2), (0, 1))]

    @cached_property
    def volume_mm3(self) -> float:
        return float(self._marginals[0].sum()) * self.grid.voxel_volume_mm3

    @cached_property
    def center_ras(self) -> np.ndarray:
        return self.grid.to_ras(np.array([np.average(np.arange(len(m)), weights=m) for m in self._marginals]))

    @cached_property
    def spread_mm(self) -> float:
        """Standard deviation of the brain's voxels, averaged over axes: half a brain's half-width."""
        spreads = []
        for marginal, size in zip(self._marginals, self.grid.voxel_mm, strict=True):
            place = np.arange(len(marginal))
            middle = np.average(place, weights=marginal)
            spreads.append(size * np.sqrt(np.average((place - middle) ** 2, weights=marginal)))
        return float(np.mean(spreads))

    def contains(self, point_ras: np.ndarray) -> bool:
        index = np.round(self.grid.to_index(point_ras)).astype(int)
        return bool((index >= 0).all() and (index < self.mask.shape).all() and self.mask[tuple(index)])

    def nearest_inside(self, point_ras: np.ndarray) -> tuple[np.ndarray, float]:
        squared = np.where(self.mask, self.grid.squared_distance_mm2(point_ras), np.inf)
        nearest = np.unravel_index(int(squared.argmin()), squared.shape)
        return self.grid.to_ras(np.array(nearest)), float(np.sqrt(squared[nearest]))


@dataclass(frozen=True, eq=False)
class PaintedLesion:
    """What the networks made of one request, in its cube. Finishing it needs none of them again.

    `painted` is relative to `white_matter`, the level of white matter nearby on the host's 0..1 scale, and continued
    beyond the lesion, so that any surroundings can be blended in there; `matte` is how much of it shows, 0..1.
    `strands` is the detail of the tissue beside it, and `beside` how much of that shows, 0..1. `noise` is the scan's
    noise on the 0..1 scale.
    `ceiling` is the brightest value that the host can store, relative to white matter.
    """

    spheres: ConcentricSpheres
    seed: int
    cube: Grid
    white_matter: float
    noise: float
    ceiling: float
    field: np.ndarray
    mask: np.ndarray
    score: np.ndarray
    painted: np.ndarray
    matte: np.ndarray
    strands: np.ndarray
    beside: np.ndarray


def generate(
    networks: Mapping[str, torch.nn.Module],
    host: HostBrain,
    brain: Brain,
    spheres: ConcentricSpheres,
    seed: int,
    device: torch.device,
) -> PaintedLesion:
    center = np.array(spheres.center_ras)
    cube = cube_around(host.grid, center, spheres.outer_radius_mm)
    box = host.grid.box_covering(cube, np.ones(cube.shape, bool))
    nearby = host.grid.part(box)
    brain_cube = resample(brain.mask[box], nearby, cube) > 0.5
    host_cube = resample(host.normalized(host.voxels[box]), nearby, cube)
    white_matter = white_matter_level(host_cube, brain_cube, cube, spheres)
    host_cube = host_cube / white_matter

    known = spheres.as_the_networks_know()
    spheres_image = known.image(cube)
    field, mask = _mask(networks["mask"], cube, brain, brain_cube, known, spheres_image, seed, device)
    score = _map(networks["map"], cube, mask, known, spheres_image, seed, device)
    ceiling = _ceiling(host) / white_matter
    levels = _levels(mask, score, spheres, ceiling)
    parts = _paint(networks["paint"], host_cube, float(cube.voxel_mm[0]), mask, levels, seed, device)
    noise = local_noise(host, brain, center)
    return PaintedLesion(spheres, seed, cube, white_matter, noise, ceiling, field, mask, score, *parts)


def check_place(host: HostBrain, brain: Brain, spheres: ConcentricSpheres) -> None:
    center = np.array(spheres.center_ras)
    shown = " ".join(f"{c:g}" for c in center)
    if not host.contains(center):
        raise InputError(f"center {shown} (RAS, mm) lies outside the image: {_nearest(brain, center)}")
    if not brain.contains(center):
        raise InputError(f"center {shown} (RAS, mm) lies outside the brain: {_nearest(brain, center)}")
    if spheres.volume_mm3 < host.voxel_volume_mm3:
        least = (3 / (4 * np.pi) * host.voxel_volume_mm3) ** (1 / 3)
        raise InputError(
            f"outermost radius {spheres.outer_radius_mm:g} mm is smaller than a voxel of this image:"
            f" at least {np.ceil(100 * least) / 100:g} mm"
        )
    _check_room(brain, spheres, shown)


def _nearest(brain: Brain, center: np.ndarray) -> str:
    place, distance = brain.nearest_inside(center)
    return f"{distance:.1f} mm from the brain, the nearest place inside is {' '.join(f'{p:.1f}' for p in place)}"


def _check_room(brain: Brain, spheres: ConcentricSpheres, shown: str) -> None:
    """Enough of the outermost sphere must lie in the brain; a refusal names the largest radius that fits here.

    Counted on a fine lattice of its own: thick slices have too few voxels of theirs in a small sphere.
    """
    center, radius = np.array(spheres.center_ras), spheres.outer_radius_mm
    affine = np.eye(4)
    affine[:3, :3] = canonical_axes(brain.grid.affine) * radius / ROOM_STEPS
    affine[:3, 3] = center - affine[:3, :3] @ np.full(3, ROOM_STEPS)
    lattice = Grid(affine, (2 * ROOM_STEPS + 1,) * 3)
    box = brain.grid.box(center, radius + 2 * float(brain.grid.voxel_mm.max()))
    inside = resample(brain.mask[box], brain.grid.part(box), lattice, nearest=True) > 0.5
    distance = np.sqrt(lattice.squared_distance_mm2(center))
    share = float(inside[distance <= radius].mean())
    if share >= LEAST_SHARE_IN_BRAIN:
        return
    radii = np.linspace(radius / ROOM_STEPS, radius, 4 * ROOM_STEPS)
    # With something to spare, so that the radius named is accepted when it is asked for, on a lattice of its own.
    fits = [r for r in radii if inside[distance <= r].mean() >= LEAST_SHARE_IN_BRAIN + 0.03]
    raise InputError(
        f"only {share:.0%} of the outermost sphere ({radius:g} mm at {shown}) lies in the brain:"
        f" move it inwards, or choose a radius of at most {max(fits, default=0.0):.1f} mm here"
    )


def white_matter_level(host_cube: np.ndarray, brain_cube: np.ndarray, cube: Grid, spheres: ConcentricSpheres) -> float:
    """What white matter near the lesion measures on the host's 0..1 scale."""
    around = brain_cube & (cube.squared_distance_mm2(np.array(spheres.center_ras)) > spheres.outer_radius_mm**2)
    if around.sum() < 500:
        around = brain_cube
    level = float(np.percentile(host_cube[around], WHITE_MATTER_PERCENTILE))
    if level <= 0.02:
        raise InputError(
            "the brain around this place is as dark as air: the image has no signal here, or its brain mask is wrong"
        )
    return level


def local_noise(host: HostBrain, brain: Brain, center: np.ndarray) -> float:
    """The scan's noise around a place, on the host's own voxels (a resampled cube would have less)."""
    middle = np.round(host.ras_to_ijk(center)).astype(int)
    box = tuple(slice(max(m - NOISE_VOXELS, 0), m + NOISE_VOXELS) for m in middle)
    return noise_level(host.normalized(host.voxels[box]), brain.mask[box])


def _ceiling(host: HostBrain) -> float:
    """The brightest value the host can store, or shows, on its 0..1 scale."""
    dtype = host.voxels.dtype
    brightest = np.iinfo(dtype).max if dtype.kind in "iu" else np.inf
    return float(host.normalized(np.array([min(float(brightest), 1e30)]))[0])


def _rng(seed: int, purpose: int) -> np.random.Generator:
    """Independent chance per purpose, so that changing how one is used does not change the others."""
    return np.random.default_rng([seed, purpose])


def _mask(network, cube, brain, brain_cube, spheres, spheres_image, seed, device) -> tuple[np.ndarray, np.ndarray]:
    import torch

    rng, voxel = _rng(seed, 1), float(cube.voxel_mm[0])
    center = np.array(spheres.center_ras)
    radius = spheres.outer_radius_mm / voxel
    offsets = [o / voxel for o in cube.axis_offsets_mm(center)]
    window = (window_for_radius(radius, cube.shape[0]),) * 3
    outline = outline_field(rng, offsets, radius, rng.uniform(*IRREGULARITY), rng.uniform(*ELONGATION), window)
    weighted = (brain_cube * brain_prior(cube, brain.center_ras, brain.spread_mm))[window]
    distance = np.sqrt(cube.squared_distance_mm2(center)[window]) / voxel
    shown = mask_input(weighted, spheres_image[window], distance, radius, outline)
    logits = mask_logits(network, _to_device(torch.from_numpy(shown)[None], device))[0, 0].cpu().numpy()
    # Far from the sphere's edge the network's opinion is not asked: what remains there is only residual noise.
    near = distance <= WINDOW_RADII * radius + 2
    inner = np.where(near, -np.clip(logits, -SURE, SURE), SURE).astype(np.float32)
    inner = ndimage.gaussian_filter(inner, FIELD_SOFTNESS_VOXELS) + 0.05 * distance / radius
    allowed = brain_cube[window]
    inner, inside = centred_field(
        inner,
        allowed if allowed.any() else distance <= radius,
        spheres.volume_mm3 / cube.voxel_volume_mm3,
        cube.to_index(center) - window[0].start,
        fill=2 * SURE,
        fingers=FINGER_RADII * radius,
        limit=max(FARTHEST_RECENTRING_RADII * radius, 1.0),
    )
    field, mask = np.full(cube.shape, 2 * SURE, np.float32), np.zeros(cube.shape, bool)
    field[window], mask[window] = inner, inside
    return field, mask


def _map(network, cube, mask, spheres, spheres_image, seed, device) -> np.ndarray:
    """The rank of every voxel from dark to bright, continued beyond the mask for resampling."""
    import torch

    rng = _rng(seed, 2)
    radius = spheres.outer_radius_mm / float(cube.voxel_mm[0])
    length = max(radius * rng.uniform(*CLUMP_LENGTH), 0.7)
    noise = smooth_field(rng, cube.shape[0], ((1.0, length),))
    window = (window_for_mask(mask),) * 3
    shown = map_input(mask[window], spheres, spheres_image[window], noise[window])
    answer = network(_to_device(torch.from_numpy(shown)[None], device)).float()
    chances = torch.softmax(answer, 1)[0].cpu().numpy()
    inside, score = mask[window], np.zeros(cube.shape, np.float32)
    disorder = min(DISORDER, DISORDER_OF_SMALLEST * float(spheres.ranked_values()[1].min()))
    rank = disorder * smooth_field(_rng(seed, 7), cube.shape[0], DISORDER_LENGTHS)[window]
    rank[inside] += rank_in_unit_interval((chances[2] - chances[0])[inside])
    score[window] = spread_outwards(rank, inside, 1.0)
    return score


def grey_values(mask: np.ndarray, score: np.ndarray, spheres: ConcentricSpheres) -> np.ndarray:
    """The intensity map: the spheres' grey values, each in exactly its share of the mask, 0 outside."""
    values, shares = spheres.ranked_values()
    out = np.zeros(mask.shape, np.float32)
    out[mask] = values.astype(np.float32)[split_by_shares(score[mask], shares)]
    return out


class _Levels(NamedTuple):
    """How bright the painter is to make each voxel, the class of those inside the lesion (-1 outside), and the level
    asked for each class."""

    shown: np.ndarray
    classes: np.ndarray
    asked: np.ndarray


def _levels(mask: np.ndarray, score: np.ndarray, spheres: ConcentricSpheres, ceiling: float) -> _Levels:
    """Classes enter the painter softened: one that is shown steps paints steps."""
    values, shares = spheres.ranked_values()
    asked = np.maximum(np.asarray(spheres.resolved_structure.level_of(values), np.float32), 0)
    asked = within_ceiling(asked, float(asked.max()), ceiling)
    classes = np.full(mask.shape, -1, np.int8)
    classes[mask] = split_by_shares(score[mask], shares)
    window = box_of(mask, int(4 * LEVEL_SOFTNESS_VOXELS + 0.5) + 1)
    inside = mask[window]
    weight = ndimage.gaussian_filter(inside.astype(np.float32), LEVEL_SOFTNESS_VOXELS)
    soft = ndimage.gaussian_filter(np.where(inside, asked[classes[window]], 0), LEVEL_SOFTNESS_VOXELS)
    shown = np.ones(mask.shape, np.float32)
    shown[window] = np.where(weight > 1e-3, soft / np.maximum(weight, 1e-3), 1)
    return _Levels(shown, classes, asked)


def _paint(network, host_cube, voxel_mm, mask, levels, seed, device) -> tuple[np.ndarray, ...]:
    """Paints the axial slices that meet the lesion; noise is shared between neighbours, for continuity. Answers with
    the lesion, its matte, the detail of the tissue beside it, and how much of that shows."""
    import torch

    hole = _grown(mask, HOLE_MARGIN_VOXELS)
    slices = np.flatnonzero(ndimage.binary_dilation(mask.any((0, 1)), iterations=SLICES_BEYOND))
    rows, columns = (_context(hole.any((1 - axis, 2))) for axis in (0, 1))
    box = (rows, columns, slice(slices[0], slices[-1] + 1))
    noise, uneven = _paint_noise(seed, mask.shape)[box], _unevenness(seed, mask.shape)[box]
    noise = noise / noise.std()
    soft = _softened(mask, MASK_SOFTNESS_VOXELS)[box] * hole[box]
    softened = _softened(mask, MATTE_SOFTNESS_VOXELS)[box]
    *asked, uneven = (
        _to_device(torch.from_numpy(np.ascontiguousarray(v.transpose(2, 0, 1), np.float32))[:, None], device)
        for v in (host_cube[box], hole[box], levels.shown[box], soft, softened, noise, uneven)
    )
    painting = paint(network, *asked)
    painting = painting._replace(lesion=as_delivered(painting.lesion, uneven))
    lesion, shown, tissue, near = (part[:, 0].cpu().numpy().transpose(1, 2, 0) for part in painting)
    painted, (matte, strands, beside) = np.ones(mask.shape, np.float32), np.zeros((3, *mask.shape), np.float32)
    matte[box] = matte_of_volume(shown, float(mask.sum()))
    # As it will show under the usual edge; what an appearance changes of it later, it is asked to change.
    shows = seam(matte[box], mask[box], voxel_mm, Appearance.blend_width_mm)
    lesion = spread_outwards(lesion, mask[box] | (shown > LEAST_MATTE), 1.0)
    painted[box] = with_levels(lesion, host_cube[box], shows, levels.shown[box], levels.classes[box], levels.asked)
    strands[box] = fine_detail(tissue)
    beside[box] = near * share_of_strands((3 * float(mask.sum()) / (4 * np.pi)) ** (1 / 3))
    return painted, matte, strands, beside


def _softened(mask: np.ndarray, sigma: float) -> np.ndarray:
    box = box_of(mask, int(4 * sigma) + 1)
    out = np.zeros(mask.shape, np.float32)
    out[box] = ndimage.gaussian_filter(mask[box].astype(np.float32), sigma)
    # Tails too small to matter are denormal numbers, which slow a processor down many times.
    out[out < 1e-4] = 0
    return out


def _grown(mask: np.ndarray, voxels: int) -> np.ndarray:
    """The mask and all within so many steps from voxel to voxel."""
    box = box_of(mask, voxels + 1)
    out = np.zeros(mask.shape, bool)
    out[box] = ndimage.binary_dilation(mask[box], ndimage.generate_binary_structure(3, 1), iterations=voxels)
    return out


@lru_cache(maxsize=8)
def _paint_noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Chance for the painter; kept, as a lesion that is dragged keeps its seed."""
    noise = _rng(seed, 3).standard_normal(shape, dtype=np.float32)
    noise = ndimage.gaussian_filter1d(noise, NOISE_SHARED_VOXELS, axis=2, mode="wrap")
    noise.flags.writeable = False
    return noise


def _unevenness(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Where texture is strong, of unit variance."""
    return smooth_field(_rng(seed, 6), shape[0], ((1.0, PATCH_VOXELS),))


def _context(marked: np.ndarray) -> slice:
    """Along one axis, the shortest stretch that holds what is marked and its context, and that the painter, which
    halves its slices four times, takes."""
    places = np.flatnonzero(marked)
    low, high = places[0] - PAINT_CONTEXT_VOXELS, places[-1] + 1 + PAINT_CONTEXT_VOXELS
    length = min(-(-(high - low) // PAINT_MULTIPLE) * PAINT_MULTIPLE, len(marked))
    start = int(np.clip((low + high - length) // 2, 0, len(marked) - length))
    return slice(start, start + length)


def _to_device(batch: torch.Tensor, device: torch.device) -> torch.Tensor:
    return batch.to(device).contiguous(memory_format=memory_layout(batch.dim() - 2))
