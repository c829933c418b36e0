"""From what a network suggests to what was asked for: exact volume, centre of mass, class fractions."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .networks import rank_in_unit_interval

RECENTRINGS = 4
GROWTHS = 12


def threshold_to_volume(field: np.ndarray, allowed: np.ndarray, voxels: float) -> np.ndarray:
    """The largest connected part of {field < t} inside `allowed`, with t such that it has the volume asked for."""
    count = int(np.clip(round(voxels), 1, allowed.sum()))
    candidates = np.where(allowed, field, np.inf)
    wanted = count
    for _ in range(GROWTHS):
        level = np.partition(candidates, wanted - 1, axis=None)[wanted - 1]
        parts, number = ndimage.label(candidates <= level)
        if number <= 1:
            return parts > 0
        sizes = np.bincount(parts.ravel())[1:]
        largest = parts == 1 + sizes.argmax()
        # What other parts hold is missing from this one; growing all of them by it converges from below.
        missing = count - int(sizes.max())
        if missing <= 0.002 * count or wanted + missing > allowed.sum():
            break
        wanted += missing
    return largest


def centred_field(
    field: np.ndarray,
    allowed: np.ndarray,
    voxels: float,
    center: np.ndarray,
    fill: float,
    fingers: float = 0.0,
    limit: float = np.inf,
) -> tuple[np.ndarray, np.ndarray]:
    """The field moved so that the part of the asked volume has its centre of mass at `center`; that part. Cavities of
    that part, and fingers of tissue reaching into it no wider than twice `fingers`, become lesion. It is moved by no
    more than `limit` voxels."""
    field = without_fingers(field, threshold_to_volume(field, allowed, voxels), fingers)
    best, least = (field, np.zeros(field.shape, bool)), np.inf
    moved, shifted = np.zeros(3), field
    for _ in range(RECENTRINGS):
        mask = threshold_to_volume(shifted, allowed, voxels)
        off = center - np.argwhere(mask).mean(0)
        distance = float(np.abs(off).max())
        if distance < least:
            best, least = (shifted, mask), distance
        if distance < 0.2:
            break
        moved = moved + off
        if np.linalg.norm(moved) > limit:
            break
        shifted = ndimage.shift(field, moved, order=1, mode="constant", cval=fill)
    return best


def without_fingers(field: np.ndarray, mask: np.ndarray, width: float) -> np.ndarray:
    """The field with what a mask encloses, and channels into it of up to twice `width`, counted as its inside."""
    reach = int(np.ceil(width)) + 1
    box = tuple(slice(max(s.start - reach, 0), s.stop + reach) for s in ndimage.find_objects(mask.astype(np.uint8))[0])
    inside = mask[box]
    closed = inside
    if width >= 1:
        grown = ndimage.distance_transform_edt(~np.pad(inside, reach)) <= width
        closed = (ndimage.distance_transform_edt(grown) > width)[(slice(reach, -reach),) * 3] | inside
    closed = ndimage.binary_fill_holes(closed)
    out = field.copy()
    out[box][closed & ~inside] = field[mask].min()
    return out


def split_by_shares(score: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Class 0, 1, ... of each voxel by rank of its score, so that every class gets exactly its share."""
    edges = np.cumsum(shares)[:-1]
    return np.searchsorted(edges, rank_in_unit_interval(score)).astype(np.uint8)


def spread_outwards(values: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:
    """Values known inside a mask, continued smoothly beyond it, so that interpolation at its edge mixes in nothing."""
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma, truncate=3.0)
    smooth = ndimage.gaussian_filter(np.where(mask, values, 0).astype(np.float32), sigma, truncate=3.0)
    average = float(values[mask].mean())
    return np.where(mask, values, np.where(weight > 1e-3, smooth / np.maximum(weight, 1e-3), average))
