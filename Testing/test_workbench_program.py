"""The workbench as a program: a picture without a screen, and one clear line where something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage

from cases import ROOT, Answer, assert_refused
from volumes import save_nifti, voxels_of
from workbench.opengl import EGL
from workbench.program import parse_size
from workbench.screen import why_no_screen
from workbench_helpers import GRIDS, pixels_of

BARE = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "QT_QPA_PLATFORM": "", "VTK_DEFAULT_OPENGL_WINDOW": ""}


def program(*arguments: object, command: str = "workbench", **environment: str) -> Answer:
    done = subprocess.run(
        [sys.executable, "-m", *command.split(), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **BARE, "PYTHONPATH": str(ROOT), **environment},
        timeout=300,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def head(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("program") / "head.nii.gz"
    return save_nifti(path, voxels_of(shape=(60, 70, 50)), GRIDS["oblique"])


def test_a_snapshot_shows_the_window_with_the_volume(head, tmp_path):
    answer = program("--module", "none", "--size", "1000x700", "--snapshot", tmp_path / "window.png", head)
    assert answer == Answer(0, f"{tmp_path / 'window.png'}\n", "")
    image = QImage(str(tmp_path / "window.png"))
    assert (image.width(), image.height()) == (1000, 700)
    pixels = pixels_of(image).astype(int)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    for bar in ((red > 220) & (green < 100), (green > 150) & (red < 130) & (blue < 100), (red > 220) & (green > 200)):
        assert bar.sum() > 2000
    grey = (np.ptp(pixels, axis=2) == 0) & (red > 120)
    assert grey[:, 450:].mean() > 0.1


def test_the_command_opens_the_workbench_and_passes_its_answer_on(head, tmp_path):
    assert_refused(program("app", head, "--size", "huge", command="TumorSynthLib"), "--size huge", "1400x900")
    answer = program("app", tmp_path / "none.nii.gz", "--snapshot", tmp_path / "x.png", command="TumorSynthLib")
    assert_refused(answer, "none.nii.gz")


def test_without_opengl_one_line_says_so(head, tmp_path):
    answer = program(head, "--snapshot", tmp_path / "x.png", VTK_DEFAULT_OPENGL_WINDOW="vtkXOpenGLRenderWindow")
    assert_refused(answer, "no usable OpenGL", "vtkXOpenGLRenderWindow", EGL)
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--snapshot OUT.png"),
        (("HOST",), "neither DISPLAY nor WAYLAND_DISPLAY"),
        (("--snapshot", "nowhere/x.png"), "nowhere does not exist"),
        (("--snapshot", "x.bmp2"), ".png"),
        (("--module", "Nonesuch", "--snapshot", "x.png"), "Nonesuch"),
        (("HOST", "--sample-brain", "--snapshot", "x.png"), "exclude each other"),
        (("--fullscreen",), "--fullscreen"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(head, arguments, says):
    assert_refused(program(*(head if word == "HOST" else word for word in arguments)), says)


@pytest.mark.parametrize("text", ["1400", "1400*900", "x", "-1x5", "100x100", "99999x900"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="--size"):
        parse_size(text)


def test_a_size_is_width_and_height():
    assert parse_size("1400x900") == (1400, 900)


def test_no_screen_is_told_with_its_reason(monkeypatch):
    for name, value in BARE.items():
        monkeypatch.setenv(name, value)
    assert why_no_screen() == "neither DISPLAY nor WAYLAND_DISPLAY is set"
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert "offscreen" in why_no_screen()


def test_importing_the_workbench_costs_nothing():
    code = "import sys, workbench; print(sorted({'PySide6', 'vtk', 'slicer', 'numpy', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_missing_system_packages_are_named_before_anything_is_installed():
    """tools/setup.sh asks with the system's own Python, without any package of ours."""
    script = ROOT / "workbench" / "system_libraries.py"
    code = f"""
import ctypes, runpy, sys
real = ctypes.CDLL
def absent(name, *more):
    if str(name) in ("libEGL.so.1", "libxcb-cursor.so.0"):
        raise OSError(name)
    return object()
ctypes.CDLL = absent
sys.argv = ["x", "--screen"]
runpy.run_path({str(script)!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-IS", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["libegl1", "libxcb-cursor0"]
