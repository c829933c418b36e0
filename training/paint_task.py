"""Training of `G_syn`: paint a lesion into a slice, judged by distances, texture and `D_syn`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import Tensor

from TumorSynthLib.networks import build_network, paint

from .adversarial import AdversarialTask
from .discriminators import TwoScaleDiscriminator
from .loop import Chance
from .losses import (
    TextureEnergy,
    UntrainedPerceptual,
    hinge_discriminator,
    hinge_generator,
)
from .paint_patches import (
    Patches,
    PatchSource,
    blurred,
    holes_to_paint,
    jittered,
    remapped,
)
from .records import read_records


@dataclass(frozen=True)
class PaintPreset:
    steps: int
    batch: int = 16
    fraction: float = 1.0
    # Of the user's own volumes: 0 sagittal, 1 coronal, 2 axial. The 2D set mixes all three.
    axes: tuple[int, ...] = (0, 1, 2)
    learning_rate: float = 3e-4
    discriminator_rate: float = 4e-4
    l1: float = 0.3
    low_pass_l1: float = 3.0
    perceptual: float = 2.0
    texture: float = 0.35
    adversarial: float = 0.6
    feature_matching: float = 1.0
    warm_up: float = 0.06
    native_share: float = 0.6
    # Small metastases are rare in the 2D set: for the last part of a run larger ones are shrunk to stand in for them.
    # From step 4092 of 6000, because the shipped run was resumed there with this added.
    small_lesions_from: float = 0.682
    native_share_then: float = 0.45
    smallest_scale_then: float = 0.3
    contrast_spread: float = 0.5
    jitter_pixels: float = 1.0
    elsewhere_share: float = 0.35


PRESETS = {
    "default": PaintPreset(steps=6000),
    "axial": PaintPreset(steps=6000, axes=(2,)),
    "10%": PaintPreset(steps=6000, fraction=0.1),
    "30%": PaintPreset(steps=6000, fraction=0.3),
    "50%": PaintPreset(steps=6000, fraction=0.5),
    "smoke": PaintPreset(steps=60, batch=8, fraction=0.1, warm_up=0.5),
}


@dataclass
class Painting:
    """One batch: what was there, what the painter was shown, what it made of it."""

    real: Tensor
    made: Tensor
    hole: Tensor
    condition: Tensor


class PaintTask(AdversarialTask):
    def __init__(self, source: Path, preset: PaintPreset) -> None:
        self.preset = preset
        self.patches = PatchSource(read_records(source, fraction=preset.fraction, axes=preset.axes))
        self.shown = PatchSource(read_records(source, part="validation", axes=preset.axes))
        painter = build_network("paint").to(memory_format=torch.channels_last)
        discriminator = TwoScaleDiscriminator(4).to(memory_format=torch.channels_last)
        self.networks = {"painter": painter, "discriminator": discriminator}
        self.optimizers = {
            "painter": torch.optim.Adam(painter.parameters(), preset.learning_rate, betas=(0.5, 0.99)),
            "discriminator": torch.optim.Adam(
                discriminator.parameters(), preset.discriminator_rate, betas=(0.5, 0.99)
            ),
        }
        self.texture, self.perceptual = TextureEnergy(), UntrainedPerceptual()

    def step(self, fabric: Fabric, chance: Chance, progress: float) -> dict[str, float]:
        self._set_rates(progress)
        for judge in (self.texture, self.perceptual):
            judge.to(fabric.device)
        batch = self._paint_batch(chance, fabric.device, progress)
        losses: dict[str, float] = {}
        real_features = None
        if progress >= self.preset.warm_up:
            loss, real_features = self._discriminate(batch)
            self._update(fabric, "discriminator", loss)
            losses["discriminator"] = float(loss.detach())
        loss, parts = self._judge(batch, real_features)
        self._update(fabric, "painter", loss)
        return losses | {k: float(v.detach()) for k, v in parts.items()}

    def _set_rates(self, progress: float) -> None:
        for group in self.optimizers["painter"].param_groups:
            group["lr"] = self.preset.learning_rate * (1 - progress) + 1e-5
        for group in self.optimizers["discriminator"].param_groups:
            group["lr"] = self.preset.discriminator_rate * (1 - 0.7 * progress)

    def _draw(self, chance: Chance, progress: float) -> Patches:
        preset = self.preset
        if progress < preset.small_lesions_from:
            return self.patches.draw(chance, preset.batch, preset.native_share)
        return self.patches.draw(chance, preset.batch, preset.native_share_then, preset.smallest_scale_then)

    def _paint_batch(self, chance: Chance, device: torch.device, progress: float) -> Painting:
        preset = self.preset
        patches = self._draw(chance, progress)
        patches = remapped(patches, chance, preset.contrast_spread)
        hole = holes_to_paint(patches.mask, chance, preset.elsewhere_share)
        mask, level = jittered(patches.mask, patches.level, chance, preset.jitter_pixels)
        level = 1 + blurred((level - 1) * mask, float(chance.uniform(0.4, 1.0, 1))) / blurred(mask, 0.7).clamp_min(0.3)
        mask = mask * hole
        noise = chance.normal(*patches.image.shape)
        tensors = [t.to(device) for t in (patches.image, hole, level, mask, noise)]
        shown = [t.contiguous(memory_format=torch.channels_last) for t in tensors]
        made = paint(self.networks["painter"], *shown)
        return Painting(tensors[0] - 1, made - 1, tensors[1], torch.cat([(tensors[2] - 1) * tensors[3], tensors[1]], 1))

    def _scores(self, image: Tensor, condition: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        fine = 4 * (image - blurred(image, 1.0))
        return self.networks["discriminator"](torch.cat([image, condition, fine], 1))

    def _discriminate(self, batch: Painting) -> tuple[Tensor, list[list[Tensor]]]:
        real, made = self._scores(batch.real, batch.condition), self._scores(batch.made.detach(), batch.condition)
        loss = sum(
            hinge_discriminator(r.float(), m.float(), _where(batch.hole, r))
            for (r, _), (m, _) in zip(real, made, strict=True)
        )
        return loss, [[f.detach() for f in features] for _, features in real]  # type: ignore[return-value]

    def _judge(self, batch: Painting, real_features: list[list[Tensor]] | None) -> tuple[Tensor, dict[str, Tensor]]:
        preset, hole = self.preset, batch.hole
        size = hole.sum().clamp_min(1)
        parts = {
            "l1": ((batch.made - batch.real).abs() * hole).sum() / size,
            "low_pass_l1": (_low(batch.made) - _low(batch.real)).abs().sum() / _low(hole).sum().clamp_min(1),
            "perceptual": self.perceptual(batch.made, batch.real),
            "texture": self.texture(batch.made, batch.real, hole),
        }
        if real_features is not None:
            self.networks["discriminator"].requires_grad_(False)
            scores = self._scores(batch.made, batch.condition)
            self.networks["discriminator"].requires_grad_(True)
            parts["adversarial"] = sum(hinge_generator(s.float(), _where(hole, s)) for s, _ in scores)
            parts["feature_matching"] = sum(
                F.l1_loss(m.float(), r.float())
                for (_, made), real in zip(scores, real_features, strict=True)
                for m, r in zip(made, real, strict=True)
            )
        return sum(getattr(preset, name) * value for name, value in parts.items()), parts

    def sheet(self, network: torch.nn.Module, chance: Chance) -> np.ndarray:
        """Unseen patients: real above, painted from its map below."""
        rows = torch.linspace(0, len(self.shown) - 1, 24).long()
        patches: Patches = self.shown.plain(rows)
        hole = holes_to_paint(patches.mask, chance, 0.0)
        level = 1 + blurred((patches.level - 1) * patches.mask, 0.7)
        device = next(network.parameters()).device
        tensors = (patches.image, hole, level, patches.mask, chance.normal(*hole.shape))
        made = paint(network, *(t.to(device) for t in tensors)).cpu()
        strips = []
        for first in range(0, 24, 12):
            for images in (patches.image, patches.level * patches.mask, made):
                strips.append(torch.cat(list(images[first : first + 12, 0]), 1))
        return (torch.cat(strips) / 2.4).clamp(0, 1).numpy()


def _low(image: Tensor) -> Tensor:
    return F.avg_pool2d(image, 3, 2, 1)


def _where(hole: Tensor, scores: Tensor) -> Tensor:
    """Weight of each score: only patches that touch what was painted can tell."""
    weight = F.adaptive_max_pool2d(hole, scores.shape[2:])
    return weight / weight.mean().clamp_min(1e-3)
