"""Outlines as people drew them, brought to the edges that they drew them for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage
from skimage.segmentation import random_walker

from .slices import SliceSet

# What lies deeper inside a drawn outline than the first, or farther outside than the second (pixels), is left as it is.
DEEPEST, FARTHEST = 2.0, 3.0
# How much a step in brightness hinders the walk between two pixels.
STEEPNESS = 400.0
GRAIN_PIXELS = 0.5
_MARGIN = 10


def with_visible_outlines(slices: SliceSet) -> SliceSet:
    """The same slices. People draw a pixel or two beside the edge, now inside, now outside; a painter taught by such
    outlines learns that edges need not lie on its label, and a judge who is shown them sees the hand that drew."""
    masks = [visible_outline(image, mask) for image, mask in zip(slices.image, slices.mask, strict=True)]
    return replace(slices, mask=np.stack(masks))


def visible_outline(image: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The drawn region, its border moved to the strongest edge nearby: each pixel near the border goes to the side that
    a random walk, hindered by steps in brightness, reaches first (Grady 2006)."""
    box = _around(drawn)
    inside = drawn[box]
    depth, away = ndimage.distance_transform_edt(inside), ndimage.distance_transform_edt(~inside)
    seeds = np.zeros(inside.shape, int)
    seeds[depth > min(DEEPEST, depth.max() - 0.5)] = 1
    seeds[away > FARTHEST] = 2
    if not (seeds == 2).any():
        return drawn.copy()
    soft = ndimage.gaussian_filter(image[box].astype(float), GRAIN_PIXELS)
    if not np.ptp(soft):
        return drawn.copy()
    reached = random_walker(soft, seeds, beta=STEEPNESS, mode="bf") == 1
    out = np.zeros_like(drawn)
    out[box] = ndimage.binary_fill_holes(_largest(reached))
    return out


def _around(mask: np.ndarray) -> tuple[slice, ...]:
    return tuple(slice(max(s.start - _MARGIN, 0), s.stop + _MARGIN) for s in ndimage.find_objects(mask.astype(int))[0])


def _largest(region: np.ndarray) -> np.ndarray:
    parts, number = ndimage.label(region)
    return parts == 1 + np.bincount(parts.ravel())[1:].argmax() if number > 1 else region
