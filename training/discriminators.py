"""Discriminators: used in training only, always in two dimensions."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


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
