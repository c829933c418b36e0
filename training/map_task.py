"""Training of `G_quantize`: from a mask and spheres to an intensity map of three grey levels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import Tensor

from TumorSynthLib.cube import CUBE_SIZE, MAX_RADIUS_VOXELS, window_for_mask
from TumorSynthLib.networks import UpSampling, build_network, map_input
from TumorSynthLib.spheres import ConcentricSpheres

from .adversarial import SliceJudgedTask
from .discriminators import PatchDiscriminator
from .loop import Chance
from .losses import hinge_generator
from .mask_task import in_square
from .procedural import (
    SMALLEST_RADIUS_VOXELS,
    crop_brain,
    grow_lesion,
    seen_through,
    share_out_classes,
    spheres_in_voxels,
    structure_noise,
    training_brains,
)
from .records import CLASSES, read_records
from .slice_windows import RealWindows, slices_through

WINDOW_WIDTH = 20.0
SLICES_PER_AXIS = 3


@dataclass(frozen=True)
class MapPreset:
    steps: int
    upsampling: UpSampling = "upsampling+convolution"
    fraction: float = 1.0
    learning_rate: float = 1e-3
    adversarial_rate: float = 3e-4
    discriminator_rate: float = 4e-4
    l1: float = 0.5
    cross_entropy: float = 0.5
    fractions: float = 5.0
    adversarial: float = 0.15
    adversarial_from: float = 0.5
    distances_after: float = 0.2


_FRACTIONS = {"10%": 0.1, "30%": 0.3, "50%": 0.5}
_STRATEGIES: dict[str, UpSampling] = {"": "upsampling+convolution", "transposed": "transposed convolution"}
PRESETS = {
    "default": MapPreset(steps=1400),
    "transposed": MapPreset(steps=1400, upsampling="transposed convolution"),
    "procedural": MapPreset(steps=1400, adversarial_from=1.0),
    "smoke": MapPreset(steps=40, fraction=0.1),
} | {
    f"{strategy} {name}".strip(): MapPreset(steps=1400, upsampling=upsampling, fraction=share)
    for strategy, upsampling in _STRATEGIES.items()
    for name, share in _FRACTIONS.items()
}


@dataclass(frozen=True)
class MapCase:
    spheres: ConcentricSpheres
    mask: np.ndarray
    classes: np.ndarray
    shown: np.ndarray
    record: int


class MapTask(SliceJudgedTask):
    def __init__(self, data: Path, slices: Path, preset: MapPreset) -> None:
        self.preset = preset
        self.brains = training_brains(data)
        self.records = read_records(slices, fraction=preset.fraction)
        self.real = RealWindows(self.records.classes)
        network = build_network("map", preset.upsampling).to(memory_format=torch.channels_last_3d)
        discriminator = PatchDiscriminator(CLASSES, (32, 64, 96), (2, 2, 1))
        self.networks = {"map": network, "discriminator": discriminator}
        self.optimizers = {
            "map": torch.optim.Adam(network.parameters(), preset.learning_rate, betas=(0.5, 0.99)),
            "discriminator": torch.optim.Adam(
                discriminator.parameters(), preset.discriminator_rate, betas=(0.5, 0.99)
            ),
        }

    def step(self, fabric: Fabric, chance: Chance, progress: float) -> dict[str, float]:
        preset = self.preset
        is_adversarial = progress >= preset.adversarial_from
        self._set_rate(progress, is_adversarial)
        case = self._case(chance)
        logits = self._predict(self.networks["map"], case, fabric.device)
        mask = torch.from_numpy(case.mask).to(logits.device)
        soft = torch.softmax(logits, 0) * mask
        parts = self._distances(logits, soft, mask, case)
        scale = preset.distances_after if is_adversarial else 1.0
        weights = {"l1": preset.l1 * scale, "cross_entropy": preset.cross_entropy * scale,
                   "fractions": preset.fractions}  # fmt: skip
        loss = sum(weights[name] * value for name, value in parts.items())
        reported = {}
        if is_adversarial:
            made, _ = slices_through(soft, mask.float(), SLICES_PER_AXIS, WINDOW_WIDTH, chance, 0.5)
            real = self.real.maps_of(case.record, len(made), WINDOW_WIDTH, chance).to(made.device)
            reported["discriminator"] = self._update_discriminator(fabric, real, made)
            deceit = hinge_generator(self.networks["discriminator"](made)[0].float())
            loss = loss + preset.adversarial * deceit
            reported["adversarial"] = float(deceit.detach())
        self._update(fabric, "map", loss)
        return {k: float(v.detach()) for k, v in parts.items()} | reported

    def _case(self, chance: Chance) -> MapCase:
        """A procedural lesion that is told to be built like some real one."""
        records, rng = self.records, chance.numpy
        row = int(rng.choice(len(records), p=records.slices.weight / records.slices.weight.sum()))
        radius = records.sphere_radius[row] * 1.15 * rng.uniform(0.6, 1.25)
        radius = float(np.clip(radius, 2 * SMALLEST_RADIUS_VOXELS, MAX_RADIUS_VOXELS))
        whole = grow_lesion(crop_brain(self.brains, chance, radius), radius, chance)
        window = window_for_mask(whole.mask)
        lesion = seen_through(whole, window)
        spheres, grid = spheres_in_voxels(lesion, records.shell_fractions[row], structure=records.structure(row))
        noise = structure_noise(chance, radius)[(window,) * 3]
        classes = share_out_classes(lesion.mask, spheres, noise)
        return MapCase(spheres, lesion.mask, classes, map_input(lesion.mask, spheres, spheres.image(grid), noise), row)

    def _predict(self, network: torch.nn.Module, case: MapCase, device: torch.device) -> Tensor:
        batch = torch.from_numpy(case.shown)[None].to(device).contiguous(memory_format=torch.channels_last_3d)
        return network(batch).float()[0]

    def _distances(self, logits: Tensor, soft: Tensor, mask: Tensor, case: MapCase) -> dict[str, Tensor]:
        wanted = torch.from_numpy(case.classes.astype(np.int64)).to(logits.device)[mask] - 1
        shares = torch.tensor(case.spheres.classes()[1], dtype=torch.float32, device=logits.device)
        one_hot = F.one_hot(wanted, CLASSES).T
        volume = mask.sum()
        return {
            "l1": (soft[:, mask] - one_hot).abs().sum() / volume,
            "cross_entropy": F.cross_entropy(logits[:, mask].T, wanted),
            "fractions": (soft.flatten(1).sum(1) / volume - shares).square().sum(),
        }

    def sheet(self, network: torch.nn.Module, chance: Chance) -> np.ndarray:
        """Twelve lesions built like real ones: above the procedural truth, below the network's map."""
        columns = []
        for number in range(12):
            case = self._case(Chance(99, number))
            logits = self._predict(network, case, next(network.parameters()).device).cpu()
            made = (logits.argmax(0).numpy() + 1) * case.mask
            middle = int(np.argwhere(case.mask)[:, 0].mean())
            pictures = [in_square(picture[middle] / CLASSES, CUBE_SIZE) for picture in (case.classes, made)]
            columns.append(np.concatenate(pictures))
        return np.concatenate(columns, 1)
