"""The parts of a patch, core, edge and surroundings, and filters that know nothing else of it.

Gaussian filters are normalised by the weight of what they saw, so that a bright edge does not reach into the texture
of the core, nor a lesion into its surroundings.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
from scipy import ndimage

# Distances between centres of pixels, as the Euclidean distance transform gives them.
EDGE = 1.5
# Pixels' centres lie half a pixel off the outline: nothing within 4 pixels of it is called surroundings.
SURROUNDINGS = (4.5, 10.5)
FEWEST_CORE_PIXELS = 12
SIGMAS = (0.5, 0.8, 1.28, 2.05, 3.28)
_SLOPES, _FILL = SIGMAS.index(0.8), SIGMAS.index(1.28)
_NOTHING = 1e-4


class Lesion:
    """One lesion of a patch, cut out as far as its surroundings reach."""

    def __init__(self, image: np.ndarray, mask: np.ndarray) -> None:
        box = box_around(mask, int(np.ceil(SURROUNDINGS[1])))
        self.mask, image = mask[box], image[box]
        # Padded: a lesion that runs out of the patch ends there.
        inner = (slice(1, -1),) * mask.ndim
        self.depth = ndimage.distance_transform_edt(np.pad(self.mask, 1))[inner].astype(np.float32)
        self.away = ndimage.distance_transform_edt(~self.mask).astype(np.float32)
        deep = self.depth > EDGE
        core = deep if deep.sum() >= FEWEST_CORE_PIXELS else self.mask
        ring = (self.away > SURROUNDINGS[0]) & (self.away <= SURROUNDINGS[1])
        self.core = Part(image, core, self.depth)
        self.edge = Part(image, self.away <= SURROUNDINGS[0], self.away)
        self.surroundings = Part(image, ring, self.away)


class Part:
    """What lies in `seen`. Beyond it `image` is its own blur; `distance` is from the outline."""

    def __init__(self, image: np.ndarray, seen: np.ndarray, distance: np.ndarray) -> None:
        self.box = box_around(seen, 2)
        self.seen, self.distance = seen[self.box], distance[self.box]
        self._raw = np.where(self.seen, image[self.box], 0).astype(np.float32)
        self.image = np.where(self.seen, self._raw, self._blurs[_FILL])
        self.values = self.image[self.seen]

    @cached_property
    def _blurs(self) -> np.ndarray:
        """By every one of `SIGMAS`. Matrix products: for patches this small much faster than filters."""
        blurred = np.stack([self._raw, self.seen]).astype(np.float32)[None]
        for axis, length in enumerate(self.seen.shape, start=2):
            matrix = _gaussians(length).reshape(len(SIGMAS), *(1,) * (self.seen.ndim - 1), length, length)
            blurred = np.swapaxes(matrix @ np.swapaxes(blurred, axis, -2), axis, -2)
        return np.where(blurred[:, 1] > _NOTHING, blurred[:, 0] / np.maximum(blurred[:, 1], _NOTHING), 0)

    @cached_property
    def bands(self) -> np.ndarray:
        """Differences of Gaussians, finest first."""
        return np.concatenate([self.image[None], self._blurs[:-1]]) - self._blurs

    @cached_property
    def grain(self) -> np.ndarray:
        return self.bands[0] + self.bands[1]

    @cached_property
    def slopes(self) -> np.ndarray:
        return np.stack(np.gradient(self._blurs[_SLOPES]))

    @cached_property
    def gradient(self) -> np.ndarray:
        return np.sqrt((self.slopes**2).sum(0))

    @cached_property
    def residues(self) -> tuple[np.ndarray, np.ndarray]:
        """What a median of three takes away, summed over axes, and how many axes had three neighbours to go by."""
        total, count = np.zeros_like(self.image), np.zeros_like(self.image)
        for axis in range(self.image.ndim):
            before, here, after = _threes(self.image, axis)
            median = np.maximum(np.minimum(before, here), np.minimum(np.maximum(before, here), after))
            valid = np.logical_and.reduce(_threes(self.seen, axis))
            middle = _threes(total, axis)[1]
            middle += np.abs(here - median) * valid
            tried = _threes(count, axis)[1]
            tried += valid
        return total, count

    @cached_property
    def extrema(self) -> np.ndarray:
        """Pixels above, or below, all of their neighbours. Blurred a little: ties between rounded intensities would
        tell of the file's data type, not of the lesion."""
        blurred = self._blurs[0]
        highest = ndimage.maximum_filter(blurred, 3, mode="nearest")
        return (blurred == highest) | (blurred == ndimage.minimum_filter(blurred, 3, mode="nearest"))


def box_around(region: np.ndarray, margin: int) -> tuple[slice, ...]:
    """As slices; one pixel where there is nothing to go around."""
    found = ndimage.find_objects(region.view(np.uint8))
    if not found:
        return (slice(0, 1),) * region.ndim
    return tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in found[0])


@lru_cache(maxsize=256)
def _gaussians(length: int) -> np.ndarray:
    """Matrices that blur a line of pixels, with nothing beyond its ends."""
    place = np.arange(length, dtype=np.float32)
    squared = (place[:, None] - place) ** 2
    kernels = [np.exp(-squared / (2 * sigma**2)) * (squared <= (4 * sigma) ** 2) for sigma in SIGMAS]
    return np.stack(kernels).astype(np.float32)


def _threes(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Views shifted by a pixel each; empty along an axis shorter than three."""
    length = array.shape[axis]
    cut = [(slice(None),) * axis + (slice(start, max(length - 2 + start, start)),) for start in range(3)]
    return array[cut[0]], array[cut[1]], array[cut[2]]
