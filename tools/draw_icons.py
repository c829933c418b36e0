"""Draws the module's icons from the sample brain: `python tools/draw_icons.py`."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from TumorSynthLib.sample import sample_brain

ICONS = Path(__file__).resolve().parent.parent / "TumorSynth" / "Resources" / "Icons"
SLICE_S_MM = 20.0
HALF_WIDTH_MM = 88.0
CENTER_MM = (0.0, 4.0)
SPHERES_MM = (-28.0, 14.0)
RINGS = ((34.0, "#ff4d4d"), (24.0, "#ffc21a"), (13.0, "#33c9ff"))


def brain_slice() -> np.ndarray:
    """An axial slice as radiologists look at it: front up, the patient's right at the left."""
    host = sample_brain()
    steps = np.linspace(-HALF_WIDTH_MM, HALF_WIDTH_MM, 352)
    right, front = np.meshgrid(CENTER_MM[0] - steps, CENTER_MM[1] - steps)
    points = np.stack([-right, front, np.full_like(right, SLICE_S_MM)], -1).reshape(-1, 3)
    index = np.clip(np.rint(host.ras_to_ijk(points)).astype(int), 0, np.array(host.shape) - 1)
    return host.normalized(host.voxels[tuple(index.T)]).reshape(right.shape)


def draw(pixels: int, rings: bool, file: Path) -> None:
    figure = plt.figure(figsize=(1, 1), dpi=pixels)
    axes = figure.add_axes((0, 0, 1, 1))
    picture(axes, rings)
    figure.savefig(file, dpi=pixels, transparent=True)
    plt.close(figure)


def picture(axes: Axes, rings: bool) -> None:
    reach = HALF_WIDTH_MM
    shown = axes.imshow(brain_slice(), cmap="gray", vmin=0, vmax=1.15, extent=(-reach, reach, -reach, reach))
    shown.set_clip_path(Circle((0, 0), 0.97 * reach, transform=axes.transData))
    if rings:
        x, y = SPHERES_MM
        axes.add_patch(Circle((x, y), RINGS[0][0], color=RINGS[0][1], alpha=0.25, lw=0))
        for radius, color in RINGS:
            axes.add_patch(Circle((x, y), radius, fill=False, ec=color, lw=2.6))
    axes.set_axis_off()


if __name__ == "__main__":
    ICONS.mkdir(parents=True, exist_ok=True)
    draw(128, True, ICONS / "TumorSynth.png")
    draw(128, False, ICONS / "TumorSynthSampleBrain.png")
