"""A few cases of a recipe on one picture, before thousands are made."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..grid import Grid, canonical_axes, resample
from ..pictures import plane
from .files import write_json, writing
from .folder import opened
from .layout import case_name
from .planning import CasePlan
from .recipe import Recipe
from .studio import Studio, one_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..synthesis import SynthesizedCase

MOST_CASES = 60
COLUMNS = 3
WHOLE_MM, NEAR_MM = 95.0, 26.0
COLOURS = ("#ffcc33", "#33c9ff", "#ff6666", "#66ff88", "#ff99ee")


def cases_to_show(recipe: Recipe, count: int) -> list[int]:
    """Spread over the whole cohort, the first and the last among them."""
    return sorted({int(case) for case in np.linspace(1, recipe.cases, min(count, recipe.cases, MOST_CASES)).round()})


def preview(
    recipe: Recipe,
    picture: Path,
    count: int,
    *,
    device: str = "auto",
    precision: str = "auto",
    progress: Callable[[str, float], None] | None = None,
) -> list[int]:
    """Makes `count` of the cohort's cases, the very ones that it will hold, and draws them; returns their numbers."""
    tell = progress or (lambda stage, share: None)
    with (
        tempfile.TemporaryDirectory(prefix="tumorsynth-") as folder,
        opened(Path(folder) / "preview", recipe, note=lambda text: None) as cohort,
        one_thread(),
    ):
        studio = Studio(cohort.paths.root)
        tell("loading the networks", 0.0)
        write_json(cohort.paths.machine, studio.describe_machine(device, precision))
        cases = cases_to_show(cohort.recipe, count)
        tiles = []
        for number, case in enumerate(cases):
            tell(f"making case {number + 1} of {len(cases)}", number / len(cases))
            if cohort.recipe.host_of(case) not in studio.fresh:
                studio.prepare(cohort.recipe.host_of(case), save=False)
            plan = studio.plan(case)
            tiles.append(_Tile(plan, studio.synthesize(plan)))
    tell("drawing", 1.0)
    _draw(tiles, picture)
    tell("done", 1.0)
    return cases


class _Tile:
    """What is seen of one case: the slice through its largest lesion, whole and near."""

    def __init__(self, plan: CasePlan, case: SynthesizedCase) -> None:
        largest = max(range(len(plan.lesions)), key=lambda n: plan.lesions[n].spheres.outer_radius_mm)
        spheres = plan.lesions[largest].spheres
        host, center = case.host, np.array(case.lesions[largest].centroid_ras)
        middle = host.grid.to_ras(np.argwhere(case.brain_mask[::4, ::4, ::4]).mean(0) * 4)
        axes = canonical_axes(host.affine)
        in_plane = middle + axes[:, 2] * float((center - middle) @ axes[:, 2])
        whole = _slice_grid(host.grid, in_plane, WHOLE_MM, 0.75)
        near = _slice_grid(host.grid, center, max(NEAR_MM, 1.8 * spheres.outer_radius_mm), 0.4)
        values = host.normalized(case.image)
        # Bright enough to see tissue, and not so bright that a lesion's inside is lost.
        tissue, lesions = np.percentile(values[case.brain_mask], 99), np.percentile(values[case.mask > 0], 90)
        self.brightest = float(max(1.1 * tissue, 0.95 * lesions))
        self.whole, self.near = _cut(values, host.grid, whole), _cut(values, host.grid, near)
        self.labels = _cut(case.mask, host.grid, near, nearest=True)
        count = len(plan.lesions)
        name = f"{count} lesion{'s' if count > 1 else ''}, largest {2 * spheres.outer_radius_mm:.0f} mm"
        self.title = f"{case_name(plan.case)}: {name} {spheres.resolved_structure.name}"


def _slice_grid(host: Grid, center: np.ndarray, half_mm: float, voxel_mm: float) -> Grid:
    count = 2 * round(half_mm / voxel_mm) + 1
    affine = np.eye(4)
    affine[:3, :3] = canonical_axes(host.affine) * voxel_mm
    affine[:3, 3] = center - affine[:3, :3] @ (count // 2, count // 2, 0)
    return Grid(affine, (count, count, 1))


def _cut(values: np.ndarray, host: Grid, where: Grid, nearest: bool = False) -> np.ndarray:
    return plane(resample(values, host, where, nearest=nearest), "axial", 0)


def _draw(tiles: list[_Tile], picture: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    figure = Figure(figsize=(6.0 * columns, 2.25 * rows + 0.3), facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 3 * columns, squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        left, middle, right = axes[row, 3 * column : 3 * column + 3]
        for axis, image in ((left, tile.whole), (middle, tile.near), (right, tile.near)):
            axis.imshow(image, cmap="gray", vmin=0, vmax=tile.brightest, interpolation="bilinear")
        for label in np.unique(tile.labels[tile.labels > 0]):
            colour = COLOURS[int(label - 1) % len(COLOURS)]
            right.contour(tile.labels == label, [0.5], colors=colour, linewidths=1.0)
        middle.set_title(tile.title, color="white", fontsize=9)
    top = 1 - 0.3 / figure.get_figheight()
    figure.suptitle("SYNTHETIC lesions, not for diagnosis", color="#ffcc33", fontsize=10, y=0.998)
    figure.subplots_adjust(0.003, 0.003, 0.997, top - 0.02, 0.02, 0.14)
    with writing(picture):
        figure.savefig(picture, dpi=72, facecolor="black")
