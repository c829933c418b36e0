"""Do real and synthetic lesions sit in scans of one kind? What readers may see of a scanner, a header shows first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .lesions import Lesion
from .matching import Chosen

SEPARABLE = 0.8
MOST_CASES_A_SCAN = 3


def warnings_on_scans(chosen: Chosen) -> list[str]:
    """What in the choice of scans may tell the origin, in words for the study leader."""
    return [*_other_scans(chosen), *_separable_headers(chosen), *_scans_seen_often(chosen)]


def _other_scans(chosen: Chosen) -> list[str]:
    real = {lesion.scan.checksum for lesion in chosen.real}
    shared = sum(lesion.scan.checksum in real for lesion in chosen.synthetic)
    if not chosen.synthetic or shared == len(chosen.synthetic):
        return []
    return [
        f"{len(chosen.synthetic) - shared} of {len(chosen.synthetic)} synthetic lesions sit in scans that give no real"
        " lesion here: scanner, coil, skull stripping or patients may tell the origin; best, make the cohort from the"
        " scans of the real lesions, or at least from the same data set"
    ]


def _separable_headers(chosen: Chosen) -> list[str]:
    notes = []
    for name, unit, statistic in (
        ("voxel volume", "mm3", lambda lesion: np.prod(lesion.scan.voxel_mm)),
        ("largest voxel side", "mm", lambda lesion: max(lesion.scan.voxel_mm)),
        ("voxels in the scan", "million", lambda lesion: np.prod(lesion.scan.shape) / 1e6),
        ("bits a voxel", "", lambda lesion: 8 * np.dtype(lesion.scan.data_type).itemsize),
        ("empty share of the scan", "", lambda lesion: lesion.scan.empty_share),
    ):
        real, synthetic = (np.array([float(statistic(lesion)) for lesion in group]) for group in _groups(chosen))
        above = np.mean((synthetic[:, None] > real[None, :]) + 0.5 * (synthetic[:, None] == real[None, :]))
        # Sorted by their last digits, identical scans would look different.
        if max(above, 1 - above) > SEPARABLE and not np.isclose(np.median(real), np.median(synthetic), rtol=0.02):
            medians = f"median {np.median(real):.3g} and {np.median(synthetic):.3g} {unit}".rstrip()
            notes.append(f"the scans of real and synthetic lesions differ in {name} ({medians})")
    return notes


def _scans_seen_often(chosen: Chosen) -> list[str]:
    for group, word in zip(_groups(chosen), ("real", "synthetic"), strict=True):
        counts = Counter(lesion.scan.checksum for lesion in group)
        most = max(counts.values(), default=0)
        if most > MOST_CASES_A_SCAN:
            return [
                f"{len(group)} {word} lesions come from {len(counts)} scans, up to {most} from one: readers may"
                " recognise a brain that they saw before; use more scans"
            ]
    return []


def _groups(chosen: Chosen) -> tuple[Sequence[Lesion], Sequence[Lesion]]:
    return chosen.real, chosen.synthetic
