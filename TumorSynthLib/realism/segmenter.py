"""A small network that outlines lesions, trained on real ones only and frozen: what it finds, a mask should mark.

The idea of judging synthetic lesions by a segmenter that has seen none of them follows Qu et al.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .encoder import JUDGES_FOLDER

if TYPE_CHECKING:
    import torch

SEGMENTER = JUDGES_FOLDER / "segmenter.safetensors"
FEATURES = (16, 16, 32, 64, 128, 16)
BRIGHTEST = 4.5
# The network halves its slices four times.
MULTIPLE = 16
BATCH = 64


def build_segmenter() -> torch.nn.Module:
    """A 2D U-Net from one slice to one logit a pixel."""
    from monai.networks.nets.basic_unet import BasicUNet

    # Batch statistics, not each patch's own: those would make the dimmest place of a healthy patch as loud as a lesion.
    return BasicUNet(
        2,
        1,
        1,
        features=FEATURES,
        act=("LeakyReLU", {"negative_slope": 0.1}),
        norm=("batch", {"affine": True}),
        upsample="nontrainable",
    )


def segmenter_input(slices: torch.Tensor) -> torch.Tensor:
    """What the segmenter sees of slices (n, 1, h, w) relative to white matter, in training and after it."""
    return slices.clamp(0, BRIGHTEST) - 1


@lru_cache(maxsize=2)
def load_segmenter(file: Path = SEGMENTER) -> torch.nn.Module:
    """The frozen segmenter, ready to run in single precision."""
    import safetensors
    import safetensors.torch

    network = build_segmenter()
    try:
        weights = safetensors.torch.load(file.read_bytes())
        network.load_state_dict({name: value.float() for name, value in weights.items()})
    except OSError as problem:
        raise InputError(f"{file} cannot be read ({problem.strerror}): reinstall TumorSynth") from problem
    except (safetensors.SafetensorError, RuntimeError) as problem:
        raise InputError(f"{file} does not hold the segmenter's weights: reinstall TumorSynth") from problem
    return network.eval().requires_grad_(False)


def segmented(slices: np.ndarray, network: torch.nn.Module | None = None) -> np.ndarray:
    """The lesion that the segmenter sees in each of (n, h, w) slices relative to white matter, 1 mm a pixel."""
    import torch
    import torch.nn.functional as F

    network = network or load_segmenter()
    height, width = slices.shape[1:]
    margins = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
    found = np.zeros(slices.shape, bool)
    with torch.inference_mode():
        for first in range(0, len(slices), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(slices[first : first + BATCH], np.float32))[:, None]
            logits = network(F.pad(segmenter_input(batch), margins, mode="replicate"))
            found[first : first + BATCH] = (logits[:, 0, :height, :width] > 0).numpy()
    return found
