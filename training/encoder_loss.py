"""Perceptual loss by the encoder that judges realism. Who trains with it may not praise the result by that encoder."""

from __future__ import annotations

import copy

import torch.nn.functional as F
from torch import Tensor, nn

from TumorSynthLib.realism.encoder import shipped_encoder

# Spreads below this are those of patches without any structure.
_SMALLEST_SPREAD = 1e-3


class EncoderPerceptual(nn.Module):
    """Distance of activations, called as `losses.UntrainedPerceptual`: patches (n, 1, h, w), relative to white matter
    less one. Every stage counts alike, in spreads of the real patches' activations."""

    def __init__(self, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder or shipped_encoder()).requires_grad_(False)

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        total = made.new_zeros(())
        for of_made, of_real in zip(self.encoder(made), self.encoder(real), strict=True):
            spread = of_real.detach().std((0, 2, 3)).mean().clamp_min(_SMALLEST_SPREAD)
            total = total + F.l1_loss(of_made, of_real) / spread
        return total
