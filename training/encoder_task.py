"""Training of the judges' encoder without labels: two views of one lesion are to look alike, all lesions differ.

The loss is VICReg (Bardes et al. 2022): views agree, every feature varies, no two features tell the same. Views differ
in shift, quarter turns, flips, contrast and a hidden box. They are never interpolated, blurred or made noisier, because
the encoder must not be taught to look past texture. To teach it to look at texture, a third view is spoilt, by blur and
noise inside the lesion, and the encoder has to tell by how much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import Tensor, nn

from TumorSynthLib.networks import blurred
from TumorSynthLib.realism.encoder import FEATURES, SIDE, build_encoder, features_of_slices, neighbourhood, pooled

from .loop import Chance
from .paint_patches import Patches, PatchSource, remapped
from .records import read_records

SPOILS = ("blur", "noise")


@dataclass(frozen=True)
class EncoderPreset:
    steps: int
    batch: int = 48
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    agree: float = 25.0
    vary: float = 25.0
    decorrelate: float = 1.0
    spoilt: float = 20.0
    shift_pixels: int = 8
    contrast_spread: float = 0.3
    smallest_box: int = 12
    largest_box: int = 32
    blur_pixels: float = 1.0
    most_noise: float = 0.05
    projected: int = 256


PRESETS = {"default": EncoderPreset(steps=1600), "smoke": EncoderPreset(steps=60, batch=16)}


class EncoderTask:
    """The `Task` of the judge "encoder" (see `training.loop`). Projector and assessor stay behind."""

    def __init__(self, source: Path, preset: EncoderPreset) -> None:
        self.preset = preset
        self.patches = PatchSource(read_records(source))
        self.shown = PatchSource(read_records(source, part="development"))
        wide = preset.projected
        projector = nn.Sequential(
            nn.BatchNorm1d(FEATURES), nn.Linear(FEATURES, wide), nn.BatchNorm1d(wide), nn.ReLU(), nn.Linear(wide, wide)
        )
        self.networks: dict[str, nn.Module] = {
            "encoder": build_encoder().to(memory_format=torch.channels_last),
            "projector": projector,
            "assessor": nn.Sequential(nn.BatchNorm1d(FEATURES), nn.Linear(FEATURES, len(SPOILS))),
        }
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.AdamW(network.parameters(), preset.learning_rate, weight_decay=1e-4)
            for name, network in self.networks.items()
        }

    def step(self, fabric: Fabric, chance: Chance, progress: float) -> dict[str, float]:
        preset = self.preset
        self._set_rates(progress)
        rows = torch.from_numpy(chance.numpy.choice(len(self.patches), preset.batch, p=self.patches.weight))
        *spoilt, amounts = self._spoilt_view(rows[: preset.batch // 2], chance)
        views = [self._view(rows, chance), self._view(rows, chance), spoilt]
        image, weight = (torch.cat(parts).to(fabric.device) for parts in zip(*views, strict=True))
        image = image.contiguous(memory_format=torch.channels_last)
        features = pooled(self.networks["encoder"](image), weight)
        pairs, of_spoilt = features.split([2 * preset.batch, len(amounts)])
        parts = vicreg(*self.networks["projector"](pairs).float().chunk(2))
        told = self.networks["assessor"](of_spoilt).float()
        parts["spoilt"] = F.mse_loss(told, amounts.to(fabric.device))
        loss = sum(getattr(preset, name) * value for name, value in parts.items())
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        for name, optimizer in self.optimizers.items():
            fabric.clip_gradients(self.networks[name], optimizer, max_norm=5.0)
            optimizer.step()
        return {name: float(value.detach()) for name, value in parts.items()}

    def _set_rates(self, progress: float) -> None:
        preset = self.preset
        share = min(1.0, 0.05 + progress * 30) * 0.5 * (1 + math.cos(math.pi * progress))
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = preset.final_learning_rate + (preset.learning_rate - preset.final_learning_rate) * share

    def _view(self, rows: Tensor, chance: Chance) -> tuple[Tensor, Tensor]:
        """A view of each lesion, as the encoder is shown it, and where its features are to be pooled."""
        image, mask = self._turned_windows(rows, chance)
        image = remapped(Patches(image, mask.long(), image), chance, self.preset.contrast_spread).image
        seen = self._boxes(len(rows), chance)
        return (image - 1) * seen, neighbourhood(mask) * seen

    def _spoilt_view(self, rows: Tensor, chance: Chance) -> tuple[Tensor, Tensor, Tensor]:
        """A view, blurred or noisier inside the lesion and its rim or not, where to pool, and how much of each (n, 2)
        of the most there may be."""
        image, near = self._view(rows, chance)
        amounts = chance.uniform(0, 1, len(rows), len(SPOILS)) * (chance.uniform(0, 1, len(rows), len(SPOILS)) < 0.6)
        blur, noise = amounts[:, :, None, None, None].unbind(1)
        softened = blur * (blurred(image, self.preset.blur_pixels) - image)
        grain = noise * self.preset.most_noise * chance.normal(*image.shape)
        return image + near * (softened + grain), near, amounts

    def _turned_windows(self, rows: Tensor, chance: Chance) -> tuple[Tensor, Tensor]:
        reach, size = self.preset.shift_pixels, self.patches.image.shape[-1]
        shifts = torch.from_numpy(chance.numpy.integers(-reach, reach + 1, (len(rows), 2)))
        corners = (self.patches.center[rows].floor().long() - SIDE // 2 + shifts).clamp(0, size - SIDE).tolist()
        turns = chance.numpy.integers(0, 8, len(rows)).tolist()
        images, masks = [], []
        for row, (top, left), turn in zip(rows.tolist(), corners, turns, strict=True):
            cut = (slice(top, top + SIDE), slice(left, left + SIDE))
            both = torch.stack([self.patches.image[row][cut], (self.patches.classes[row][cut] > 0).float()])
            both = torch.rot90(both, turn % 4, (1, 2))
            both = both.flip(2) if turn >= 4 else both
            images.append(both[0])
            masks.append(both[1])
        return torch.stack(images)[:, None].clamp(0, 4.5), torch.stack(masks)[:, None]

    def _boxes(self, count: int, chance: Chance) -> Tensor:
        """Zero in a box, one elsewhere. No lesion fits into one whole and stays recognisable by one place alone."""
        seen = torch.ones(count, 1, SIDE, SIDE)
        sides = chance.numpy.integers(self.preset.smallest_box, self.preset.largest_box + 1, (count, 2))
        corners = (chance.numpy.random((count, 2)) * (SIDE - sides)).astype(int)
        for view, (top, left), (height, width) in zip(seen, corners, sides, strict=True):
            view[0, top : top + height, left : left + width] = 0
        return seen

    def sheet(self, network: nn.Module, chance: Chance) -> np.ndarray:
        """Unseen lesions, left, each followed by the seven unseen ones that lie nearest to it in the features."""
        rows = torch.arange(len(self.shown))
        patches = self.shown.plain(rows)
        image, mask = patches.image[:, 0].numpy(), patches.mask[:, 0].numpy() > 0
        features = features_of_slices(network.cpu(), image, mask)
        features = (features - features.mean(0)) / (features.std(0) + 1e-9)
        lines = []
        for row in np.linspace(0, len(rows) - 1, 8).astype(int):
            nearest = np.argsort(((features - features[row]) ** 2).sum(1))[:8]
            lines.append(np.concatenate(list(image[nearest]), 1))
        return np.clip(np.concatenate(lines) / 2.4, 0, 1)


def vicreg(first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """How far two views (n, d) disagree, how much features fail to vary, and how far they tell the same."""
    return {
        "agree": F.mse_loss(first, second),
        "vary": (_stillness(first) + _stillness(second)) / 2,
        "decorrelate": _correlation(first) + _correlation(second),
    }


def _stillness(values: Tensor) -> Tensor:
    return F.relu(1 - (values.var(0) + 1e-4).sqrt()).mean()


def _correlation(values: Tensor) -> Tensor:
    centred = values - values.mean(0)
    covariance = centred.T @ centred / (len(values) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / values.shape[1]
