"""Procedural lesions: three-dimensional truth where annotated three-dimensional tumours are too few.

A lesion is a rotated ellipsoid plus smooth noise, thresholded to the exact volume of its outer sphere inside a real
brain's outline. The noise is also shown to the network, so that a seed means something and L1 is well posed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from TumorSynthLib.calibration import threshold_to_volume
from TumorSynthLib.cube import CUBE_SIZE, MAX_RADIUS_VOXELS, brain_prior
from TumorSynthLib.grid import Grid
from TumorSynthLib.networks import depth_rank, rank_in_unit_interval
from TumorSynthLib.random_fields import outline_field, random_rotation, smooth_field
from TumorSynthLib.spheres import ConcentricSpheres

from .brains import brain_of, label_files, read_labels
from .loop import Chance

LABEL_VOXEL_MM = 2.0
SMALLEST_RADIUS_VOXELS = 2.5
IRREGULARITY = (0.04, 0.30)
ELONGATION = (0.05, 0.40)
# How much an even mix of chance and order is worth: the order of three shells spreads by about 0.6.
CHANCE_SPREAD = 0.6


@dataclass(frozen=True)
class BrainCrop:
    """A cube of some brain, in voxels: its outline, and the Gaussian that tells where in the brain it lies."""

    inside: np.ndarray
    weighted: np.ndarray
    grid: Grid


@dataclass(frozen=True)
class ProceduralLesion:
    mask: np.ndarray
    outline: np.ndarray
    distance: np.ndarray
    radius: float
    crop: BrainCrop


@lru_cache(maxsize=64)
def _brain(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    brain = brain_of(read_labels(file, LABEL_VOXEL_MM))
    points = np.argwhere(brain)
    depth = ndimage.distance_transform_edt(brain)[tuple(points.T)]
    return brain.astype(np.float32), points, depth.astype(np.float32)


def crop_brain(files: list[Path], chance: Chance, radius_voxels: float) -> BrainCrop:
    """A random cube: turned, scaled and flipped; lesions seldom centred nearer to the border than half a radius."""
    rng = chance.numpy
    brain, points, depth = _brain(files[rng.integers(len(files))])
    voxel_mm = rng.uniform(0.9, 1.3) if radius_voxels < MAX_RADIUS_VOXELS - 2 else rng.uniform(1.0, 2.2)
    wanted = radius_voxels * voxel_mm / LABEL_VOXEL_MM * rng.choice([0.2, 0.7, 1.0], p=[0.15, 0.35, 0.5])
    deep = points[depth >= min(wanted, 0.9 * depth.max())]
    center = deep[rng.integers(len(deep))] + rng.uniform(-0.5, 0.5, 3)
    axes = random_rotation(rng) if rng.random() < 0.5 else np.diag(rng.choice([-1.0, 1.0], 3))
    matrix = axes * voxel_mm / LABEL_VOXEL_MM
    offset = center - matrix @ np.full(3, CUBE_SIZE // 2)
    inside = ndimage.affine_transform(brain, matrix, offset, output_shape=(CUBE_SIZE,) * 3, order=1) > 0.5
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = matrix * LABEL_VOXEL_MM, offset * LABEL_VOXEL_MM
    grid = Grid(affine, (CUBE_SIZE,) * 3)
    middle, spread = points.mean(0), points.std(0)
    prior = brain_prior(grid, middle * LABEL_VOXEL_MM, float(spread.mean()) * LABEL_VOXEL_MM)
    return BrainCrop(inside, (inside * prior).astype(np.float32), grid)


def draw_radius(chance: Chance) -> float:
    low, high = np.log(SMALLEST_RADIUS_VOXELS), np.log(MAX_RADIUS_VOXELS)
    return float(np.exp(chance.numpy.uniform(low, high)))


def grow_lesion(crop: BrainCrop, radius: float, chance: Chance) -> ProceduralLesion:
    rng = chance.numpy
    axis = np.arange(CUBE_SIZE, dtype=np.float32)
    offsets = [axis - (CUBE_SIZE // 2 + rng.uniform(-0.5, 0.5)) for _ in range(3)]
    offsets = [o.astype(np.float32) for o in offsets]
    outline = outline_field(rng, offsets, radius, rng.uniform(*IRREGULARITY), rng.uniform(*ELONGATION))
    distance = np.sqrt(sum(o.reshape([-1 if k == a else 1 for k in range(3)]) ** 2 for a, o in enumerate(offsets)))
    field = distance / radius + outline
    volume = 4 / 3 * np.pi * radius**3
    center = np.array([-o[0] for o in offsets])
    for _ in range(3):
        mask = threshold_to_volume(field, crop.inside, volume)
        shift = np.round(center - np.argwhere(mask).mean(0)).astype(int)
        if not shift.any():
            break
        field = np.roll(field, shift, (0, 1, 2))
    mask = threshold_to_volume(field, crop.inside, volume)
    return ProceduralLesion(mask, (field - distance / radius).astype(np.float32), distance, radius, crop)


def seen_through(lesion: ProceduralLesion, window: slice) -> ProceduralLesion:
    """The lesion in a window of its cube, as the networks see it."""
    box = (window,) * 3
    crop = BrainCrop(lesion.crop.inside[box], lesion.crop.weighted[box], lesion.crop.grid.part(box))
    return ProceduralLesion(lesion.mask[box], lesion.outline[box], lesion.distance[box], lesion.radius, crop)


def spheres_in_voxels(
    lesion: ProceduralLesion, shares: np.ndarray, **structure: object
) -> tuple[ConcentricSpheres, Grid]:
    """Volume-matched spheres in the cube's own voxels (an identity grid, so millimetres are voxels)."""
    center = np.argwhere(lesion.mask).mean(0)
    spheres = ConcentricSpheres(tuple(center), radii_of_shells(lesion.radius, shares), **structure)  # type: ignore[arg-type]
    return spheres, Grid(np.eye(4), lesion.mask.shape)  # type: ignore[arg-type]


def radii_of_shells(radius: float, shares: np.ndarray) -> tuple[float, ...]:
    """Of the spheres whose shells, outermost first, have these shares of the largest one's volume."""
    inner = 1 - np.concatenate([[0.0], np.cumsum(shares)[:-1]])
    return tuple(radius * inner ** (1 / 3))


def share_out_classes(mask: np.ndarray, spheres: ConcentricSpheres, noise: np.ndarray) -> np.ndarray:
    """The intensity map's truth: classes of exact volume, sorted by the shells' order and by chance."""
    heterogeneity = spheres.resolved_structure.heterogeneity
    chance = noise[mask]
    chance = CHANCE_SPREAD * (chance - chance.mean()) / max(float(chance.std()), 1e-6)
    order = spheres.order_along_depth(depth_rank(mask)[mask])
    rank = rank_in_unit_interval((1 - heterogeneity) * order + heterogeneity * chance)
    _, shares = spheres.classes()
    classes = np.zeros(mask.shape, np.uint8)
    classes[mask] = 1 + np.searchsorted(np.cumsum(shares)[:-1], rank)
    return classes


def structure_noise(chance: Chance, radius: float) -> np.ndarray:
    length = max(radius * chance.numpy.uniform(0.12, 0.35), 0.7)
    return smooth_field(chance.numpy, CUBE_SIZE, ((1.0, length),))


def training_brains(data: Path) -> list[Path]:
    return label_files(data)
