"""Provenance: what a case was made from and with, in enough detail to make it again."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from . import __version__
from .errors import InputError

if TYPE_CHECKING:
    from .bundle import Bundle
    from .host import HostBrain

TOOL = "TumorSynth"
LIBRARIES = ("torch", "numpy", "scipy", "SimpleITK", "monai")
_REQUIRED = ("tool", "host", "brain_mask", "lesions", "bundle", "device", "precision", "threads", "libraries")

_host_checksums: WeakKeyDictionary[HostBrain, str] = WeakKeyDictionary()


def describe(
    *,
    host: HostBrain,
    bundle: Bundle,
    lesions: Sequence[Any],
    brain_method: str,
    brain_checksum: str,
    device: object,
    precision: str,
    seconds: float,
) -> dict[str, Any]:
    """The record of one case, as plain numbers and words. `lesions` are the dataclasses of what was asked and got.

    The brain's checksum (see `mask_checksum`) comes from outside, where it is computed once a host: a warm lesion
    should not wait for it. The checksums of the results ("outputs") join when the case is written: see case_files.py.
    """
    return {
        "synthetic": True,
        "tool": {"name": TOOL, "version": __version__, "commit": code_commit(), "code": code_checksum()},
        "host": _describe_host(host),
        "brain_mask": {"method": brain_method, "file": None, "checksum": brain_checksum},
        "lesions": [plain(lesion) for lesion in lesions],
        "bundle": describe_bundle(bundle),
        "device": str(device),
        "precision": precision,
        "threads": _threads(),
        "processor": _processor(str(device)),
        "libraries": library_versions(),
        "seconds": round(float(seconds), 3),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _describe_host(host: HostBrain) -> dict[str, Any]:
    return {
        "file": str(host.source.resolve()) if host.source else None,
        "checksum": host_checksum(host),
        "shape": list(host.shape),
        "affine": plain(host.affine),
        "data_type": str(host.voxels.dtype),
        "intensity_window": plain(host.intensity_window),
    }


def describe_bundle(bundle: Bundle) -> dict[str, Any]:
    networks = {kind: network["sha256"] for kind, network in bundle.manifest["networks"].items()}
    return {"name": bundle.name, "checksum": bundle.checksum, "networks": networks}


def with_brain_file(record: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The record of a case whose brain mask a person gave as a file."""
    return {**record, "brain_mask": {**record["brain_mask"], "file": str(path.resolve())}}


def read(path: str | Path) -> dict[str, Any]:
    """The record in a provenance file, after checking that it is one."""
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; give the provenance.json of a case") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give the provenance.json of a case") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file; give the provenance.json of a case") from error
    _check(record, path)
    return record


def _check(record: object, path: Path) -> None:
    tool = record.get("tool") if isinstance(record, dict) else None
    if not isinstance(tool, dict) or tool.get("name") != TOOL:
        raise InputError(f"{path}: not a provenance file of {TOOL}; give the provenance.json of a case")
    missing = [key for key in _REQUIRED if key not in record]
    if missing:
        raise InputError(f"{path}: incomplete, without {', '.join(missing)}; give the file as {TOOL} wrote it")


# -- checksums


def host_checksum(host: HostBrain) -> str:
    """The host's checksum, computed once for each host: a warm lesion should not wait for it."""
    if host not in _host_checksums:
        _host_checksums[host] = host.checksum()
    return _host_checksums[host]


def mask_checksum(mask: np.ndarray) -> str:
    """SHA-256 of a mask's voxels as bits, in the order of k running fastest."""
    return hashlib.sha256(np.packbits(mask != 0)).hexdigest()


def voxel_checksum(voxels: np.ndarray) -> str:
    """SHA-256 of the voxels as an uncompressed NIfTI file holds them: little-endian, i running fastest."""
    little_endian = voxels.dtype.newbyteorder("<")
    return hashlib.sha256(np.ascontiguousarray(voxels.T, little_endian)).hexdigest()


# -- the code and the machine


@cache
def code_commit() -> str | None:
    """The commit of a working copy, marked where its files were changed; None for an installed package."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


@cache
def code_checksum() -> str:
    """SHA-256 of the library's own code, which says more than a commit while somebody works on it."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder).as_posix()}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def library_versions() -> dict[str, str | None]:
    return {**{name: _version(name) for name in LIBRARIES}, "python": platform.python_version()}


def _version(name: str) -> str | None:
    # 3D Slicer ships some libraries without the packaging data that `metadata` reads.
    module = sys.modules.get(name)
    if module is not None and hasattr(module, "__version__"):
        return str(module.__version__)
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _processor(device: str) -> str:
    """What computes: another instruction set may round differently."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def plain(value: Any) -> Any:
    """Dataclasses, arrays, paths and NumPy's numbers as JSON has them, exact to the last digit."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(item) for name, item in asdict(value).items() if not name.startswith("_")}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items() if not str(name).startswith("_")}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value) if isinstance(value, Path) else value
