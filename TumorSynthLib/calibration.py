"""From what a network suggests to what was asked for: exact volume, centre of mass, class fractions, grey levels."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage, optimize

from .grid import box_of
from .networks import rank_in_unit_interval

SAMPLED = 16
RECENTRINGS = 4
GROWTHS = 12
BISECTIONS = 14
# A class that hardly shows, as a rim thinner than its edge is soft, would take more than is believable to be brought to
# its level: no level is moved by more than this share of white matter's.
MOST_MOVED = 0.2


def threshold_to_volume(field: np.ndarray, allowed: np.ndarray, voxels: float) -> np.ndarray:
    """The largest connected part of {field < t} inside `allowed`, with t such that it has the volume asked for."""
    values = field[allowed]
    count = int(np.clip(round(voxels), 1, values.size))
    wanted = count
    largest = np.zeros(field.shape, bool)
    for _ in range(GROWTHS):
        inside = allowed & (field <= _smallest(values, wanted))
        box = box_of(inside)
        parts, number = ndimage.label(inside[box])
        if number <= 1:
            return inside
        sizes = np.bincount(parts.ravel())[1:]
        largest[:] = False
        largest[box] = parts == 1 + sizes.argmax()
        # What other parts hold is missing from this one; growing all of them by it converges from below.
        missing = count - int(sizes.max())
        if missing <= 0.002 * count or wanted + missing > values.size:
            break
        wanted += missing
    return largest


def _smallest(values: np.ndarray, number: int) -> float:
    """The largest of the `number` smallest values. A sample tells which of them need not be looked at."""
    sample = values[::SAMPLED]
    enough = min(int(1.2 * number / SAMPLED) + 20, sample.size - 1)
    few = values[values <= np.partition(sample, enough)[enough]]
    if few.size < number:
        few = values
    return np.partition(few, number - 1)[number - 1]


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
        off = center - _middle_of(mask)
        distance = float(np.abs(off).max())
        if distance < least:
            best, least = (shifted, mask), distance
        if distance < 0.2:
            break
        moved = moved + off
        if np.linalg.norm(moved) > limit:
            break
        shifted = _moved(field, moved, fill)
    return best


def _moved(field: np.ndarray, by: np.ndarray, fill: float) -> np.ndarray:
    """The field carried along by so many voxels, between voxels by linear interpolation."""
    for axis, distance in enumerate(by):
        whole = int(np.floor(-distance))
        share = np.float32(-distance - whole)
        reach = abs(whole) + 1
        margins = [(reach, reach) if a == axis else (0, 0) for a in range(field.ndim)]
        padded = np.moveaxis(np.pad(field, margins, constant_values=fill), axis, 0)
        size = field.shape[axis]
        near, far = (padded[reach + start : reach + start + size] for start in (whole, whole + 1))
        field = np.moveaxis(near + share * (far - near), 0, axis)
    return np.ascontiguousarray(field)


def _middle_of(mask: np.ndarray) -> np.ndarray:
    marginals = [mask.sum(tuple(a for a in range(3) if a != axis)) for axis in range(3)]
    return np.array([(m * np.arange(m.size)).sum() / m.sum() for m in marginals])


def without_fingers(field: np.ndarray, mask: np.ndarray, width: float) -> np.ndarray:
    """The field with what a mask encloses, and channels into it of up to twice `width`, counted as its inside."""
    reach = int(np.ceil(width)) + 1
    box = box_of(mask, reach)
    inside = mask[box]
    closed = inside
    if width >= 1:
        grown = dilated(np.pad(inside, reach), width)
        closed = ~dilated(~grown, width)[(slice(reach, -reach),) * 3] | inside
    closed = ndimage.binary_fill_holes(closed)
    out = field.copy()
    out[box][closed & ~inside] = field[mask].min()
    return out


def dilated(mask: np.ndarray, radius: float) -> np.ndarray:
    """All voxels no farther than `radius` (in voxels) from a marked one. For small radii many times faster than a
    distance transform: a ball is a few runs of voxels side by side."""
    reach = int(radius)
    runs = [mask]
    for half in range(1, reach + 1):
        longer = runs[-1].copy()
        longer[..., half:] |= mask[..., :-half]
        longer[..., :-half] |= mask[..., half:]
        runs.append(longer)
    out = np.zeros(mask.shape, bool)
    for i, j in itertools.product(range(-reach, reach + 1), repeat=2):
        half = next((h for h in range(reach, -1, -1) if np.sqrt(i * i + j * j + h * h) <= radius), None)
        if half is not None:
            (to_i, from_i), (to_j, from_j) = _shifted(i), _shifted(j)
            out[to_i, to_j] |= runs[half][from_i, from_j]
    return out


def _shifted(by: int) -> tuple[slice, slice]:
    """Where voxels go, and where they come from, when moved along an axis."""
    return (slice(by, None), slice(0, -by or None)) if by >= 0 else (slice(0, by), slice(-by, None))


def split_by_shares(score: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Class 0, 1, ... of each voxel by rank of its score, so that every class gets exactly its share."""
    edges = np.cumsum(shares)[:-1]
    return np.searchsorted(edges, rank_in_unit_interval(score)).astype(np.uint8)


