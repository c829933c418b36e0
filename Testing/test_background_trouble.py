"""Whatever happens to the background process, the caller stands, says what happened in plain words, and can go on."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from background_helpers import answer, ask, lesion, poll_until
from cases import ROOT
from phantoms import phantom
from TumorSynthLib.background.files import PrivateFolder, StoredArray, handed_over
from TumorSynthLib.background.process import SynthesisProcess
from TumorSynthLib.errors import InputError

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux about processes and their memory")


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Where temporary files go: a path with a space and an accent, and too long for a socket."""
    folder = tmp_path / "ein größerer Ordner" / ("x" * 90)
    folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def process():
    process = SynthesisProcess()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def warm():
    process = SynthesisProcess()
    process.use_host(*phantom(spacing_mm=(2.0, 2.0, 2.0)))
    process.start()
    assert process.wait(120) and process.state == "ready"
    yield process
    process.stop()


def without(package: str, tmp_path: Path, monkeypatch) -> None:
    """Child processes from now on find no such package."""
    (tmp_path / "hides" / package).mkdir(parents=True)
    refusal = f"raise ModuleNotFoundError(\"No module named '{package}'\", name='{package}')\n"
    (tmp_path / "hides" / package / "__init__.py").write_text(refusal)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hides"))


@pytest.mark.parametrize("package", ["torch", "monai"])
def test_a_package_that_is_not_installed_is_named_and_once_it_is_there_all_works(
    process, temporary, tmp_path, monkeypatch, package
):
    process.use_host(*phantom(spacing_mm=(2.0, 2.0, 2.0)))
    with monkeypatch.context() as before_installation:
        without(package, tmp_path, before_installation)
        error = answer(process, lesion()).error
    assert (error.kind, error.packages, error.details) == ("missing", (package,), "")
    assert error.message == f"{package} is not installed: lesions cannot be made without"
    assert process.state == "failed" and process.error == error
    if package == "torch":
        assert answer(process, lesion(), quality="preview").patch.painted == 1
    process.stop()
    assert not list(temporary.iterdir())


def test_a_python_that_is_not_there_is_named(process):
    process.python = "/nowhere/PythonSlicer"
    process.use_host(*phantom(spacing_mm=(2.0, 2.0, 2.0)))
    asked = ask(process, lesion())
    process.wait(10)
    assert asked.error.kind == "crash" and "/nowhere/PythonSlicer cannot be started" in asked.error.message


def test_a_python_that_ends_at_once_leaves_its_last_words(process, tmp_path):
    strange = tmp_path / "python"
    strange.write_text("#!/bin/sh\necho this is no Python; exit 3\n")
    strange.chmod(0o755)
    process.python = str(strange)
    process.use_host(*phantom(spacing_mm=(2.0, 2.0, 2.0)))
    error = answer(process, lesion()).error
    assert error.kind == "crash" and "exit status 3" in error.message and error.details == "this is no Python"


def test_a_process_killed_at_work_fails_its_question_and_the_next_one_starts_another(warm):
    host, brain = phantom(spacing_mm=(2.0, 2.0, 2.0))
    warm.use_host(host, brain)
    first = warm.process_id
    asked = ask(warm, *(lesion(x, 5) for x in range(-30, 31, 10)))
    poll_until(warm, lambda: warm.progress[0].startswith("painting"))
    os.kill(first, signal.SIGKILL)
    assert warm.wait(20)
    assert asked.error.kind == "crash" and "SIGKILL" in asked.error.message
    assert warm.state == "failed"
    assert answer(warm, lesion(), quality="preview").patch.painted == 1
    assert warm.process_id != first and warm.state == "ready" and warm.error is None


def test_a_process_that_does_not_answer_is_replaced_when_called_off(warm):
    hung = warm.process_id
    os.kill(hung, signal.SIGSTOP)
    asked = ask(warm, lesion(seed=5))
    warm.poll()
    warm.cancel()
    assert poll_until(warm, lambda: warm.state != "working") < 2
    assert warm.wait(60) and warm.state == "ready" and warm.process_id != hung
    assert not psutil.pid_exists(hung)
    assert not asked.patches and not asked.errors


