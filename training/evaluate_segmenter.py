"""How good the segmenter is on patients it was not trained on, and how silent where there is no lesion:

python -m training.evaluate_segmenter --run runs/segment --data DATA --out segmenter_figures.json
python -m training.make_judge segmenter --run runs/segment --data DATA --evaluation segmenter_figures.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from TumorSynthLib.realism.mask_fidelity import LEAST_PIXELS, MISSED_BELOW, dice_of
from TumorSynthLib.realism.patches import LesionPatches
from TumorSynthLib.realism.segmenter import build_segmenter, segmented

from .loop import Chance, averaged_weights
from .paint_patches import PATCH, WIDEST_LESION, PatchSource
from .presets import slices_source
from .records import LesionRecords, read_records
from .segment_task import TISSUE, cut
from .slices import BLOCK

FAR_SHIFT = 20
PLACES_PER_SLICE = 4
LEAST_TISSUE = 0.6


def lesion_patches(records: LesionRecords, shift: int = 0) -> LesionPatches:
    """Every lesion once, in the middle or `shift` pixels off it in a random direction."""
    source = PatchSource(records)
    rows, still = torch.arange(len(source)), torch.zeros(len(source))
    angle = Chance(0, 0).uniform(0, 2 * np.pi, len(source))
    offset = torch.stack([angle.sin(), angle.cos()], 1) * shift
    scale = (WIDEST_LESION / source.width).clamp(max=1.0)
    image, mask = cut(source, rows, (source.center + offset).floor(), scale, still, still + 1)
    keep = mask.flatten(1).any(1).numpy()
    return LesionPatches(image[keep, 0].numpy(), mask[keep, 0].numpy() > 0, records.slices.index[keep] // BLOCK)


def places_without_lesion(records: LesionRecords) -> Tensor:
    """Patches (n, 64, 64) from the same slices that are mostly tissue and hold no pixel of a lesion."""
    source, chance = PatchSource(records), Chance(0, 1)
    size, found = source.image.shape[-1], []
    for _ in range(PLACES_PER_SLICE):
        rows, still = torch.arange(len(source)), torch.zeros(len(source))
        middle = torch.randint(PATCH // 2, size - PATCH // 2 + 1, (len(source), 2), generator=chance.torch)
        image, mask = cut(source, rows, middle.float() - 1, still + 1, still, still + 1)
        tissue = (F.avg_pool2d(image, 9, 1, 4) > TISSUE).float().mean((1, 2, 3))
        found.append(image[(tissue > LEAST_TISSUE) & ~mask.flatten(1).any(1), 0])
    return torch.cat(found)


def figures(records: LesionRecords, network: torch.nn.Module) -> list[dict[str, str]]:
    how = "training.evaluate_segmenter, development patients"
    lines = []
    for shift, where in ((0, "lesion in the middle"), (FAR_SHIFT, f"lesion {FAR_SHIFT} pixels off the middle")):
        dice = dice_of(lesion_patches(records, shift), network)
        missed = f"{(dice < MISSED_BELOW).mean():.1%} below {MISSED_BELOW:g}"
        value = f"mean {dice.mean():.3f}, median {np.median(dice):.3f}, {missed}, n = {len(dice)}"
        lines.append({"what": f"Dice, {where}", "figure": value, "how": how})
    marked = segmented(places_without_lesion(records).numpy(), network).sum((1, 2))
    loud = f"{(marked >= LEAST_PIXELS).mean():.1%} of {len(marked)} patches have {LEAST_PIXELS} pixels or more"
    value = f"{loud}; {marked.mean() / PATCH**2:.2%} of all pixels"
    return [*lines, {"what": "marked in patches without lesion", "figure": value, "how": how}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--data", type=Path, required=True, help="what the run was trained on")
    parser.add_argument("--out", type=Path, help="JSON file for the model card")
    chosen = parser.parse_args()
    network = build_segmenter()
    # As shipped: in half precision.
    weights = {name: value.half().float() for name, value in averaged_weights(chosen.run)[0].items()}
    network.load_state_dict(weights)
    found = figures(read_records(slices_source(chosen.data), part="development"), network.eval())
    for line in found:
        print(f"{line['what']}: {line['figure']}")
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
