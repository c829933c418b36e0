"""Real lesions and synthetic ones in the same places, as two archives for `tumorsynth realism`:
`python -m training.realism_sets --data DATA --part untouched --bundle default --out SETS`.

Every lesion of a part of the 2D set that fits a patch on its own pixel grid is taken out and painted anew from its own
outline and map. Host, place, size, outline, pixels and grey levels are then the same, and only the painting can tell.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from TumorSynthLib.bundle import Bundle
from TumorSynthLib.errors import InputError

from .loop import Chance
from .paint_patches import WIDEST_LESION, PatchSource
from .presets import slices_source
from .records import LesionRecords, read_records
from .repainting import healed, repainted
from .slices import BLOCK

PARTS = ("development", "untouched", "train")
NARROWEST_LESION = 8
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the data, or a CSV of images and masks")
    parser.add_argument(
        "--part", choices=PARTS, default="development", help="patients to take; untouched: once a bundle"
    )
    parser.add_argument("--bundle", default="default", help="the bundle whose painter paints")
    parser.add_argument(
        "--outlines",
        choices=("visible", "drawn"),
        default="visible",
        help="of the real lesions: brought to their visible edges, or as people drew them",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder for real.npz and synthetic.npz")
    chosen = parser.parse_args()
    try:
        painter = Bundle.find(chosen.bundle).load("paint")
        visible = chosen.outlines == "visible"
        records = read_records(slices_source(chosen.data), part=chosen.part, visible_outlines=visible)
        write_sets(records, painter, chosen.out, chosen.seed)
    except InputError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        sys.exit(2)


def write_sets(records: LesionRecords, painter: torch.nn.Module, out: Path, seed: int) -> None:
    source = PatchSource(records)
    rows = torch.nonzero((source.width >= NARROWEST_LESION) & (source.width <= WIDEST_LESION))[:, 0]
    white_matter = torch.from_numpy(records.white_matter)[rows]
    made, base = [], []
    for first in range(0, len(rows), BATCH):
        patches, chance = source.plain(rows[first : first + BATCH]), Chance(seed, first)
        base.append(healed(painter, patches, chance))
        made.append(repainted(painter, patches, base[-1], chance))
    real = source.plain(rows)
    common = {
        "mask": real.mask[:, 0].numpy().astype(bool),
        "block": records.slices.index[rows.numpy()] // BLOCK,
        "name": np.array([f"slice {index}" for index in records.slices.index[rows.numpy()]]),
        "white_matter": white_matter.numpy(),
        "base": as_stored(torch.cat(base), white_matter),
    }
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / "real.npz", image=as_stored(real.image, white_matter), **common)
    np.savez_compressed(out / "synthetic.npz", image=as_stored(torch.cat(made), white_matter), **common)


def as_stored(images: torch.Tensor, white_matter: torch.Tensor) -> np.ndarray:
    """On the eight-bit scale that the slices came in: real and synthetic lesions pass the same rounding."""
    scaled = images[:, 0] * white_matter[:, None, None]
    return scaled.round().clamp(0, 255).numpy().astype(np.uint8)


if __name__ == "__main__":
    main()
