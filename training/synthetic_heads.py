"""Heads of random contrast from label maps (after SynthSeg, Billot et al. 2023): what the brain network learns on.

No real grey level is ever shown, so that one network serves T1, T1c, T2 and FLAIR alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as functional
from scipy import ndimage

from .brains import OUTER_CSF, brain_of, read_labels
from .loop import Chance

CUBE = (64, 64, 64)
# The fine stage looks at the whole brain at once where it can.
BOX = (80, 96, 80)
Shape = tuple[int, ...]
COARSE_MM, FINE_MM = 4.0, 2.0
# Sulci are closed a little more than for lesions: an outline through every sulcus cannot be learnt at 2 mm.
CLOSE_VOXELS = 3
GROWTH_VOXELS = 2
SOFT_TISSUE_LABEL, BONE_LABEL = 507, 515
Anatomy = Literal["as labelled", "tight skull", "grown brain"]
ANATOMIES: tuple[Anatomy, ...] = ("as labelled", "tight skull", "grown brain")

BACKGROUND, WHITE, GREY, FLUID, ARTERY, EYE, SOFT, MUSCLE, MUCOSA, SKIN, VEIN, CORTICAL, CANCELLOUS = range(13)
_TISSUE_OF = (
    dict.fromkeys((2, 41, 7, 46, 16, 28, 60, 77, 85, 251, 252, 253, 254, 255, 512, 530), WHITE)
    | dict.fromkeys((4, 5, 14, 15, 24, 43, 44, 72), FLUID)
    | {0: BACKGROUND, 502: ARTERY, 506: EYE, 507: SOFT, 508: MUSCLE, 509: MUCOSA, 511: SKIN, 514: VEIN}
    | {515: CORTICAL, 516: CANCELLOUS}
)
_LEFT_OF = {41: 2, 42: 3, 43: 4, 44: 5, 46: 7, 47: 8, 49: 10, 50: 11, 51: 12, 52: 13, 53: 17, 54: 18, 58: 26, 60: 28,
            62: 30, 57: 25, 137: 136, 164: 163}  # fmt: skip
# Mean grey level per tissue, in the order above, of the sequences that a radiologist meets most.
_SEQUENCES = np.array(
    [
        [0.02, 0.80, 0.58, 0.20, 0.50, 0.25, 0.60, 0.48, 0.50, 0.70, 0.40, 0.10, 0.55],  # T1
        [0.02, 0.75, 0.55, 0.18, 0.95, 0.25, 0.60, 0.50, 0.90, 0.75, 1.00, 0.10, 0.50],  # T1, contrast-enhanced
        [0.02, 0.38, 0.55, 1.00, 0.15, 1.00, 0.45, 0.25, 0.80, 0.55, 0.30, 0.08, 0.40],  # T2
        [0.02, 0.50, 0.65, 0.12, 0.20, 0.20, 0.50, 0.40, 0.70, 0.60, 0.30, 0.08, 0.40],  # FLAIR
    ]
)


@dataclass(frozen=True, eq=False)
class Head:
    """A label map made ready: `index` into `values` per voxel, and (brain, intracranial, soft tissue) as channels."""

    index: torch.Tensor
    values: np.ndarray
    regions: torch.Tensor
    surface_mm: np.ndarray
    brain_mm: np.ndarray


@lru_cache(maxsize=128)
def read_head(path: Path, anatomy: Anatomy = "as labelled") -> Head:
    labels = _with_anatomy(read_labels(path, FINE_MM), anatomy)
    brain = brain_of(labels, CLOSE_VOXELS)
    values, index = np.unique(labels, return_inverse=True)
    intracranial = brain | ((labels > 0) & (labels < 500))
    within = np.argwhere(brain)
    edge = np.argwhere(brain ^ ndimage.binary_erosion(brain))
    middle = (np.array(labels.shape) - 1) / 2
    return Head(
        torch.from_numpy(index.reshape(labels.shape).astype(np.uint8)),
        values,
        torch.from_numpy(np.stack([brain, intracranial, labels == SOFT_TISSUE_LABEL])[None]),
        ((edge - middle) * FINE_MM).astype(np.float32),
        ((within[::7] - middle) * FINE_MM).astype(np.float32),
    )


def _with_anatomy(labels: np.ndarray, anatomy: Anatomy) -> np.ndarray:
    """The label maps have a thick layer of fluid under the skull, which young brains have not: a network that has seen
    nothing else takes the cortex for that layer."""
    labels = labels.copy()
    if anatomy == "grown brain":
        tissue = (labels > 0) & (labels < 500) & (labels != OUTER_CSF)
        distance, nearest = ndimage.distance_transform_edt(~tissue, return_indices=True)
        grown = (labels == OUTER_CSF) & (distance <= GROWTH_VOXELS)
        labels[grown] = labels[tuple(axis[grown] for axis in nearest)]
    if anatomy != "as labelled":
        near = ndimage.binary_dilation(brain_of(labels, CLOSE_VOXELS))
        labels[(labels == OUTER_CSF) & ~near] = BONE_LABEL
    return labels


@dataclass(frozen=True, eq=False)
class Sample:
    """All (1, 1, i, j, k): the image in about 0..1, the brain's share of each voxel, the prior shown beside it."""

    image: torch.Tensor
    brain: torch.Tensor
    prior: torch.Tensor

    def shown(self) -> torch.Tensor:
        return torch.cat([self.image, self.prior], 1)


