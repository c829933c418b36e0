"""What is done to a painter's answer before it is shown. Painters paint grain a little softer than real lesions have
it, and much more even: in real ones some parts are grainier than others, as septa, vessels and nodules make them.

Training sees none of this: a painter that is shown it delivered learns to paint against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .networks import GRAIN_VOXELS, Painting, blurred

if TYPE_CHECKING:
    import torch

# All tuned on development patients. So much more of what is finer than this:
SHARPENING, SHARPENED_VOXELS = 0.25, 0.6
# Finer than the first is grain that varies in strength, by a factor whose logarithm has this standard deviation, from
# place to place over distances of so many voxels.
UNEVEN_BELOW_VOXELS, UNEVENNESS, PATCH_VOXELS = 2.0, 0.3, 2.5
# So much stronger are strands and grain of the tissue beside a lesion.
STRANDS_GAIN = 1.2


def as_delivered(painting: Painting, chance: torch.Tensor) -> Painting:
    """With the grain of real lesions. `chance`, one value a pixel and of unit variance, says where it is strong; it
    varies over `PATCH_VOXELS`."""
    tissue = painting.tissue + (STRANDS_GAIN - 1) * (painting.tissue - blurred(painting.tissue, GRAIN_VOXELS))
    return painting._replace(lesion=with_real_grain(painting.lesion, chance), tissue=tissue)


def with_real_grain(lesion: torch.Tensor, chance: torch.Tensor) -> torch.Tensor:
    lesion = lesion + SHARPENING * (lesion - blurred(lesion, SHARPENED_VOXELS))
    shade = blurred(lesion, UNEVEN_BELOW_VOXELS)
    return shade + (lesion - shade) * (UNEVENNESS * chance - UNEVENNESS**2 / 2).exp()
