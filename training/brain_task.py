"""Training of the brain network: one network, first for the whole head at 4 mm, then for windows at 2 mm."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from scipy import ndimage

from TumorSynthLib.networks import build_network

from .brains import label_files
from .loop import Chance
from .synthetic_heads import ANATOMIES, Head, Sample, boxed_sample, coarse_sample, fine_sample, read_head


@dataclass(frozen=True)
class BrainPreset:
    steps: int
    learning_rate: float = 2e-3
    final_learning_rate: float = 1e-5
    coarse_share: float = 0.4
    boxed_share: float = 0.3


PRESETS = {"default": BrainPreset(steps=6400), "smoke": BrainPreset(steps=60)}


class BrainTask:
    """The `Task` of the network kind "brain" (see `training.loop`)."""

    def __init__(self, data: Path, preset: BrainPreset) -> None:
        self.preset = preset
        self.files = label_files(data)
        self.held_out = label_files(data, held_out=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            # A fifth faster on a CPU.
            network = build_network("brain").to(memory_format=torch.channels_last_3d)
        self.networks: dict[str, torch.nn.Module] = {"brain": network}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "brain": torch.optim.Adam(network.parameters(), lr=preset.learning_rate)
        }

    def step(self, fabric: Fabric, chance: Chance, progress: float) -> dict[str, float]:
        network, optimizer = self.networks["brain"], self.optimizers["brain"]
        for group in optimizer.param_groups:
            group["lr"] = _decayed(self.preset, progress)
        stage, draw = self._stage(float(chance.numpy.random()))
        anatomy = ANATOMIES[chance.numpy.integers(len(ANATOMIES))]
        head = read_head(self.files[chance.numpy.integers(len(self.files))], anatomy)
        sample = draw(head, chance)
        logit = network(sample.shown().to(fabric.device))
        brain = sample.brain.to(fabric.device)
        cross_entropy, overlap = losses(logit, brain)
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(cross_entropy + overlap)
        fabric.clip_gradients(network, optimizer, max_norm=1.0)
        optimizer.step()
        return {f"{stage} cross-entropy": cross_entropy.item(), f"{stage} 1-dice": overlap.item()}

    def _stage(self, lot: float) -> tuple[str, Callable[[Head, Chance], Sample]]:
        if lot < self.preset.coarse_share:
            return "coarse", coarse_sample
        return "fine", boxed_sample if lot < self.preset.coarse_share + self.preset.boxed_share else fine_sample

    def sheet(self, network: torch.nn.Module, chance: Chance) -> np.ndarray:
        """Held-out heads, two at 4 mm over two at 2 mm: the truth's outline in green, the network's in red."""
        device = next(network.parameters()).device
        rows = []
        for number, path in enumerate(self.held_out):
            sample = (coarse_sample if number < 2 else fine_sample)(read_head(path), chance)
            answer = network(sample.shown().to(device)).float().sigmoid().cpu()
            rows.append(_row(sample, answer))
        return np.concatenate(rows)


def losses(logit: torch.Tensor, brain: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Binary cross-entropy, and 1 - soft Dice."""
    logit = logit.float()
    share = logit.sigmoid()
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits(logit, brain)
    # The constant keeps a window without brain from asking for perfection in its last voxel.
    overlap = 1 - (2 * (share * brain).sum() + 200) / (share.sum() + brain.sum() + 200)
    return cross_entropy, overlap


def _decayed(preset: BrainPreset, progress: float) -> float:
    share = 0.5 * (1 + math.cos(math.pi * progress))
    warm = min(1.0, 0.1 + progress * 50)
    return warm * (preset.final_learning_rate + (preset.learning_rate - preset.final_learning_rate) * share)


def _row(sample: Sample, answer: torch.Tensor, zoom: int = 3) -> np.ndarray:
    panels = []
    for axis in range(3):
        image, truth, found, prior = (
            np.rot90(np.take(v[0, 0].numpy(), v.shape[axis + 2] // 2, axis=axis))
            for v in (sample.image, sample.brain, answer, sample.prior)
        )
        panel = np.repeat(np.clip(np.kron(image, np.ones((zoom, zoom))), 0, 1)[..., None], 3, -1)
        for values, colour in ((truth, (0, 1, 0)), (found, (1, 0, 0))):
            inside = np.kron(values, np.ones((zoom, zoom))) > 0.5
            panel[inside ^ ndimage.binary_erosion(inside)] = colour
        panels += [panel, np.repeat(np.kron(prior, np.ones((zoom, zoom)))[..., None], 3, -1)]
    return np.concatenate(panels, 1)