def coarse_sample(head: Head, chance: Chance) -> Sample:
    center = head.brain_mm.mean(0) + chance.numpy.normal(0, 14, 3) + np.array([0, 0, -25])
    sample = _sample(head, chance, COARSE_MM, center, CUBE)
    return replace(sample, prior=torch.zeros_like(sample.image))


def fine_sample(head: Head, chance: Chance) -> Sample:
    """A window somewhere at the brain's surface."""
    rng = chance.numpy
    anchors = head.surface_mm if rng.random() < 0.85 else head.brain_mm
    center = anchors[rng.integers(len(anchors))] + rng.uniform(-50, 50, 3)
    return _with_prior(_sample(head, chance, FINE_MM, center, CUBE), chance)


def boxed_sample(head: Head, chance: Chance) -> Sample:
    """The whole brain at 2 mm."""
    center = head.brain_mm.mean(0) + chance.numpy.normal(0, 7, 3)
    return _with_prior(_sample(head, chance, FINE_MM, center, BOX), chance)


def _with_prior(sample: Sample, chance: Chance) -> Sample:
    return replace(sample, prior=_imperfect(sample.brain, chance))


def whole_head(labels: np.ndarray, chance: Chance) -> np.ndarray:
    """An image of a whole label map on its own lattice, for evaluation: contrast and scanner are drawn, no pose."""
    values, index = np.unique(labels, return_inverse=True)
    mean, spread = _contrast(values, chance.numpy)
    levels = torch.from_numpy(index.astype(np.int32).ravel())
    image, spread_image = (torch.index_select(t, 0, levels).reshape(1, 1, *labels.shape) for t in (mean, spread))
    image = image + spread_image * chance.normal(*image.shape)
    image = _soft_tissue(image, torch.from_numpy((labels == SOFT_TISSUE_LABEL).astype(np.float32))[None, None], chance)
    return _scanner(image, chance)[0, 0].numpy()


def _sample(head: Head, chance: Chance, voxel_mm: float, center: np.ndarray, shape: Shape) -> Sample:
    rng = chance.numpy
    mean, spread = _contrast(head.values, rng)
    is_coarse = voxel_mm == COARSE_MM
    index, regions = head.index.flatten().int(), head.regions.float()
    levels = torch.stack([torch.index_select(t, 0, index) for t in (mean, spread)]).reshape(1, 2, *head.index.shape)
    if is_coarse:
        levels, regions = functional.avg_pool3d(levels, 2), functional.avg_pool3d(regions, 2)
    low, high = torch.quantile(levels[0, 0, ::3, ::3, ::3].flatten(), torch.tensor([0.01, 0.99]))
    points = _points(chance, voxel_mm, center, shape)
    # Coordinates of grid_sample run over x, y, z = last to first axis, from -1 to 1 across the whole cube of voxels.
    grid = (points / (FINE_MM * head.index.shape[0] / 2)).flip(-1)[None]
    regions = functional.grid_sample(regions, grid, mode="bilinear", align_corners=False)
    mean_image, spread_image = functional.grid_sample(
        levels, grid, mode="bilinear", padding_mode="border", align_corners=False
    ).split(1, 1)
    brain, intracranial, soft = regions.split(1, 1)
    image = mean_image + spread_image * chance.normal(*spread_image.shape)
    image = _soft_tissue(image, soft, chance)
    if rng.random() < 0.35:
        image = _tumour(image, brain, points, head, chance)
    if rng.random() < 0.25:
        image = image * (_blurred(brain, 0.7) > rng.uniform(0.15, 0.5) if rng.random() < 0.85 else intracranial > 0.4)
    elif rng.random() < 0.3:
        image = image * _defaced(points, head, rng)
    seen = _field_of_view(points, head, rng)
    image = _scanner((image - low) / (high - low + 1e-3), chance)
    image = image / rng.uniform(0.8, 1.15)
    return Sample((image * seen).clamp(0, 1.3), brain * seen, brain)


