"""Makes the pictures of docs/module.md: the tutorial's five clicks, by real mouse events in the workbench.

    python tools/tutorial_pictures.py      needs no screen
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from TumorSynthLib.sample import SAMPLE_PLACE_RAS
from workbench import Workbench

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
SIZE = (1440, 900)
WIDTH = 1100
COLORS = 256
STRUCTURES = ("solid", "ring", "heterogeneous")
SEED = 7


class Tutorial:
    def __init__(self) -> None:
        self.bench = Workbench.open(size=SIZE, module="TumorSynth", testing=True)
        self.widget = self.bench.module_widget
        self.editor, self.ui = self.widget.editor, self.widget.ui

    def settle(self, reached: Callable[[], bool] | None = None) -> None:
        ends = time.monotonic() + 120
        done = reached or (lambda: not (self.editor.at_work or self.widget.settleTimer.active))
        self.bench.process_events(0.1)
        while not done():
            if time.monotonic() > ends:
                raise SystemExit("the module did not come to rest")
            self.bench.process_events(0.01)
        self.bench.process_events(0.1)

    def click(self, button: object) -> None:
        self.bench.window.panel.scroll.ensureWidgetVisible(button)
        self.bench.process_events()
        size = button.property("size")
        self.bench.mouse.click(button, (size.width() / 2, size.height() / 2))

    def zoom_in(self) -> None:
        """Nearer, as a right drag does, and centered on the lesion."""
        import slicer

        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            x, y, z = node.GetFieldOfView()
            node.SetFieldOfView(0.62 * x, 0.62 * y, z)
            node.JumpSliceByCentering(*self.editor.chosen.state.center_ras)
        self.bench.process_events()

    def picture(self, name: str) -> None:
        """The window, small enough for a page."""
        image = self.bench.picture().convertToFormat(self.bench.picture().Format.Format_RGB888)
        lines = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
        pixels = lines[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)
        height = round(WIDTH * image.height() / image.width())
        small = Image.fromarray(pixels.copy()).resize((WIDTH, height), Image.Resampling.LANCZOS)
        small = small.quantize(COLORS, kmeans=3, dither=Image.Dither.FLOYDSTEINBERG)
        small.save(PICTURES / f"{name}.png", optimize=True)
        print(PICTURES / f"{name}.png")

    def run(self) -> None:
        self.click(self.ui.sampleButton)
        self.settle(lambda: self.editor.brain is not None)
        self.bench.window.panel.scroll.verticalScrollBar().setValue(0)
        self.picture("tutorial_1_sample_brain")
        self.click(self.ui.placeButton)
        self._look_at(SAMPLE_PLACE_RAS)
        self.picture("tutorial_2_place")
        self.bench.mouse.click("Red", SAMPLE_PLACE_RAS)
        self.settle()
        self.zoom_in()
        self.picture("tutorial_3_lesion")
        self._resize()
        self.picture("tutorial_4_resize")
        self.bench.mouse.release("Red", self._on_outer_ring(6))
        self.settle()
        self.click(self.ui.variationButton)
        self.settle()
        self.ui.mapCheckBox.setChecked(True)
        self.bench.process_events(0.2)
        self.picture("tutorial_5_variation")
        self._structures()

    def _look_at(self, place: tuple[float, float, float]) -> None:
        import slicer

        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            node.JumpSliceByOffsetting(*place)
        self.bench.mouse.move("Red", place)
        self.bench.process_events(0.1)

    def _on_outer_ring(self, more_mm: float = 0.0) -> np.ndarray:
        """A place at the right edge of the outermost ring in the axial view."""
        state = self.editor.chosen.state
        return np.array(state.center_ras) + (-(self._radius + more_mm), 0, 0)

    def _resize(self) -> None:
        """The outermost ring pulled outwards; the button is still down in the picture."""
        self._radius = self.editor.chosen.state.radii_mm[0]
        self.bench.mouse.move("Red", self._on_outer_ring())
        self.bench.mouse.press("Red", self._on_outer_ring())
        for step in range(1, 13):
            self.bench.mouse.move("Red", self._on_outer_ring(step / 2))
            self.bench.process_events(0.02)
        self.settle()

    def _structures(self) -> None:
        """The module's main picture, with the lesion of one structure after the other."""
        self.ui.mapCheckBox.setChecked(False)
        self.ui.outlineCheckBox.setChecked(False)
        self.ui.spheresCheckBox.setChecked(False)
        for structure in STRUCTURES:
            self.editor.change(structure=structure, values=None, seed=SEED)
            self.settle()
            self.picture(f"module_{structure}")
        self.ui.outlineCheckBox.setChecked(True)
        self.ui.spheresCheckBox.setChecked(True)
        self.editor.change(structure="ring")
        self.settle()
        self.bench.window.panel.scroll.verticalScrollBar().setValue(0)
        self.picture("module")


if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    PICTURES.mkdir(parents=True, exist_ok=True)
    Tutorial().run()
    os._exit(0)  # VTK's and Qt's own clean-up at the end of a process may cross each other
