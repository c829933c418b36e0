"""One training loop for all networks: device and precision by Lightning Fabric, checkpoints, exact resume, pictures."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from lightning.fabric import Fabric


@dataclass(frozen=True)
class LoopSettings:
    steps: int
    seed: int = 1
    ema: float = 0.998
    precision: str = "bf16-mixed"
    checkpoint_every_s: float = 180.0
    log_every: int = 50
    sheet_every: int = 500


class Chance:
    """All randomness of one step. It depends on seed, step and rank alone, so a resumed run draws what an
    uninterrupted one would have drawn."""

    def __init__(self, seed: int, step: int, rank: int = 0) -> None:
        self.numpy = np.random.default_rng([seed, step, rank])
        self.torch = torch.Generator().manual_seed(int(self.numpy.integers(2**62)))

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self.torch)

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=self.torch)


class Task(Protocol):
    """What differs between networks: `networks` by name (the first is delivered) with their optimizers, and a step."""

    networks: dict[str, torch.nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    def step(self, fabric: Fabric, chance: Chance, progress: float) -> dict[str, float]: ...

    def sheet(self, network: torch.nn.Module, chance: Chance) -> np.ndarray: ...


def train(task: Task, settings: LoopSettings, folder: Path, *, devices: int | str = "auto") -> dict[str, float]:
    """Run `task` to the end, going on from a checkpoint in `folder` if there is one. Returns the last losses."""
    fabric = Fabric(accelerator="auto", devices=devices if torch.cuda.is_available() else 1,
                    precision=settings.precision)  # fmt: skip
    fabric.launch()
    torch.manual_seed(settings.seed)
    folder.mkdir(parents=True, exist_ok=True)
    delivered = next(iter(task.networks))
    average = {k: v.detach().clone() for k, v in task.networks[delivered].state_dict().items()}
    for name in task.networks:
        if name in task.optimizers:
            task.networks[name], task.optimizers[name] = fabric.setup(task.networks[name], task.optimizers[name])
        else:
            task.networks[name] = fabric.setup_module(task.networks[name])
    average = {k: v.to(fabric.device) for k, v in average.items()}
    state = {"step": 0, "seconds": 0.0, "average": average, "losses": {}}
    checkpoint = folder / "checkpoint.ckpt"
    if checkpoint.exists():
        state.update(_load(fabric, checkpoint, task))
    log = _Log(folder, settings) if fabric.is_global_zero else None
    _run(task, settings, fabric, state, checkpoint, delivered, log)
    return state["losses"]


def _run(task, settings, fabric, state, checkpoint, delivered, log) -> None:
    saved = began = time.monotonic()
    offset = state["seconds"]
    while state["step"] < settings.steps:
        step = state["step"]
        chance = Chance(settings.seed, step, fabric.global_rank)
        losses = task.step(fabric, chance, step / settings.steps)
        _follow(state["average"], task.networks[delivered].module, min(settings.ema, (1 + step) / (10 + step)))
        state.update(step=step + 1, losses=losses, seconds=offset + time.monotonic() - began)
        is_last = step + 1 == settings.steps
        if log:
            log.scalars(state, is_last)
            if (step + 1) % settings.sheet_every == 0 or is_last:
                log.sheet(step + 1, _sheet(task, delivered, state["average"], settings))
        if is_last or time.monotonic() - saved > settings.checkpoint_every_s:
            _save(fabric, checkpoint, task, state)
            saved = time.monotonic()
    if log:
        log.close()


@torch.no_grad()
def _follow(average: dict[str, torch.Tensor], module: torch.nn.Module, keep: float) -> None:
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - keep)
        else:
            average[name].copy_(value)


def _sheet(task: Task, delivered: str, average: dict[str, torch.Tensor], settings: LoopSettings) -> np.ndarray:
    network = task.networks[delivered]
    current = {k: v.clone() for k, v in network.module.state_dict().items()}
    network.module.load_state_dict(average)
    network.eval()
    with torch.inference_mode():
        picture = task.sheet(network, Chance(settings.seed, 0))
    network.train()
    network.module.load_state_dict(current)
    return picture


def _save(fabric: Fabric, checkpoint: Path, task: Task, state: dict) -> None:
    if not fabric.is_global_zero:
        return
    content = {
        "networks": {k: v.module.state_dict() for k, v in task.networks.items()},
        "optimizers": {k: v.optimizer.state_dict() for k, v in task.optimizers.items()},
        **state,
    }
    part = checkpoint.with_suffix(".part")
    torch.save(content, part)
    os.replace(part, checkpoint)


def _load(fabric: Fabric, checkpoint: Path, task: Task) -> dict:
    content = torch.load(checkpoint, map_location=fabric.device, weights_only=True)
    for name, weights in content.pop("networks").items():
        task.networks[name].module.load_state_dict(weights)
    for name, moments in content.pop("optimizers").items():
        task.optimizers[name].optimizer.load_state_dict(moments)
    return content


class _Log:
    """Losses to TensorBoard, one line with an ETA to the terminal, sample sheets as pictures."""

    def __init__(self, folder: Path, settings: LoopSettings) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder, self.settings = folder, settings
        self.writer = SummaryWriter(str(folder / "tensorboard"))
        (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=1))

    def scalars(self, state: dict, is_last: bool) -> None:
        step = state["step"]
        if step % self.settings.log_every and not is_last:
            return
        for name, value in state["losses"].items():
            self.writer.add_scalar(name, value, step)
        left = state["seconds"] / step * (self.settings.steps - step)
        losses = "  ".join(f"{k} {v:.3f}" for k, v in state["losses"].items())
        print(f"step {step}/{self.settings.steps}  {losses}  {state['seconds']:.0f} s, {left:.0f} s left", flush=True)

    def sheet(self, step: int, picture: np.ndarray) -> None:
        from PIL import Image

        pixels = np.clip(picture * 255, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(self.folder / f"sheet_{step:06d}.png")
        self.writer.add_image("sheet", pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1), step)

    def close(self) -> None:
        self.writer.close()


def averaged_weights(folder: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """The weights to deliver from a run's checkpoint, and what is known of the run."""
    content = torch.load(folder / "checkpoint.ckpt", map_location="cpu", weights_only=True)
    facts = {k: content[k] for k in ("step", "seconds", "losses")}
    return content["average"], facts


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
