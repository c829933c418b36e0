"""How like two lesions are inside, wherever one lies, however it is turned, mirrored, scaled, brightened or shaded.

Of each lesion only its pattern is kept: what is left inside the mask once shading wider than some millimetres and
noise finer than a pixel are gone. Two patterns are laid over one another and correlated where both lesions are. A
correlation means little over few independent spots, so it is weighed by their number (Clifford, Richardson and Hemon,
Biometrics 1989): the evidence of a pair counts standard deviations away from "no relation".

Some lesions resemble many records, rings for instance, and others none. So a lesion's likeness to its nearest record is
told as a multiple of its likeness to the next ones of other patients: of a copy alone one record stands out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

from .patches import LesionPatches

if TYPE_CHECKING:
    from torch import Tensor

Progress = Callable[[str, float], None]
SIDE = 64
WIDEST_PIXELS = 60
NOISE_PIXELS, SHADING_PIXELS = 0.7, 3.0
LARGEST_DEVIATION = 2.5
FEWEST_PIXELS = 16
# Of a rough comparison: turns, sizes and places are stepped through on thumbnails of 3 mm.
CELL_PIXELS, CELLS = 3, 16
TURNS = 16
SCALES = (0.82, 1.0, 1.22)
# Of the records compared exactly, the last few are of other patients than the likest thumbnail's.
SHORTLIST, OF_OTHERS = 20, 6
RUNNERS_UP = 3
LEAST_EVIDENCE = 0.05
RECORDS_AT_ONCE = 4
# Of the exact one: how far from the rough answer it looks, and how far at all.
FIRST_STEPS = (np.pi / TURNS / 2, 0.08, 1.5, 1.5)
ROUNDS = 5
POINTS = 256
FARTHEST_PIXELS = 6.0
SCALE_LIMIT = 1.3
PAIRS_AT_ONCE = 2000


@dataclass(frozen=True, eq=False)
class Patterns:
    """Lesions' insides, centred: `pattern` has mean 0 and deviation 1 where `support` is, and 0 elsewhere; `grain` is
    the area, in pixels, of one independent spot of it."""

    pattern: np.ndarray
    support: np.ndarray
    grain: np.ndarray

    def __len__(self) -> int:
        return len(self.pattern)

    @property
    def area(self) -> np.ndarray:
        return self.support.sum((1, 2))

    @property
    def spots(self) -> np.ndarray:
        """Independent spots of each lesion: what a correlation can go by."""
        return self.area / self.grain


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each lesion the record with the strongest evidence of being the same: its row, the evidence, that of the next
    records of other patients, the correlation, and how the record has to be laid (turn, log scale, rows, columns,
    mirrored)."""

    record: np.ndarray
    evidence: np.ndarray
    of_others: np.ndarray
    correlation: np.ndarray
    pose: np.ndarray

    @property
    def likeness(self) -> np.ndarray:
        """How far the nearest record stands out from the next: 1 where not at all. 0 where no other patient is near
        enough to tell."""
        known = np.isfinite(self.of_others) & np.isfinite(self.evidence)
        return np.where(known, self.evidence / np.where(known, self.of_others, 1), 0.0)


def patterns_of(patches: LesionPatches) -> Patterns:
    image, mask = _centred(patches)
    inner = ndimage.binary_erosion(mask, np.ones((1, 3, 3), bool))  # the rim is mostly partial volume
    small = inner.sum((1, 2)) < FEWEST_PIXELS
    support = np.where(small[:, None, None], mask, inner).astype(np.float32)
    pattern = _standardised(
        _smoothed(image, support, NOISE_PIXELS) - _smoothed(image, support, SHADING_PIXELS), support
    )
    pattern = _standardised(pattern.clip(-LARGEST_DEVIATION, LARGEST_DEVIATION), support)
    return Patterns(pattern, support, _grain(pattern, support))


