"""The controls that stand beside every synthetic set: what simple ways of making lesions score on the same measures.

Ideas: CarveMix (Zhang et al. 2021) and Poisson image editing (Perez et al. 2003) for copy and paste, SynTumor (Hu et
al. 2023) for procedural texture; own code.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..blending import soft_mask
from ..errors import InputError
from .healing import grain_like, harmonic, with_base
from .patches import LesionPatches

# Real outlines pass from lesion to brain over about a pixel.
EDGE_WIDTH = 1.5
# Copies bring their own edge along, so much of their surroundings, over a wider seam. Of widths and margins tried on
# development patients, these are the hardest to tell by all features: .64, where a seam on the outline itself is told
# by .99, having another edge than a lesion. Margins beyond 3 pixels would hide the seam where features do not look.
COPIED_MARGIN = 3
COPIED_SEAM = 4.0
# Of what the two surroundings differ in brightness, so much is carried into the copy: all of it (as in Poisson image
# editing) hides the seam no better, and changes the lesion.
LEVELLED = 0.5
LEVEL_BLUR = 1.5
# Lesions are copied within groups of so many patients' blocks, which are never split between training and testing:
# a judge that had the copied original among its real training lesions would take the copy for real. Where patients are
# few, groups are smaller, so that judges train on as large a share of them as for other controls.
BLOCKS_PER_GROUP = 4
ENOUGH_GROUPS = 10
# Of the lesions nearest in size, so many are turned and flipped to see which fits the place best.
CANDIDATES = 6
LARGEST_RATIO = 1.6
TEXTURE_SIGMAS = (1.0, 2.5)
CLASSES = 3
MAP_BLUR = 1.0
FEWEST_BLOCKS = 4


@dataclass(frozen=True)
class Comparison:
    """A way to make lesions, and the real lesions that what it made is to be compared with."""

    name: str
    explanation: str
    real: LesionPatches
    made: LesionPatches


def comparisons(real: LesionPatches, seed: int = 0) -> tuple[Comparison, ...]:
    """All controls but "real of other patients" (see `real_halves`), made in the places of the real lesions."""
    known = with_base(real, seed)
    return tuple(make(known, seed) for make in CONTROLS.values())


def real_halves(real: LesionPatches, seed: int = 0, splits: int = 3) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Real against real: rows of random halves of the patients' blocks, of about as many lesions each."""
    blocks, counts = np.unique(real.block, return_counts=True)
    _require_blocks(len(blocks))
    rng = np.random.default_rng([seed, 7])
    for _ in range(splits):
        order = rng.permutation(len(blocks))
        sums = np.cumsum(counts[order])
        half = int(np.clip(np.abs(sums - sums[-1] / 2).argmin() + 1, 1, len(blocks) - 1))
        first = np.isin(real.block, blocks[order[:half]])
        yield np.flatnonzero(first), np.flatnonzero(~first)


def _require_blocks(count: int) -> None:
    if count < FEWEST_BLOCKS:
        raise InputError(f"lesions of {count} patients: real lesions of at least {FEWEST_BLOCKS} are needed")


# -- copy and paste


def copy_and_paste(real: LesionPatches, seed: int = 0) -> Comparison:
    """A lesion of another patient in every place, turned and flipped to cover it, with its own mask and a margin of its
    own surroundings, softly laid over."""
    known = with_base(real, seed)
    assert known.base is not None
    group, size = _groups(real.block, seed), real.size
    image, mask, kept = known.base.copy(), np.zeros_like(known.mask), []
    for row in range(len(known)):
        donor = _best_donor(known, row, _donors(real.block, group, size, row))
        if donor is None:
            continue
        values, mask[row] = donor
        image[row] = _carved_in(image[row], values, mask[row])
        kept.append(row)
    if not kept:
        raise InputError("no real lesion has another patient's lesion of like size to be replaced by; give more")
    in_groups = LesionPatches(real.image, real.mask, group, real.name, known.base)
    made = LesionPatches(image[kept], mask[kept], group[kept], in_groups.select(np.array(kept)).name, known.base[kept])
    explanation = (
        "a lesion of another patient, of like size, turned and flipped to fit, with its own outline and a margin of"
        f" {COPIED_MARGIN} pixels around it, levelled to the place, over a seam of {COPIED_SEAM:g} pixels"
        f" ({len(kept)} of {len(real)} places had one)"
    )
    return Comparison("copy and paste", explanation, in_groups, made)


