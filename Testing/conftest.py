"""A made-up brain as a file, and the command line without a new process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cases import Answer, brain_host, brain_of
from TumorSynthLib import LesionSynthesizer, cli
from TumorSynthLib.host import HostBrain


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
