"""How far apart two sets of lesions lie in a space of features, and how alike the lesions of one set are.

All but `diversity` take features, a row per lesion: the encoder's or radiomics features. Standardise them first, so
that every feature is told in spreads of real lesions. Fréchet distance on radiomics features is the idea of Konz et al.
(Fréchet radiomics distance); their package `frd-score` is not used, because pyradiomics, which it needs, has to be
built from source, and because its features would differ from those of the two-sample test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .encoder import SIDE, largest_slices
from .patches import LesionPatches

# Matrices of distances between more rows than these would take long and tell no more.
LARGEST_SAMPLE = 2000
# MS-SSIM of small pictures: three scales with their usual weights, and a kernel that the smallest still holds.
_SCALES = (0.0448, 0.2856, 0.3001)
_KERNEL = 7
_BRIGHTEST = 3.0
_FEWEST_PIXELS_ACROSS = 8


@dataclass(frozen=True)
class Frechet:
    """`distance` is of all lesions. Fréchet distances of few lesions are too large: `floor` is what halves of the real
    patients are from each other, `floor_high` the largest of several such, and `matched` what as many synthetic as
    real lesions of a half are from that half. `matched` and `floor` compare like with like."""

    distance: float
    matched: float
    floor: float
    floor_high: float


@dataclass(frozen=True)
class Discrepancy:
    """Squared maximum mean discrepancy, unbiased, so that it scatters around zero where there is none; `p` is the
    share of relabellings that give as much."""

    squared: float
    p: float


@dataclass(frozen=True)
class Manifold:
    """`precision`: share of synthetic lesions among real ones; `recall`: share of real lesions among synthetic ones;
    `density`: how crowded real neighbourhoods are by synthetic ones (1 as by real ones); `coverage`: share of real
    neighbourhoods with a synthetic lesion in them."""

    precision: float
    recall: float
    density: float
    coverage: float


def standardised(real: np.ndarray, synthetic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with the mean and spread of real lesions; features that do not vary among those are left out."""
    real, synthetic = _checked(real, synthetic, fewest=2)
    mean, spread = real.mean(0), real.std(0)
    kept = spread > 1e-9 * (np.abs(mean) + 1e-9)
    return (real[:, kept] - mean[kept]) / spread[kept], (synthetic[:, kept] - mean[kept]) / spread[kept]


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Fréchet distance of the Gaussians through two samples. Covariances are shrunk (Ledoit and Wolf 2004), by
    much where lesions are few beside the features and by next to nothing where they are many."""
    from sklearn.covariance import ledoit_wolf
    from threadpoolctl import threadpool_limits

    a, b = _checked(a, b, fewest=2)
    # Matrices this small are done sooner by one thread than handed to several.
    with threadpool_limits(1):
        return gaussian_frechet(a.mean(0), ledoit_wolf(a)[0], b.mean(0), ledoit_wolf(b)[0])


def gaussian_frechet(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """|mean_a - mean_b|^2 + tr(cov_a + cov_b - 2 (cov_a cov_b)^1/2). The root's trace is the sum of the singular values
    of the product of both roots, which stays real where covariances have no inverse."""
    overlap = np.linalg.svd(_root(cov_a) @ _root(cov_b), compute_uv=False).sum()
    apart = ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap
    return float(max(apart, 0.0))


def frechet_with_floor(
    real: np.ndarray,
    synthetic: np.ndarray,
    real_block: np.ndarray,
    synthetic_block: np.ndarray,
    draws: int = 10,
    seed: int = 0,
) -> Frechet:
    """The distance beside what chance alone gives. Halves, and what is compared with them, are of whole blocks, because
    few patients scatter more than as many lesions of many patients."""
    real, synthetic = _checked(real, synthetic, fewest=4)
    rng = np.random.default_rng(seed)
    floors, matched = [], []
    for _ in range(draws):
        half = _some_blocks(np.asarray(real_block), len(real) // 2, rng)
        floors.append(frechet(real[half], real[~half]))
        like_other_half = _some_blocks(np.asarray(synthetic_block), int((~half).sum()), rng)
        matched.append(frechet(real[half], synthetic[like_other_half]))
    medians = float(np.median(matched)), float(np.median(floors))
    return Frechet(frechet(real, synthetic), *medians, float(max(floors)))


def maximum_mean_discrepancy(
    a: np.ndarray,
    b: np.ndarray,
    block_a: np.ndarray | None = None,
    block_b: np.ndarray | None = None,
    permutations: int = 500,
    seed: int = 0,
) -> Discrepancy:
    """With a Gaussian kernel as wide as the median distance (Gretton et al. 2012). Given blocks, whole blocks change
    sides, because lesions of one patient are alike: without them p would be too small."""
    from scipy.spatial.distance import cdist

    a, b = _checked(a, b, fewest=3)
    rng = np.random.default_rng(seed)
    a, units_a = _at_most(LARGEST_SAMPLE, a, block_a, rng)
    b, units_b = _at_most(LARGEST_SAMPLE, b, block_b, rng)
    units = np.concatenate([units_a, units_b + units_a.max() + 1])
    both = np.concatenate([a, b])
    squared = cdist(both, both, "sqeuclidean")
    kernel = np.exp(-squared / max(float(np.median(squared[np.triu_indices(len(both), 1)])), 1e-12))
    np.fill_diagonal(kernel, 0)
    observed = _discrepancies(kernel, (np.arange(len(both)) < len(a))[None])[0]
    by_chance = _discrepancies(kernel, _relabelled(units, int(units_a.max()) + 1, permutations, rng))
    return Discrepancy(float(observed), float((1 + (by_chance >= observed).sum()) / (1 + len(by_chance))))


def manifold(
    real: np.ndarray,
    synthetic: np.ndarray,
    k: int = 5,
    real_block: np.ndarray | None = None,
    synthetic_block: np.ndarray | None = None,
    seed: int = 0,
) -> Manifold:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020) by the k nearest
    neighbours. All depend on the numbers of lesions, so as many are taken of either set. Given blocks, lesions of one
    block are no neighbours: else a patient's own slices would make real lesions seem rarer than they are."""
    from scipy.spatial.distance import cdist

    real, synthetic = _checked(real, synthetic, fewest=k + 1)
    rng = np.random.default_rng(seed)
    count = min(len(real), len(synthetic), LARGEST_SAMPLE)
    real, real_units = _at_most(count, real, real_block, rng)
    synthetic, synthetic_units = _at_most(count, synthetic, synthetic_block, rng)
    reach_real, reach_synthetic = _reach(real, real_units, k), _reach(synthetic, synthetic_units, k)
    between = cdist(real, synthetic)
    in_real = between <= reach_real[:, None]
    return Manifold(
        precision=float(in_real.any(0).mean()),
        recall=float((between <= reach_synthetic[None]).any(1).mean()),
        density=float(in_real.sum(0).mean() / k),
        coverage=float(in_real.any(1).mean()),
    )


