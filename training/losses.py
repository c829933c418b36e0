"""What the networks are judged by, besides the distances PyTorch has."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _filter_bank() -> Tensor:
    """Ten fixed 3 x 3 high-pass filters: first and second differences, Laplacians."""
    c = [0.0] * 9
    kernels = []
    for taps in (
        {3: -1}, {1: -1}, {0: -1}, {2: -1},
        {3: -0.5, 5: -0.5}, {1: -0.5, 7: -0.5},
        {1: -0.25, 3: -0.25, 5: -0.25, 7: -0.25}, {0: -0.25, 2: -0.25, 6: -0.25, 8: -0.25},
        {0: 0.25, 2: 0.25, 6: 0.25, 8: 0.25, 1: -0.5, 3: -0.5, 5: -0.5, 7: -0.5},
        {k: -0.125 for k in range(9) if k != 4},
    ):  # fmt: skip
        kernel = c.copy()
        kernel[4] = 1.0
        for place, weight in taps.items():
            kernel[place] = weight
        kernels.append(kernel)
    return torch.tensor(kernels).reshape(-1, 1, 3, 3)


class TextureEnergy(nn.Module):
    """Distance of local log energies under a fixed filter bank at three scales. It asks for the right amount of
    texture without asking for the same texture, and keeps an adversarial game from swinging between smooth and
    noisy."""

    bank: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bank", _filter_bank())

    def forward(self, made: Tensor, real: Tensor, region: Tensor) -> Tensor:
        total = made.new_zeros(())
        for (energy, weight), (wanted, _) in zip(
            self._energies(made, region), self._energies(real, region), strict=True
        ):
            total = total + ((energy - wanted).abs() * weight).sum() / (weight.sum() * len(self.bank) + 1)
        return total

    def _energies(self, image: Tensor, region: Tensor) -> list[tuple[Tensor, Tensor]]:
        energies = []
        for _ in range(3):
            response = F.conv2d(F.pad(image, (1,) * 4, mode="replicate"), self.bank)
            share = F.avg_pool2d(region, 7, 2, 3)
            energy = F.avg_pool2d(response.square() * region, 7, 2, 3) / (share + 1e-3)
            energies.append(((energy + 2e-5).log(), (share > 0.3).float()))
            image, region = F.avg_pool2d(image, 2), F.avg_pool2d(region, 2)
        return energies


class UntrainedPerceptual(nn.Module):
    """Distance of the features of an untrained convolutional network: perceptual loss without foreign weights
    (random features serve as well as trained ones in MR denoising, doi 10.1371/journal.pone.0318992)."""

    def __init__(self, channels: tuple[int, ...] = (16, 32, 64), seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.layers = nn.ModuleList()
        previous = 1
        for width in channels:
            layer = nn.Conv2d(previous, width, 3, padding=1, bias=False)
            nn.init.orthogonal_(layer.weight.view(width, -1), gain=1.4, generator=generator)
            self.layers.append(layer.requires_grad_(False))
            previous = width

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        total = made.new_zeros(())
        for layer in self.layers:
            made, real = F.leaky_relu(layer(made), 0.2), F.leaky_relu(layer(real), 0.2)
            total = total + F.l1_loss(made, real)
            made, real = F.avg_pool2d(made, 2), F.avg_pool2d(real, 2)
        return total


def hinge_discriminator(real: Tensor, made: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    return (weight * F.relu(1 - real)).mean() + (weight * F.relu(1 + made)).mean()


def hinge_generator(made: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    return -(weight * made).mean()
