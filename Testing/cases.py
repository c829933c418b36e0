"""A small brain, a case made by hand from arrays, and the command line as a function."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from TumorSynthLib import provenance
from TumorSynthLib.bundle import Bundle
from TumorSynthLib.host import HostBrain
from TumorSynthLib.labelling import LesionFacts
from TumorSynthLib.parameters import Appearance
from TumorSynthLib.spheres import STRUCTURES
from TumorSynthLib.synthesis import SynthesizedCase

ROOT = Path(__file__).resolve().parent.parent
BRAIN_SHAPE = (80, 96, 72)
BRAIN_MM = 2.0
CENTER_RAS = (-20.0, 10.0, 5.0)
RADII_MM = (6.0, 4.5, 2.5)  # small lesions are made in half the time
LESION = ("--center", *CENTER_RAS, "--radii", *RADII_MM)


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict:
        lines = self.out.splitlines()
        assert len(lines) == 1, "--json prints one JSON object and nothing else"
        return json.loads(lines[0])


def tumorsynth(*arguments: object, folder: Path | None = None) -> Answer:
    """The command line in a process of its own, as a person runs it."""
    command = [sys.executable, "-m", "TumorSynthLib", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=600)
    return Answer(done.returncode, done.stdout, done.stderr)


def assert_refused(answer: Answer, *says: str) -> None:
    assert answer.code == 2, answer
    assert answer.out == ""
    assert answer.err.startswith("error: ") and answer.err.count("\n") == 1, answer.err
    for words in says:
        assert words in answer.err


def brain_host(path: Path | None = None) -> HostBrain:
    """An egg of tissue with a dark middle in a dark box, without skull, at 2 mm; the origin is its centre."""
    affine = np.diag([BRAIN_MM, BRAIN_MM, BRAIN_MM, 1.0])
    affine[:3, 3] = [-(size - 1) / 2 * BRAIN_MM for size in BRAIN_SHAPE]
    steps = np.meshgrid(*(np.linspace(-1, 1, size) for size in BRAIN_SHAPE), indexing="ij")
    distance = np.sqrt(sum(step**2 for step in steps)) / 0.85
    noise = np.random.default_rng(3).normal(0, 25, BRAIN_SHAPE)
    tissue = 700 + 250 * (np.sin(9 * steps[0]) * np.cos(8 * steps[1]) > 0) - 400 * (distance < 0.2)
    voxels = np.where(distance < 1, tissue + noise, 0).astype(np.int16)
    host = HostBrain.from_array(voxels, affine)
    if path is None:
        return host
    host.write_volume(path, voxels, "a made-up brain")
    return HostBrain.read(path)


def brain_of(host: HostBrain) -> np.ndarray:
    return host.voxels > 0


def facts_of_lesion() -> LesionFacts:
    """Numbers with more digits than anybody prints: a case is made again from them."""
    return LesionFacts(
        center_ras=(-20.1, 10.0 / 3.0, 5.000000000000001),
        radii_mm=(14.1, 10.0, 5.3),
        values=(1.0, 0.75, 0.5),
        structure="ring",
        heterogeneity=STRUCTURES["ring"].heterogeneity,
        darkest=STRUCTURES["ring"].darkest,
        brightest=STRUCTURES["ring"].brightest,
        seed=7,
        appearance=asdict(Appearance(contrast=1.1, oedema=0.1)),
        cube_voxel_mm=1.0,
        volume_asked_mm3=11742.1,
        volume_mm3=11742.0,
        centroid_ras=(-20.0, 3.3, 5.0),
        grey_values=(0.5, 0.75, 1.0),
        class_fractions_asked=(0.4, 0.4, 0.2),
        class_fractions=(0.4, 0.4, 0.2),
        share_in_brain=1.0,
        voxels_hidden_by_later=0,
        notes=("the host leaves little room above white matter",),
    )


def bundle_by_hand() -> Bundle:
    checksums = {"a": "1" * 64, "b": "2" * 64, "c": "3" * 64}
    networks = {kind: {"sha256": checksum, "file": f"{kind}.safetensors"} for kind, checksum in checksums.items()}
    return Bundle("default", Path("nowhere"), {"name": "default", "networks": networks})


def case_by_hand(host: HostBrain | None = None, seed: int = 0) -> SynthesizedCase:
    """A case from arrays: no network ran. Its image does not compress, so that it fills a small disk."""
    host = host or brain_host()
    image = np.random.default_rng(seed).integers(0, 2000, host.shape).astype(host.voxels.dtype)
    mask = np.zeros(host.shape, np.uint8)
    mask[30:40, 40:50, 30:40] = 1
    record = provenance.describe(
        host=host,
        bundle=bundle_by_hand(),
        lesions=(facts_of_lesion(),),
        brain_method="network",
        brain_checksum=provenance.mask_checksum(brain_of(host)),
        device="cpu",
        precision="float32",
        seconds=1.25,
    )
    intensity_map = mask.astype(np.float32) * np.float32(0.75)
    return SynthesizedCase(host, image, mask, intensity_map, mask > 0, brain_of(host), (facts_of_lesion(),), record)
