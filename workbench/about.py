"""What Help > About says: what the workbench is, and what it is not."""

from __future__ import annotations

import importlib.metadata

from TumorSynthLib import __version__

TITLE = "About the TumorSynth workbench"


def about_text() -> str:
    def version(package: str) -> str:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return "unknown"

    return f"""
<h3>TumorSynth workbench {__version__}</h3>
<p><b>What it is.</b> A window for computers without 3D Slicer. It shows the TumorSynth module as it is, on the real
core of Slicer (slicer-core {version("slicer-core")}, VTK {version("vtk")}): the same scene, the same slice and 3D
views, the same files. What it lacks of Slicer's desktop, small stand-ins of our own on Qt for Python
({version("PySide6-Essentials")}) do.</p>
<p><b>What it is not.</b> It is not desktop Slicer and does not come from its makers: other modules, extensions, the
DICOM database and the Python console are missing, and details look different. For those, use the extension in 3D
Slicer.</p>
<p><b>It is not a medical device.</b> Images made with TumorSynth are <b>synthetic</b>: tumors in them do not exist.
They are for research and teaching, never for diagnosis or treatment.</p>
<p>Apache License 2.0</p>
"""
