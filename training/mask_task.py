"""Training of `G_binary`: from brain and spheres to a lesion's mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import Tensor

from TumorSynthLib.cube import CUBE_SIZE, window_for_radius
from TumorSynthLib.networks import build_network, mask_input, mask_logits

from .adversarial import SliceJudgedTask
from .discriminators import PatchDiscriminator
from .loop import Chance
from .losses import hinge_generator
from .procedural import (
    ProceduralLesion,
    crop_brain,
    draw_radius,
    grow_lesion,
    seen_through,
    spheres_in_voxels,
    training_brains,
)
from .records import LesionRecords, read_records
from .slice_windows import RealWindows, slices_through

WINDOW_WIDTH = 14.0
SLICES_PER_AXIS = 4


@dataclass(frozen=True)
class MaskPreset:
    steps: int
    fraction: float = 1.0
    learning_rate: float = 1e-3
    adversarial_rate: float = 3e-4
    discriminator_rate: float = 4e-4
    l1: float = 1.0
    cross_entropy: float = 0.3
    volume: float = 0.5
    centroid: float = 1.0
    spill: float = 1.0
    adversarial: float = 0.15
    # From here on real outlines judge, and the distances to procedural truth count for less.
    adversarial_from: float = 0.5
    distances_after: float = 0.25


PRESETS = {
    "default": MaskPreset(steps=1800),
    "10%": MaskPreset(steps=1800, fraction=0.1),
    "30%": MaskPreset(steps=1800, fraction=0.3),
    "50%": MaskPreset(steps=1800, fraction=0.5),
    "procedural": MaskPreset(steps=1800, adversarial_from=1.0),
    "smoke": MaskPreset(steps=40, fraction=0.1),
}


class MaskTask(SliceJudgedTask):
    def __init__(self, data: Path, slices: Path, preset: MaskPreset) -> None:
        self.preset = preset
        self.brains = training_brains(data)
        self.records = read_records(slices, fraction=preset.fraction)
        self.real = RealWindows(self.records.classes)
        network = build_network("mask").to(memory_format=torch.channels_last_3d)
        discriminator = PatchDiscriminator(1, (32, 64, 96), (2, 2, 1))
        self.networks = {"mask": network, "discriminator": discriminator}
        self.optimizers = {
            "mask": torch.optim.Adam(network.parameters(), preset.learning_rate, betas=(0.5, 0.99)),
            "discriminator": torch.optim.Adam(
                discriminator.parameters(), preset.discriminator_rate, betas=(0.5, 0.99)
            ),
        }

    def step(self, fabric: Fabric, chance: Chance, progress: float) -> dict[str, float]:
        preset = self.preset
        is_adversarial = progress >= preset.adversarial_from
        self._set_rate(progress, is_adversarial)
        lesion = self._lesion(chance)
        logits = self._predict(self.networks["mask"], lesion, chance, fabric.device)
        soft = torch.sigmoid(logits)
        parts = self._distances(logits, soft, lesion)
        scale = preset.distances_after if is_adversarial else 1.0
        weights = {"l1": preset.l1 * scale, "cross_entropy": preset.cross_entropy * scale, "volume": preset.volume,
                   "centroid": preset.centroid, "spill": preset.spill}  # fmt: skip
        loss = sum(weights[name] * value for name, value in parts.items())
        reported = {}
        if is_adversarial:
            made, areas = slices_through(soft[None], soft, SLICES_PER_AXIS, WINDOW_WIDTH, chance, 0.2)
            real = self.real.masks_of_area(areas, WINDOW_WIDTH, chance).to(made.device)
            reported["discriminator"] = self._update_discriminator(fabric, real, made)
            deceit = hinge_generator(self.networks["discriminator"](made)[0].float())
            loss = loss + preset.adversarial * deceit
            reported["adversarial"] = float(deceit.detach())
        self._update(fabric, "mask", loss)
        return {k: float(v.detach()) for k, v in parts.items()} | reported

    def _lesion(self, chance: Chance) -> ProceduralLesion:
        radius = draw_radius(chance)
        lesion = grow_lesion(crop_brain(self.brains, chance, radius), radius, chance)
        return seen_through(lesion, window_for_radius(radius, len(lesion.mask)))

    def _predict(
        self, network: torch.nn.Module, lesion: ProceduralLesion, chance: Chance, device: torch.device
    ) -> Tensor:
        spheres = any_spheres(lesion, self.records, chance)
        shown = mask_input(lesion.crop.weighted, spheres, lesion.distance, lesion.radius, lesion.outline)
        batch = torch.from_numpy(shown)[None].to(device).contiguous(memory_format=torch.channels_last_3d)
        return mask_logits(network, batch)[0, 0]

    def _distances(self, logits: Tensor, soft: Tensor, lesion: ProceduralLesion) -> dict[str, Tensor]:
        wanted = torch.from_numpy(lesion.mask).float().to(soft.device)
        outside = torch.from_numpy(~lesion.crop.inside).to(soft.device)
        volume = wanted.sum()
        place = torch.tensor(np.argwhere(lesion.mask).mean(0), dtype=torch.float32, device=soft.device)
        axis = torch.arange(soft.shape[0], dtype=torch.float32, device=soft.device)
        total = soft.sum().clamp_min(1)
        centroid = torch.stack([(soft.sum(others) * axis).sum() for others in ((1, 2), (0, 2), (0, 1))]) / total
        return {
            "l1": (soft - wanted).abs().sum() / volume,
            "cross_entropy": F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / volume,
            "volume": (soft.sum() / volume).clamp_min(1e-2).log().square(),
            "centroid": ((centroid - place) / lesion.radius).square().sum(),
            "spill": (soft * outside).sum() / volume,
        }

    def sheet(self, network: torch.nn.Module, chance: Chance) -> np.ndarray:
        """Twelve lesions: above the procedural truth, below what the network made of the same spheres and seed."""
        columns = []
        for number in range(12):
            here = Chance(99, number)
            lesion = self._lesion(here)
            soft = torch.sigmoid(self._predict(network, lesion, here, next(network.parameters()).device)).cpu().numpy()
            middle = lesion.mask.shape[0] // 2
            shade = 0.25 * lesion.crop.inside[middle]
            columns.append([in_square(shade + 0.75 * picture[middle], CUBE_SIZE) for picture in (lesion.mask, soft)])
        return np.concatenate([np.concatenate(column) for column in columns], 1)


def in_square(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture in the middle of a black square, so that pictures of several sizes make one sheet."""
    free = side - picture.shape[0]
    return np.pad(picture, ((free // 2, free - free // 2),) * 2)


def any_spheres(lesion: ProceduralLesion, records: LesionRecords, chance: Chance) -> np.ndarray:
    """A sphere image as volume match would give it: shells of some real lesion, values running its way."""
    row = int(chance.numpy.integers(len(records)))
    values = records.structure(row).values
    spheres, grid = spheres_in_voxels(lesion, records.shell_fractions[row], values=values)
    return spheres.image(grid)
