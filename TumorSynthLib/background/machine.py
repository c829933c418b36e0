"""What the background process finds on its machine."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

PACKAGES = ("torch", "monai", "safetensors")


def packages_missing() -> tuple[tuple[str, ...], str]:
    """Packages that lesions need and that cannot be imported here; for those that are there but broken, why."""
    missing, reasons = [], []
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as problem:
            needed = (problem.name or name).partition(".")[0]
            missing.append(needed)
            if needed not in PACKAGES:
                reasons.append(f"{name} needs {needed}")
        except Exception:
            missing.append(name)
            reasons.append(traceback.format_exc())
    return tuple(dict.fromkeys(missing)), "\n".join(reasons)


def peak_memory_bytes() -> int | None:
    """The most memory that this process has had at once; None where the system does not say."""
    if sys.platform == "linux":
        # The resource module's figure will not do: a child starts with its parent's.
        lines = Path("/proc/self/status").read_text().splitlines()
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), None)
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
