"""The workbench as a program: `python -m workbench`, which is also what `tumorsynth app` and `./run` start."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from TumorSynthLib.cli_exit import Stopped, run
from TumorSynthLib.errors import InputError, ResourceError

from .bench import SIZE, Workbench, module_file, require_packages
from .screen import why_no_screen

if TYPE_CHECKING:
    from collections.abc import Callable

SMALLEST, LARGEST = (640, 400), (7680, 4320)
SETTLE_SECONDS = 300
HEARTBEAT_MS = 200
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
NO_MODULE = "none"

program = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

Host = Annotated[
    Path | None, typer.Argument(metavar="[HOST]", help="Brain MRI to open: NIfTI, NRRD, MHA or a DICOM folder.")
]
Snapshot = Annotated[
    Path | None,
    typer.Option("--snapshot", metavar="OUT.png", help="Save a picture of the window and end; needs no screen."),
]
Size = Annotated[str | None, typer.Option("--size", metavar="WxH", help="Size of the window in pixels.")]
ModuleName = Annotated[
    str, typer.Option("--module", metavar="NAME", help="Module to show: a name, a .py file, or 'none'.")
]
ForModule = Annotated[
    list[str] | None,
    typer.Option("--for-module", metavar="TEXT", help="What the module is to open, in its own words; may be repeated."),
]
SampleBrain = Annotated[bool, typer.Option("--sample-brain", help="Open the sample brain.")]


@program.command()
def workbench(
    host: Host = None,
    snapshot: Snapshot = None,
    size: Size = None,
    module: ModuleName = "TumorSynth",
    sample_brain: SampleBrain = False,
    for_module: ForModule = None,
) -> None:
    """Open the workbench: the TumorSynth module in a window, without 3D Slicer."""
    from TumorSynthLib.sample import SAMPLE_BRAIN

    if host is not None and sample_brain:
        raise InputError("HOST and --sample-brain exclude each other: give one of them")
    volume = SAMPLE_BRAIN if sample_brain else host
    width_and_height = None if size is None else parse_size(size)
    require_packages()
    shown = None if module == NO_MODULE else module
    if shown is not None:
        module_file(shown)
    if snapshot is None:
        _require_screen()
    else:
        _require_place(snapshot)
    if host is not None:
        _require_volume(host)
    if snapshot is not None:
        save_snapshot(volume, shown, width_and_height or SIZE, snapshot, for_module or ())
    else:
        _show(volume, shown, width_and_height, for_module or ())


def parse_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    if match is None:
        raise InputError(f"--size {text}: give width and height in pixels, for example 1400x900")
    width, height = int(match[1]), int(match[2])
    if not (SMALLEST[0] <= width <= LARGEST[0] and SMALLEST[1] <= height <= LARGEST[1]):
        low, high = ("{}x{}".format(*size) for size in (SMALLEST, LARGEST))
        raise InputError(f"--size {text}: out of range; give {low} to {high} pixels")
    return width, height


def _require_screen() -> None:
    reason = why_no_screen()
    if reason is not None:
        raise ResourceError(f"no screen to show a window on ({reason}); --snapshot OUT.png makes a picture without one")


def _require_place(snapshot: Path) -> None:
    if snapshot.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(f"--snapshot {snapshot}: end the name in {', '.join(PICTURE_SUFFIXES)}")
    if snapshot.is_dir():
        raise InputError(f"--snapshot {snapshot}: is a folder; give a file name in it")
    if not snapshot.resolve().parent.is_dir():
        raise InputError(f"--snapshot {snapshot}: the folder {snapshot.resolve().parent} does not exist; make it first")


def _require_volume(host: Path) -> None:
    """Before any window opens: the reason why it cannot be read, in one line."""
    from TumorSynthLib.volume_files import read_volume

    read_volume(host)


def save_snapshot(
    volume: Path | None, module: str | None, size: tuple[int, int], picture: Path, for_module: Sequence[str] = ()
) -> None:
    """The window as a person would see it once the module has nothing more to do."""
    from .screen import draw_off_screen

    draw_off_screen()
    bench = Workbench.open(size, None, testing=True)
    try:
        if volume is not None:
            bench.load_volume(volume)
        if module is not None:
            bench.show_module(module)
            _hand_over(bench, for_module)
        bench.settle(SETTLE_SECONDS)
        if not bench.picture().save(str(picture)):
            raise ResourceError(f"--snapshot {picture}: cannot be written; choose a writable folder")
    finally:
        bench.close()
    print(picture)


def _hand_over(bench: Workbench, for_module: Sequence[str]) -> None:
    """A module that can be started with arguments has `onArguments`."""
    if for_module:
        bench.module_widget.onArguments(*for_module)


def _show(volume: Path | None, module: str | None, size: tuple[int, int] | None, for_module: Sequence[str]) -> None:
    bench = Workbench.open(size or SIZE, None, settings_file=settings_file())
    if size is None:
        bench.window.restore_geometry()
    messages = bench.window.messages
    undo: Callable[[], None] = messages.catch_all()
    if volume is not None:
        with messages.telling("open the volume"), bench.application.waiting():
            bench.load_volume(volume)
    if module is not None:
        with messages.telling(f"show the module {module}"), bench.application.waiting():
            bench.show_module(module)
            _hand_over(bench, for_module)
    with _closed_by_signals(bench):
        bench.run()
    undo()


@contextmanager
def _closed_by_signals(bench: Workbench) -> Iterator[None]:
    """Ctrl+C and the like close the window, so that the module ends what it began."""
    from PySide6.QtCore import QTimer

    received: list[int] = []

    def close(number: int, _frame: object) -> None:
        received.append(number)
        bench.window.asks_before_closing = False
        bench.window.close()

    # One that the caller chose to ignore stays ignored.
    wanted = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, close) for number in wanted}
    heartbeat = QTimer()  # Python hears of a signal only when it has something to do
    heartbeat.timeout.connect(lambda: None)
    heartbeat.start(HEARTBEAT_MS)
    try:
        yield
    finally:
        heartbeat.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise Stopped(received[0])


def settings_file() -> Path:
    from PySide6.QtCore import QStandardPaths

    folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericConfigLocation)
    return Path(folder) / "TumorSynth" / "workbench.ini"


def main(arguments: Sequence[str] | None = None) -> None:
    sys.exit(run(program, sys.argv[1:] if arguments is None else arguments, "tumorsynth app"))
