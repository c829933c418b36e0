"""What a network that has seen real lesions only makes of a lesion: features for distances between distributions.

The encoder is our own: `training/encoder_task.py` trains it without labels and without foreign weights. It has no
normalisation, which would hide grey levels and the amount of texture from it.
"""

from __future__ import annotations

import os
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .patches import LesionPatches

if TYPE_CHECKING:
    import torch

JUDGES_FOLDER = Path(
    os.environ.get("TUMORSYNTH_JUDGES") or Path(__file__).resolve().parent.parent.parent / "Resources" / "Judges"
)
SIDE = 64
STAGES = (12, 24, 40, 64)
# The first stage sees edges and grey levels only; the others make up the features.
FEATURES = sum(STAGES[1:])
# What happens at a lesion's edge is part of its look.
RIM_PIXELS = 4
_BATCH = 128


def build_encoder() -> torch.nn.Module:
    """From slices (n, 1, h, w), relative to white matter less one, to the activations of each stage, the next at half
    the resolution of the one before."""
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            # One layer at full resolution, where a second would take as long as all others together.
            self.stages = nn.ModuleList([nn.Sequential(nn.Conv2d(1, STAGES[0], 3, padding=1), nn.ReLU())])
            for before, width in pairwise(STAGES):
                stage = (nn.Conv2d(before, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1))
                self.stages.append(nn.Sequential(stage[0], nn.ReLU(), stage[1], nn.ReLU()))

        def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
            activations: list[torch.Tensor] = []
            for stage in self.stages:
                shown = nn.functional.avg_pool2d(activations[-1], 2) if activations else image
                activations.append(stage(shown))
            return activations

    return Encoder()


def pooled(activations: list[torch.Tensor], weight: torch.Tensor) -> torch.Tensor:
    """Mean activations where `weight` (n, 1, h, w) is, of all stages but the first: (n, FEATURES)."""
    import torch
    import torch.nn.functional as F

    parts = []
    for values in activations[1:]:
        share = F.adaptive_avg_pool2d(weight, values.shape[2:])
        parts.append((values.float() * share).sum((2, 3)) / share.sum((2, 3)).clamp_min(1e-3))
    return torch.cat(parts, 1)


def neighbourhood(mask: torch.Tensor) -> torch.Tensor:
    """The lesion and its rim, of masks (n, 1, h, w)."""
    import torch.nn.functional as F

    return F.max_pool2d(mask.float(), 2 * RIM_PIXELS + 1, 1, RIM_PIXELS)


def encoded(patches: LesionPatches) -> np.ndarray:
    """Features (n, FEATURES) of each lesion, pooled over it and its rim. In three dimensions, the mean of the features
    of three orthogonal slices, each where the lesion is largest."""
    network = shipped_encoder()
    if patches.dimensions == 2:
        return _of_slices(network, patches.image, patches.mask)
    axes = [largest_slices(patches, axis) for axis in range(3)]
    return np.mean([_of_slices(network, *slices) for slices in axes], 0)


def features_of_slices(network: torch.nn.Module, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Features of windows (n, SIDE, SIDE)."""
    import torch

    found = []
    with torch.inference_mode():
        for first in range(0, len(image), _BATCH):
            shown = torch.from_numpy(image[first : first + _BATCH, None]) - 1
            weight = neighbourhood(torch.from_numpy(mask[first : first + _BATCH, None]))
            found.append(pooled(network(shown), weight).numpy())
    return np.concatenate(found).astype(np.float64) if found else np.zeros((0, FEATURES))


def windows(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Square windows of SIDE pixels around lesions (n, h, w). Beyond an image's edge its border goes on."""
    cut = [_window(picture, outline) for picture, outline in zip(image, mask, strict=True)]
    if not cut:
        return np.zeros((0, SIDE, SIDE), np.float32), np.zeros((0, SIDE, SIDE), bool)
    return np.stack([window for window, _ in cut]), np.stack([outline for _, outline in cut])


def _of_slices(network: torch.nn.Module, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return features_of_slices(network, *windows(image, mask))


def _window(picture: np.ndarray, outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = np.nonzero(outline)
    first = [int(v.min() + v.max() + 1) // 2 - SIDE // 2 for v in places]
    needed = [(max(0, -f), max(0, f + SIDE - n)) for f, n in zip(first, picture.shape, strict=True)]
    cut = tuple(slice(f + before, f + before + SIDE) for f, (before, _) in zip(first, needed, strict=True))
    window, inside = np.pad(picture, needed, mode="edge")[cut], np.pad(outline, needed)[cut]
    # Of a lesion larger than the window, only a hollow may be in it.
    return window, inside if inside.any() else np.ones_like(inside)


def largest_slices(patches: LesionPatches, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each volume the slice, across one of its three axes, with most of the lesion in it: images and masks."""
    others = tuple(a for a in (1, 2, 3) if a != axis + 1)
    places = patches.mask.sum(others).argmax(1)
    rows = range(len(patches))
    image = np.stack([patches.image[row].take(place, axis) for row, place in zip(rows, places, strict=True)])
    return image, np.stack([patches.mask[row].take(place, axis) for row, place in zip(rows, places, strict=True)])


def shipped_encoder() -> torch.nn.Module:
    """The encoder with its weights, in single precision, for inference only."""
    return _encoder_from(JUDGES_FOLDER / "encoder.safetensors")


@lru_cache(maxsize=2)
def _encoder_from(file: Path) -> torch.nn.Module:
    import safetensors
    import safetensors.torch
    import torch

    try:
        weights = {name: value.float() for name, value in safetensors.torch.load(file.read_bytes()).items()}
    except FileNotFoundError:
        raise InputError(f"{file} is missing: reinstall TumorSynth, or make it with training/make_judge.py") from None
    except OSError as problem:
        raise InputError(f"{file} cannot be read ({problem.strerror}): a file of weights is needed") from problem
    except (safetensors.SafetensorError, ValueError, KeyError) as problem:
        raise InputError(f"{file} is not a safetensors file: reinstall TumorSynth") from problem
    # Built without memory and given the weights themselves: no one's seed is spent.
    with torch.device("meta"):
        network = build_encoder()
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as problem:
        raise InputError(f"{file} does not fit the encoder: it belongs to another version of TumorSynth") from problem
    return network.eval().requires_grad_(False)
