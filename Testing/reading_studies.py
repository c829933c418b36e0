"""Small scans with lesions, a study made of them, and readers who follow a rule: no network runs."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from cases import bundle_by_hand, facts_of_lesion
from TumorSynthLib import provenance
from TumorSynthLib.case_files import IMAGE, MASK, PROVENANCE
from TumorSynthLib.cohorts.layout import SIDECAR_SUFFIX, SUFFIXES, case_name
from TumorSynthLib.host import HostBrain
from TumorSynthLib.reading.blinding import Presentation
from TumorSynthLib.reading.protocol import Protocol
from TumorSynthLib.reading.session import Session
from TumorSynthLib.reading.study import MadeStudy, StudyPlan, create_study
from TumorSynthLib.reading.truth import CaseTruth, read_truth

SIZE, VOXEL_MM = 44, 3.0
SHOWN = Presentation(box_mm=66.0, spacing_mm=3.0)
AFFINE = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
AFFINE[:3, 3] = -(SIZE - 1) / 2 * VOXEL_MM


def scan(seed: int, noise: float = 20.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A brain with one lesion of 12 to 24 mm: voxels, mask, and the brain as it was before."""
    random = np.random.default_rng(seed)
    points = np.stack(np.meshgrid(*(np.arange(SIZE),) * 3, indexing="ij"), -1) * VOXEL_MM + AFFINE[:3, 3]
    tilt = random.uniform(0.9, 1.1, 3)
    brain = ((points / (np.array([48, 56, 46]) * tilt)) ** 2).sum(-1) < 1
    waves = np.sin(points @ random.normal(0, 0.08, (3, 4)) + random.uniform(0, 6, 4)).sum(-1)
    host = np.where(brain, 800 + 60 * waves, 15) + random.normal(0, noise, brain.shape)
    center, radius = random.uniform(-18, 18, 3), random.uniform(6, 12)
    mask = ((points - center) ** 2).sum(-1) < radius**2
    lesion = np.where(mask, host + 500, host)
    return lesion.clip(0).astype(np.int16), mask.astype(np.uint8), host.clip(0).astype(np.int16)


def write_real(folder: Path, count: int, first_seed: int = 0, noise: float = 20.0) -> Path:
    for number in range(count):
        voxels, mask, _ = scan(first_seed + number, noise)
        place = folder / f"patient{number:03d}"
        place.mkdir(parents=True)
        host = HostBrain.from_array(voxels, AFFINE)
        host.write_volume(place / "t1c.nii", voxels)
        host.write_volume(place / "t1c_seg.nii", mask)
    return folder


def write_cohort(folder: Path, count: int, first_seed: int = 1000, noise: float = 20.0) -> Path:
    """Cases as `tumorsynth cohort` and `tumorsynth synthesize` write them, in turn."""
    for number in range(count):
        voxels, mask, before = scan(first_seed + number, noise)
        host = HostBrain.from_array(before, AFFINE)
        name = case_name(number)
        place = folder / name / "anat" if number % 2 else folder / f"case{number:04d}"
        place.mkdir(parents=True)
        image, labels, sidecar = (IMAGE, MASK, PROVENANCE)
        if number % 2:
            image, labels, sidecar = (f"{name}_{end}" for end in (SUFFIXES[IMAGE], SUFFIXES[MASK], SIDECAR_SUFFIX))
        host.write_volume(place / image, voxels)
        host.write_volume(place / labels, mask)
        structure = ("ring", "solid")[number % 2]
        record = provenance.describe(
            host=host,
            bundle=bundle_by_hand(),
            lesions=(facts_of_lesion(),),
            brain_method="network",
            brain_checksum="0" * 64,
            device="cpu",
            precision="float32",
            seconds=1.0,
        )
        record["lesions"][0]["structure"] = structure
        (place / sidecar).write_text(json.dumps(record))
    return folder


@cache
def shared_sources(count: int = 20) -> tuple[Path, Path]:
    """As many real and synthetic lesions, made once for all tests."""
    folder = Path(tempfile.mkdtemp(prefix="reading-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return write_real(folder / "real", count), write_cohort(folder / "cohort", count)


def plan_of(real: Path, synthetic: Path, cases: int, **more: object) -> StudyPlan:
    common: dict = {"presentation": SHOWN, "readers": {"anna": 12.0, "ben": 3.0}, "seed": 5}
    return StudyPlan(real=[real], synthetic=[synthetic], cases=cases, **{**common, **more})


def make_study(folder: Path, real: Path, synthetic: Path, cases: int, **more: object) -> MadeStudy:
    return create_study(folder, plan_of(real, synthetic, cases, **more))


class SlowClock:
    """Every look at it takes some seconds."""

    def __init__(self) -> None:
        self.now, self._random = 0.0, np.random.default_rng(0)

    def __call__(self) -> float:
        self.now += float(self._random.lognormal(1.5, 0.4))
        return self.now


Rule = Callable[[CaseTruth, np.random.Generator], tuple[str, int | None]]


def guessing(truth: CaseTruth, random: np.random.Generator) -> tuple[str, int]:
    return str(random.choice(["real", "synthetic"])), int(random.integers(1, 6))


def leaning_and_seeing(truth: CaseTruth, random: np.random.Generator) -> tuple[str, int]:
    """Says "real" too readily, and sees a little."""
    evidence = random.normal(0.9 if truth.origin == "synthetic" else 0.0) - 1.0
    return ("synthetic" if evidence > 0 else "real"), int(np.clip(1 + abs(evidence) * 2, 1, 5))


def read_all(study: Path, reader: str, rule: Rule, seed: int, until: int | None = None) -> int:
    """A reader answers by a rule that knows the truth, which a Session never does; returns how many were answered."""
    truth = read_truth(study, Protocol.read(study))
    random = np.random.default_rng(seed)
    with Session.open(study, reader, SlowClock()) as session:
        order = session.protocol.reader(reader).order
        while (case := session.current_case()) is not None and (until is None or case.position < until):
            session.shown()
            choice, confidence = rule(truth[order[case.position]], random)
            session.answer(choice, confidence=confidence)
        return session.progress.answered


def read_at_the_window(study: Path, reader: str, rule: Rule, seed: int, killed_after: int) -> int:
    """All cases answered by keys in the workbench; kill -9 after some answers, and a second start to the end. Returns
    how many answers were on disk when the first process was gone."""
    truth, random = read_truth(study, Protocol.read(study)), np.random.default_rng(seed)
    wanted = study.parent / f"{reader}.json"
    order = Protocol.read(study).reader(reader).order
    wanted.write_text(json.dumps({case: rule(truth[case], random) for case in order}))
    command = [sys.executable, str(Path(__file__).with_name("reading_by_keys.py")), str(study), reader, str(wanted)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    file = study / "answers" / f"{reader}.csv"

    def answered() -> int:
        return file.read_text().count(",answered,") if file.exists() else 0

    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        while answered() < killed_after and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    kept = answered()
    subprocess.run(command, check=True, capture_output=True, env=environment, timeout=300)
    return kept
