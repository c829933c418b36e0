"""Which system libraries the workbench's window needs and which are missing; also a program, for tools/setup.sh.

    python3 workbench/system_libraries.py [--screen]

prints the Debian or Ubuntu packages that are missing. It must run before anything is installed: standard library only.
"""

from __future__ import annotations

import ctypes
import sys

# Shared library: package that holds it. Newer Debian and Ubuntu know libglib2.0-0 by the name libglib2.0-0t64, too.
RENDERING = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
}
SCREEN = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_packages(screen: bool = False) -> list[str]:
    """Packages whose libraries cannot be loaded; `screen` adds those that only a window on an X screen needs."""
    if not sys.platform.startswith("linux"):
        return []
    wanted = {**RENDERING, **SCREEN} if screen else RENDERING
    return [package for library, package in wanted.items() if not _loads(library)]


if __name__ == "__main__":
    print(" ".join(missing_packages("--screen" in sys.argv[1:])))
