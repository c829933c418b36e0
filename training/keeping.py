"""Holding a painter to others: to lesions, edges and healed ground of one, to the tissue beside lesions of another."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor

from TumorSynthLib.errors import InputError
from TumorSynthLib.networks import GRAIN_VOXELS, Painting, UpSampling, blurred, build_network

from .repainting import painting_of
from .starting import begin_with

# Tissue that shows beside lesions is a narrow ring, and what is to be seen of it faint.
STRANDS = 4.0


class KeptPainters:
    """What stays as it is while a painter learns the rest."""

    def __init__(self, kept: str, strands_of: str, upsampling: UpSampling) -> None:
        if not kept:
            raise InputError("--change strands_of= says whose tissue to take; kept= must say whose lesions")
        self.lesions = _fixed(upsampling, kept, "kept")
        self.strands = _fixed(upsampling, strands_of, "strands_of") if strands_of else None

    def hold(
        self, fabric: Fabric, painting: Painting, asked: tuple[Tensor, ...], elsewhere: Tensor
    ) -> tuple[Painting, Tensor]:
        """The painting with what is kept in its place, and how far it strayed from that, per pixel."""
        hole, mask = asked[1], asked[3]
        with torch.no_grad(), fabric.autocast():
            kept = painting_of(self.lesions.to(fabric.device), *asked)
            strands = painting_of(self.strands.to(fabric.device), *asked).tissue if self.strands else None
        strayed = _apart(painting, kept, strands, mask, elsewhere) / hole.sum()
        return kept._replace(tissue=torch.where(elsewhere > 0, kept.tissue, painting.tissue)), strayed


def _fixed(upsampling: UpSampling, file: str, setting: str) -> torch.nn.Module:
    painter = build_network("paint", upsampling).to(memory_format=torch.channels_last)
    begin_with(painter, Path(file), f"--change {setting}=")
    return painter.eval().requires_grad_(False)


def _apart(painting: Painting, kept: Painting, strands: Tensor | None, mask: Tensor, elsewhere: Tensor) -> Tensor:
    """Summed over pixels: lesions where they show, their edges, and ground where no lesion is asked for; where it is,
    the detail of tissue that shows beside them, if another's is to be learned."""
    shown = torch.maximum(kept.matte, mask)
    lesion, edge, ground = ((one - other).abs() for one, other in zip(painting[:3], kept[:3], strict=True))
    apart = lesion * shown + edge + ground * elsewhere
    if strands is not None:
        difference = painting.tissue - strands
        detail = (difference - blurred(difference, GRAIN_VOXELS)).abs()
        apart = apart + STRANDS * detail * kept.beside * (1 - kept.matte) * (elsewhere == 0)
    return apart.sum()
