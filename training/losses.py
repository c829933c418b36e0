"""What the networks are judged by, besides the distances PyTorch has."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .loop import Chance


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


def rather(wanted: Tensor, other: Tensor) -> Tensor:
    """Small where each lesion's first score is above its second: real and made in one place are compared, so that hosts
    and sizes weigh nothing (a relativistic loss, Jolicoeur-Martineau 2019)."""
    return F.softplus(other - wanted).mean()


class SlicedTexture(nn.Module):
    """Sliced Wasserstein distance between the textures of a lesion and of what was painted in its place (an idea of
    Heitz et al., CVPR 2021): responses to random small filters, new ones each step, are sorted within the lesion and
    along its edge. It wants every grey level and grain as often as the real lesion has them, wherever they lie."""

    def __init__(self, filters: int = 8, size: int = 5, scales: int = 3) -> None:
        super().__init__()
        self.filters, self.size, self.scales = filters, size, scales

    def forward(self, made: Tensor, real: Tensor, mask: Tensor, hole: Tensor, chance: Chance) -> Tensor:
        total, count = made.new_zeros(()), 0
        edge = hole - _shrunk(mask, 2)
        for _ in range(self.scales):
            bank = self._bank(chance).to(made.device)
            made_answers, real_answers = (F.conv2d(F.pad(x, (2,) * 4, mode="replicate"), bank) for x in (made, real))
            for region in (mask, edge):
                total, count = total + _sorted_distance(made_answers, real_answers, region), count + 1
            made, real = F.avg_pool2d(made, 2), F.avg_pool2d(real, 2)
            mask, edge = (F.avg_pool2d(region, 2).round() for region in (mask, edge))
        return total / count

    def _bank(self, chance: Chance) -> Tensor:
        """Zero-mean filters of unit energy, and one that is the grey level itself."""
        bank = chance.normal(self.filters, 1, self.size, self.size)
        bank = bank - bank.mean((1, 2, 3), keepdim=True)
        bank = bank / bank.square().sum((1, 2, 3), keepdim=True).sqrt()
        bank[0] = 0
        bank[0, 0, self.size // 2, self.size // 2] = 1
        return bank


def _sorted_distance(made: Tensor, real: Tensor, region: Tensor) -> Tensor:
    """Mean difference of sorted answers inside a region, in units of the real ones' spread."""
    inside = (region > 0).flatten(2)
    widest = int(inside.sum(2).max())
    if widest < 2:
        return made.new_zeros(())
    first, second = (x.flatten(2).masked_fill(~inside, torch.inf).sort(2).values[..., :widest] for x in (made, real))
    valid = torch.isfinite(second)
    apart = torch.where(valid, first - second, 0.0).abs().sum(2) / valid.sum(2).clamp_min(1)
    values = torch.where(valid, second, 0.0)
    mean = values.sum(2, keepdim=True) / valid.sum(2, keepdim=True).clamp_min(1)
    spread = ((values - mean).square() * valid).sum(2) / valid.sum(2).clamp_min(1)
    return (apart / (spread.sqrt() + 0.02)).mean()


def _shrunk(mask: Tensor, pixels: int) -> Tensor:
    return 1 - F.max_pool2d(1 - mask, 2 * pixels + 1, 1, pixels)


class FocalFrequency(nn.Module):
    """Focal frequency loss (Jiang et al., ICCV 2021): spectra compared, the worst frequencies weighing most."""

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        difference = torch.fft.fft2(made.float(), norm="ortho") - torch.fft.fft2(real.float(), norm="ortho")
        power = difference.real.square() + difference.imag.square()
        weight = power.detach().sqrt()
        return (power * weight / weight.amax((1, 2, 3), keepdim=True).clamp_min(1e-6)).mean()


def gradient_penalty(scores: list[Tensor], real: Tensor) -> Tensor:
    """R1 (Mescheder et al. 2018): how steeply a discriminator's scores change with real images."""
    (slope,) = torch.autograd.grad(sum(score.float().sum() for score in scores), real, create_graph=True)
    return slope.float().square().sum((1, 2, 3)).mean() / 2


def perceptual_of(kind: str) -> nn.Module:
    """The feature distance a preset names: of an untrained network, or of our own MRI encoder."""
    if kind == "untrained":
        return UntrainedPerceptual()
    from .encoder_loss import EncoderPerceptual

    return EncoderPerceptual()
