"""Whether this computer can render without a window, found out in a child process.

Without a usable OpenGL, VTK does not raise an exception: the process dies of a segmentation fault. So a child renders
one small picture first, and this process only goes on when that worked.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys

from TumorSynthLib.errors import ResourceError

from .system_libraries import missing_packages

WINDOW_VARIABLE = "VTK_DEFAULT_OPENGL_WINDOW"
EGL, OSMESA = "vtkEGLRenderWindow", "vtkOSOpenGLRenderWindow"
CHECK_SECONDS = 60
_SIGN = "the picture is red"
_PROGRAM = f"""
import vtkmodules.vtkRenderingOpenGL2
from vtkmodules.vtkCommonCore import vtkUnsignedCharArray
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow
window, renderer, pixels = vtkRenderWindow(), vtkRenderer(), vtkUnsignedCharArray()
window.SetOffScreenRendering(True)
window.SetMultiSamples(0)
window.SetSize(8, 8)
renderer.SetBackground(1, 0, 0)
window.AddRenderer(renderer)
window.Render()
window.GetPixelData(0, 0, 7, 7, 0, pixels, 0)
if pixels.GetTuple(0) == (255, 0, 0):
    print({_SIGN!r}, flush=True)
"""


class NoOpenGL(ResourceError):
    """This computer cannot draw the views."""


def _candidates() -> tuple[str, ...]:
    """What to try, best first; the empty name is VTK's own choice."""
    if os.environ.get(WINDOW_VARIABLE):
        return (os.environ[WINDOW_VARIABLE],)
    return (EGL, OSMESA) if sys.platform.startswith("linux") else ("",)


def _renders(window_class: str) -> bool:
    environment = {**os.environ, WINDOW_VARIABLE: window_class} if window_class else dict(os.environ)
    try:
        child = subprocess.run(
            [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=CHECK_SECONDS, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return child.returncode == 0 and _SIGN in child.stdout


@functools.cache
def _working_window() -> str | None:
    return next((name for name in _candidates() if _renders(name)), None)


def find_opengl() -> str:
    """The class of VTK's render window that works here, put where VTK looks for it; else `NoOpenGL`, which says why."""
    found = _working_window()
    if found is None:
        raise NoOpenGL(_reason())
    if found:
        os.environ[WINDOW_VARIABLE] = found
    return found


def _reason() -> str:
    missing = missing_packages()
    if missing:
        return f"no usable OpenGL: install it with: sudo apt-get install {' '.join(missing)}"
    if os.environ.get(WINDOW_VARIABLE):
        return (
            f"no usable OpenGL: {WINDOW_VARIABLE}={os.environ[WINDOW_VARIABLE]} does not work here;"
            f" leave it unset, or set it to {EGL} or {OSMESA}"
        )
    return (
        "no usable OpenGL: neither EGL nor OSMesa renders here; on Debian or Ubuntu:"
        " sudo apt-get install libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri"
    )
