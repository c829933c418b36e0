"""Discriminators: used in training only, always in two dimensions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from TumorSynthLib.networks import blurred


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches; also returns its features, for feature matching."""

    def __init__(
        self, channels_in: int, widths: tuple[int, ...], strides: tuple[int, ...], is_bounded: bool = True
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        previous = channels_in
        bounded = spectral_norm if is_bounded else nn.Identity()
        for width, stride in zip(widths, strides, strict=True):
            self.layers.append(bounded(nn.Conv2d(previous, width, 4 if stride == 2 else 3, stride, 1)))
            previous = width
        self.score = bounded(nn.Conv2d(previous, 1, 3, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.score(x), features


class TwoScaleDiscriminator(nn.Module):
    """`D_syn`: one that sees fine texture, one that sees the lesion's whole make-up."""

    def __init__(self, channels_in: int, is_bounded: bool = True) -> None:
        super().__init__()
        self.fine = PatchDiscriminator(channels_in, (32, 64, 96), (2, 1, 1), is_bounded)
        self.coarse = PatchDiscriminator(channels_in, (32, 64, 128, 128), (2, 2, 2, 1), is_bounded)

    def forward(self, x: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        return [self.fine(x), self.coarse(x)]


class StatisticsDiscriminator(nn.Module):
    """Scores a whole lesion by how its filters' answers are spread in its core, along its edge and around it.

    Patches are judged one by one, each hardly odd by itself. Over a lesion their statistics are told from a real one's
    nearly every time."""

    REGIONS = 3

    def __init__(self, width: int = 24, hidden: int = 64) -> None:
        super().__init__()
        self.fine = nn.ModuleList([nn.Conv2d(3, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)])
        self.coarse = nn.ModuleList([nn.Conv2d(width, width, 3, 1, 1) for _ in range(2)])
        measures = 4 * width * 2 * self.REGIONS
        self.norm = nn.LayerNorm(measures)
        self.head = nn.Sequential(nn.Linear(measures + 2, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1))

    def forward(self, image: Tensor, level: Tensor, mask: Tensor) -> Tensor:
        """One score per lesion. `image` and `level`, 0 outside the lesion, are relative to white matter, less one."""
        regions = _core_edge_beside(mask)
        areas = regions.sum((2, 3))
        x = torch.cat([2 * image, 4 * (image - level), 6 * (image - blurred(image, 1.0))], 1)
        x = x.contiguous(memory_format=torch.channels_last)
        measures = []
        for layers in (self.fine, self.coarse):
            for layer in layers:
                x = F.leaky_relu(layer(x), 0.2)
                measures.append(_spread(x, regions))
            x, regions = F.avg_pool2d(x, 2), F.avg_pool2d(regions, 2)
        sizes = ((areas + 1).log() / 5 - 1)[:, :2]
        return self.head(torch.cat([self.norm(torch.cat(measures, 1)), sizes], 1))[:, 0]


def _core_edge_beside(mask: Tensor) -> Tensor:
    core, wider = 1 - F.max_pool2d(1 - mask, 3, 1, 1), F.max_pool2d(mask, 3, 1, 1)
    beside = F.max_pool2d(wider, 5, 1, 2) - mask
    return torch.cat([core, wider - core, beside], 1)


def _spread(answers: Tensor, regions: Tensor) -> Tensor:
    """Mean and log standard deviation of every channel in every region."""
    with torch.autocast(answers.device.type, enabled=False):
        weights = regions.float().flatten(2).transpose(1, 2)
        weights = weights / weights.sum(1, keepdim=True).clamp_min(1)
        values = answers.float().flatten(2)
        mean = values @ weights
        variance = ((values.square() @ weights) - mean.square()).clamp_min(0)
        return torch.cat([mean, (variance + 1e-3).log() / 2], 1).flatten(1)
