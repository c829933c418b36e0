"""How a command ends: exit code, one line, nothing left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from cases import ROOT
from TumorSynthLib.cli_exit import run
from TumorSynthLib.errors import InputError, ResourceError


def ending_with(error: BaseException | None) -> typer.Typer:
    application = typer.Typer()

    @application.command()
    def command(count: int = 0) -> None:
        if error is not None:
            raise error

    return application


def test_a_command_that_returns_is_done(capfd):
    assert run(ending_with(None), [], "x") == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InputError("host.nii: two\nlines"), "host.nii: two lines"),
        (ResourceError("the disk is full"), "the disk is full"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "--device cpu"),
        (OSError(errno.ENOSPC, "No space left on device", "case"), "case: No space left on device"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300), "aa: File name too long; give another path"),
        (OSError(errno.ELOOP, "Too many levels of symbolic links", "link"), "link: Too many levels"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "file/case"), "file/case: Not a directory"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "case"), "case: Is a directory"),
    ],
)
def test_what_a_person_can_put_right_is_one_line_and_code_2(capfd, error, says):
    assert run(ending_with(error), [], "x") == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ") and err.count("\n") == 1
    assert says in err


def test_torch_out_of_memory_says_what_would_fit(capfd):
    import torch

    assert run(ending_with(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")), [], "x") == 2
    err = capfd.readouterr().err
    assert "fewer or smaller lesions" in err and "--device cpu" in err and err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--count", "many"], ["--nothing"], ["extra"], ["--count"]])
def test_a_usage_error_is_one_line_and_code_2(capfd, arguments):
    assert run(ending_with(None), arguments, "x") == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ") and err.count("\n") == 1
    assert arguments[0] in err


@pytest.mark.parametrize("error", [ZeroDivisionError("division by zero"), OSError(errno.EMFILE, "Too many open files")])
def test_our_own_mistake_asks_for_a_report_before_the_traceback(capfd, error):
    assert run(ending_with(error), [], "x") == 1
    first, *rest = capfd.readouterr().err.splitlines()
    assert "please report" in first
    assert rest[0].startswith("Traceback") and str(error) in rest[-1]


def test_signal_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(ending_with(None), [], "x")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


WRITE_FOREVER = """
import sys, time, typer
from pathlib import Path
from TumorSynthLib import case_files
from TumorSynthLib.cli_exit import run
application = typer.Typer()
@application.command()
def command(folder: Path):
    with case_files._draft_beside(folder) as draft:
        (draft / "image.nii.gz").write_bytes(bytes(1000))
        print("writing", flush=True)
        time.sleep(60)
sys.exit(run(application, sys.argv[1:], "x"))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_while_writing_leaves_nothing(tmp_path: Path, number, code):
    child = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, str(tmp_path / "case")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout.readline() == "writing\n"
    assert len(list(tmp_path.iterdir())) == 1
    time.sleep(0.1)
    for _ in range(5):  # an impatient person presses more than once, also when the end has begun
        child.send_signal(number)
        time.sleep(0.003)
    _, err = child.communicate(timeout=30)
    assert child.returncode == code
    assert err == ""
    assert not list(tmp_path.iterdir())
