"""Pictures of cases for people: before, after, mask and map in three planes, seen as radiologists see them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .grid import Grid, canonical_axes, resample

if TYPE_CHECKING:
    from .synthesis import SynthesizedCase

PLANES = ("axial", "coronal", "sagittal")
# The axis each plane is cut across, on a lattice ordered R, A, S.
_ACROSS = {"axial": 2, "coronal": 1, "sagittal": 0}


def view_grid(host: Grid, center_ras: np.ndarray, half_mm: float, voxel_mm: float = 0.75) -> Grid:
    """A cubic lattice around a place, along the host's axes in the order R, A, S."""
    count = 2 * round(half_mm / voxel_mm) + 1
    affine = np.eye(4)
    affine[:3, :3] = canonical_axes(host.affine) * voxel_mm
    affine[:3, 3] = np.asarray(center_ras) - affine[:3, :3] @ np.full(3, count // 2)
    return Grid(affine, (count,) * 3)


def plane(volume: np.ndarray, name: str, index: int | None = None) -> np.ndarray:
    """One slice of a lattice ordered R, A, S: nose up or left, the patient's right on the left."""
    axis = _ACROSS[name]
    cut = volume.take(volume.shape[axis] // 2 if index is None else index, axis)
    return cut[::-1, ::-1].T


def views(values: np.ndarray, host: Grid, around: Grid, nearest: bool = False) -> dict[str, np.ndarray]:
    box = host.box(around.to_ras(np.full(3, around.shape[0] / 2)), around.shape[0] * around.voxel_mm[0])
    seen = resample(values[box], host.part(box), around, nearest=nearest)
    return {name: plane(seen, name) for name in PLANES}


def case_picture(case: SynthesizedCase, path: Path, lesion: int = 0, half_mm: float = 55.0) -> None:
    """Three planes through one lesion: host, result, mask outline, intensity map."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    host = case.host
    around = view_grid(host.grid, np.array(case.lesions[lesion].center_ras), half_mm)
    before = views(host.normalized(host.voxels), host.grid, around)
    after = views(host.normalized(case.image), host.grid, around)
    outline = views(case.mask > 0, host.grid, around)
    grey = views(case.intensity_map, host.grid, around, nearest=True)
    brightest = max(float(np.percentile(after[name], 99.8)) for name in PLANES)
    figure = Figure(figsize=(12, 9.4), facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, 4)
    for row, name in enumerate(PLANES):
        for column, image in enumerate((before[name], after[name], after[name], after[name])):
            axes[row, column].imshow(image, cmap="gray", vmin=0, vmax=brightest, interpolation="bilinear")
            axes[row, column].set_axis_off()
        axes[row, 2].contour(outline[name], [0.5], colors="#ffcc33", linewidths=1.2)
        shown = np.ma.masked_less_equal(grey[name], 0)
        axes[row, 3].imshow(shown, cmap="viridis", vmin=0.3, vmax=1.0, interpolation="nearest")
    for column, title in enumerate(("before", "after (SYNTHETIC)", "lesion mask", "intensity map")):
        axes[0, column].set_title(title, color="white", fontsize=13)
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.96, 0.02, 0.02)
    figure.savefig(path, dpi=80, facecolor="black")
