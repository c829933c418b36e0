"""Patches for the painter: a real lesion, its map, and the places the painter must fill in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from TumorSynthLib.networks import blurred

from .loop import Chance
from .records import LesionRecords

PATCH = 64
WIDEST_LESION = 50
LARGEST_SCALE = 1.2


@dataclass
class Patches:
    """Each (n, 1, 64, 64): intensities relative to white matter, classes 0..3, the level each place should have."""

    image: Tensor
    classes: Tensor
    level: Tensor

    @property
    def mask(self) -> Tensor:
        return (self.classes > 0).float()


class PatchSource:
    def __init__(self, records: LesionRecords) -> None:
        self.image = torch.from_numpy(np.ascontiguousarray(records.slices.image, dtype=np.float32))
        self.image /= torch.from_numpy(records.white_matter)[:, None, None]
        self.classes = torch.from_numpy(records.classes)
        self.levels = torch.from_numpy(records.levels)
        self.weight = records.slices.weight / records.slices.weight.sum()
        self.center, self.width = _extent(records.classes > 0)

    def __len__(self) -> int:
        return len(self.image)

    def draw(self, chance: Chance, count: int, native_share: float = 0.6, smallest_scale: float = 0.85) -> Patches:
        """Random lesions, shifted, turned and scaled. Most stay on their own pixel grid (quarter turns, whole-pixel
        shifts): interpolation takes noise away, and a painter shown only smooth patches learns to paint smoothly."""
        rows = torch.from_numpy(chance.numpy.choice(len(self), count, p=self.weight))
        width = self.width[rows]
        native = (chance.uniform(0, 1, count) < native_share) & (width <= WIDEST_LESION)
        scale = torch.minimum(chance.uniform(smallest_scale, LARGEST_SCALE, count), WIDEST_LESION / width)
        angle = chance.uniform(0, 2 * np.pi, count)
        quarter = torch.randint(4, (count,), generator=chance.torch) * (np.pi / 2)
        scale, angle = torch.where(native, 1.0, scale), torch.where(native, quarter, angle)
        flip = torch.where(chance.uniform(0, 1, count) < 0.5, -1.0, 1.0)
        room = ((PATCH - width * scale) / 2 - 4).clamp(0, 14)
        shift = chance.uniform(-1, 1, count, 2) * room[:, None]
        shift = torch.where(native[:, None], shift.round(), shift)
        center = torch.where(native[:, None], self.center[rows].floor() + 0.5, self.center[rows])
        return self._cut(rows, _sampling_grid(center, shift, scale, angle, flip, self.image.shape[-1]))

    def plain(self, rows: Tensor) -> Patches:
        """Given lesions, centred, on their own grid where they fit."""
        count = len(rows)
        scale = (WIDEST_LESION / self.width[rows]).clamp(max=1.0)
        still = torch.zeros(count)
        center = self.center[rows].floor() + 0.5
        grid = _sampling_grid(center, torch.zeros(count, 2), scale, still, still + 1, self.image.shape[-1])
        return self._cut(rows, grid)

    def _cut(self, rows: Tensor, grid: Tensor) -> Patches:
        image = F.grid_sample(self.image[rows][:, None], grid, mode="bicubic", align_corners=True).clamp(0, 4.5)
        classes = F.grid_sample(self.classes[rows][:, None].float(), grid, mode="nearest", align_corners=True).long()
        return Patches(image, classes, level_image(classes, self.levels[rows]))


def level_image(classes: Tensor, levels: Tensor) -> Tensor:
    """Each pixel's class mean; 1, plain tissue, outside the lesion."""
    table = torch.cat([torch.ones(len(levels), 1), levels], 1)
    return torch.gather(table, 1, classes.flatten(1)).reshape(classes.shape)


