"""A made-up brain for tests of the engine: an ellipsoid of tissue with ventricles and noise, on any grid."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from TumorSynthLib.grid import Grid
from TumorSynthLib.host import HostBrain
from volumes import oblique_affine

BRAIN_HALF_MM = np.array([62.0, 75.0, 58.0])
TISSUE, AIR = 0.55, 0.02


def phantom(
    spacing_mm=(1.5, 1.5, 1.5), angles_degrees=(0, 0, 0), flips=(1, 1, 1), axes=(0, 1, 2), dtype=np.int16, seed=0
) -> tuple[HostBrain, np.ndarray]:
    """A host centred on RAS (5, -10, 15) and its brain mask."""
    affine = oblique_affine(np.asarray(spacing_mm, float), angles_degrees, flips, axes, (0, 0, 0))
    extent = np.abs(np.linalg.inv(affine[:3, :3])) @ (BRAIN_HALF_MM + 14)
    shape = tuple(int(np.ceil(2 * e)) + 1 for e in extent)
    center = np.array([5.0, -10.0, 15.0])
    affine[:3, 3] = center - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    grid = Grid(affine, shape)
    points = grid.to_ras(np.indices(shape).reshape(3, -1).T).reshape(*shape, 3) - center
    brain = ((points / BRAIN_HALF_MM) ** 2).sum(-1) < 1
    ventricle = (((points - (0, 5, 5)) / (12, 25, 10)) ** 2).sum(-1) < 1
    rng = np.random.default_rng(seed)
    rough = ndimage.gaussian_filter(rng.standard_normal(shape), 4 / grid.voxel_mm)
    values = np.where(brain, TISSUE + 0.04 * rough / rough.std(), AIR)
    values = np.where(ventricle, 0.15, values) + 0.012 * rng.standard_normal(shape)
    return HostBrain.from_array(_as_type(np.clip(values, 0, 1), np.dtype(dtype)), affine), brain


def _as_type(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return values.astype(dtype)
    top = {"uint8": 255, "int8": 127}.get(dtype.name, 3000)
    return np.rint(values * top).astype(dtype)
