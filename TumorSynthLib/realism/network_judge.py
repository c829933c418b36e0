"""A small convolutional network that learns from nothing to tell synthetic lesions from real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from ..errors import InputError
from .parts import SURROUNDINGS
from .patches import LesionPatches

if TYPE_CHECKING:
    import torch

# Which axis comes when, and which are flipped then.
View = tuple[tuple[int, ...], tuple[int, ...]]
REGIONS = ("all", "lesion", "surroundings")
LESION_MARGIN = 3.0
CHANNELS = {2: (16, 24, 32, 48), 3: (8, 16, 24, 32)}
EPOCHS = 10
BATCH = 32
LEARNING_RATE = 4e-3
# Fine grain is a tenth of the contrast between tissues: a network that learns for a minute must not miss it.
DETAIL_GAIN = 5.0


def shown(patches: LesionPatches, visible: np.ndarray, with_mask: bool) -> np.ndarray:
    """What the network sees of the lesions (n, channels, ...): intensities about white matter, 0 where it is to see
    nothing, fine detail enlarged, and the mask if asked."""
    image = np.where(visible, patches.image - 1, 0)
    each = (0, *(1.0,) * patches.dimensions)
    weight = ndimage.gaussian_filter(visible.astype(np.float32), each)
    detail = image - ndimage.gaussian_filter(image, each) / np.maximum(weight, 1e-3)
    channels = [image, np.where(visible, detail * DETAIL_GAIN, 0)]
    return _cube(np.stack([*channels, patches.mask] if with_mask else channels, axis=1).astype(np.float32))


def visible(real: LesionPatches, synthetic: LesionPatches, region: str) -> tuple[np.ndarray, np.ndarray]:
    """Where the network may look, in each of the real and of the synthetic patches.

    The hole in surroundings has its lesion's outline, which is not what surroundings are asked about. So lesions of the
    same rank in size lend each other their holes: real and synthetic ones have the same.
    """
    if region not in REGIONS:
        raise InputError(f"region '{region}': choose of {', '.join(REGIONS)}")
    sides = tuple(np.stack([_visible(mask, region) for mask in patches.mask]) for patches in (real, synthetic))
    if region != "surroundings":
        return sides[0], sides[1]
    partners = _of_like_rank(real.size, synthetic.size), _of_like_rank(synthetic.size, real.size)
    return sides[0] & sides[1][partners[0]], sides[1] & sides[0][partners[1]]


def _of_like_rank(size: np.ndarray, other: np.ndarray) -> np.ndarray:
    """For each of the sizes the row of the other whose rank is alike."""
    rank = np.argsort(np.argsort(size, kind="stable"))
    place = np.rint(rank * (len(other) - 1) / max(len(size) - 1, 1)).astype(int)
    return np.argsort(other, kind="stable")[place]


def _visible(mask: np.ndarray, region: str) -> np.ndarray:
    if region == "all":
        return np.ones_like(mask)
    away = ndimage.distance_transform_edt(~mask)
    return away <= LESION_MARGIN if region == "lesion" else away > SURROUNDINGS[0]


def log_odds(
    content: torch.Tensor, trained: np.ndarray, is_synthetic: np.ndarray, tested: np.ndarray, seed: int, epochs: int
) -> np.ndarray:
    """Train on some rows, flipped and turned by quarters; score others, each the mean of its views."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(content.shape[1], content.ndim - 2).to(memory_format=_layout(content.ndim - 2))
        chance = np.random.default_rng(seed)
        _train(network, content, trained[is_synthetic], trained[~is_synthetic], chance, epochs)
    network.eval()
    with torch.inference_mode():
        views = [_scores(network, content, tested, view) for view in _views(content.ndim - 2)]
    return np.mean(views, axis=0)


def _network(channels: int, dimensions: int) -> torch.nn.Module:
    import torch
    from torch import nn

    class MeanAndPeak(nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return torch.cat([features.mean(2), features.amax(2)], 1)

    convolution, normalisation, pooling = {
        2: (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d),
        3: (nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d),
    }[dimensions]
    layers: list[nn.Module] = []
    for wide in CHANNELS[dimensions]:
        layers += [convolution(channels, wide, 3, padding=1, bias=False), normalisation(wide), nn.ReLU(), pooling(2)]
        channels = wide
    return nn.Sequential(*layers, nn.Flatten(2), MeanAndPeak(), nn.Linear(2 * channels, 1), nn.Flatten(0))


def _train(
    network: torch.nn.Module,
    content: torch.Tensor,
    synthetic: np.ndarray,
    real: np.ndarray,
    chance: np.random.Generator,
    epochs: int,
) -> None:
    """As many of each kind in every batch, so that the share of synthetic lesions teaches nothing."""
    import torch
    import torch.nn.functional as F

    steps = max(1, round(epochs * (len(synthetic) + len(real)) / BATCH))
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE / 10, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps + 1)
    wanted = torch.arange(BATCH).ge(BATCH // 2).float()
    network.train()
    for _ in range(steps):
        rows = np.concatenate([chance.choice(kind, BATCH // 2) for kind in (real, synthetic)])
        batch = _turned(content[torch.from_numpy(rows)], *_random_view(chance, content.ndim - 2))
        loss = F.binary_cross_entropy_with_logits(network(batch), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def _random_view(chance: np.random.Generator, dimensions: int) -> View:
    axes = tuple(int(axis) for axis in chance.permutation(dimensions))
    return axes, tuple(int(axis) for axis in np.flatnonzero(chance.random(dimensions) < 0.5))


def _views(dimensions: int) -> list[View]:
    """A few of them, for scoring: as it is, flipped, and with axes exchanged."""
    straight, exchanged = tuple(range(dimensions)), tuple(range(dimensions))[::-1]
    return [(straight, ()), (straight, (0, 1)), (exchanged, (0,)), (exchanged, (1,))]


def _turned(batch: torch.Tensor, axes: tuple[int, ...], flipped: tuple[int, ...]) -> torch.Tensor:
    turned = batch.permute(0, 1, *(axis + 2 for axis in axes)).flip([axis + 2 for axis in flipped])
    return turned.contiguous(memory_format=_layout(len(axes)))


def _layout(dimensions: int) -> torch.memory_format:
    """Of tensors whose convolutions take half as long on a CPU."""
    import torch

    return {2: torch.channels_last, 3: torch.channels_last_3d}[dimensions]


def _scores(network: torch.nn.Module, content: torch.Tensor, rows: np.ndarray, view: View) -> np.ndarray:
    import torch

    parts = [_turned(content[part], *view) for part in torch.from_numpy(rows).split(BATCH)]
    return np.concatenate([network(part).double().numpy() for part in parts])


def _cube(content: np.ndarray) -> np.ndarray:
    """Padded to equal sides, so that every quarter turn fits into a batch, and large enough for all poolings."""
    side = max(*content.shape[2:], 2 ** len(CHANNELS[content.ndim - 2]))
    missing = [side - length for length in content.shape[2:]]
    return np.pad(content, [(0, 0), (0, 0), *((gap // 2, gap - gap // 2) for gap in missing)])
