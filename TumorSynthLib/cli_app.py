"""`tumorsynth app`: opens the workbench, which is a program of its own above this library."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from .cli_exit import Stopped
from .errors import ResourceError

WORKBENCH = "workbench"

Host = Annotated[
    Path | None, typer.Argument(metavar="[HOST]", help="Brain MRI to open: NIfTI, NRRD, MHA or a DICOM folder.")
]
Snapshot = Annotated[
    Path | None,
    typer.Option("--snapshot", metavar="OUT.png", help="Save a picture of the window and end; needs no screen."),
]
Size = Annotated[str | None, typer.Option("--size", metavar="WxH", help="Size of the window, for example 1400x900.")]


def open_workbench(host: Host = None, snapshot: Snapshot = None, size: Size = None) -> None:
    """Open the workbench: the TumorSynth module in a window of its own, for computers without 3D Slicer.

    [bold]Examples[/bold]

        tumorsynth app t1c.nii.gz

    A picture of that window, without a screen:

        tumorsynth app t1c.nii.gz --snapshot window.png --size 1400x900
    """
    if importlib.util.find_spec(WORKBENCH) is None:
        raise ResourceError('the workbench is not installed; install it with: pip install "tumorsynth[app]"')
    arguments = [] if host is None else ["--", str(host)]
    options = {"--snapshot": snapshot, "--size": size}
    given = [f"{name}={value}" for name, value in options.items() if value is not None]
    # A process of its own: this library knows nothing of windows, and a display driver that fails ends only that.
    code = code_of([sys.executable, "-m", WORKBENCH, *given, *arguments])
    if code:
        raise typer.Exit(code if code > 0 else 1)


def code_of(command: list[str]) -> int:
    """The answer of a program that is asked, not forced, to end when this one is."""
    with subprocess.Popen(command) as child:
        try:
            return child.wait()
        except (KeyboardInterrupt, Stopped):
            child.terminate()
            return child.wait()
