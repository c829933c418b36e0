"""Likeness of lesions by features: nothing is laid over anything, so that a bent copy is found as well."""

from __future__ import annotations

import numpy as np

from .likeness import SIDE, patterns_of
from .patches import LesionPatches

RINGS, ANGLES, HARMONICS = 12, 48, 8
WIDEST_SHARE = 1.15
QUERIES_AT_ONCE = 500


def own_features(patches: LesionPatches) -> np.ndarray:
    """How strongly the pattern varies around rings from the middle to the rim, 0 to 7 times a turn: the same however a
    lesion is turned, mirrored, scaled or brightened."""
    from scipy.ndimage import map_coordinates

    patterns = patterns_of(patches)
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    ring = (np.arange(RINGS) + 0.5) / RINGS * WIDEST_SHARE
    rows, columns = (ring[:, None] * part(angle) for part in (np.sin, np.cos))
    found = []
    for pattern, area in zip(patterns.pattern, patterns.area, strict=True):
        radius = np.sqrt(area / np.pi)
        around = map_coordinates(pattern, (SIDE // 2 + radius * rows, SIDE // 2 + radius * columns), order=1)
        found.append(np.abs(np.fft.rfft(around, axis=1)[:, :HARMONICS]).ravel() / ANGLES)
    return np.array(found)


def nearest_by_features(
    queries: np.ndarray, records: np.ndarray, forbidden: np.ndarray, related: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest record of each query, and how much nearer it is than that record's own nearest among other patients:
    likeness 1 where equally near, 10 where ten times nearer.

    Distance alone would accuse plain lesions, which lie close together amid all others. (The ratio is that of Alaa et
    al., "How faithful is your synthetic data?", 2022, made continuous.)
    """
    queries, records = _scaled(queries, records)
    among = _distances(records, records)
    among[related] = np.inf
    found = np.empty(len(queries), int)
    likeness = np.empty(len(queries))
    for first in range(0, len(queries), QUERIES_AT_ONCE):
        part = slice(first, first + QUERIES_AT_ONCE)
        apart = forbidden[part]
        distance = np.where(apart, np.inf, _distances(queries[part], records))
        nearest = distance.argmin(1)
        usual = np.where(apart, np.inf, among[nearest]).min(1)
        found[part] = nearest
        likeness[part] = usual / np.maximum(distance[np.arange(len(nearest)), nearest], 1e-3 * usual + 1e-12)
    return found, likeness


def _scaled(queries: np.ndarray, records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each feature with the records' deviation 1. Nothing more: main components made alike spread the very records
    they were found in apart, so that of few records every new lesion would look like a copy."""
    mean, deviation = records.mean(0), records.std(0) + 1e-9
    return (queries - mean) / deviation, (records - mean) / deviation


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import cdist

    return cdist(one, other)
