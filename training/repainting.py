"""The painter at work on patches: lesions taken out, healed, and painted again from their own masks and maps."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from TumorSynthLib.blending import TYPICAL_EDGE_VOXELS, seam
from TumorSynthLib.calibration import matte_of_volume, with_levels
from TumorSynthLib.grain import PATCH_VOXELS, as_delivered
from TumorSynthLib.networks import MATTE_SOFTNESS_VOXELS, Painting, blurred, paint, share_of_strands
from TumorSynthLib.painting import HOLE_MARGIN_VOXELS, LEVEL_SOFTNESS_VOXELS, MASK_SOFTNESS_VOXELS
from TumorSynthLib.parameters import Appearance

from .loop import Chance
from .paint_patches import Patches, dilated, level_shown


def painting_of(
    painter: torch.nn.Module,
    image: Tensor,
    hole: Tensor,
    level: Tensor,
    mask: Tensor,
    noise: Tensor,
    painted_edge: float | None = TYPICAL_EDGE_VOXELS,
) -> Painting:
    """As the engine paints it and finishes its edge: as much shows as the label has, in a seam of the usual width.
    Training takes that width for granted, a trial measures it as the engine does."""
    soft = blurred(mask, MASK_SOFTNESS_VOXELS) * hole
    painting = paint(painter, image, hole, level, soft, blurred(mask, MATTE_SOFTNESS_VOXELS), noise)
    radii = (mask.sum((1, 2, 3)) / np.pi).sqrt().tolist()
    strands = torch.tensor([share_of_strands(radius) for radius in radii]).view(-1, 1, 1, 1).to(mask)
    return painting._replace(matte=_finished(painting.matte, mask, painted_edge), beside=painting.beside * strands)


def tissue_in(painter: torch.nn.Module, image: Tensor, hole: Tensor, noise: Tensor) -> Tensor:
    """What the painter puts into a hole when it is asked for no lesion."""
    nothing = torch.zeros_like(hole)
    return paint(painter, image, hole, nothing + 1, nothing, nothing, noise).tissue


def unevenness(chance: Chance, *shape: int) -> Tensor:
    """Where `as_delivered` makes texture strong."""
    field = blurred(chance.normal(*shape), PATCH_VOXELS)
    return field / field.std()


@torch.no_grad()
def healed(painter: torch.nn.Module, patches: Patches, chance: Chance) -> Tensor:
    """The patches without their lesions."""
    hole, device = dilated(patches.mask, HOLE_MARGIN_VOXELS), next(painter.parameters()).device
    noise = chance.normal(*hole.shape)
    return tissue_in(painter, *(t.to(device) for t in (patches.image, hole, noise))).cpu()


@torch.no_grad()
def repainted(painter: torch.nn.Module, patches: Patches, base: Tensor, chance: Chance) -> Tensor:
    """Lesions painted into `base` from the masks and maps of the patches, as the engine paints them into a host."""
    hole, device = dilated(patches.mask, HOLE_MARGIN_VOXELS), next(painter.parameters()).device
    level = level_shown(patches.level, patches.mask, LEVEL_SOFTNESS_VOXELS)
    noise = chance.normal(*hole.shape)
    uneven = unevenness(chance, *hole.shape).to(device)
    shown = (t.to(device) for t in (patches.image, hole, level, patches.mask, noise))
    painting = painting_of(painter, *shown, painted_edge=None)
    lesion = _levelled(as_delivered(painting.lesion, uneven), base, painting.matte, level, patches)
    return painting._replace(lesion=lesion).over(base.to(device)).cpu()


def _levelled(lesion: Tensor, base: Tensor, matte: Tensor, level: Tensor, patches: Patches) -> Tensor:
    """With the mean of each class as it is in the patch."""
    made = []
    parts = (lesion, base, matte, level, patches.level, patches.mask)
    for one, ground, shows, soft, exact, mask in zip(*(part[:, 0].cpu().numpy() for part in parts), strict=True):
        classes = np.full(mask.shape, -1)
        asked, classes[mask > 0] = np.unique(exact[mask > 0], return_inverse=True)
        made.append(with_levels(one, ground, shows, soft, classes, asked))
    return torch.from_numpy(np.stack(made))[:, None].to(lesion)


def _finished(matte: Tensor, mask: Tensor, painted_edge: float | None) -> Tensor:
    finished, width = [], Appearance.blend_width_mm
    for one, label in zip(matte.detach().cpu().numpy(), mask.cpu().numpy() > 0, strict=True):
        shown = matte_of_volume(one, float(label.sum()))
        finished.append(seam(shown, label, voxel_mm=1.0, width_mm=width, painted=painted_edge))
    value = torch.from_numpy(np.stack(finished)).to(matte)
    # One shift moved the soft edge until its sum was the label's: only what a pixel differs from the edge's mean can be
    # learned.
    soft = ((value > 0) & (value < 1)).float()
    mean = (matte * soft).sum((1, 2, 3), keepdim=True) / soft.sum((1, 2, 3), keepdim=True).clamp_min(1)
    learned = TYPICAL_EDGE_VOXELS / width * soft * (matte - mean)
    return value + learned - learned.detach()