def matte_of_volume(matte: np.ndarray, voxels: float) -> np.ndarray:
    """A soft edge moved in or out, where it is soft, until as much of the lesion shows as its label has. Outlines that
    people drew run inside what they saw, and painters learn it."""
    soft = (matte > 0) & (matte < 1)
    edge, missing = matte[soft], voxels - float((matte == 1).sum())
    low, high = -1.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if np.clip(edge + middle, 0, 1).sum() > missing else (middle, high)
    out = matte.copy()
    out[soft] = np.clip(edge + (low + high) / 2, 0, 1)
    return out


def with_levels(
    painted: np.ndarray,
    ground: np.ndarray,
    matte: np.ndarray,
    level: np.ndarray,
    classes: np.ndarray,
    asked: np.ndarray,
) -> np.ndarray:
    """`painted` made brighter or darker so that each class, as it shows over `ground`, has the level `asked` of it.

    `classes` numbers each voxel's class, or is negative outside the label. By how much is told along the scale of
    `level`, which runs softly from class to class, so that no steps arise.
    """
    levels, same = np.unique(asked, return_inverse=True)
    inside = classes >= 0
    label = same[classes[inside]]
    shows, here = matte[inside], level[inside]
    sizes = np.bincount(label, minlength=len(levels))

    def means(values: np.ndarray) -> np.ndarray:
        return np.bincount(label, values, len(levels)) / np.maximum(sizes, 1)

    shown = means(ground[inside] + shows * (painted[inside] - ground[inside]))
    missing = np.where(sizes > 0, levels - shown, 0)
    effect = np.stack([means(shows * np.interp(here, levels, of_one)) for of_one in np.eye(len(levels))], 1)
    offsets = optimize.lsq_linear(effect, missing, (-MOST_MOVED, MOST_MOVED), tol=1e-6).x
    return painted + np.interp(level, levels, offsets).astype(np.float32)


def spread_outwards(values: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:
    """Values known inside a mask, continued smoothly beyond it, so that interpolation at its edge mixes in nothing."""
    out = np.full(mask.shape, values[mask].mean(), values.dtype)
    reach = int(3 * sigma + 0.5) + 1
    box = box_of(mask, reach)
    values, mask = values[box], mask[box]
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma, truncate=3.0)
    smooth = ndimage.gaussian_filter(np.where(mask, values, 0).astype(np.float32), sigma, truncate=3.0)
    np.copyto(out[box], smooth / np.maximum(weight, 1e-3), where=weight > 1e-3)
    np.copyto(out[box], values, where=mask)
    return out
