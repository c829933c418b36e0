"""Whether there is a screen for a window. Qt ends the process where it cannot open one, so this is asked first."""

from __future__ import annotations

import ctypes
import os
import sys

from .system_libraries import missing_packages

PLATFORM_VARIABLE = "QT_QPA_PLATFORM"
OFFSCREEN = "offscreen"


def why_no_screen() -> str | None:
    """The reason why no window can be shown, in a few words; None if one can."""
    platform = os.environ.get(PLATFORM_VARIABLE, "")
    if platform.split(":")[0] in (OFFSCREEN, "minimal"):
        return f"{PLATFORM_VARIABLE}={platform} asks for none"
    if not sys.platform.startswith("linux") or platform:
        return None  # a platform that was chosen by name is the person's own matter
    if os.environ.get("WAYLAND_DISPLAY"):
        return None
    display = os.environ.get("DISPLAY")
    if not display:
        return "neither DISPLAY nor WAYLAND_DISPLAY is set"
    missing = missing_packages(screen=True)
    if missing:
        return f"packages are missing: sudo apt-get install {' '.join(missing)}"
    return None if _x_server_answers() else f"DISPLAY={display} does not answer"


def _x_server_answers() -> bool:
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return False
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    failed = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return not failed


def draw_off_screen() -> None:
    """Windows are drawn in memory from here on; to be called before Qt's application object is made."""
    os.environ[PLATFORM_VARIABLE] = OFFSCREEN
