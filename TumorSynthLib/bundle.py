"""Bundles of weights: found by name, checked against their manifest, loaded as networks that are ready to run.

A bundle is a folder with `manifest.json`, `MODEL_CARD.md` and one safetensors file a network, in half precision. It may
refer to files of a bundle beside it. Nothing in it can run code: there is no pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from .errors import InputError
from .networks import NETWORKS, NetworkKind, UpSampling, build_network, memory_layout

if TYPE_CHECKING:
    import torch

FORMAT = 1
MANIFEST = "manifest.json"
WEIGHTS_FOLDER = Path(
    os.environ.get("TUMORSYNTH_WEIGHTS") or Path(__file__).resolve().parent.parent / "Resources" / "Weights"
)
_CHECKSUM = re.compile("[0-9a-f]{64}")


def list_bundles() -> list[str]:
    """Names of the installed bundles. Folders with a leading dot are bundles in the making."""
    if not WEIGHTS_FOLDER.is_dir():
        return []
    return sorted(
        f.name for f in WEIGHTS_FOLDER.iterdir() if (f / MANIFEST).is_file() and not f.name.startswith(".")
    )  # fmt: skip


@dataclass(frozen=True)
class Bundle:
    name: str
    folder: Path
    manifest: dict[str, Any] = field(repr=False, hash=False)

    @classmethod
    def find(cls, name_or_folder: str | os.PathLike[str]) -> Bundle:
        """An installed bundle by its name, or any bundle by its folder."""
        known = list_bundles()
        if str(name_or_folder) in known:
            folder = WEIGHTS_FOLDER / str(name_or_folder)
        elif (Path(name_or_folder) / MANIFEST).is_file():
            folder = Path(name_or_folder)
        else:
            raise InputError(_unknown(str(name_or_folder), known))
        folder = folder.resolve()
        manifest = _read_manifest(folder)
        return cls(manifest["name"], folder, manifest)

    @property
    def description(self) -> str:
        return self.manifest["description"]

    @property
    def upsampling(self) -> UpSampling:
        """The map network's way of up-sampling, which is what the bundles differ in."""
        return self.manifest["networks"]["map"]["upsampling"]

    @property
    def checksum(self) -> str:
        """One checksum for all networks, whichever bundle's folder their files lie in."""
        lines = (f"{kind} {entry['sha256']}\n" for kind, entry in sorted(self.manifest["networks"].items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def file_of(self, kind: NetworkKind) -> Path:
        """Where a network's weights lie: in this bundle, or in one beside it, and never anywhere else."""
        written = self.manifest["networks"][kind]["file"]
        file = (self.folder / written).resolve()
        if not file.is_relative_to(self.folder.parent):
            raise InputError(
                f"{self.folder / MANIFEST}: file '{written}' lies outside the weights folder {self.folder.parent}"
            )
        return file

    def verify(self) -> None:
        """Every file is there and is, to the byte, the one that the manifest was written for."""
        for kind in NETWORKS:
            self.content_of(kind)

    def load(self, kind: NetworkKind, device: torch.device | str = "cpu") -> torch.nn.Module:
        """One network with its weights in single precision, for inference only."""
        import safetensors
        import safetensors.torch
        import torch

        if kind not in NETWORKS:
            raise InputError(f"network '{kind}' is unknown: choose one of {', '.join(NETWORKS)}")
        content, file = self.content_of(kind), self.file_of(kind)
        try:
            weights = {name: value.float() for name, value in safetensors.torch.load(content).items()}
        except (safetensors.SafetensorError, ValueError, KeyError) as problem:
            raise InputError(f"{file} is not a safetensors file: reinstall bundle '{self.name}'") from problem
        upsampling = self.manifest["networks"][kind]["upsampling"]
        # Built without memory and given the weights themselves: nothing is drawn at random, so no one's seed is spent.
        with torch.device("meta"):
            network = build_network(kind, upsampling)
        try:
            network.load_state_dict(weights, assign=True)
        except RuntimeError as problem:
            raise InputError(
                f"{file} does not fit the {kind} network ({upsampling}): its manifest belongs to other weights"
            ) from problem
        layout = memory_layout(NETWORKS[kind].dimensions)
        return network.eval().requires_grad_(False).to(device, memory_format=layout)

    def content_of(self, kind: NetworkKind) -> bytes:
        """A network's file, checked against its checksum."""
        file = self.file_of(kind)
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            raise InputError(f"{file} is missing: reinstall bundle '{self.name}'") from None
        except OSError as problem:
            raise InputError(f"{file} cannot be read ({problem.strerror}): reinstall bundle '{self.name}'") from problem
        if hashlib.sha256(content).hexdigest() != self.manifest["networks"][kind]["sha256"]:
            raise InputError(f"{file} has been changed or damaged: reinstall bundle '{self.name}'")
        return content


def _unknown(name: str, known: list[str]) -> str:
    if Path(name).is_dir():
        return f"{name} is not a bundle: it has no {MANIFEST}"
    if not known:
        return f"bundle '{name}' is unknown: none is installed in {WEIGHTS_FOLDER}"
    return f"bundle '{name}' is unknown: choose one of {', '.join(known)}, or give a bundle's folder"


def _read_manifest(folder: Path) -> dict[str, Any]:
    file = folder / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError(f"{file} cannot be read ({problem.strerror})") from problem
    except ValueError as problem:
        raise InputError(f"{file} is not JSON: it has been changed or damaged, reinstall the bundle") from problem
    fault = _fault_in(manifest)
    if fault:
        raise InputError(f"{file} is malformed: {fault}")
    return manifest


def _fault_in(manifest: Any) -> str | None:
    if not isinstance(manifest, dict):
        return "it is not an object"
    if manifest.get("format") != FORMAT:
        return f"format {manifest.get('format')!r} is not {FORMAT}, the one that this version reads"
    for key in ("name", "description", "licence"):
        if not isinstance(manifest.get(key), str) or not manifest[key]:
            return f"'{key}' is not a text"
    networks = manifest.get("networks")
    if not isinstance(networks, dict) or set(networks) != set(NETWORKS):
        return f"'networks' must hold {', '.join(NETWORKS)}"
    faults = (_fault_in_entry(kind, entry) for kind, entry in networks.items())
    return next((fault for fault in faults if fault), None)


def _fault_in_entry(kind: str, entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return f"network '{kind}' is not an object"
    if not isinstance(entry.get("file"), str) or not entry["file"]:
        return f"network '{kind}' names no file"
    if not isinstance(entry.get("sha256"), str) or not _CHECKSUM.fullmatch(entry["sha256"]):
        return f"network '{kind}' has no sha256 of 64 hexadecimal digits"
    if entry.get("upsampling") not in get_args(UpSampling):
        return f"network '{kind}' has upsampling {entry.get('upsampling')!r}: one of {', '.join(get_args(UpSampling))}"
    return None
