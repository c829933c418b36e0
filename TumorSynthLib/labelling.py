"""Labels on the host's own voxels: which belong to a lesion, which grey value each has, and how that compares with what
was asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from . import blending
from .grid import Grid, resample
from .host import HostBrain
from .painting import Brain, PaintedLesion, grey_values
from .parameters import Appearance

LITTLE_HEADROOM = 1.3


@dataclass(frozen=True)
class LesionFacts:
    """What was asked of a lesion, and what came out, measured on the host's voxels."""

    center_ras: tuple[float, float, float]
    radii_mm: tuple[float, ...]
    values: tuple[float, ...]
    structure: str
    heterogeneity: float
    darkest: float
    brightest: float
    seed: int
    appearance: dict[str, float]
    cube_voxel_mm: float
    volume_asked_mm3: float
    volume_mm3: float
    centroid_ras: tuple[float, float, float]
    grey_values: tuple[float, ...]
    class_fractions_asked: tuple[float, ...]
    class_fractions: tuple[float, ...]
    share_in_brain: float
    voxels_hidden_by_later: int
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class LesionLabels:
    """One lesion on a part of the host's grid: its voxels, and their grey values."""

    box: tuple[slice, slice, slice]
    grid: Grid
    mask: np.ndarray
    grey: np.ndarray


def labels_of(lesion: PaintedLesion, host: HostBrain, brain: Brain) -> LesionLabels:
    """The lesion in exactly the volume asked for, its classes in exactly their shares."""
    near = blending.soft_mask(lesion.mask, 1.0, 1.0)
    box = host.grid.box_covering(lesion.cube, near > 0)
    grid = host.grid.part(box)
    mask = _deepest_voxels(lesion, grid, resample(near, lesion.cube, grid) > 0.01, brain.mask[box])
    grey = grey_values(mask, resample(lesion.score, lesion.cube, grid), lesion.spheres)
    return LesionLabels(box, grid, mask, grey)


def _deepest_voxels(lesion: PaintedLesion, grid: Grid, near: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """The voxels deepest in the lesion's field, as many as its volume takes. `near` keeps fragments of the field that
    lie elsewhere out."""
    field = resample(lesion.field, lesion.cube, grid, fill=1e3)
    allowed = near & brain if (near & brain).any() else near
    count = int(np.clip(round(lesion.spheres.volume_mm3 / grid.voxel_volume_mm3), 1, allowed.sum()))
    candidates = np.where(allowed, field, np.inf).ravel()
    mask = np.zeros(candidates.size, bool)
    mask[np.argpartition(candidates, count - 1)[:count]] = True
    return mask.reshape(grid.shape)


def facts_of(lesion: PaintedLesion, labels: LesionLabels, brain: Brain, appearance: Appearance) -> LesionFacts:
    spheres, structure = lesion.spheres, lesion.spheres.resolved_structure
    values, shares = spheres.classes()
    counts = np.array([np.count_nonzero(labels.grey == np.float32(value)) for value in values])
    centroid = labels.grid.to_ras(np.argwhere(labels.mask).mean(0))
    return LesionFacts(
        center_ras=spheres.center_ras,
        radii_mm=spheres.radii_mm,
        values=structure.values,
        structure=structure.name,
        heterogeneity=structure.heterogeneity,
        darkest=structure.darkest,
        brightest=structure.brightest,
        seed=lesion.seed,
        appearance=asdict(appearance),
        cube_voxel_mm=float(lesion.cube.voxel_mm[0]),
        volume_asked_mm3=spheres.volume_mm3,
        volume_mm3=float(labels.mask.sum() * labels.grid.voxel_volume_mm3),
        centroid_ras=tuple(centroid.tolist()),
        grey_values=tuple(values.tolist()),
        class_fractions_asked=tuple(shares.tolist()),
        class_fractions=tuple((counts / max(counts.sum(), 1)).tolist()),
        share_in_brain=float((labels.mask & brain.mask[labels.box]).sum() / labels.mask.sum()),
        voxels_hidden_by_later=0,
        notes=_notes(lesion),
    )


def _notes(lesion: PaintedLesion) -> tuple[str, ...]:
    if lesion.ceiling >= LITTLE_HEADROOM:
        return ()
    return (
        f"white matter here is at {1 / lesion.ceiling:.0%} of the brightest value that this image's data type can hold:"
        " that leaves enhancement little room; store the image in a wider type for brighter lesions",
    )
