"""What can be measured of one lesion: texture of its core, its edge, its shape, and what lies around it.

Radiomics-type features (after Zwanenburg et al. 2020, Radiology 295: 328-338), in two and three dimensions alike, and
blind to flips and quarter turns. Every group sees its own part of the patch only. The one exception is by design: how
grainy the core is beside its surroundings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import ndimage

from ..errors import InputError
from .parts import EDGE, SIGMAS, Lesion, Part
from .patches import LesionPatches

LAGS = (1, 2, 4)
GREY_LEVELS = 8
# Places along the normal, from inside to outside, 0 on the outline.
PROFILE = np.arange(-3.0, 3.01, 0.5)
TINY = 1e-4

_BANDS = tuple(f"band {number}" for number in range(1, len(SIGMAS) + 1))
_FINENESS = (*_BANDS, "median residue", "gradient mean", "gradient sd")
_LEVELS = ("mean", "sd", "skewness", "kurtosis", "p5", "p25", "p50", "p75", "p95")
_TEXTURE = (
    *_LEVELS,
    *_FINENESS,
    *("extrema", "grain kurtosis"),
    *("autocorrelation 1", "autocorrelation 2", "autocorrelation 4"),
    *("autocorrelation diagonal", "autocorrelation anisotropy"),
    *("grain autocorrelation 1", "grain autocorrelation 2"),
)
_GLCM = ("glcm contrast", "glcm homogeneity", "glcm asm", "glcm entropy", "glcm correlation")
_COMPARED = (*_BANDS[:3], "median residue", "gradient mean")
_BESIDE = ("depth trend", "depth bend", *(f"{name} beside surroundings" for name in _COMPARED))
_SIDE = ("mean", "sd", *_FINENESS)
_ALONG = tuple(f"slope at {place:+.0f}" for place in (-2, -1, 0, 1, 2))
_OUTLINE = ("place", "place scatter", "place roughness", "sharpness", "sharpness scatter", "step scatter", "roughness")
_CROSS = ("step", "step to core", "gradient ratio", "slope peak", "alignment")
_SHAPE = ("log size", "eccentricity", "roundness", "solidity", "irregularity", "radius scatter", "thickness")


@dataclass(frozen=True)
class Feature:
    name: str
    group: str


def _named(group: str, *names: str) -> tuple[Feature, ...]:
    return tuple(Feature(f"{group}: {name}", group) for name in names)


FEATURES: tuple[Feature, ...] = (
    *_named("core", *_TEXTURE, *_GLCM, *_BESIDE),
    *_named("edge", *(f"{side} {name}" for side in ("inner", "outer") for name in _SIDE), *_CROSS, *_ALONG, *_OUTLINE),
    *_named("shape", *_SHAPE),
    *_named("surroundings", *_TEXTURE, "trend outwards"),
)
GROUPS = ("core", "edge", "shape", "surroundings")


def columns(*groups: str) -> np.ndarray:
    """Where the features of these groups lie in a row of `features_of`."""
    unknown = set(groups) - set(GROUPS)
    if unknown or not groups:
        raise InputError(f"feature groups {sorted(unknown) or 'none'}: choose of {', '.join(GROUPS)}")
    return np.flatnonzero([feature.group in groups for feature in FEATURES])


def features_of(patches: LesionPatches) -> np.ndarray:
    """One row per lesion, one column per feature, all finite."""
    rows = [_features(image, mask) for image, mask in zip(patches.image, patches.mask, strict=True)]
    return np.array(rows).reshape(len(patches), len(FEATURES))


def _features(image: np.ndarray, mask: np.ndarray) -> list[float]:
    lesion = Lesion(image, mask)
    core, ring = _texture(lesion.core), _texture(lesion.surroundings)
    outwards = _trend(lesion.surroundings)[:1]
    has_ring = lesion.surroundings.values.size > 0
    beside = [core[name] - ring[name] if has_ring else 0.0 for name in _COMPARED]
    inside = [*core.values(), *_glcm(lesion.core), *_trend(lesion.core), *beside]
    return [*inside, *_edge(lesion), *_shape(lesion), *ring.values(), *outwards]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0


def _sd(values: np.ndarray) -> float:
    return float(values.std()) if values.size else 0.0


def _log(value: float) -> float:
    return float(np.log(value + TINY))


def _moments(values: np.ndarray) -> tuple[float, float]:
    """Skewness and kurtosis, and 0 for what does not vary."""
    if not values.size:
        return 0.0, 0.0
    centred = (values - values.mean()) / (values.std() + 1e-3)
    squared = centred * centred
    return _mean(squared * centred), _mean(squared * squared)


def _texture(part: Part) -> dict[str, float]:
    """By the names of `_TEXTURE`."""
    along = [_correlations(part.image, part.seen, _axis_offsets(part.seen.ndim, lag)) for lag in LAGS]
    diagonal = _correlations(part.image, part.seen, _diagonal_offsets(part.seen.ndim))
    grain = [_correlations(part.grain, part.seen, _axis_offsets(part.seen.ndim, lag)) for lag in LAGS[:2]]
    measures = [
        *_levels(part.values),
        *_fineness(part, part.seen),
        _mean(part.extrema[part.seen]),
        _moments(part.grain[part.seen])[1],
        *(_mean(lag) for lag in along),
        _mean(diagonal),
        float(np.ptp(along[0])),
        *(_mean(lag) for lag in grain),
    ]
    return dict(zip(_TEXTURE, measures, strict=True))


def _levels(values: np.ndarray) -> list[float]:
    if not values.size:
        return [0.0] * len(_LEVELS)
    return [_mean(values), _sd(values), *_moments(values), *np.percentile(values, [5, 25, 50, 75, 95]).tolist()]


def _fineness(part: Part, where: np.ndarray) -> list[float]:
    """Energy of each band, what a median takes away, and gradients, in some of what the part's filters saw."""
    if not where.any():
        return [_log(0)] * (len(SIGMAS) + 2) + [0.0]
    residue, tried = (measure[where].sum() for measure in part.residues)
    gradient = part.gradient[where]
    energies = np.log(part.bands[:, where].std(1) + TINY)
    return [*energies.tolist(), _log(residue / max(tried, 1)), _log(_mean(gradient)), _sd(gradient)]


