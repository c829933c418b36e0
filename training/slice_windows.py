"""Windows through lesions, turned and scaled to one size, so that slices of 3D lesions can be held against real 2D
ones by what they look like, not by how large they are."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .loop import Chance

WINDOW = 32


def windows(stack: Tensor, center: Tensor, diameter: Tensor, width: float, chance: Chance) -> Tensor:
    """From (n, channels, h, w): windows of 32 pixels in which the lesion is `width` pixels wide, randomly turned."""
    count, height = len(stack), stack.shape[-1]
    angle = chance.uniform(0, 2 * np.pi, count).to(stack.device)
    axis = torch.arange(WINDOW, device=stack.device) - (WINDOW - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    scale = (diameter / width)[:, None, None]
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    rows = (cosine * y - sine * x) * scale + center[:, 0, None, None]
    columns = (sine * y + cosine * x) * scale + center[:, 1, None, None]
    grid = torch.stack([columns, rows], -1) * 2 / (height - 1) - 1
    # Both kinds pass the same blur, lest the lattice they come from tell them apart.
    return F.grid_sample(F.avg_pool2d(stack, 3, 1, 1), grid, align_corners=True)


def slices_through(
    values: Tensor, mask: Tensor, per_axis: int, width: float, chance: Chance, smallest_share: float
) -> tuple[Tensor, Tensor]:
    """Windows of a (channels, n, n, n) volume along its three axes, and the lesion's area in each (voxels)."""
    made, areas = [], []
    for axis in range(3):
        slabs, outline = values.movedim(axis + 1, 0), mask.detach().movedim(axis, 0)
        area = outline.sum((1, 2))
        large = torch.nonzero(area > smallest_share * area.max())[:, 0]
        chosen = large[torch.randint(len(large), (per_axis,), generator=chance.torch).to(large.device)]
        outline, area = outline[chosen], area[chosen].clamp_min(4)
        made.append(windows(slabs[chosen], _centroid(outline), 2 * (area / np.pi).sqrt(), width, chance))
        areas.append(area)
    return torch.cat(made), torch.cat(areas)


def _centroid(outline: Tensor) -> Tensor:
    axis = torch.arange(outline.shape[-1], device=outline.device, dtype=outline.dtype)
    total = outline.sum((1, 2)).clamp_min(1e-3)
    return torch.stack([(outline.sum(2) * axis).sum(1) / total, (outline.sum(1) * axis).sum(1) / total], 1)


class RealWindows:
    """Windows of annotated lesions: their masks, or their maps one channel a class."""

    def __init__(self, classes: np.ndarray) -> None:
        self.classes = torch.from_numpy(classes)
        self.area = (self.classes > 0).sum((1, 2)).float()
        self.center = _centroid((self.classes > 0).float())

    def masks_of_area(self, areas: Tensor, width: float, chance: Chance) -> Tensor:
        rows = torch.stack([self._row_of_area(float(a), chance) for a in areas])
        return self._cut((self.classes[rows] > 0).float()[:, None], rows, width, chance)

    def maps_of(self, row: int, count: int, width: float, chance: Chance) -> Tensor:
        rows = torch.full((count,), row)
        channels = torch.stack([(self.classes[rows] == c).float() for c in (1, 2, 3)], 1)
        return self._cut(channels, rows, width, chance)

    def _row_of_area(self, area: float, chance: Chance) -> Tensor:
        off = (self.area / area).log().abs()
        near = torch.nonzero(off < 0.3)[:, 0]
        if len(near) < 5:
            near = off.topk(min(20, len(off)), largest=False).indices
        return near[torch.randint(len(near), (), generator=chance.torch)]

    def _cut(self, stack: Tensor, rows: Tensor, width: float, chance: Chance) -> Tensor:
        return windows(stack, self.center[rows], 2 * (self.area[rows] / np.pi).sqrt(), width, chance)
