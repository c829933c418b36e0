"""A judge with more to learn from than a report's: trained on lesions of training patients and what was painted in
their places, asked about patients whom neither painter nor judge has seen.

python -m training.realism_sets --part train --data DATA --bundle default --out SETS/train           # and development
python -m training.judge_wholes SETS/train SETS/development            # --copies: copied and pasted lesions, --blur 1.0

A few hundred lesions are too few for a network to learn much from. What this one finds says how far lesions still are
from real ones, whether or not a reader could see it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from TumorSynthLib.errors import InputError
from TumorSynthLib.networks import blurred
from TumorSynthLib.reading.statistics.roc import Auc, placements
from TumorSynthLib.realism.alike import in_common_levels
from TumorSynthLib.realism.archives import read_archive
from TumorSynthLib.realism.comparisons import copy_and_paste
from TumorSynthLib.realism.patches import LesionPatches
from TumorSynthLib.realism.two_sample import block_bootstrap

from .discriminators import StatisticsDiscriminator
from .loop import Chance

STEPS, BATCH, RATE = 1600, 32, 1e-3
Sides = tuple[LesionPatches, LesionPatches]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path, help="sets of training patients")
    parser.add_argument("asked", type=Path, help="sets of other patients")
    parser.add_argument("--copies", action="store_true", help="judge copied and pasted real lesions instead")
    parser.add_argument("--blur", type=float, default=0.0, help="hide what is finer than so many pixels")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    try:
        if chosen.steps < 1 or chosen.blur < 0:
            raise InputError(f"--steps {chosen.steps} --blur {chosen.blur:g}: one step or more and no negative blur")
        trained, asked = (read_sides(folder, chosen.copies, chosen.seed) for folder in (chosen.trained, chosen.asked))
        judge = learned(trained, chosen.blur, chosen.steps, chosen.seed)
        found = area_of(judge, asked, chosen.blur, chosen.seed)
        print(f"area {found.auc:.2f} ({found.low:.2f}-{found.high:.2f}), {len(asked[1])} lesions")
    except InputError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        sys.exit(2)


def read_sides(folder: Path, copies: bool, seed: int) -> Sides:
    """Real lesions and made ones, on the grey levels that a report judges them on."""
    real = read_archive(folder / "real.npz")
    made = copy_and_paste(real, seed).made if copies else read_archive(folder / "synthetic.npz")
    return in_common_levels(real, seed, 0), in_common_levels(made, seed, 1)


def learned(sides: Sides, blur: float, steps: int = STEPS, seed: int = 0) -> StatisticsDiscriminator:
    """Trained to score real lesions above made ones, each turned and flipped at random."""
    torch.manual_seed(seed)
    judge = StatisticsDiscriminator().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(judge.parameters(), RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, steps)
    shown = [_shown(side, blur) for side in sides]
    for step in range(steps):
        chance = Chance(seed, step)
        scores = [_scores(judge, *_drawn(side, chance)) for side in shown]
        loss = F.softplus(-scores[0]).mean() + F.softplus(scores[1]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return judge.eval()


def area_of(judge: StatisticsDiscriminator, sides: Sides, blur: float, seed: int = 0) -> Auc:
    """The area under the curve, 0.5 where it cannot tell, with an interval over patients' blocks."""
    found = []
    with torch.inference_mode():
        for side in sides:
            parts = zip(*(part.split(BATCH) for part in _shown(side, blur)), strict=True)
            found.append(torch.cat([_scores(judge, *part) for part in parts]).numpy())
    is_synthetic = np.arange(sum(map(len, found))) >= len(found[0])
    wins = placements(-np.concatenate(found), is_synthetic)
    block = np.concatenate([side.block for side in sides])
    return block_bootstrap(wins, np.ones_like(wins), is_synthetic, block, seed)


def _shown(side: LesionPatches, blur: float) -> tuple[Tensor, Tensor]:
    image, mask = (torch.from_numpy(part.astype(np.float32))[:, None] for part in (side.image, side.mask))
    return (blurred(image, blur) if blur else image) - 1, mask


def _drawn(side: tuple[Tensor, Tensor], chance: Chance) -> tuple[Tensor, Tensor]:
    rows = torch.from_numpy(chance.numpy.integers(len(side[0]), size=BATCH // 2))
    quarter, is_flipped = int(chance.numpy.integers(4)), bool(chance.numpy.integers(2))
    image, mask = (torch.rot90(part[rows], quarter, (2, 3)) for part in side)
    return (image.flip(3), mask.flip(3)) if is_flipped else (image, mask)


def _scores(judge: StatisticsDiscriminator, image: Tensor, mask: Tensor) -> Tensor:
    level = mask * (image * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True).clamp_min(1)
    with torch.autocast("cpu", torch.bfloat16):
        return judge(image, level, mask).float()


if __name__ == "__main__":
    main()
