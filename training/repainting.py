"""The painter at work on patches: lesions taken out, healed, and painted again from their own masks and maps."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from TumorSynthLib.blending import seam
from TumorSynthLib.calibration import matte_of_volume
from TumorSynthLib.networks import MATTE_SOFTNESS_VOXELS, Painting, paint
from TumorSynthLib.parameters import Appearance

from .loop import Chance
from .paint_patches import Patches, blurred, dilated, level_shown

# How the engine softens the mask and the map that it shows the painter, and how far around a lesion it paints.
MASK_SOFTNESS_VOXELS = 0.5
LEVEL_SOFTNESS_VOXELS = 0.7
HOLE_MARGIN_PIXELS = 3


def painting_of(
    painter: torch.nn.Module, image: Tensor, hole: Tensor, level: Tensor, mask: Tensor, noise: Tensor
) -> Painting:
    soft = blurred(mask, MASK_SOFTNESS_VOXELS) * hole
    return paint(painter, image, hole, level, soft, blurred(mask, MATTE_SOFTNESS_VOXELS), noise)


def tissue_in(painter: torch.nn.Module, image: Tensor, hole: Tensor, noise: Tensor) -> Tensor:
    """What the painter puts into a hole when it is asked for no lesion."""
    nothing = torch.zeros_like(hole)
    return paint(painter, image, hole, nothing + 1, nothing, nothing, noise).tissue


@torch.no_grad()
def healed(painter: torch.nn.Module, patches: Patches, chance: Chance) -> Tensor:
    """The patches without their lesions."""
    hole, device = dilated(patches.mask, HOLE_MARGIN_PIXELS), next(painter.parameters()).device
    noise = chance.normal(*hole.shape)
    return tissue_in(painter, *(t.to(device) for t in (patches.image, hole, noise))).cpu()


@torch.no_grad()
def repainted(painter: torch.nn.Module, patches: Patches, base: Tensor, chance: Chance) -> Tensor:
    """Lesions painted into `base` from the masks and maps of the patches, as the engine paints them into a host."""
    hole, device = dilated(patches.mask, HOLE_MARGIN_PIXELS), next(painter.parameters()).device
    level = level_shown(patches.level, patches.mask, LEVEL_SOFTNESS_VOXELS)
    noise = chance.normal(*hole.shape)
    shown = (t.to(device) for t in (patches.image, hole, level, patches.mask, noise))
    painting = painting_of(painter, *shown)
    return painting._replace(matte=_finished(painting.matte, patches.mask)).over(base.to(device)).cpu()


def _finished(matte: Tensor, mask: Tensor) -> Tensor:
    """As the engine finishes it: as much of a lesion shows as its label has, in a seam of the usual width."""
    finished = []
    for one, label in zip(matte.cpu().numpy(), mask.numpy() > 0, strict=True):
        shown = matte_of_volume(one, float(label.sum()))
        finished.append(seam(shown, label, voxel_mm=1.0, width_mm=Appearance.blend_width_mm))
    return torch.from_numpy(np.stack(finished)).to(matte)
