"""Makes the icon of the reading module and docs/pictures/reading.png, from the sample brain and made-up lesions in it.

python tools/reading_pictures.py      needs no screen
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle
from PIL import Image

from TumorSynthLib import ConcentricSpheres, LesionSynthesizer
from TumorSynthLib.reading import StudyPlan, create_study
from TumorSynthLib.sample import SAMPLE_PLACE_RAS, sample_brain
from workbench import Workbench

ROOT = Path(__file__).resolve().parent.parent
ICON = ROOT / "TumorSynthReading" / "Resources" / "Icons" / "TumorSynthReading.png"
PICTURE = ROOT / "docs" / "pictures" / "reading.png"
SIZE, WIDTH, COLORS = (1440, 900), 1100, 256
PIXELS = 128
BRIGHTNESS = {"window": 2800.0, "level": 1300.0}
RADII_MM = (17.0, 12.0, 7.0)


def draw_icon() -> None:
    """Two like lesions, and the question."""
    figure = plt.figure(figsize=(1, 1), dpi=PIXELS)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.add_patch(Circle((0.5, 0.5), 0.48, color="#22262b"))
    for x, color in ((0.3, "#33c9ff"), (0.7, "#ffc21a")):
        axes.add_patch(Circle((x, 0.42), 0.155, color="#8a9099"))
        axes.add_patch(Circle((x, 0.42), 0.155, fill=False, ec=color, lw=2.4))
        axes.add_patch(Circle((x, 0.42), 0.07, color="#3b4148"))
    axes.text(0.5, 0.76, "?", color="white", ha="center", va="center", fontsize=24, fontweight="bold")
    axes.set_axis_off()
    ICON.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(ICON, dpi=PIXELS, transparent=True)
    plt.close(figure)
    print(ICON)


def make_demo(folder: Path) -> Path:
    """A study whose "real" lesions are synthetic, too: nobody's data is in the picture."""
    host, engine = sample_brain(), LesionSynthesizer.from_bundle("default", device="cpu")
    tables = {"real": ["image,mask,patient"], "synthetic": ["image,mask"]}
    for number, kind in enumerate(("real", "synthetic", "real", "synthetic")):
        x, y, z = SAMPLE_PLACE_RAS
        spheres = ConcentricSpheres((x, y - 8 * (number // 2), z), RADII_MM, structure="ring")
        case = engine.synthesize(host, spheres, number)
        image, mask = folder / f"image{number}.nii", folder / f"mask{number}.nii"
        host.write_volume(image, case.image)
        host.write_volume(mask, case.mask.astype(np.uint8))
        tables[kind].append(f"{image},{mask}" + (f",p{number}" if kind == "real" else ""))
    for kind, lines in tables.items():
        (folder / f"{kind}.csv").write_text("\n".join(lines) + "\n")
    plan = StudyPlan(
        real=[folder / "real.csv"],
        synthetic=[folder / "synthetic.csv"],
        cases=4,
        repeats=0.0,
        readers={"anna": None},
        **BRIGHTNESS,
    )
    return create_study(folder / "study", plan).folder


def save(bench: Workbench) -> None:
    image = bench.picture()
    image = image.convertToFormat(image.Format.Format_RGB888)
    lines = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    pixels = lines[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)
    height = round(WIDTH * image.height() / image.width())
    small = Image.fromarray(pixels.copy()).resize((WIDTH, height), Image.Resampling.LANCZOS)
    small.quantize(COLORS, kmeans=3, dither=Image.Dither.FLOYDSTEINBERG).save(PICTURE, optimize=True)
    print(PICTURE)


def draw_case(folder: Path) -> None:
    study = make_demo(folder)
    bench = Workbench.open(size=SIZE, module="TumorSynthReading", testing=True)
    bench.module_widget.openStudy(study, "anna")
    bench.process_events()
    bench.key("return")
    bench.key("2")
    bench.process_events(0.3)
    save(bench)
    bench.close()


if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    draw_icon()
    with tempfile.TemporaryDirectory() as made:
        draw_case(Path(made))
    os._exit(0)  # VTK's and Qt's own clean-up at the end of a process may cross each other
