"""What the tasks with a discriminator have in common: one optimizer step, and the 3D networks' rates and 2D judge."""

from __future__ import annotations

from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from .losses import hinge_discriminator

LARGEST_GRADIENT = 5.0


class AdversarialTask:
    """Networks by name, the first of which is delivered, each with its optimizer."""

    preset: Any
    networks: dict[str, torch.nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    def _update(self, fabric: Fabric, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad()
        fabric.backward(loss)
        fabric.clip_gradients(self.networks[name], self.optimizers[name], max_norm=LARGEST_GRADIENT)
        self.optimizers[name].step()


class SliceJudgedTask(AdversarialTask):
    """A 3D network that first learns procedural truth, then has its slices judged against real ones."""

    def _set_rate(self, progress: float, is_adversarial: bool) -> None:
        preset = self.preset
        share = progress / max(preset.adversarial_from, 1e-6)
        rate = preset.adversarial_rate if is_adversarial else preset.learning_rate * (1 - 0.7 * share)
        for group in self.optimizers[next(iter(self.networks))].param_groups:
            group["lr"] = rate

    def _update_discriminator(self, fabric: Fabric, real: Tensor, made: Tensor) -> float:
        judge = self.networks["discriminator"]
        loss = hinge_discriminator(judge(real)[0].float(), judge(made.detach())[0].float())
        self._update(fabric, "discriminator", loss)
        return float(loss.detach())
