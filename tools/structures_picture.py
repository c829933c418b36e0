"""The picture of the three structures, and of what the sliders do: python tools/structures_picture.py --out PNG"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from TumorSynthLib.parameters import Appearance
from TumorSynthLib.pictures import view_grid, views
from TumorSynthLib.sample import SAMPLE_PLACE_RAS, sample_brain
from TumorSynthLib.spheres import ConcentricSpheres
from TumorSynthLib.synthesis import LesionRequest, LesionSynthesizer

RADII_MM = (13.0, 11.0, 8.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    host, default = sample_brain(), Appearance()
    variants: list[tuple[str, str, Appearance, int, str]] = [
        ("solid", "solid", default, 3, "default"),
        ("ring", "ring", default, 7, "default"),
        ("heterogeneous", "heterogeneous", default, 5, "default"),
        ("heterogeneous, other bundle", "heterogeneous", default, 5, "heterogeneous"),
        ("another seed", "ring", default, 8, "default"),
        ("contrast 0.5", "ring", replace(default, contrast=0.5), 7, "default"),
        ("mass effect 0", "ring", replace(default, mass_effect=0), 7, "default"),
        ("mass effect 1", "ring", replace(default, mass_effect=1), 7, "default"),
        ("oedema 0", "ring", replace(default, oedema=0), 7, "default"),
        ("oedema 1", "ring", replace(default, oedema=1), 7, "default"),
    ]
    figure = Figure(figsize=(15, 6.6), facecolor="black")
    FigureCanvasAgg(figure)
    around = view_grid(host.grid, np.array(SAMPLE_PLACE_RAS), 42.0)
    synthesizers = {name: LesionSynthesizer.from_bundle(name) for name in ("default", "heterogeneous")}
    brain = synthesizers["default"].find_brain(host)
    for axis, (title, structure, appearance, seed, bundle) in zip(
        figure.subplots(2, 5).ravel(), variants, strict=True
    ):
        spheres = ConcentricSpheres(SAMPLE_PLACE_RAS, RADII_MM, structure=structure)
        synthesizer = synthesizers[bundle]
        painted = synthesizer.paint(host, brain, LesionRequest(spheres, seed))
        case = synthesizer.finish(host, brain, [painted], [appearance])
        axis.imshow(views(host.normalized(case.image), host.grid, around)["axial"], cmap="gray", vmin=0, vmax=1.25)
        axis.set_title(title, color="white", fontsize=12)
        axis.set_axis_off()
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.95, 0.02, 0.1)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(chosen.out, dpi=70, facecolor="black")


if __name__ == "__main__":
    main()