def _centred(patches: LesionPatches) -> tuple[np.ndarray, np.ndarray]:
    """Windows of 64 pixels around each lesion, on its own grid unless it is too wide for them."""
    images = np.zeros((len(patches), SIDE, SIDE), np.float32)
    masks = np.zeros(images.shape, bool)
    for row, (image, mask) in enumerate(zip(patches.image, patches.mask, strict=True)):
        width = max(np.ptp(places) + 1 for places in np.nonzero(mask))
        if width > WIDEST_PIXELS:
            scale = WIDEST_PIXELS / width
            image, mask = ndimage.zoom(image, scale, order=1), ndimage.zoom(mask, scale, order=0)
        middle = [round(float(places.mean())) for places in np.nonzero(mask)]
        window = tuple(slice(m, m + SIDE) for m in middle)
        images[row], masks[row] = np.pad(image, SIDE // 2)[window], np.pad(mask, SIDE // 2)[window]
    return images, masks


def _smoothed(image: np.ndarray, support: np.ndarray, pixels: float) -> np.ndarray:
    """Of the support alone: nothing from outside the lesion comes in."""
    sigma = (0, pixels, pixels)
    weight = ndimage.gaussian_filter(support, sigma)
    return ndimage.gaussian_filter(image * support, sigma) / np.maximum(weight, 1e-4)


def _standardised(values: np.ndarray, support: np.ndarray) -> np.ndarray:
    area = support.sum((1, 2), keepdims=True)
    values = (values - (values * support).sum((1, 2), keepdims=True) / area) * support
    deviation = np.sqrt((values**2).sum((1, 2), keepdims=True) / area)
    return (values / np.maximum(deviation, 1e-5)).astype(np.float32)


def _grain(pattern: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Sum of the squared autocorrelation over all shifts, each weighed by how many pixels it compares."""
    size = (2 * SIDE, 2 * SIDE)

    def own(values: np.ndarray) -> np.ndarray:
        return fft.irfft2(np.abs(fft.rfft2(values, size)) ** 2, size)

    grains = [_grain_of(own(p), own(s)) for p, s in zip(pattern, support, strict=True)]
    return np.array(grains, float)


def _grain_of(product: np.ndarray, count: np.ndarray) -> float:
    area = count[0, 0]
    share = np.where(count > 0.5, product**2 / np.maximum(count, 1), 0).sum() / area
    return float(max(share, 1.0))


def nearest_by_correlation(
    queries: Patterns,
    records: Patterns,
    forbidden: np.ndarray,
    related: np.ndarray,
    progress: Progress = lambda stage, done: None,
) -> Nearest:
    """For each query the nearest record; `forbidden` (queries, records) says which are not to be compared, `related`
    (records, records) which may be of one patient."""
    rough, pose = _rough(queries, records, progress)
    rough[forbidden] = -np.inf
    shortlist = _shortlist(rough, related)
    count = shortlist.shape[1]
    found = [np.empty((len(queries), count)) for _ in range(2)] + [np.empty((len(queries), count, 5))]
    query = np.repeat(np.arange(len(queries)), count)
    record = shortlist.ravel()
    starts = _poses()[pose[query, record]]
    flat = [part.reshape(len(query), *part.shape[2:]) for part in found]
    for first in range(0, len(query), PAIRS_AT_ONCE):
        part = slice(first, first + PAIRS_AT_ONCE)
        for array, values in zip(flat, _exact(queries, records, query[part], record[part], starts[part]), strict=True):
            array[part] = values
        progress("comparing exactly", first / len(query))
    evidence = np.where(np.take_along_axis(forbidden, shortlist, 1), -np.inf, np.maximum(found[0], LEAST_EVIDENCE))
    best = evidence.argmax(1)
    rows = np.arange(len(queries))
    nearest = shortlist[rows, best]
    others = _mean_of_largest(np.where(related[nearest[:, None], shortlist], -np.inf, evidence))
    return Nearest(nearest, evidence[rows, best], others, *(part[rows, best] for part in found[1:]))


def _shortlist(rough: np.ndarray, related: np.ndarray) -> np.ndarray:
    """The likest by thumbnail. One patient with many slices must not fill it: the next are wanted for comparison."""
    count = min(SHORTLIST, rough.shape[1])
    first = max(count - OF_OTHERS, 1)
    likest = np.argpartition(-rough, first - 1, axis=1)[:, :first]
    left = np.where(related[rough.argmax(1)], -np.inf, rough)
    np.put_along_axis(left, likest, -np.inf, 1)
    return np.concatenate([likest, np.argpartition(-left, count - first - 1, axis=1)[:, : count - first]], 1)


def _mean_of_largest(evidence: np.ndarray) -> np.ndarray:
    """Of each row, over its largest few that are known; -inf where none is."""
    largest = -np.sort(-evidence, axis=1)[:, :RUNNERS_UP]
    known = np.isfinite(largest)
    total = np.where(known, largest, 0).sum(1)
    return np.where(known.any(1), total / np.maximum(known.sum(1), 1), -np.inf)


def _poses() -> np.ndarray:
    """Of the rough comparison: turn, log scale, shift in rows and columns, mirrored (1 or -1)."""
    angles = np.arange(TURNS) * 2 * np.pi / TURNS
    shifts = (-CELL_PIXELS, 0, CELL_PIXELS)
    grid = np.meshgrid(angles, np.log(SCALES), (1.0, -1.0), shifts, shifts, indexing="ij")
    turn, scale, mirror, rows, columns = (part.ravel() for part in grid)
    return np.stack([turn, scale, rows, columns, mirror], 1)


def _rough(queries: Patterns, records: Patterns, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Cosine of thumbnails, the largest over all poses, and which pose that is."""
    import torch

    still = np.array([[0.0, 0.0, 0.0, 0.0, 1.0]])
    own = _unit(_thumbnails(torch.from_numpy(_blurred(queries)), still)[:, 0])
    pictures = torch.from_numpy(_blurred(records))
    best = np.empty((len(queries), len(records)), np.float32)
    which = np.empty(best.shape, np.int16)
    poses = _poses()
    for first in range(0, len(records), RECORDS_AT_ONCE):
        laid = _unit(_thumbnails(pictures[first : first + RECORDS_AT_ONCE], poses))
        likeness, pose = torch.stack([(own @ each.T) for each in laid]).max(2)
        best[:, first : first + len(laid)] = likeness.T.numpy()
        which[:, first : first + len(laid)] = pose.T.numpy()
        progress("comparing thumbnails", first / len(records))
    return best, which


def _blurred(patterns: Patterns) -> np.ndarray:
    return ndimage.gaussian_filter(patterns.pattern, (0, CELL_PIXELS / 2.5, CELL_PIXELS / 2.5))


def _thumbnails(pictures: Tensor, poses: np.ndarray) -> Tensor:
    """(n, poses, cells)."""
    import torch

    axis = (np.arange(CELLS) - (CELLS - 1) / 2) * CELL_PIXELS
    points = torch.from_numpy(np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(1, -1, 2)).float()
    places = _laid(points, torch.from_numpy(poses).float())
    count = len(pictures)
    sampled = _sampled(pictures[:, None], places.reshape(1, -1, 2).expand(count, -1, -1))
    return sampled.reshape(count, len(poses), -1)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-6)


def _laid(points: Tensor, pose: Tensor) -> Tensor:
    """Where, in a record, the points of a query lie when the record is turned, scaled, shifted and mirrored so."""
    import torch

    turn, scale, rows, columns, mirror = (part[:, None] for part in pose.unbind(1))
    y, x = points[..., 0] - rows, points[..., 1] - columns
    y, x = y * torch.exp(-scale), x * torch.exp(-scale) * mirror
    cosine, sine = torch.cos(turn), torch.sin(turn)
    return torch.stack([cosine * y - sine * x, sine * y + cosine * x], -1)


def _sampled(pictures: Tensor, places: Tensor) -> Tensor:
    """Values of (n, c, 64, 64) at (n, p, 2) places, rows and columns from the centre pixel: (n, c, p)."""
    import torch.nn.functional as F

    grid = (places.flip(-1) + SIDE // 2) * 2 / (SIDE - 1) - 1
    return F.grid_sample(pictures, grid[:, None], align_corners=True)[:, :, 0]


def _exact(
    queries: Patterns, records: Patterns, query: np.ndarray, record: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evidence, correlation and pose of each pair, after a search around its rough pose."""
    import torch

    both = torch.from_numpy(np.stack([records.pattern[record], records.support[record]], 1))
    grain = torch.from_numpy(np.sqrt(queries.grain[query] * records.grain[record])).float()
    fewest = torch.from_numpy(np.minimum(queries.area[query], records.area[record])).float() / 2
    few = _points(queries, query, POINTS)
    pose = torch.from_numpy(start).float()
    best = _evidence(few, both, grain, fewest, pose)[0]
    for halving in range(ROUNDS):
        for axis, step in enumerate(FIRST_STEPS):
            for sign in (1, -1):
                tried = pose.clone()
                tried[:, axis] += sign * step / 2**halving
                _limit(tried)
                evidence = _evidence(few, both, grain, fewest, tried)[0]
                better = evidence > best
                pose, best = torch.where(better[:, None], tried, pose), torch.where(better, evidence, best)
    evidence, correlation = _evidence(_points(queries, query, SIDE * SIDE), both, grain, fewest, pose)
    return evidence.numpy(), correlation.numpy(), pose.numpy()


def _limit(pose: Tensor) -> None:
    pose[:, 1].clamp_(-np.log(SCALE_LIMIT), np.log(SCALE_LIMIT))
    pose[:, 2:4].clamp_(-FARTHEST_PIXELS, FARTHEST_PIXELS)


def _points(queries: Patterns, query: np.ndarray, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Places, values and weights of up to `most` pixels of each lesion, spread at random but always the same way."""
    import torch

    support = queries.support[query].reshape(len(query), -1)
    most = min(most, int(support.sum(1).max()))
    lot = np.random.default_rng(0).random(support.shape[1]).astype(np.float32)
    chosen = np.argpartition(-(support + lot), most - 1, axis=1)[:, :most]
    weight = np.take_along_axis(support, chosen, 1)
    value = np.take_along_axis(queries.pattern[query].reshape(support.shape), chosen, 1)
    thinned = queries.area[query] / weight.sum(1)
    place = np.stack(np.divmod(chosen, SIDE), -1) - SIDE // 2
    return torch.from_numpy(place).float(), torch.from_numpy(value), torch.from_numpy(weight * thinned[:, None]).float()


def _evidence(
    points: tuple[Tensor, Tensor, Tensor], both: Tensor, grain: Tensor, fewest: Tensor, pose: Tensor
) -> tuple[Tensor, Tensor]:
    """Correlation where both lesions are, as standard deviations (Fisher) for its number of independent spots."""
    import torch

    place, value, weight = points
    pattern, support = _sampled(both, _laid(place, pose)).unbind(1)
    weight = weight * (support > 0.5)
    pattern = pattern / support.clamp_min(0.5)
    total = weight.sum(1)
    share = weight / total.clamp_min(1)[:, None]

    def mean(values: Tensor) -> Tensor:
        return (values * share).sum(1)

    one, other = value - mean(value)[:, None], pattern - mean(pattern)[:, None]
    correlation = mean(one * other) / (mean(one**2) * mean(other**2)).clamp_min(1e-8).sqrt()
    spots = (total / grain - 3).clamp_min(0)
    evidence = torch.atanh(correlation.clamp(-0.999, 0.999)) * spots.sqrt()
    return torch.where(total >= fewest, evidence, -torch.inf), correlation


def laid_over(query: LesionPatches, record: LesionPatches, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of a lesion and of a record, the latter laid as it fits best."""
    import torch

    axis = np.arange(SIDE) - SIDE // 2
    points = torch.from_numpy(np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(1, -1, 2)).float()
    picture = torch.from_numpy(_centred(record)[0])[:, None]
    laid = _sampled(picture, _laid(points, torch.from_numpy(pose[None]).float()))
    return _centred(query)[0][0], laid.reshape(SIDE, SIDE).numpy()
