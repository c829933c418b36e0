"""Train one network: `python -m training.train paint --preset default --data DATA --out runs/paint`."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from TumorSynthLib.errors import InputError

from .loop import LoopSettings, digest, train
from .make_bundle import code_version
from .presets import NETWORKS, task_of
from .stages import continued
from .starting import begin_with


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--preset", default="default", help="named settings; each task's file lists its own")
    parser.add_argument("--data", type=Path, required=True, help="folder with the data, or a CSV of images and masks")
    parser.add_argument("--out", type=Path, required=True, help="run folder: checkpoint, log, sample sheets")
    parser.add_argument("--steps", type=int, help="another number of steps than the preset's")
    parser.add_argument("--change", metavar="NAME=VALUE", action="append", default=[], help="one setting of the preset")
    parser.add_argument("--start", type=Path, help="weights (.safetensors) to begin with, in place of random ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", default="bf16-mixed", help="Lightning Fabric's name, for example 32-true")
    parser.add_argument("--devices", default="auto", help="how many GPUs; the CPU is used where there is none")
    parser.add_argument("--threads", type=int, help="CPU threads")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    torch.manual_seed(chosen.seed)
    try:
        task = task_of(chosen.network, chosen.data, chosen.preset, chosen.change)
        if chosen.start:
            begin_with(next(iter(task.networks.values())), chosen.start)
    except InputError as mistake:
        sys.exit(_refused(mistake))
    steps = chosen.steps or task.preset.steps  # type: ignore[attr-defined]
    settings = LoopSettings(steps=steps, seed=chosen.seed, precision=chosen.precision)
    chosen.out.mkdir(parents=True, exist_ok=True)
    facts = {
        "network": chosen.network,
        "preset_name": chosen.preset,
        "preset": asdict(task.preset),  # type: ignore[attr-defined]
        "changes": chosen.change,
        "start": {"file": chosen.start.name, "sha256": digest(chosen.start)} if chosen.start else None,
        "steps": steps,
        "seed": chosen.seed,
        "precision": chosen.precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "code": code_version(),
    }
    facts = continued(chosen.out, facts)
    (chosen.out / "run.json").write_text(json.dumps(facts, indent=1))
    train(task, settings, chosen.out, devices=chosen.devices)


def _refused(mistake: InputError) -> int:
    print(f"error: {mistake}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
