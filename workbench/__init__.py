"""The workbench: a window on Slicer's core that hosts the TumorSynth module on computers without desktop Slicer.

    from workbench import Workbench

    bench = Workbench.open(size=(1400, 900), module="TumorSynth")
    bench.load_volume("t1c.nii.gz")
    bench.mouse.drag("Red", (200, 200), (240, 200))
    bench.close()

Importing this package costs nothing; PySide6, VTK and Slicer's core are loaded when a workbench opens.
"""

from __future__ import annotations

from .bench import Workbench

__all__ = ["Workbench"]
