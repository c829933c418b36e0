"""Measures the module while a lesion is dragged in the workbench, by real mouse events on the sample brain.

    python tools/measure_dragging.py [STEPS]      500 steps of the mouse unless told otherwise; needs no screen

Latency is counted from a step of the mouse to the first picture of a lesion at that place, or at a later one. `waited`
is how long the window did not react: a timer of 1 ms should have fired and did not. On a computer without a graphics
card most of that is drawing, which is why the time inside the module's own code is given apart.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import psutil
from PySide6.QtCore import Qt, QTimer
from rich.console import Console
from rich.table import Table

from TumorSynthLib.parameters import Appearance
from TumorSynthLib.sample import SAMPLE_BRAIN, SAMPLE_PLACE_RAS
from TumorSynthLib.scene.lesion_state import LesionState
from workbench import Workbench

STEPS = 500
STEP_S = 1 / 60
CIRCLE_MM = 9.0
SLIDER_STEPS = 30


@dataclass
class Stopwatch:
    """Durations in milliseconds."""

    name: str
    times: list[float] = field(default_factory=list)

    def around(self, called: Callable) -> Callable:
        def timed(*arguments: object, **options: object) -> object:
            began = time.perf_counter()
            try:
                return called(*arguments, **options)
            finally:
                self.times.append(1e3 * (time.perf_counter() - began))

        return timed


class Measurement:
    def __init__(self) -> None:
        self.bench = Workbench.open(module="TumorSynth", testing=True)
        self.widget = self.bench.module_widget
        self.editor = self.widget.editor
        self.bench.load_volume(SAMPLE_BRAIN)
        self._settle()
        self.editor.add(LesionState("Lesion", SAMPLE_PLACE_RAS, (10.0, 8.2, 6.2), "ring", seed=7))
        self._settle()
        self.loop, self.code = Stopwatch("window waited"), Stopwatch("of that, module code")
        self.preview, self.full = Stopwatch("preview while dragging"), Stopwatch("full result after letting go")
        self.slider = {name: Stopwatch(f"{name} slider") for name in ("contrast", "mass_effect")}
        self._asked: list[tuple[float, tuple[float, ...]]] = []
        self._heartbeat()

    def _settle(self) -> None:
        self.bench.process_events(0.05)
        while self.editor.at_work or self.widget.settleTimer.active:
            self.bench.process_events(0.005)
        self.bench.process_events(0.2)

    def _heartbeat(self) -> None:
        self._last_beat = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.loop.times.append(1e3 * (now - self._last_beat))
        self._last_beat = now

    def drag(self, steps: int) -> None:
        """Round in a circle, as fast as a mouse reports: when drawing is slower, steps come when the window is free."""
        self._listen()
        center = np.array(self.editor.chosen.state.center_ras)
        self.bench.mouse.press("Red", center)
        self._last_beat = time.perf_counter()
        self._timer.start(1)
        began = time.perf_counter()
        for step in range(1, steps + 1):
            angle = 2 * np.pi * step / 150
            place = center + CIRCLE_MM * np.array([1 - np.cos(angle), np.sin(angle), 0])
            self.bench.mouse.move("Red", place)
            self.bench.process_events(max(0.0, began + step * STEP_S - time.perf_counter()))
        self._timer.stop()
        self._released = time.perf_counter()
        self.bench.mouse.release("Red", place)
        self._settle()

    def _listen(self) -> None:
        """The module's own ways in are timed, and every patch is compared with what was asked for."""
        shown = self.editor.on_patch

        def patch_shown(patch: object) -> None:
            shown(patch)
            self._patch(patch, time.perf_counter())

        self.editor.on_patch = patch_shown
        self.editor.poll = self.code.around(self.editor.poll)
        handles = self.editor.chosen
        edit = handles.edit

        def noted(state: LesionState, finished: bool) -> None:
            self._asked.append((time.perf_counter(), state.center_ras))
            edit(state, finished)

        handles.edit = self.code.around(noted)

    def _patch(self, patch: object, now: float) -> None:
        center = patch.lesions[0].center_ras
        if patch.quality == "full":
            if hasattr(self, "_released"):
                self.full.times.append(1e3 * (now - self._released))
            return
        numbers = [n for n, (_, place) in enumerate(self._asked) if place == center]
        if numbers:
            self.preview.times.append(1e3 * (now - self._asked[numbers[-1]][0]))

    def sliders(self) -> None:
        del self._released
        for name, watch in self.slider.items():
            for step in range(SLIDER_STEPS):
                arrived: list[float] = []
                shown = self.editor.on_patch
                self.editor.on_patch = lambda patch, arrived=arrived: arrived.append(time.perf_counter())
                began = time.perf_counter()
                self.editor.change(appearance=Appearance(**{name: 0.3 + 0.5 * step / SLIDER_STEPS}), finished=False)
                while not arrived:
                    self.bench.process_events()
                watch.times.append(1e3 * (arrived[0] - began))
                self.editor.on_patch = shown
            self.editor.settle()
            self._settle()

    def table(self, steps: int) -> Table:
        table = Table(title=f"{steps} steps of the mouse, {os.cpu_count()} cores, {self.editor.worker.device_in_use}")
        for column in ("", "count", "median ms", "p95 ms", "worst ms"):
            table.add_column(column, justify="right" if column else "left")
        for watch in (self.preview, self.full, *self.slider.values(), self.loop, self.code):
            times = np.array(watch.times or [np.nan])
            figures = (np.median(times), np.percentile(times, 95), times.max())
            table.add_row(watch.name, str(len(watch.times)), *(f"{figure:.0f}" for figure in figures))
        for name, number in (("window", os.getpid()), ("background", self.editor.worker.process_id)):
            memory = psutil.Process(number).memory_info().rss / 2**20
            table.add_row(f"memory, {name}", "", f"{memory:.0f} MiB", "", "")
        return table


def main() -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else STEPS
    measurement = Measurement()
    measurement.drag(steps)
    measurement.sliders()
    Console(width=100).print(measurement.table(steps))
    sys.stdout.flush()
    os._exit(0)  # VTK's and Qt's own clean-up at the end of a process may cross each other


if __name__ == "__main__":
    main()