def diversity(patches: LesionPatches, pairs: int = 500, seed: int = 0) -> float:
    """1 - MS-SSIM (Wang et al. 2003), mean over random pairs of lesions of different blocks: 0 if all are the same.

    Each lesion's own box is compared, at one size: many hosts, places and sizes must not pass for many lesions.
    """
    import torch
    from monai.metrics import MultiScaleSSIMMetric

    if len(patches) < 2:
        raise InputError(f"{len(patches)} lesions: diversity is between two lesions at least")
    rng = np.random.default_rng(seed)
    patches = patches.select(rng.permutation(len(patches))[: 2 * pairs])
    boxes = _boxes(patches)
    first, second = _pairs(patches.block, pairs, rng)
    weights = tuple(weight / sum(_SCALES) for weight in _SCALES)
    likeness = MultiScaleSSIMMetric(2, data_range=_BRIGHTEST, kernel_size=_KERNEL, weights=weights)
    with torch.inference_mode():
        return 1 - float(likeness(boxes[first], boxes[second]).mean())


def _checked(a: np.ndarray, b: np.ndarray, fewest: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise InputError(f"features of shapes {a.shape} and {b.shape}: a row per lesion and equal columns are needed")
    if min(len(a), len(b)) < fewest:
        raise InputError(f"{len(a)} and {len(b)} lesions: at least {fewest} of either are needed")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("features hold values that are not numbers: finite ones are needed")
    return a, b


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


def _some_blocks(block: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Which rows lie in blocks drawn at random until they hold about `count` of all rows, and not all."""
    names, counts = np.unique(block, return_counts=True)
    if len(names) < 2:
        raise InputError("lesions of one block only: lesions of two patients at least are needed")
    order = rng.permutation(len(names))
    taken = int(np.abs(np.cumsum(counts[order])[:-1] - count).argmin()) + 1
    return np.isin(block, names[order[:taken]])


def _at_most(
    count: int, values: np.ndarray, block: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """So many rows at the most, drawn at random, and which unit each belongs to: its block, or itself alone."""
    units = np.arange(len(values)) if block is None else np.asarray(block)
    if len(units) != len(values):
        raise InputError(f"{len(values)} lesions have {len(units)} block numbers: one each is right")
    kept = np.sort(rng.permutation(len(values))[:count])
    return values[kept], np.unique(units[kept], return_inverse=True)[1]


def _relabelled(units: np.ndarray, units_a: int, permutations: int, rng: np.random.Generator) -> np.ndarray:
    """For each permutation, which rows are called of the first set: those of as many units as it has."""
    names = np.arange(units.max() + 1)
    return np.stack([np.isin(units, rng.permutation(names)[:units_a]) for _ in range(permutations)])


def _discrepancies(kernel: np.ndarray, is_a: np.ndarray) -> np.ndarray:
    """Unbiased estimates for many labellings at once; the kernel's diagonal is zero."""
    a = is_a.astype(np.float64)
    b = 1 - a
    with_a = a @ kernel
    within_a, between = (with_a * a).sum(1), (with_a * b).sum(1)
    within_b = kernel.sum() - within_a - 2 * between
    n, m = a.sum(1), b.sum(1)
    # A labelling that leaves a side with one row has nothing within it.
    pairs_a, pairs_b = np.maximum(n * (n - 1), 1), np.maximum(m * (m - 1), 1)
    return within_a / pairs_a + within_b / pairs_b - 2 * between / np.maximum(n * m, 1)


def _reach(values: np.ndarray, units: np.ndarray, k: int) -> np.ndarray:
    """How far each row's k-th neighbour of another unit lies."""
    from scipy.spatial.distance import cdist

    within = cdist(values, values)
    within[units[:, None] == units[None]] = np.inf
    reach = np.partition(within, k - 1, axis=1)[:, k - 1]
    if not np.isfinite(reach).all():
        raise InputError(f"some lesions have fewer than {k} neighbours of other blocks: more patients are needed")
    return reach


def _boxes(patches: LesionPatches):
    """The square box of each lesion (n, 1, SIDE, SIDE); of a volume, in the axial slice where it is largest."""
    import torch
    import torch.nn.functional as F

    image, mask = (patches.image, patches.mask) if patches.dimensions == 2 else largest_slices(patches, 0)
    boxes = []
    for picture, outline in zip(image, mask, strict=True):
        rows, columns = (np.flatnonzero(outline.any(axis)) for axis in (1, 0))
        side = max(np.ptp(rows) + 1, np.ptp(columns) + 1, _FEWEST_PIXELS_ACROSS)
        corner = [(int(v[0] + v[-1]) + 1 - side) // 2 for v in (rows, columns)]
        padded = np.pad(picture, side, mode="edge")
        cut = padded[tuple(slice(c + side, c + 2 * side) for c in corner)]
        box = torch.from_numpy(np.ascontiguousarray(cut))[None, None].clamp(0, _BRIGHTEST)
        boxes.append(F.interpolate(box, size=(SIDE, SIDE), mode="bilinear", antialias=True))
    return torch.cat(boxes)


def _pairs(block: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Random pairs of lesions of different blocks; of one block alone, of different lesions."""
    units = block if len(np.unique(block)) > 1 else np.arange(len(block))
    first, second = np.nonzero(units[:, None] != units[None])
    chosen = rng.permutation(len(first))[:count]
    return first[chosen], second[chosen]