def _groups(block: np.ndarray, seed: int) -> np.ndarray:
    """Numbers of groups of blocks, drawn at random; neighbouring blocks may share a patient and are no donors."""
    blocks = np.unique(block)
    _require_blocks(len(blocks))
    order = np.random.default_rng([seed, 8]).permutation(len(blocks))
    groups = max(len(blocks) // BLOCKS_PER_GROUP, min(ENOUGH_GROUPS, len(blocks) // 2))
    number = np.empty(len(blocks), int)
    number[order] = np.arange(len(blocks)) % groups
    return number[np.searchsorted(blocks, block)]


def _donors(block: np.ndarray, group: np.ndarray, size: np.ndarray, row: int) -> np.ndarray:
    """Rows of lesions most alike in size, of the same group but not of the same or a neighbouring block."""
    is_other = (group == group[row]) & (np.abs(block - block[row]) > 1)
    ratio = np.abs(np.log(size / size[row]))
    rows = np.flatnonzero(is_other & (ratio <= np.log(LARGEST_RATIO)))
    return rows[np.argsort(ratio[rows], kind="stable")][:CANDIDATES]


def _best_donor(real: LesionPatches, row: int, donors: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Of all donors, and all ways to turn and flip them, the one whose outline covers the place's best."""
    target = real.mask[row]
    size = int(target.sum())
    best, best_overlap = None, 0.0
    for donor in donors:
        for turn in _turns(real.dimensions):
            turned = turn(real.mask[donor])
            mask = _shifted(turned, _shift(target, turned))
            count = np.count_nonzero(mask)
            if count < np.count_nonzero(turned):  # a part would lie beyond the window
                continue
            overlap = 2 * np.count_nonzero(mask & target) / (count + size)
            if overlap > best_overlap:
                best, best_overlap = (donor, turn), overlap
    if best is None:
        return None
    donor, turn = best
    turned = turn(real.mask[donor])
    shift = _shift(target, turned)
    return _shifted(turn(real.image[donor]), shift), _shifted(turned, shift)


def _turns(dimensions: int) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Quarter turns in the last two axes, and flips: exact on the pixels, so that no grain is lost."""

    def turned(quarters: int, flips: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda values: np.flip(np.rot90(values, quarters, (-2, -1)), flips)

    quarters = 4 if dimensions == 2 else 2
    flips = [(), (-1,)] if dimensions == 2 else [f for n in range(4) for f in itertools.combinations((-3, -2, -1), n)]
    return [turned(quarter, flip) for quarter in range(quarters) for flip in flips]


def _shift(target: np.ndarray, mask: np.ndarray) -> tuple[int, ...]:
    """From the centre of one mask to that of another, in whole pixels."""
    middles = [np.array([m.mean() for m in np.nonzero(each)]) for each in (target, mask)]
    return tuple(int(step) for step in np.rint(middles[0] - middles[1]))


def _shifted(values: np.ndarray, shift: tuple[int, ...]) -> np.ndarray:
    """Moved by whole pixels; what comes from beyond the window is its edge's value, and no mask."""
    mode = "constant" if values.dtype == bool else "edge"
    padded = np.pad(values, [(max(step, 0), max(-step, 0)) for step in shift], mode)
    return padded[tuple(slice(max(-step, 0), max(-step, 0) + n) for step, n in zip(shift, values.shape, strict=True))]


def _carved_in(base: np.ndarray, values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    region = ndimage.binary_dilation(mask, iterations=COPIED_MARGIN)
    inside = ndimage.binary_dilation(region)
    offset = ndimage.gaussian_filter(base - values, LEVEL_BLUR)
    if not inside.all():
        offset[inside] = harmonic(offset, inside)
    share = soft_mask(region, 1.0, COPIED_SEAM)
    return np.maximum(base + share * (values + LEVELLED * offset - base), 0).astype(np.float32)


# -- made from the real lesion's outline


def procedural_texture(real: LesionPatches, seed: int = 0) -> Comparison:
    explanation = "the real lesion's outline, filled with smoothed noise of its mean and spread, soft edge"
    return Comparison("procedural texture", explanation, real, _each(with_base(real, seed), _procedural, seed, 1))


def piecewise_map(real: LesionPatches, seed: int = 0) -> Comparison:
    explanation = (
        "the real lesion's outline and its three grey classes at their means, blurred, with the surroundings' grain,"
        " soft edge"
    )
    return Comparison("piecewise map and blur", explanation, real, _each(with_base(real, seed), _piecewise, seed, 2))


def _each(
    real: LesionPatches,
    paint: Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray],
    seed: int,
    number: int,
) -> LesionPatches:
    assert real.base is not None
    image = np.empty_like(real.image)
    for row in range(len(real)):
        values = paint(real.image[row], real.mask[row], np.random.default_rng([seed, number, row]))
        image[row] = _laid_over(real.base[row], values, real.mask[row])
    return LesionPatches(image, real.mask, real.block, real.name, real.base)


def _procedural(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    texture = ndimage.gaussian_filter(rng.standard_normal(image.shape), rng.uniform(*TEXTURE_SIGMAS))
    inside = texture[mask]
    texture = (texture - inside.mean()) / max(float(inside.std()), 1e-9)
    return image[mask].mean() + texture * image[mask].std()


def _piecewise(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Three grey classes at their means, spread outwards so that the blur does not mix in what lies around."""
    values = image[mask]
    classes = np.digitize(values, _thresholds(values))
    levels = np.array([values[classes == c].mean() if (classes == c).any() else 0.0 for c in range(CLASSES)])
    flat = np.zeros(image.shape, np.float32)
    flat[mask] = levels[classes]
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return ndimage.gaussian_filter(flat[tuple(nearest)], MAP_BLUR) + grain_like(image, mask, rng)


def _thresholds(values: np.ndarray) -> np.ndarray:
    from skimage.filters import threshold_multiotsu

    try:
        return threshold_multiotsu(values, CLASSES, nbins=64)
    except ValueError:  # fewer distinct values than classes
        return np.quantile(values, [1 / 3, 2 / 3])


def _laid_over(base: np.ndarray, values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    share = soft_mask(mask, 1.0, EDGE_WIDTH)
    return np.maximum(base + share * (values - base), 0).astype(np.float32)


CONTROLS: dict[str, Callable[[LesionPatches, int], Comparison]] = {
    "copy and paste": copy_and_paste,
    "procedural texture": procedural_texture,
    "piecewise map and blur": piecewise_map,
}
