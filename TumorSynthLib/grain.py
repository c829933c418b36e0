"""What is done to a painted lesion before it is shown. Painters paint its texture a little softer than it is in real
lesions, and much more even: in real ones it is strong here and faint there, as septa, vessels and nodules make it.

Training sees none of this: a painter that is shown it delivered learns to paint against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .networks import blurred

if TYPE_CHECKING:
    import torch

# All tuned on patients of the training and the development part. So much more of what is finer than this:
SHARPENING, SHARPENED_VOXELS = 0.3, 0.6
# What is finer than the first varies in strength, by a factor whose logarithm has this standard deviation, from place
# to place over distances of so many voxels.
UNEVEN_BELOW_VOXELS, UNEVENNESS, PATCH_VOXELS = 6.0, 0.3, 2.5


def as_delivered(lesion: torch.Tensor, chance: torch.Tensor) -> torch.Tensor:
    """Painted slices (n, 1, h, w) with the texture of real lesions. `chance`, of the same shape and unit variance, says
    where it is strong; it varies over `PATCH_VOXELS`."""
    lesion = lesion + SHARPENING * (lesion - blurred(lesion, SHARPENED_VOXELS))
    shade = blurred(lesion, UNEVEN_BELOW_VOXELS)
    return shade + (lesion - shade) * (UNEVENNESS * chance - UNEVENNESS**2 / 2).exp()
