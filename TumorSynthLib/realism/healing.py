"""What a place may have looked like without its lesion: the lesion's surroundings drawn over it, with their own grain.

The same for every comparison, so that none gains by a better filling than another.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .patches import LesionPatches

# Annotated outlines are off by about a pixel, and a lesion's edge is blurred over another.
REACH = 2
# Where the surroundings' grain is learnt, in pixels around the hole.
RING = 12
# What is smoother than this (pixels) the harmonic filling carries over by itself.
GRAIN_SIGMA = 1.5
# Vessels and the skull's edge are no grain: it is measured robustly, and cut off at so many standard deviations.
MOST_GRAIN = 2.5
_OF_MEDIAN = 1.4826
_SOLVER_TOLERANCE = 1e-4


def with_base(patches: LesionPatches, seed: int = 0) -> LesionPatches:
    """The same patches, with a healed base where they have none."""
    if patches.base is not None:
        return patches
    base = np.empty_like(patches.image)
    for row in range(len(patches)):
        base[row] = healed(patches.image[row], patches.mask[row], np.random.default_rng([seed, row]))
    return LesionPatches(patches.image, patches.mask, patches.block, patches.name, base)


def healed(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image without what the mask marks: a harmonic filling, and grain with the surroundings' spectrum."""
    hole = ndimage.binary_dilation(mask, iterations=REACH)
    if hole.all():
        return image.copy()
    filled = image.astype(np.float32, copy=True)
    filled[hole] = harmonic(image, hole) + grain_like(image, hole, rng)[hole]
    return np.maximum(filled, 0)


def grain_like(image: np.ndarray, hole: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random texture over the whole patch, with spectrum and strength of what lies in a ring around the hole."""
    ring = _around(hole)
    if not ring.any():
        return np.zeros(image.shape, np.float32)
    known = ~hole
    share = ndimage.gaussian_filter(known.astype(np.float32), GRAIN_SIGMA)
    smooth = ndimage.gaussian_filter(np.where(known, image, 0).astype(np.float32), GRAIN_SIGMA)
    detail = np.where(ring, image - smooth / np.maximum(share, 1e-3), 0)
    spread = _OF_MEDIAN * float(np.median(np.abs(detail[ring])))
    limit = MOST_GRAIN * spread
    amplitude = np.abs(np.fft.fftn(np.clip(detail, -limit, limit)))
    noise = np.fft.ifftn(amplitude * np.fft.fftn(rng.standard_normal(image.shape))).real
    return (noise * spread / max(float(noise.std()), 1e-9)).astype(np.float32)


def _around(hole: np.ndarray) -> np.ndarray:
    return (ndimage.distance_transform_edt(~hole) <= RING) & ~hole


def harmonic(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Values in the hole that equal the mean of their neighbours, the patch's edge apart, where there are fewer."""
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import cg

    unknowns = int(hole.sum())
    number = np.full(hole.shape, -1)
    number[hole] = np.arange(unknowns)
    degree, right = np.zeros(unknowns), np.zeros(unknowns)
    pairs = []
    for axis in range(hole.ndim):
        low = tuple(slice(0, -1) if a == axis else slice(None) for a in range(hole.ndim))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(hole.ndim))
        for one, other in ((low, high), (high, low)):
            inside = hole[one]
            here, there = number[one][inside], number[other][inside]
            degree += np.bincount(here, minlength=unknowns)
            is_known = there < 0
            right += np.bincount(here[is_known], image[other][inside][is_known], unknowns)
            pairs.append((here[~is_known], there[~is_known]))
    rows, columns = (np.concatenate(part) for part in zip(*pairs, strict=True))
    neighbours = coo_matrix((np.ones(len(rows)), (rows, columns)), (unknowns, unknowns)).tocsr()
    nearest = ndimage.distance_transform_edt(hole, return_distances=False, return_indices=True)
    start = image[tuple(nearest)][hole]
    values, _ = cg(diags(degree) - neighbours, right, x0=start, rtol=_SOLVER_TOLERANCE, maxiter=500)
    return values.astype(np.float32)
