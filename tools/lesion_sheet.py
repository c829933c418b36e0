"""A sheet of 24 lesions to look at: structure x size x place, before and after, in three planes.

    python tools/lesion_sheet.py --out docs/pictures/sheet_sample_brain.png
    python tools/lesion_sheet.py HOST --keep-out TUMOUR_MASK --out SHEET.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import ndimage

from TumorSynthLib.host import HostBrain
from TumorSynthLib.painting import Brain
from TumorSynthLib.pictures import PLANES, view_grid, views
from TumorSynthLib.sample import SAMPLE_BRAIN
from TumorSynthLib.spheres import STRUCTURES, ConcentricSpheres
from TumorSynthLib.synthesis import LesionRequest, LesionSynthesizer
from TumorSynthLib.volume_files import read_volume

RADII_MM = (4.0, 8.0, 13.0, 20.0)
INNER = {"solid": (0.85, 0.6), "ring": (0.85, 0.65), "heterogeneous": (0.88, 0.6)}
KEEP_OUT_MM = 20.0


def places(brain: Brain, keep_out: np.ndarray | None, rng: np.random.Generator) -> dict[tuple[str, float], np.ndarray]:
    """One place near the brain's surface and one deep, per size; with a tumour to keep out of, in its other half."""
    step = np.maximum(1, np.round(2 / brain.grid.voxel_mm)).astype(int)
    thin = tuple(slice(None, None, s) for s in step)
    depth = ndimage.distance_transform_edt(brain.mask[thin], sampling=step * brain.grid.voxel_mm)
    allowed = depth > 0
    if keep_out is not None:
        away = ndimage.distance_transform_edt(~keep_out[thin], sampling=step * brain.grid.voxel_mm)
        points = np.stack(np.meshgrid(*[np.arange(n) for n in depth.shape], indexing="ij"), -1) * step
        right = brain.grid.to_ras(points)[..., 0] - brain.center_ras[0]
        side = np.sign(right[keep_out[thin]].mean())
        allowed &= (away > KEEP_OUT_MM) & (right * side < -5)
    found = {}
    for radius in RADII_MM:
        for name, low, high in (("superficial", 0.75, 1.1), ("deep", 1.3, 2.2)):
            low, high = min(low * radius, 0.75 * depth[allowed].max()), max(high * radius, 12.0)
            candidates = np.argwhere(allowed & (depth >= low) & (depth <= high))
            found[name, radius] = brain.grid.to_ras(candidates[rng.integers(len(candidates))] * step)
    return found


def draw(
    host: HostBrain, brain: Brain, synthesizer: LesionSynthesizer, keep_out: np.ndarray | None, seed: int
) -> Figure:
    rng = np.random.default_rng(seed)
    figure = Figure(figsize=(24, 11.6), facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 * len(RADII_MM), 3 * 2 * len(STRUCTURES))
    where = places(brain, keep_out, rng)
    brightest = float(np.percentile(host.normalized(host.voxels[brain.mask]), 99.7)) * 1.15
    columns = [(place, structure) for place in ("superficial", "deep") for structure in STRUCTURES]
    for row, radius in enumerate(RADII_MM):
        for column, (place, structure) in enumerate(columns):
            center = where[place, radius]
            radii = (radius, *(radius * share for share in INNER[structure]))
            spheres = ConcentricSpheres(tuple(center), radii, structure=structure)
            request = LesionRequest(spheres, int(rng.integers(1000)))
            case = synthesizer.finish(host, brain, [synthesizer.paint(host, brain, request)], [request.appearance])
            around = view_grid(host.grid, center, max(22.0, 2.2 * radius))
            for line, image in enumerate((case.image, host.voxels)):
                seen = views(host.normalized(image), host.grid, around)
                for offset, plane in enumerate(PLANES):
                    axis = axes[2 * row + line, 3 * column + offset]
                    axis.imshow(seen[plane], cmap="gray", vmin=0, vmax=brightest, interpolation="bilinear")
                    axis.set_axis_off()
            if row == 0:
                axes[0, 3 * column + 1].set_title(f"{structure}, {place}", color="white", fontsize=12)
            if column == 0:
                axes[2 * row, 0].text(
                    -0.08, 0, f"{2 * radius:g} mm", color="white", rotation=90, va="center", ha="right",
                    transform=axes[2 * row, 0].transAxes, fontsize=12,
                )  # fmt: skip
    figure.subplots_adjust(0.02, 0.005, 0.998, 0.965, 0.02, 0.02)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", type=Path, nargs="?", default=SAMPLE_BRAIN)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--keep-out", type=Path, help="mask or labels of a tumour; lesions go to the other half")
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dpi", type=int, default=65)
    chosen = parser.parse_args()
    host = HostBrain.read(chosen.host)
    keep_out = read_volume(chosen.keep_out).voxels > 0 if chosen.keep_out else None
    synthesizer = LesionSynthesizer.from_bundle(chosen.bundle)
    figure = draw(host, synthesizer.find_brain(host), synthesizer, keep_out, chosen.seed)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(chosen.out, dpi=chosen.dpi, facecolor="black")


if __name__ == "__main__":
    main()
