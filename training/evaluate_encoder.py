"""What the encoder's features tell, beside those of the same network untrained: on the development part of the slices.

python -m training.evaluate_encoder --run runs/encoder --data DATA --out encoder_figures.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from TumorSynthLib.errors import InputError
from TumorSynthLib.realism.distances import frechet_with_floor, standardised
from TumorSynthLib.realism.encoder import build_encoder, features_of_slices

from .loop import averaged_weights
from .paint_patches import PatchSource
from .presets import slices_source
from .records import LesionRecords, read_records
from .slices import BLOCK

UNTRAINED_SEEDS = range(5)
FOLDS = 5
# Orders below -0.1 are rings, above solid, as `describe_records` tells them; those in between are neither.
ORDER_OF_RING = -0.1
ORDER_OF_SOLID = 0.1
BLUR_PIXELS = 0.5
NOISE = 0.02


@dataclass(frozen=True)
class Lesions:
    image: np.ndarray
    mask: np.ndarray
    block: np.ndarray
    order: np.ndarray


@dataclass(frozen=True)
class Telling:
    """Areas under the ROC curve, blocks of patients apart; nearest lesions of the same block; distances."""

    structure: float
    blurred: float
    noisy: float
    same_block: float
    blurred_over_floor: float


def development_lesions(data: Path) -> Lesions:
    records: LesionRecords = read_records(slices_source(data), part="development")
    patches = PatchSource(records).plain(torch.arange(len(records)))
    image, mask = patches.image[:, 0].numpy(), patches.mask[:, 0].numpy() > 0
    return Lesions(image, mask, records.slices.index // BLOCK, records.order)


def telling(network: torch.nn.Module, lesions: Lesions) -> Telling:
    def features(image: np.ndarray) -> np.ndarray:
        return features_of_slices(network, image, lesions.mask)

    plain = features(lesions.image)
    grain = np.random.default_rng(0).normal(0, NOISE, lesions.image.shape).astype(np.float32)
    # Blur takes noise away as well: a neighbourhood smoothed by half a pixel still looks like the lesion to an eye.
    soft = features(ndimage.gaussian_filter(lesions.image, (0, BLUR_PIXELS, BLUR_PIXELS)))
    clear = (lesions.order < ORDER_OF_RING) | (lesions.order > ORDER_OF_SOLID)
    distance = frechet_with_floor(*standardised(plain, soft), lesions.block, lesions.block)
    return Telling(
        structure=_probed(plain[clear], lesions.order[clear] > 0, lesions.block[clear]),
        blurred=_between(plain, soft, lesions.block),
        noisy=_between(plain, features(lesions.image + grain), lesions.block),
        same_block=_nearest_of_same_block(standardised(plain, plain)[0], lesions.block),
        blurred_over_floor=distance.matched / distance.floor,
    )


def _between(plain: np.ndarray, changed: np.ndarray, block: np.ndarray) -> float:
    is_changed = np.repeat([False, True], len(plain))
    return _probed(np.concatenate([plain, changed]), is_changed, np.tile(block, 2))


def _probed(features: np.ndarray, label: np.ndarray, block: np.ndarray) -> float:
    """Of a linear probe, never shown a block that it is asked about."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    told = cross_val_predict(probe, features, label, groups=block, cv=GroupKFold(FOLDS), method="decision_function")
    return float(roc_auc_score(label, told))


def _nearest_of_same_block(features: np.ndarray, block: np.ndarray) -> float:
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=2).fit(features).kneighbors(features, return_distance=False)[:, 1]
    return float((block[nearest] == block).mean())


def _trained(run: Path) -> torch.nn.Module:
    try:
        weights, _ = averaged_weights(run)
    except FileNotFoundError:
        raise InputError(f"{run} has no checkpoint.ckpt: a run of the encoder is needed") from None
    network = build_encoder()
    # As it is delivered.
    network.load_state_dict({name: value.half().float() for name, value in weights.items()})
    return network.eval()


def _untrained(seed: int) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_encoder().eval()


def _figures(trained: Telling, untrained: list[Telling], count: int, run: str) -> list[dict[str, str]]:
    how = f"`python -m training.evaluate_encoder --run runs/{run} --data DATA`"
    rows: dict[str, Callable[[Telling], float]] = {
        "ring against solid structure, AUC of a linear probe": lambda t: t.structure,
        f"blurred by {BLUR_PIXELS} pixels against unblurred, AUC of a linear probe": lambda t: t.blurred,
        f"with noise of {NOISE} of white matter against without, AUC of a linear probe": lambda t: t.noisy,
        "nearest other lesion is of the same block of patients, share": lambda t: t.same_block,
        f"Fréchet distance of lesions blurred by {BLUR_PIXELS} pixels over the floor": lambda t: t.blurred_over_floor,
    }
    figures = []
    for what, value in rows.items():
        others = [value(t) for t in untrained]
        untold = f"untrained {np.mean(others):.3f} ({min(others):.3f} to {max(others):.3f}, {len(others)} seeds)"
        figure = f"{value(trained):.3f}; {untold}"
        figures.append({"what": f"{what}; {count} development lesions", "figure": figure, "how": how})
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="run folder of the encoder")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="JSON for training.make_judge --evaluation")
    chosen = parser.parse_args()
    try:
        network = _trained(chosen.run)
    except InputError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 2
    lesions = development_lesions(chosen.data)
    untrained = [telling(_untrained(seed), lesions) for seed in UNTRAINED_SEEDS]
    figures = _figures(telling(network, lesions), untrained, len(lesions.image), chosen.run.resolve().name)
    for figure in figures:
        print(f"{figure['what']}: {figure['figure']}")
    if chosen.out:
        chosen.out.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
