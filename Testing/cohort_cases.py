"""Small cohorts for tests: two made-up brains with their masks, and what of a cohort must always be the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cases import brain_of
from TumorSynthLib.cohorts import HostEntry, Recipe
from TumorSynthLib.host import HostBrain

# Written at another time, or different for each run by nature.
VOLATILE = ("run_log.tsv", "failures.tsv")
SMALL: dict[str, Any] = {"cases": 3, "seed": 3, "lesions_per_case": "1:2", "sizes": "4:7", "placement": "brain"}


@dataclass(frozen=True)
class Hosts:
    """Two brains that differ, as files, and a table that names them with their masks."""

    table: Path
    entries: tuple[HostEntry, ...]


def little_brain(seed: int) -> HostBrain:
    """An egg of tissue no larger than a child's fist, without skull, at 2 mm: quick to survey and to write."""
    shape = np.array((52, 60, 48))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -(shape - 1)
    steps = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    away = np.sqrt(sum(step**2 for step in steps)) / 0.85
    rng = np.random.default_rng(seed)
    tissue = 700 + 250 * (np.sin(6 * steps[0] + seed) * np.cos(5 * steps[1]) > 0) + rng.normal(0, 25, shape)
    return HostBrain.from_array(np.where(away < 1, tissue, 0).astype(np.int16), affine)


def two_hosts(folder: Path) -> Hosts:
    lines = ["image,brain_mask,patient"]
    entries = []
    for seed, name in enumerate(("anna", "björn scan")):
        host = little_brain(seed)
        host.write_volume(folder / f"{name}.nii.gz", host.voxels)
        host.write_volume(folder / f"{name}_brain.nii.gz", brain_of(host).astype(np.uint8))
        lines.append(f"{name}.nii.gz,{name}_brain.nii.gz,{name[:5]}")
        entries.append(HostEntry(folder / f"{name}.nii.gz", folder / f"{name}_brain.nii.gz", patient=name[:5]))
    (folder / "hosts.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Hosts(folder / "hosts.csv", tuple(entries))


def small(hosts: Hosts, **other: Any) -> Recipe:
    return Recipe(hosts=hosts.entries, **{**SMALL, **other})


def options(**other: Any) -> list[str]:
    """The same recipe as options of the command line."""
    chosen = {**SMALL, **other}
    return [word for name, value in chosen.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def lasting(folder: Path) -> dict[str, str]:
    """Checksums of every file that must be the same however the cohort was made; the cohort's own list is one."""
    files = (file for file in folder.rglob("*") if file.is_file())
    names = {file.relative_to(folder).as_posix(): file for file in files}
    return {
        name: hashlib.sha256(file.read_bytes()).hexdigest()
        for name, file in sorted(names.items())
        if not name.startswith(".tumorsynth/") and name not in VOLATILE
    }