def _axis_offsets(dimensions: int, lag: int = 1) -> list[tuple[int, ...]]:
    return [tuple(lag * (axis == other) for other in range(dimensions)) for axis in range(dimensions)]


def _diagonal_offsets(dimensions: int) -> list[tuple[int, ...]]:
    units = np.eye(dimensions, dtype=int)
    return [tuple(units[a] + sign * units[b]) for a, b in combinations(range(dimensions), 2) for sign in (1, -1)]


def _neighbours(array: np.ndarray, offset: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    return array[_kept(array, offset)], array[_kept(array, tuple(-step for step in offset))]


def _kept(array: np.ndarray, offset: tuple[int, ...]) -> tuple[slice, ...]:
    """What has a neighbour at this offset; nothing of an axis that is too short."""
    return tuple(
        slice(max(-step, 0), max(length - max(step, 0), 0)) for step, length in zip(offset, array.shape, strict=True)
    )


def _pairs(image: np.ndarray, seen: np.ndarray, offset: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    first, second = _neighbours(image, offset)
    both = np.logical_and(*_neighbours(seen, offset))
    return first[both], second[both]


def _correlations(image: np.ndarray, seen: np.ndarray, offsets: list[tuple[int, ...]]) -> np.ndarray:
    """With each offset: the part's mean and variance are those of all that was seen."""
    values = image[seen]
    if not values.size:
        return np.zeros(len(offsets))
    centred, variance = image - values.mean(), values.var() + TINY**2
    return np.array([_mean(np.multiply(*_pairs(centred, seen, offset))) / variance for offset in offsets])


def _glcm(part: Part) -> list[float]:
    """Grey levels run from 2.7 standard deviations below the part's own mean to as many above."""
    grey = (part.image - part.values.mean()) / (part.values.std() + 1e-3) * 1.5 + GREY_LEVELS / 2
    grey = np.clip(np.floor(grey), 0, GREY_LEVELS - 1).astype(int)
    table = np.zeros((GREY_LEVELS, GREY_LEVELS))
    for offset in _axis_offsets(grey.ndim):
        first, second = _pairs(grey, part.seen, offset)
        table += np.bincount(first * GREY_LEVELS + second, minlength=GREY_LEVELS**2).reshape(table.shape)
    table = (table + table.T) / max(2 * table.sum(), 1)
    row, column = np.indices(table.shape)
    middle = (table * row).sum()
    variance = (table * (row - middle) ** 2).sum()
    together = (table * (row - middle) * (column - middle)).sum()
    measures = (
        (table * (row - column) ** 2).sum(),
        (table / (1 + np.abs(row - column))).sum(),
        (table**2).sum(),
        -(table * np.log(table + 1e-9)).sum(),
        together / (variance + 1e-6),
    )
    return [float(measure) for measure in measures]


def _trend(part: Part) -> list[float]:
    """How intensity goes along with distance, and with being far from the middle of all distances."""
    if not part.values.size:
        return [0.0, 0.0]
    distance = part.distance[part.seen]
    bend = (distance - distance.mean()) ** 2
    return [_correlation(distance, part.values), _correlation(bend, part.values)]


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    spread = first.std() * second.std()
    return float(((first - first.mean()) * (second - second.mean())).mean() / spread) if spread > 1e-6 else 0.0


def _edge(lesion: Lesion) -> list[float]:
    part = lesion.edge
    mask, depth = lesion.mask[part.box], lesion.depth[part.box]
    inner, outer = mask & (depth <= EDGE), ~mask & (part.distance <= EDGE)
    sides = [[_mean(part.image[w]), _sd(part.image[w]), *_fineness(part, w)] for w in (inner, outer)]
    signed = ndimage.gaussian_filter(np.where(mask, 0.5 - depth, part.distance - 0.5).astype(np.float32), 1.0)
    normal = np.stack(np.gradient(signed))
    normal /= np.sqrt((normal**2).sum(0)) + TINY
    profiles = _profiles(part, mask & (depth <= 1), normal)
    slopes = np.abs(np.diff(profiles.values, axis=1)).mean(0) * 2
    along = [_log(slopes[2 * place + 5 : 2 * place + 7].mean()) for place in (-2, -1, 0, 1, 2)]
    band = inner | outer
    alignment = np.abs((part.slopes * normal).sum(0))[band].mean() / (_mean(part.gradient[band]) + TINY)
    cross = [
        _mean(part.image[inner]) - _mean(part.image[outer]),
        _mean(part.image[inner]) - _mean(lesion.core.values),
        _log(_mean(part.gradient[outer])) - _log(_mean(part.gradient[inner])),
        2 * along[2] - along[0] - along[4],
        float(alignment),
    ]
    return [*sides[0], *sides[1], *cross, *along, *profiles.measures()]


@dataclass(frozen=True)
class _Profiles:
    """Intensities along the normal at every pixel of the outline: `values` (points, places)."""

    values: np.ndarray
    outline: np.ndarray

    def measures(self) -> list[float]:
        """In the order of `_OUTLINE`; what there is little of, contrast, counts little."""
        inside, outside = self.values[:, PROFILE <= -2].mean(1), self.values[:, PROFILE >= 2].mean(1)
        step = inside - outside
        weight = np.abs(step) / (np.abs(step).sum() + TINY)
        safe = np.where(np.abs(step) < 0.02, 0.02, step)
        share = np.clip((self.values - outside[:, None]) / safe[:, None], -0.5, 1.5)
        # Where an ideal step with the same area would be: less moved by noise than a crossing of the half-way level.
        place = share.sum(1) * 0.5 - (PROFILE[-1] + 0.25)
        middle = (weight * place).sum()
        steepest = np.abs(np.diff(self.values, axis=1)).max(1) * 2 / (np.abs(step) + 0.1)
        on_outline = self.values[:, np.abs(PROFILE) < 0.1].mean(1)
        return [
            float(middle),
            float(np.sqrt((weight * (place - middle) ** 2).sum())),
            float(np.sqrt((weight * self._unevenness(place) ** 2).sum())),
            float((weight * steepest).sum()),
            _sd(steepest),
            _sd(step),
            _sd(self._unevenness(on_outline)),
        ]

    def _unevenness(self, values: np.ndarray) -> np.ndarray:
        """Less what the neighbours on the outline have."""
        picture = np.zeros(self.outline.shape, np.float32)
        picture[self.outline] = values
        stack = np.stack([picture, self.outline.astype(np.float32)])
        total, weight = ndimage.gaussian_filter(
            stack, 2.0, mode="constant", truncate=2.0, axes=tuple(range(1, stack.ndim))
        )
        return values - (total / np.maximum(weight, TINY))[self.outline]


def _profiles(part: Part, outline: np.ndarray, normal: np.ndarray) -> _Profiles:
    points = np.stack(np.nonzero(outline)).astype(np.float32)
    # The outline runs half a pixel outside the centres of the outermost pixels.
    places = points[:, :, None] + normal[:, outline][:, :, None] * (PROFILE + 0.5).astype(np.float32)
    return _Profiles(ndimage.map_coordinates(part.image, places, order=1, mode="nearest"), outline)


def _shape(lesion: Lesion) -> list[float]:
    mask, dimensions = lesion.mask, lesion.mask.ndim
    points = np.argwhere(mask).astype(float)
    spread = np.linalg.eigvalsh(np.cov(points.T, bias=True) + np.eye(dimensions) / 12)
    radius = _equal_radius(len(points), dimensions)
    ball_surface = {2: 2 * np.pi * radius, 3: 4 * np.pi * radius**2}[dimensions]
    fine, coarse = _surface(mask, 0.7), _surface(mask, 2.5)
    reach = np.sqrt(((points - points.mean(0)) ** 2).sum(1))[lesion.depth[mask] <= 1]
    return [
        float(np.log(len(points))),
        float(np.sqrt(1 - spread[0] / spread[-1])),
        float(ball_surface / (fine + TINY)),
        _solidity(mask),
        float(fine / (coarse + TINY)),
        float(reach.std() / (reach.mean() + TINY)),
        float(lesion.depth.max() / radius),
    ]


def _equal_radius(size: int, dimensions: int) -> float:
    return float(np.sqrt(size / np.pi) if dimensions == 2 else np.cbrt(size * 3 / (4 * np.pi)))


def _surface(mask: np.ndarray, sigma: float) -> float:
    """Perimeter, or surface: the slopes of a blurred mask sum up to it."""
    padded = np.pad(mask.astype(np.float32), int(np.ceil(3 * sigma)))
    return float(ndimage.gaussian_gradient_magnitude(padded, sigma, mode="constant", truncate=3.0).sum())


def _solidity(mask: np.ndarray) -> float:
    """Share of the convex hull, pixels taken as squares, or cubes, that the lesion fills."""
    from scipy.spatial import ConvexHull

    outermost = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    return float(mask.sum() / ConvexHull(np.concatenate(list(_corners(outermost)))).volume)


def _corners(points: np.ndarray) -> Iterator[np.ndarray]:
    for corner in np.ndindex(*(2,) * points.shape[1]):
        yield points + np.array(corner) - 0.5
