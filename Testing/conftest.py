"""A made-up brain as a file, the command line without a new process, and the workbench's window without a screen."""

from __future__ import annotations

import os

# Before VTK and Qt are imported anywhere: no screen is needed.
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cases import Answer, brain_host, brain_of
from TumorSynthLib import LesionSynthesizer, cli
from TumorSynthLib.host import HostBrain
from workbench import Workbench


@pytest.fixture(scope="session")
def host_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("host") / "brain.nii.gz"
    brain_host(path)
    return path


@pytest.fixture(scope="session")
def brain_file(host_file) -> Path:
    path = host_file.with_name("mask.nii.gz")
    host = HostBrain.read(host_file)
    host.write_volume(path, brain_of(host).astype(np.uint8))
    return path


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """The command line without a new process, for the many refusals that need none."""

    def run(*arguments: object) -> Answer:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Answer(end.value.code, out, err)

    return run


@pytest.fixture(scope="session")
def synthesizer() -> LesionSynthesizer:
    """The engine with the shipped default weights."""
    return LesionSynthesizer.from_bundle("default", device="cpu")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """More would only fight with each other over the little work that tests train on."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def open_module():
    """The module in the workbench, opened once: its background process stays warm."""
    from module_bench import ModuleBench

    return ModuleBench()


@pytest.fixture
def module(open_module):
    """The module on an empty scene."""
    yield open_module
    open_module.clear()


@pytest.fixture(scope="module")
def open_workbench() -> Iterator[Workbench]:
    """One window for all tests of a file, with no module in it. One that other tests left open makes way for it."""
    if Workbench.current() is not None:
        Workbench.current().close()
    bench = Workbench.open(size=(1100, 820), module=None, testing=True)
    yield bench
    bench.close()


@pytest.fixture
def bench(open_workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """That window with an empty scene, as if just opened. What goes wrong in slots and observers fails the test."""
    trouble: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: trouble.append(f"{kind.__name__}: {error}"))
    open_workbench.start_afresh()
    yield open_workbench
    open_workbench.process_events()
    assert trouble == []
