"""Training of the segmenter, a judge of realism: outline real lesions, wherever in a patch they lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from monai.losses import DiceLoss
from torch import Tensor

from TumorSynthLib.realism.segmenter import BRIGHTEST, build_segmenter, segmenter_input

from .loop import Chance
from .paint_patches import LARGEST_SCALE, PATCH, WIDEST_LESION, PatchSource
from .records import read_records

FARTHEST_SHIFT = 26
FARTHEST_ELSEWHERE = 70
TISSUE = 0.4
LARGEST_GRADIENT = 5.0


@dataclass(frozen=True)
class SegmentPreset:
    steps: int
    batch: int = 16
    fraction: float = 1.0
    learning_rate: float = 2e-3
    final_learning_rate: float = 1e-5
    native_share: float = 0.5
    smallest_scale: float = 0.6
    # Patches from elsewhere in the slice: a lesion in the middle must not be taken for granted, nor one at all.
    elsewhere_share: float = 0.25
    gain_spread: float = 0.15
    gamma_spread: float = 0.3
    most_noise: float = 0.04


PRESETS = {
    "default": SegmentPreset(steps=6000),
    "smoke": SegmentPreset(steps=60, batch=8, fraction=0.1),
}


class SegmentTask:
    """The `Task` of the judge "segment" (see `training.loop`)."""

    def __init__(self, source: Path, preset: SegmentPreset) -> None:
        self.preset = preset
        self.patches = PatchSource(read_records(source, fraction=preset.fraction))
        self.shown = PatchSource(read_records(source, part="development"))
        self.tissue = F.avg_pool2d(self.patches.image[:, None], 9, 1, 4)[:, 0] > TISSUE
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = build_segmenter().to(memory_format=torch.channels_last)
        self.networks: dict[str, torch.nn.Module] = {"segment": network}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "segment": torch.optim.AdamW(network.parameters(), preset.learning_rate, weight_decay=1e-3)
        }
        # The constant keeps a patch without lesion from asking for perfection in its last pixel.
        self.overlap = DiceLoss(sigmoid=True, smooth_nr=20, smooth_dr=20)

    def step(self, fabric: Fabric, chance: Chance, progress: float) -> dict[str, float]:
        network, optimizer = self.networks["segment"], self.optimizers["segment"]
        for group in optimizer.param_groups:
            group["lr"] = _decayed(self.preset, progress)
        image, mask = (part.to(fabric.device) for part in self.draw(chance))
        logits = network(segmenter_input(image).contiguous(memory_format=torch.channels_last)).float()
        overlap = self.overlap(logits, mask)
        cross_entropy = F.binary_cross_entropy_with_logits(logits, mask)
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(overlap + cross_entropy)
        fabric.clip_gradients(network, optimizer, max_norm=LARGEST_GRADIENT)
        optimizer.step()
        return {"1-dice": overlap.item(), "cross-entropy": cross_entropy.item()}

    def draw(self, chance: Chance) -> tuple[Tensor, Tensor]:
        """Random patches under random contrast, and their masks."""
        preset, source = self.preset, self.patches
        count = preset.batch
        rows = torch.from_numpy(chance.numpy.integers(len(source), size=count))
        native = (chance.uniform(0, 1, count) < preset.native_share) & (source.width[rows] <= WIDEST_LESION)
        widest = WIDEST_LESION / source.width[rows]
        scale = torch.minimum(chance.uniform(preset.smallest_scale, LARGEST_SCALE, count), widest)
        angle = chance.uniform(0, 2 * math.pi, count)
        quarter = torch.randint(4, (count,), generator=chance.torch) * (math.pi / 2)
        scale, angle = torch.where(native, 1.0, scale), torch.where(native, quarter, angle)
        flip = torch.where(chance.uniform(0, 1, count) < 0.5, -1.0, 1.0)
        is_elsewhere = (chance.uniform(0, 1, count) < preset.elsewhere_share)[:, None]
        shift = torch.randint(-FARTHEST_SHIFT, FARTHEST_SHIFT + 1, (count, 2), generator=chance.torch)
        middle = torch.where(is_elsewhere, self._elsewhere(rows, chance), source.center[rows].floor() + shift)
        image, mask = cut(source, rows, middle, scale, angle, flip)
        return self._recontrasted(image, chance), mask

    def _elsewhere(self, rows: Tensor, chance: Chance, tries: int = 8) -> Tensor:
        """A place with tissue for each row, anywhere in its slice."""
        size = self.tissue.shape[-1]
        reach = min(FARTHEST_ELSEWHERE, size // 2 - 1)
        places = size // 2 + torch.randint(-reach, reach + 1, (len(rows), tries, 2), generator=chance.torch)
        has_tissue = self.tissue[rows[:, None], places[..., 0], places[..., 1]]
        first = has_tissue.float().argmax(1)
        return places[torch.arange(len(rows)), first].float()

    def _recontrasted(self, image: Tensor, chance: Chance) -> Tensor:
        preset, count = self.preset, len(image)
        gamma = chance.uniform(-preset.gamma_spread, preset.gamma_spread, count, 1, 1, 1).exp()
        gain = chance.uniform(-preset.gain_spread, preset.gain_spread, count, 1, 1, 1).exp()
        noise = chance.normal(*image.shape) * chance.uniform(0, preset.most_noise, count, 1, 1, 1)
        return (image**gamma * gain + noise).clamp_min(0)

    def sheet(self, network: torch.nn.Module, chance: Chance) -> np.ndarray:
        """Unseen patients: the slice above, the outline drawn by hand below it, then the network's."""
        rows = torch.linspace(0, len(self.shown) - 1, 24).long()
        patches = self.shown.plain(rows)
        device = next(network.parameters()).device
        found = network(segmenter_input(patches.image).to(device)).float().sigmoid().cpu()
        strips = []
        for first in range(0, 24, 12):
            for images in (patches.image / 2.4, patches.mask, found):
                strips.append(torch.cat(list(images[first : first + 12, 0]), 1))
        return torch.cat(strips).clamp(0, 1).numpy()


def cut(
    source: PatchSource, rows: Tensor, middle: Tensor, scale: Tensor, angle: Tensor, flip: Tensor
) -> tuple[Tensor, Tensor]:
    """Patches around any place (row and column) of given slices, lesion or not, turned and scaled. At scale 1 and
    quarter turns they keep their slice's own pixels."""
    size = source.image.shape[-1]
    step = PATCH / size / scale
    cosine, sine = angle.cos() * step, angle.sin() * step
    to_column, to_row = ((middle[:, axis] + 1) * 2 / size - 1 for axis in (1, 0))
    turned = torch.stack(
        [torch.stack([cosine * flip, sine, to_column], 1), torch.stack([-sine * flip, cosine, to_row], 1)], 1
    )
    grid = F.affine_grid(turned, [len(rows), 1, PATCH, PATCH], align_corners=False)
    image = F.grid_sample(source.image[rows][:, None], grid, mode="bicubic", align_corners=False).clamp(0, BRIGHTEST)
    inside = (source.classes[rows] > 0)[:, None].float()
    return image, F.grid_sample(inside, grid, mode="nearest", align_corners=False)


def _decayed(preset: SegmentPreset, progress: float) -> float:
    share = 0.5 * (1 + math.cos(math.pi * progress))
    return preset.final_learning_rate + (preset.learning_rate - preset.final_learning_rate) * share