def _extent(masks: np.ndarray) -> tuple[Tensor, Tensor]:
    centers, widths = [], []
    for mask in masks:
        rows, columns = np.nonzero(mask)
        centers.append(((rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2))
        widths.append(max(np.ptp(rows), np.ptp(columns)) + 1)
    return torch.tensor(centers, dtype=torch.float32), torch.tensor(widths, dtype=torch.float32)


def _sampling_grid(center: Tensor, shift: Tensor, scale: Tensor, angle: Tensor, flip: Tensor, size: int) -> Tensor:
    axis = torch.arange(PATCH) - (PATCH - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")

    def each(v: Tensor) -> Tensor:
        return v[:, None, None]

    y = (y - each(shift[:, 0])) / each(scale)
    x = (x - each(shift[:, 1])) / each(scale) * each(flip)
    cosine, sine = each(angle.cos()), each(angle.sin())
    rows = cosine * y - sine * x + each(center[:, 0])
    columns = sine * y + cosine * x + each(center[:, 1])
    return torch.stack([columns, rows], -1) * 2 / (size - 1) - 1


def dilated(mask: Tensor, pixels: int) -> Tensor:
    return F.max_pool2d(mask, 2 * pixels + 1, 1, pixels) if pixels else mask


def remapped(patches: Patches, chance: Chance, spread: float) -> Patches:
    """The same patches under another contrast: all that is darker than white matter grows darker or lighter, as grey
    matter does between T1 protocols, and the gain varies."""
    count = len(patches.image)
    gamma = torch.exp(chance.uniform(-spread / 3, spread, count, 1, 1, 1))
    gain = chance.uniform(0.9, 1.1, count, 1, 1, 1)

    def remap(values: Tensor) -> Tensor:
        return torch.where(values < 1, values.clamp_min(0) ** gamma, values) * gain

    level = torch.where(patches.classes > 0, remap(patches.level), 1.0)
    return Patches(remap(patches.image), patches.classes, level)


def jittered(mask: Tensor, level: Tensor, chance: Chance, amount: float) -> tuple[Tensor, Tensor]:
    """Mask and map bent by about a pixel. Real outlines are that far off; a painter given exact ones would put its edge
    exactly on the mask, which no real lesion does."""
    count, size = len(mask), mask.shape[-1]
    bend = blurred(chance.normal(count * 2, 1, size, size), 4.0)
    bend = (bend / bend.std((1, 2, 3), keepdim=True) * amount).reshape(count, 2, size, size)
    axis = torch.arange(float(size))
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    grid = torch.stack([x + bend[:, 0], y + bend[:, 1]], -1) * 2 / (size - 1) - 1

    def bent(values: Tensor) -> Tensor:
        return F.grid_sample(values, grid, align_corners=True, padding_mode="border")

    bent_mask = bent(mask)
    inside_level = bent(level * mask) / bent_mask.clamp_min(1e-3)
    return bent_mask, torch.where(bent_mask > 1e-3, inside_level, 1.0)


def lesion_holes(mask: Tensor, chance: Chance) -> Tensor:
    """The lesion and a random margin, wide enough for a matte's reach."""
    margins = torch.randint(2, 5, (len(mask),), generator=chance.torch).tolist()
    return torch.cat([dilated(mask[k : k + 1], margin) for k, margin in enumerate(margins)])


def holes_elsewhere(mask: Tensor, lesion_hole: Tensor, chance: Chance, share: float) -> Tensor:
    """In some patches, another lesion's shape somewhere in healthy tissue, which must come back as tissue."""
    dy, dx = torch.randint(-24, 25, (2,), generator=chance.torch).tolist()
    other = torch.roll(dilated(mask, 2).flip(2).roll(1, 0), (dy, dx), (2, 3))
    return other * (1 - lesion_hole) * (chance.uniform(0, 1, len(mask), 1, 1, 1) < share).float()


def level_shown(level: Tensor, mask: Tensor, sigma: float) -> Tensor:
    """The map as the engine shows it: classes softened inside the lesion and continued a little beyond it. A painter
    shown steps paints steps."""
    weight = blurred(mask, sigma)
    soft = 1 + blurred((level - 1) * mask, sigma) / weight.clamp_min(1e-3)
    return torch.where(weight > 1e-3, soft, torch.ones_like(soft))