def _contrast(values: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and spread of the grey level of each label."""
    tissue = np.array([_TISSUE_OF.get(int(v), GREY) for v in values])
    if rng.random() < 0.85:
        tissues = _sequence(rng)
    else:
        tissues = rng.uniform(0, 1, 13)
        if rng.random() < 0.6:
            tissues[CORTICAL] = rng.uniform(0, 0.2)
    own = rng.normal(0, rng.uniform(0.01, 0.08), 1024)
    partner = np.array([_LEFT_OF.get(int(v), int(v)) for v in values])
    mean = tissues[tissue] + own[partner if rng.random() < 0.85 else values]
    if rng.random() < 0.05:
        mean = rng.uniform(0, 1, len(values))
    mean = np.clip(mean, 0, 1.3)
    is_air = tissue == BACKGROUND
    mean[is_air] = rng.uniform(0, 0.06) if rng.random() < 0.97 else rng.uniform(0, 0.8)
    spread = rng.uniform(0, 0.07, len(values))
    spread[is_air] *= 0.3
    return torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(spread.astype(np.float32))


def _sequence(rng: np.random.Generator) -> np.ndarray:
    """Grey levels of the tissues in a scan as radiologists know them, T1-weighted more often than not."""
    number = int(rng.choice(len(_SEQUENCES), p=[0.35, 0.3, 0.2, 0.15]))
    tissues = _SEQUENCES[number] + rng.normal(0, 0.09, 13)
    if number < 2:
        # From spin echo to MPRAGE the cortex goes from nearly white matter's level to less than half of it.
        tissues[GREY] = tissues[WHITE] * rng.uniform(0.4, 0.85)
        tissues[FLUID] = tissues[GREY] * rng.uniform(0.05, 0.5)
        tissues[CORTICAL] = rng.uniform(0, 0.2)
    return tissues


def _points(chance: Chance, voxel_mm: float, center: np.ndarray, shape: Shape) -> torch.Tensor:
    """Where in the head (mm from its middle) each voxel of the cube lies: rotated, scaled, flipped, bent."""
    rng = chance.numpy
    angles = np.radians(rng.uniform(-20, 20, 3) + np.array([rng.normal(0, 8), 0, 0]))
    if rng.random() < 0.06:
        # Headers that lie about axes are not rare.
        angles[rng.integers(3)] += np.pi / 2 * rng.integers(1, 4)
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    turn = (
        np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
        @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        @ np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    )
    matrix = turn @ np.diag(rng.uniform(0.93, 1.07, 3) * rng.uniform(0.88, 1.12))
    if rng.random() < 0.5:
        matrix[:, 0] *= -1
    lines = [(torch.arange(n) - (n - 1) / 2) * voxel_mm for n in shape]
    lattice = torch.stack(torch.meshgrid(*lines, indexing="ij"), -1)
    points = lattice @ torch.from_numpy(matrix.T.astype(np.float32)) + torch.from_numpy(center.astype(np.float32))
    if rng.random() < 0.8:
        nodes, size = (6, 5.0) if voxel_mm == COARSE_MM else (4, 4.0)
        bend = _smooth(chance, nodes, shape, 3) * rng.uniform(0, size)
        points = points + bend[0].permute(1, 2, 3, 0)
    return points


def _smooth(chance: Chance, nodes: int, shape: Shape, channels: int = 1) -> torch.Tensor:
    coarse = chance.normal(1, channels, nodes, nodes, nodes)
    return functional.interpolate(coarse, size=shape, mode="trilinear", align_corners=True)


def _soft_tissue(image: torch.Tensor, soft: torch.Tensor, chance: Chance) -> torch.Tensor:
    """Fat and muscle share one label; set them apart again in random patches."""
    rng = chance.numpy
    if rng.random() < 0.3:
        return image
    patches = (_smooth(chance, int(rng.integers(10, 26)), image.shape[2:]) * 4).tanh()
    return (image + soft * patches * rng.uniform(-0.35, 0.35)).clamp_min(0)


def _tumour(image: torch.Tensor, brain: torch.Tensor, points: torch.Tensor, head: Head, chance: Chance) -> torch.Tensor:
    """A blob, perhaps with a core of another level, so that a real tumour is not taken for something outside."""
    rng = chance.numpy
    center = head.brain_mm[rng.integers(len(head.brain_mm))]
    offset = (points - torch.from_numpy(center)) / torch.from_numpy(rng.uniform(0.7, 1.3, 3).astype(np.float32))
    depth = 1 - offset.norm(dim=-1)[None, None] / rng.uniform(8, 35) + 0.2 * _smooth(chance, 8, image.shape[2:])
    width = rng.uniform(0.05, 0.4)
    outer = (depth / width).clamp(0, 1) * (brain > 0.3)
    core = ((depth - rng.uniform(0.2, 0.8)) / width).clamp(0, 1) * (rng.random() < 0.6)
    level, core_level = rng.uniform(0, 1.2, 2)
    return image + outer * ((level + core * (core_level - level)) - image) * rng.uniform(0.4, 1)


def _defaced(points: torch.Tensor, head: Head, rng: np.random.Generator) -> torch.Tensor:
    """Keeps what lies behind a plane in front of and below the brain."""
    angle = np.radians(rng.uniform(15, 75))
    forward = np.array([0, np.cos(angle), -np.sin(angle)], np.float32)
    limit = float((head.brain_mm @ forward).max() + rng.uniform(2, 20))
    return (points @ torch.from_numpy(forward) < limit).float()[None, None]


def _field_of_view(points: torch.Tensor, head: Head, rng: np.random.Generator) -> torch.Tensor:
    """What the scan covers: often not the neck, sometimes not the whole brain."""
    seen = torch.ones(1, 1, *points.shape[:3])
    low, high = head.brain_mm[:, 2].min(), head.brain_mm[:, 2].max()
    tilt = points[..., 2] + points[..., 1] * float(rng.normal(0, 0.12))
    if rng.random() < 0.5:
        seen = seen * (tilt > float(low + rng.uniform(-70, 5 if rng.random() < 0.8 else 40)))
    if rng.random() < 0.12:
        seen = seen * (tilt < float(high + rng.uniform(-25, 15)))
    if rng.random() < 0.15:
        across = points[..., 0].abs() < float(np.abs(head.brain_mm[:, 0]).max() + rng.uniform(-5, 12))
        seen = seen * across
    return seen


def _scanner(image: torch.Tensor, chance: Chance) -> torch.Tensor:
    """Gamma, resolution, coil sensitivity and noise."""
    rng = chance.numpy
    image = image.clamp_min(0) ** float(np.exp(rng.uniform(-0.45, 0.45)))
    if rng.random() < 0.75:
        image = _blurred(image, rng.uniform(0.25, 0.9))
    if rng.random() < 0.3:
        image = _thick_slices(image, int(rng.integers(3)), rng.uniform(1.3, 3.0))
    image = image * (_smooth(chance, int(rng.integers(2, 5)), image.shape[2:]) * rng.uniform(0, 0.35)).exp()
    level = rng.uniform(0, 0.06) if rng.random() < 0.85 else rng.uniform(0.06, 0.12)
    noise = chance.normal(*image.shape) * level
    # Magnitude images: no negative signal, and no noise at all where a program has put zeros.
    return torch.where(image > 1e-4, (image + noise).abs(), image)


def _blurred(image: torch.Tensor, sigma: float) -> torch.Tensor:
    radius = max(2, round(2.5 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float32) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    image = functional.pad(image, [radius] * 6, mode="replicate")
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[axis + 2] = 2 * radius + 1
        image = functional.conv3d(image, kernel.reshape(shape))
    return image


def _thick_slices(image: torch.Tensor, axis: int, factor: float) -> torch.Tensor:
    size = list(image.shape[2:])
    size[axis] = max(round(size[axis] / factor), 8)
    thick = functional.interpolate(image, size=size, mode="area")
    return functional.interpolate(thick, size=image.shape[2:], mode="trilinear", align_corners=False)


def _imperfect(brain: torch.Tensor, chance: Chance) -> torch.Tensor:
    """What the coarse stage might have answered: the truth at 4 mm, bent, with bites and false patches, and up to a
    centimetre too small or too large everywhere, lest the fine stage only copies it."""
    rng = chance.numpy
    coarse = functional.avg_pool3d(brain, 2)
    small = coarse.shape[2:]
    lines = [torch.linspace(-1 + 1 / n, 1 - 1 / n, n) for n in small]
    lattice = torch.stack(torch.meshgrid(*lines, indexing="ij"), -1).flip(-1)[None]
    shift = torch.from_numpy(rng.normal(0, 0.03, 3).astype(np.float32))
    bend = _smooth(chance, 6, small, 3).permute(0, 2, 3, 4, 1) * rng.uniform(0, 0.12)
    coarse = functional.grid_sample(coarse, lattice + shift + bend, padding_mode="border", align_corners=False)
    sigma = rng.uniform(0.4, 1.2) if rng.random() < 0.3 else rng.uniform(1.2, 3.5)
    logit = (_blurred(coarse, sigma) - rng.uniform(0.12, 0.88)) * rng.uniform(5, 14) * max(sigma, 1)
    logit = logit + _smooth(chance, 8, small) * rng.uniform(0, 2.5)
    for _ in range(int(rng.integers(0, 4))):
        center = torch.from_numpy(rng.uniform(-1, 1, 3).astype(np.float32))
        distance = (lattice - center).norm(dim=-1)[:, None]
        logit = logit + rng.uniform(-7, 7) * (1.5 - distance / rng.uniform(0.1, 0.35)).clamp(0, 1)
    return functional.interpolate(logit.sigmoid(), size=brain.shape[2:], mode="trilinear", align_corners=False)
