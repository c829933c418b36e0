"""Training of `G_syn`: paint a lesion into a slice, judged by distances, texture and `D_syn`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import Tensor

from TumorSynthLib.grain import as_delivered
from TumorSynthLib.networks import Painting, UpSampling, blurred, build_network

from .adversarial import AdversarialTask
from .discriminators import StatisticsDiscriminator, TwoScaleDiscriminator
from .keeping import KeptPainters
from .loop import Chance
from .losses import (
    FocalFrequency,
    SlicedTexture,
    TextureEnergy,
    gradient_penalty,
    hinge_discriminator,
    hinge_generator,
    perceptual_of,
    rather,
)
from .paint_patches import (
    Patches,
    PatchSource,
    holes_elsewhere,
    jittered,
    lesion_holes,
    level_shown,
    remapped,
)
from .records import read_records
from .repainting import healed, painting_of, repainted, tissue_in, unevenness

# A gradient penalty is dear, and does as well every few steps (lazy regularisation, Karras et al. 2020).
PENALTY_EVERY = 8


@dataclass(frozen=True)
class PaintPreset:
    steps: int
    upsampling: UpSampling = "upsampling+convolution"
    batch: int = 16
    fraction: float = 1.0
    # Of the user's own volumes: 0 sagittal, 1 coronal, 2 axial. The 2D set mixes all three.
    axes: tuple[int, ...] = (0, 1, 2)
    visible_outlines: bool = True
    learning_rate: float = 3e-4
    discriminator_rate: float = 4e-4
    l1: float = 0.1
    low_pass_l1: float = 3.0
    low_pass_pixels: float = 2.0
    perceptual: float = 2.0
    perceptual_by: str = "untrained"
    texture: float = 0.35
    sliced: float = 1.0
    focal_frequency: float = 0.0
    adversarial: float = 0.6
    feature_matching: float = 1.0
    statistics: float = 0.0
    statistics_rate: float = 1e-3
    statistics_penalty: float = 0.1
    # Weights of a painter whose lesions, edges and healed ground stay as they are: only tissue beside them is learned.
    kept: str = ""
    keeping: float = 20.0
    # Weights of a painter whose tissue beside lesions is learned, and nothing else: two painters become one.
    strands_of: str = ""
    spectral_norm: bool = True
    image_gain: float = 1.0
    fine_gain: float = 4.0
    gradient_penalty: float = 0.0
    warm_up: float = 0.06
    native_share: float = 0.6
    # Small metastases are rare in the 2D set: from this share of a run on, larger ones are shrunk to stand in for them.
    small_lesions_from: float = 0.68
    native_share_then: float = 0.45
    smallest_scale_then: float = 0.3
    contrast_spread: float = 0.5
    jitter_pixels: float = 0.0
    elsewhere_share: float = 0.5
    noise: bool = True


PRESETS = {
    "default": PaintPreset(steps=6000),
    "refined": PaintPreset(steps=12100, learning_rate=5e-4, warm_up=0.03, small_lesions_from=1.0, elsewhere_share=0.8),
    "transposed": PaintPreset(steps=6000, upsampling="transposed convolution"),
    "axial": PaintPreset(steps=6000, axes=(2,)),
    "10%": PaintPreset(steps=6000, fraction=0.1),
    "30%": PaintPreset(steps=6000, fraction=0.3),
    "50%": PaintPreset(steps=6000, fraction=0.5),
    "smoke": PaintPreset(
        steps=128, batch=8, fraction=0.1, learning_rate=1e-3, warm_up=0.75, small_lesions_from=1.0, statistics=1.0
    ),
}


class Asked(NamedTuple):
    """What a painter is asked: `shown` is an image, its holes, the level, the mask and noise; other noise is for the
    ground. Some holes lie elsewhere, without a lesion. `drawn` is the mask before it was bent."""

    shown: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    ground_noise: Tensor
    elsewhere: Tensor
    drawn: Tensor


@dataclass
class Painted:
    """One batch, less one: what was there, what was painted of it and as it would be delivered, where, what the
    discriminator is told of it, and how far the painter is from the one that is kept."""

    real: Tensor
    made: Tensor
    delivered: Tensor
    mask: Tensor
    hole: Tensor
    condition: Tensor
    strayed: Tensor | None = None


class PaintTask(AdversarialTask):
    def __init__(self, source: Path, preset: PaintPreset) -> None:
        self.preset = preset
        visible = preset.visible_outlines
        self.patches = PatchSource(
            read_records(source, fraction=preset.fraction, axes=preset.axes, visible_outlines=visible)
        )
        self.shown = PatchSource(read_records(source, part="validation", axes=preset.axes, visible_outlines=visible))
        painter = build_network("paint", preset.upsampling).to(memory_format=torch.channels_last)
        discriminator = TwoScaleDiscriminator(5, preset.spectral_norm).to(memory_format=torch.channels_last)
        self.networks = {"painter": painter, "discriminator": discriminator}
        self.optimizers = {
            "painter": torch.optim.Adam(painter.parameters(), preset.learning_rate, betas=(0.5, 0.99)),
            "discriminator": torch.optim.Adam(discriminator.parameters(), preset.discriminator_rate, betas=(0.5, 0.99)),
        }
        if preset.statistics:
            judge = StatisticsDiscriminator().to(memory_format=torch.channels_last)
            self.networks["statistics"] = judge
            self.optimizers["statistics"] = torch.optim.Adam(
                judge.parameters(), preset.statistics_rate, betas=(0.5, 0.99)
            )
        self.texture, self.sliced, self.focal_frequency = TextureEnergy(), SlicedTexture(), FocalFrequency()
        self.perceptual = perceptual_of(preset.perceptual_by)
        self.kept = None
        if preset.kept or preset.strands_of:
            self.kept = KeptPainters(preset.kept, preset.strands_of, preset.upsampling)

    def step(self, fabric: Fabric, chance: Chance, progress: float) -> dict[str, float]:
        self._set_rates(progress)
        asked = self._ask(chance, fabric.device, progress)
        if self.preset.strands_of:
            return self._copy(fabric, asked)
        for judge in (self.texture, self.perceptual):
            judge.to(fabric.device)
        batch = self._paint_batch(fabric, asked, chance)
        losses: dict[str, float] = {}
        real_features = None
        if progress >= self.preset.warm_up:
            loss, real_features = self._discriminate(batch)
            if self.preset.gradient_penalty and chance.numpy.integers(PENALTY_EVERY) == 0:
                loss = loss + PENALTY_EVERY * self.preset.gradient_penalty * self._penalty(batch)
            self._update(fabric, "discriminator", loss)
            losses["discriminator"] = float(loss.detach())
            if self.preset.statistics:
                losses |= self._discriminate_wholes(fabric, batch, chance)
        parts = self._judge(batch, chance, real_features)
        self._update(fabric, "painter", sum(getattr(self.preset, name) * value for name, value in parts.items()))
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

    def _ask(self, chance: Chance, device: torch.device, progress: float) -> Asked:
        preset = self.preset
        patches = remapped(self._draw(chance, progress), chance, preset.contrast_spread)
        hole = lesion_holes(patches.mask, chance)
        elsewhere = holes_elsewhere(patches.mask, hole, chance, preset.elsewhere_share)
        mask, level = patches.mask, patches.level
        if preset.jitter_pixels:
            mask, level = jittered(mask, level, chance, preset.jitter_pixels)
        level = level_shown(level, mask, float(chance.uniform(0.4, 1.0, 1)))
        noise = chance.normal(2, *patches.image.shape) * float(preset.noise)
        image, hole, elsewhere, level, mask, noise, drawn = (
            t.to(device) for t in (patches.image, hole, elsewhere, level, mask, noise, patches.mask)
        )
        return Asked((image, torch.maximum(hole, elsewhere), level, mask, noise[0]), noise[1], elsewhere, drawn)

    def _copy(self, fabric: Fabric, asked: Asked) -> dict[str, float]:
        """One step of becoming two painters at once: nothing is judged."""
        _, strayed = self._painting(fabric, asked)
        self._update(fabric, "painter", self.preset.keeping * strayed)
        return {"keeping": float(strayed.detach())}

    def _painting(self, fabric: Fabric, asked: Asked) -> tuple[Painting, Tensor | None]:
        """The painter's answer, with what is kept in its place, and how far it strayed from that."""
        painting = painting_of(self.networks["painter"], *asked.shown)
        return self.kept.hold(fabric, painting, asked.shown, asked.elsewhere) if self.kept else (painting, None)

    def _paint_batch(self, fabric: Fabric, asked: Asked, chance: Chance) -> Painted:
        image, hole, level, mask, _ = asked.shown
        lesion, strayed = self._painting(fabric, asked)
        with torch.no_grad(), fabric.autocast():
            base = tissue_in(
                self.kept.lesions if self.kept else self.networks["painter"], image, hole, asked.ground_noise
            )
        made = torch.where(asked.elsewhere > 0, lesion.tissue, lesion.over(base))
        delivered = made
        if self.preset.statistics:
            textured = as_delivered(lesion.lesion, unevenness(chance, *image.shape).to(fabric.device))
            delivered = torch.where(asked.elsewhere > 0, lesion.tissue, lesion._replace(lesion=textured).over(base))
        condition = torch.cat([(level - 1) * mask, mask, hole], 1)
        return Painted(image - 1, made - 1, delivered - 1, asked.drawn, hole, condition, strayed)

    def _scores(self, image: Tensor, condition: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        return self.networks["discriminator"](self._shown(image, condition))

    def _shown(self, image: Tensor, condition: Tensor) -> Tensor:
        fine = self.preset.fine_gain * (image - blurred(image, 1.0))
        return torch.cat([self.preset.image_gain * image, condition, fine], 1)

    def _discriminate(self, batch: Painted) -> tuple[Tensor, list[list[Tensor]]]:
        real, made = self._scores(batch.real, batch.condition), self._scores(batch.made.detach(), batch.condition)
        loss = sum(
            hinge_discriminator(r.float(), m.float(), _where(batch.hole, r))
            for (r, _), (m, _) in zip(real, made, strict=True)
        )
        return loss, [[f.detach() for f in features] for _, features in real]  # type: ignore[return-value]

    def _penalty(self, batch: Painted) -> Tensor:
        real = batch.real.clone().requires_grad_()
        # Fabric's wrapper takes its own backward only; a second derivative wants full precision anyway.
        judge = self.networks["discriminator"].module
        with torch.autocast(real.device.type, enabled=False):
            scores = [score for score, _ in judge(self._shown(real, batch.condition))]
        return gradient_penalty(scores, real)

    def _whole_penalty(self, batch: Painted) -> Tensor:
        """On real lesions and made ones: a judge that is all too sure of itself teaches nothing."""
        both = torch.cat([batch.real, batch.delivered.detach()]).requires_grad_()
        level, mask = (torch.cat([part, part]) for part in (batch.condition[:, 0:1], batch.mask))
        with torch.autocast(both.device.type, enabled=False):
            return gradient_penalty([self.networks["statistics"].module(both, level, mask)], both)

    def _judge(self, batch: Painted, chance: Chance, real_features: list[list[Tensor]] | None) -> dict[str, Tensor]:
        hole = batch.hole
        size = hole.sum().clamp_min(1)
        parts = {
            "l1": ((batch.made - batch.real).abs() * hole).sum() / size,
            "low_pass_l1": self._coarse_distance(batch.made, batch.real, hole),
            "perceptual": self.perceptual(batch.made, batch.real),
            "texture": self.texture(batch.made, batch.real, hole),
        }
        if batch.strayed is not None:
            parts["keeping"] = batch.strayed
        if self.preset.sliced:
            parts["sliced"] = self.sliced(batch.made, batch.real, batch.mask, hole, chance)
        if self.preset.focal_frequency:
            parts["focal_frequency"] = self.focal_frequency(batch.made, batch.real)
        if real_features is not None:
            parts |= self._adversarial(batch, real_features)
            if self.preset.statistics:
                parts["statistics"] = self._whole_adversarial(batch)
        return parts

    def _whole_adversarial(self, batch: Painted) -> Tensor:
        self.networks["statistics"].requires_grad_(False)
        real, made = self._whole_scores(batch, batch.delivered)
        self.networks["statistics"].requires_grad_(True)
        return rather(made, real)

    def _discriminate_wholes(self, fabric: Fabric, batch: Painted, chance: Chance) -> dict[str, float]:
        real, made = self._whole_scores(batch, batch.delivered.detach())
        loss = rather(real, made)
        if self.preset.statistics_penalty and chance.numpy.integers(PENALTY_EVERY) == 0:
            loss = loss + PENALTY_EVERY * self.preset.statistics_penalty * self._whole_penalty(batch)
        self._update(fabric, "statistics", loss)
        return {"found out": float((real > made).float().mean())}

    def _whole_scores(self, batch: Painted, made: Tensor) -> tuple[Tensor, Tensor]:
        """Of the real lesions and of those made in their places."""
        level, mask = batch.condition[:, 0:1], batch.mask
        both = torch.cat([batch.real, made]), torch.cat([level, level]), torch.cat([mask, mask])
        real, made = self.networks["statistics"](*both).float().chunk(2)
        return real, made

    def _coarse_distance(self, made: Tensor, real: Tensor, hole: Tensor) -> Tensor:
        difference = blurred(made - real, self.preset.low_pass_pixels)
        return (difference.abs() * hole).sum() / hole.sum().clamp_min(1)

    def _adversarial(self, batch: Painted, real_features: list[list[Tensor]]) -> dict[str, Tensor]:
        self.networks["discriminator"].requires_grad_(False)
        scores = self._scores(batch.made, batch.condition)
        self.networks["discriminator"].requires_grad_(True)
        pairs = [
            (made, real)
            for (_, made_features), features in zip(scores, real_features, strict=True)
            for made, real in zip(made_features, features, strict=True)
        ]
        return {
            "adversarial": sum(hinge_generator(s.float(), _where(batch.hole, s)) for s, _ in scores),  # type: ignore[dict-item]
            "feature_matching": sum(F.l1_loss(made.float(), real.float()) for made, real in pairs),  # type: ignore[dict-item]
        }

    def sheet(self, network: torch.nn.Module, chance: Chance) -> np.ndarray:
        """Unseen patients: real above, painted from its map below."""
        rows = torch.linspace(0, len(self.shown) - 1, 24).long()
        patches: Patches = self.shown.plain(rows)
        made = repainted(network, patches, healed(network, patches, chance), chance)
        strips = []
        for first in range(0, 24, 12):
            for images in (patches.image, patches.level * patches.mask, made):
                strips.append(torch.cat(list(images[first : first + 12, 0]), 1))
        return (torch.cat(strips) / 2.4).clamp(0, 1).numpy()


def _where(hole: Tensor, scores: Tensor) -> Tensor:
    """Weight of each score: only patches that touch what was painted can tell."""
    weight = F.adaptive_max_pool2d(hole, scores.shape[2:])
    return weight / weight.mean().clamp_min(1e-3)
