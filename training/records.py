"""Lesion records: what annotated tumours teach. Multi-Otsu classes, volume match, and which way the classes run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_multiotsu

from TumorSynthLib.networks import rank_in_unit_interval
from TumorSynthLib.spheres import Structure

from .outlines import with_visible_outlines
from .slices import SliceSet, read_slices

CLASSES = 3
# Low-contrast lesions fall apart into salt and pepper unless noise is smoothed, inside the mask only, beforehand.
SMOOTHING_PIXELS = 0.8
# Annotated outlines are off by about a pixel; nearer to the edge the classes would tell of partial volume.
EDGE_PIXELS = 1.5


@dataclass(frozen=True)
class LesionRecords:
    """One row per lesion slice. `classes` is 0 outside and 1..3, dark to bright, inside; `levels` are the class means
    relative to white matter; `fractions` the classes' shares; `order` is how much deeper the bright class lies than
    the dark one, from -1 (bright rim) to 1 (bright core)."""

    slices: SliceSet
    classes: np.ndarray
    white_matter: np.ndarray
    levels: np.ndarray
    fractions: np.ndarray
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.classes)

    def select(self, rows: np.ndarray) -> LesionRecords:
        parts = (self.classes, self.white_matter, self.levels, self.fractions, self.order)
        return LesionRecords(self.slices.select(rows), *(part[rows] for part in parts))

    @property
    def area(self) -> np.ndarray:
        return (self.classes > 0).sum((1, 2))

    @property
    def sphere_radius(self) -> np.ndarray:
        """Volume match: the radius, in pixels, of the circle with the lesion's area."""
        return np.sqrt(self.area / np.pi)

    @property
    def shell_fractions(self) -> np.ndarray:
        """Volume match: shares of the spheres' shells, outermost first; a bright rim puts the bright class outside."""
        rim_is_bright = self.order < 0
        return np.where(rim_is_bright[:, None], self.fractions[:, ::-1], self.fractions)

    def structure(self, row: int) -> Structure:
        """What to ask for in order to get a lesion that is built like this one."""
        order = float(self.order[row])
        values = (1.0, 0.75, 0.5) if order < 0 else (0.5, 0.75, 1.0)
        return Structure("record", values, 1 - abs(order), 0.7, 1.6)


def classify(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Multi-Otsu inside the mask: 0 outside, 1..3 dark to bright."""
    weight = ndimage.gaussian_filter(mask.astype(np.float32), SMOOTHING_PIXELS)
    smooth = ndimage.gaussian_filter(np.where(mask, image, 0).astype(np.float32), SMOOTHING_PIXELS)
    values = (smooth / np.maximum(weight, 1e-3))[mask]
    try:
        thresholds = threshold_multiotsu(values, CLASSES, nbins=64)
    except ValueError:  # fewer distinct values than classes
        thresholds = np.quantile(values, [1 / 3, 2 / 3])
    classes = np.zeros(mask.shape, np.uint8)
    classes[mask] = 1 + np.digitize(values, thresholds)
    return classes


def white_matter_level(image: np.ndarray, mask: np.ndarray) -> float:
    """Tissue level of a slice that still has its skull: the upper middle of all that is neither air nor lesion."""
    values = image[~mask].astype(np.float32)
    tissue = values[values > 0.15 * np.percentile(values, 99)]
    return float(np.percentile(tissue, 60))


def order_of(classes: np.ndarray, mask: np.ndarray) -> float:
    """Mean depth rank of the bright class less that of the dark one, times two: 1 if sorted from rim to core."""
    depth = ndimage.distance_transform_edt(mask)
    core = mask & (depth > EDGE_PIXELS)
    if not all((core & (classes == c)).any() for c in (1, CLASSES)):
        core = mask
    rank = rank_in_unit_interval(depth[core])
    inside = classes[core]
    if not ((inside == 1).any() and (inside == CLASSES).any()):
        return float("nan")
    return float(np.clip(2 * (rank[inside == CLASSES].mean() - rank[inside == 1].mean()), -1, 1))


def lesion_records(slices: SliceSet) -> LesionRecords:
    classes = np.stack([classify(i, m) for i, m in zip(slices.image, slices.mask, strict=True)])
    reference = np.array([white_matter_level(i, m) for i, m in zip(slices.image, slices.mask, strict=True)], np.float32)
    inside = np.maximum((classes > 0).sum((1, 2)), 1)
    fractions = np.stack([(classes == c).sum((1, 2)) / inside for c in range(1, CLASSES + 1)], 1)
    sums = np.stack([np.where(classes == c, slices.image, 0).sum((1, 2)) for c in range(1, CLASSES + 1)], 1)
    levels = sums / np.maximum(fractions * inside[:, None], 1) / reference[:, None]
    order = np.array([order_of(c, m) for c, m in zip(classes, slices.mask, strict=True)])
    return LesionRecords(slices, classes, reference, levels.astype(np.float32), fractions, order)


def read_records(
    source: Path,
    *,
    fraction: float = 1.0,
    part: str = "train",
    axes: tuple[int, ...] = (0, 1, 2),
    visible_outlines: bool = False,
) -> LesionRecords:
    """Records of a slice set, usable ones only, of the training or the validation patients, with their outlines as
    they were drawn or where they can be seen."""
    slices = read_slices(source, axes)
    slices = slices.select(slices.rows(part, fraction))
    records = lesion_records(with_visible_outlines(slices) if visible_outlines else slices)
    usable = np.isfinite(records.order) & (records.fractions.min(1) > 0) & (records.area >= 30)
    return records.select(np.flatnonzero(usable))