@LINUX_ONLY
def test_running_out_of_memory_is_said_with_advice_and_leaves_the_process_usable(warm):
    warm.use_host(*phantom(spacing_mm=(0.8, 0.8, 0.8)))
    assert answer(warm, lesion(20, 5), quality="preview").patch
    worker = warm.process_id
    memory = psutil.Process(worker).memory_info().vms
    _, hard = resource.prlimit(worker, resource.RLIMIT_AS)
    resource.prlimit(worker, resource.RLIMIT_AS, (memory + 10_000_000, hard))
    error = answer(warm, lesion(15, 30), lesion(-15, 25)).error
    assert error.kind == "memory" and error.message.startswith("out of memory: choose a smaller lesion")
    assert "Traceback" in error.details
    resource.prlimit(worker, resource.RLIMIT_AS, (hard, hard))
    assert answer(warm, lesion(20, 6), quality="preview").patch.painted == 1
    assert warm.process_id == worker


@LINUX_ONLY
def test_peak_memory_is_told(warm):
    warm.use_host(*phantom(spacing_mm=(2.0, 2.0, 2.0)))
    answer(warm, lesion())
    assert 100e6 < warm.peak_memory_bytes < 1.5e9


_CALLER = """
import sys, time
from phantoms import phantom
from background_helpers import ask, lesion
from TumorSynthLib.background.process import SynthesisProcess
process = SynthesisProcess()
process.use_host(*phantom(spacing_mm=(2.0, 2.0, 2.0)))
process.start()
process.wait(120)
print("torch" in sys.modules, process.process_id, process._folder.path, flush=True)
ask(process, *(lesion(x, 5) for x in range(-30, 31, 5)))
time.sleep(600)
"""


def test_when_the_caller_is_killed_nothing_of_it_stays_behind(tmp_path):
    paths = os.pathsep.join([str(ROOT), str(ROOT / "Testing")])
    environment = {**os.environ, "PYTHONPATH": paths}
    caller = subprocess.Popen([sys.executable, "-c", _CALLER], stdout=subprocess.PIPE, text=True, env=environment)
    torch_in_caller, worker, folder = caller.stdout.readline().split(maxsplit=2)
    assert torch_in_caller == "False", "only the background process pays for torch"
    assert psutil.pid_exists(int(worker)) and Path(folder.strip()).is_dir()
    caller.kill()
    caller.wait()
    ends = time.monotonic() + 5
    while psutil.pid_exists(int(worker)) or Path(folder.strip()).exists():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_a_process_whose_caller_vanishes_before_they_meet_leaves_too(temporary):
    process = SynthesisProcess()
    process.start()
    child = psutil.Process(process._child._process.pid)
    for file in sorted(temporary.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    assert child.wait(20) is not None
    process.stop()


def test_stopping_leaves_nothing_and_twice_does_no_harm(temporary):
    process = SynthesisProcess()
    process.stop()
    process.use_host(*phantom(spacing_mm=(2.0, 2.0, 2.0)))
    asked = ask(process, lesion())
    process.poll()
    process.stop()
    process.stop()
    assert process.state == "off" and not process.busy and not list(temporary.iterdir())
    assert asked.ticket.state == "cancelled" and not asked.errors


def test_a_question_without_a_host_is_a_mistake(process):
    with pytest.raises(InputError, match="use_host"):
        ask(process, lesion())


def test_a_full_disk_is_said_and_does_not_end_the_caller(process):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    process.use_host(*phantom(spacing_mm=(1.0, 1.0, 1.0)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        asked = ask(process, lesion())
        poll_until(process, lambda: asked.errors)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert asked.error.kind == "input" and "make room on its disk" in asked.error.message


# -- arrays on their way


def test_an_array_arrives_as_it_was_in_every_memory_layout(temporary):
    folder = PrivateFolder()
    plain = np.random.default_rng(0).standard_normal((60, 200, 150))
    for array in (plain, np.asfortranarray(plain), plain[::2, ::-1], (plain > 0).transpose(1, 0, 2)):
        stored = StoredArray(folder, "host", array)
        turns = 0
        while not stored.is_ready:
            stored.write_some()
            turns += 1
        arrived = np.load(stored.file.path)
        assert np.array_equal(arrived, array) and arrived.dtype == array.dtype
        assert turns > 1 or array.nbytes < 8 << 20
    del stored
    assert not list(folder.path.iterdir()), "and its file goes with the last who holds it"
    folder.close()


@pytest.mark.parametrize("shape", [(70, 70, 70), (250, 250, 100)])
def test_a_received_array_is_the_receiver_s_own_and_its_file_gone(shape):
    folder = PrivateFolder()
    sent = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    path = folder.path / "image.npy"
    np.save(path, sent)
    began = time.thread_time()
    received = handed_over(str(path), folder)
    assert time.thread_time() - began < 0.01
    if os.name == "posix":
        assert not path.exists()
    received += 1
    assert np.array_equal(received, sent + 1)
    folder.close()
