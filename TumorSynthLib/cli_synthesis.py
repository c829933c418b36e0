"""What `tumorsynth synthesize` and `tumorsynth brain-mask` do once their options are understood.

Cheap checks come first: nobody should wait for networks to load to hear of a mistyped radius.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import provenance
from .bundle import Bundle
from .case_files import CaseFiles, check_folder, write_case
from .cli_progress import Progress, reporting
from .errors import InputError, ResourceError
from .host import HostBrain, read_mask
from .lesion_lists import LesionPlan
from .replay import Recipe
from .synthesis import DEVICES, PRECISIONS, LesionSynthesizer, SynthesizedCase
from .volume_files import NIFTI_SUFFIXES, suffix_of

# A case made with more threads than there are cores here is made again with as many, as numbers may be rounded by
# their count; but beyond some number OpenMP ends the process where nothing can catch it.
MOST_THREADS_PER_MACHINE = 64
FORMATS = ("nifti", "dicom")


@dataclass(frozen=True)
class Machine:
    """Which weights compute where, and how."""

    bundle: str = "default"
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None

    def check(self) -> None:
        """What can be known without loading a network."""
        for option, value, known in (("device", self.device, DEVICES), ("precision", self.precision, PRECISIONS)):
            if value not in known:
                raise InputError(f"--{option} '{value}' is unknown: choose one of {', '.join(known)}")
        cores = os.cpu_count() or 1
        if self.threads is not None and not 1 <= self.threads <= cores:
            raise InputError(f"--threads {self.threads} is out of range: 1 to {cores}, the cores of this machine")
        Bundle.find(self.bundle)

    def with_bundle(self, name: str) -> Machine:
        return replace(self, bundle=name)

    def synthesizer(self) -> LesionSynthesizer:
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)
        return LesionSynthesizer.from_bundle(self.bundle, device=self.device, precision=self.precision)


@dataclass(frozen=True)
class Target:
    """Where results go and how they are announced."""

    path: Path
    overwrite: bool
    as_json: bool
    format: str = "nifti"
    keep_identity: bool = False

    def check(self) -> None:
        if self.format not in FORMATS:
            raise InputError(f"--format '{self.format}' is unknown: choose one of {', '.join(FORMATS)}")
        if self.keep_identity and self.format != "dicom":
            raise InputError("--keep-identity belongs to --format dicom: other formats hold no patient's name")

    def check_host(self, host: HostBrain) -> None:
        if self.format == "dicom":
            from .dicom.case import check_dicom

            check_dicom(host, keep_identity=self.keep_identity)

    def like(self, recipe: Recipe) -> Target:
        """In the format of an earlier case."""
        return replace(self, format=recipe.format, keep_identity=self.keep_identity or recipe.keep_identity)

    def write(self, case: SynthesizedCase) -> CaseFiles:
        if self.format == "dicom":
            from .dicom.case import write_dicom_case

            return write_dicom_case(case, self.path, self.overwrite, keep_identity=self.keep_identity)
        return write_case(case, self.path, self.overwrite)


def synthesize(
    host_file: Path,
    plans: Sequence[LesionPlan],
    brain_mask_file: Path | None,
    machine: Machine,
    target: Target,
    inputs: Sequence[Path | None],
    series: str | None = None,
) -> None:
    """A new case. `inputs` are all files it is made from, none of which may be replaced by it."""
    machine.check()
    target.check()
    check_folder(target.path, target.overwrite, inputs)
    began = time.perf_counter()
    host = _read_host(host_file, series, target)
    brain_mask = read_mask(brain_mask_file, host) if brain_mask_file else None
    with reporting() as progress:
        case = _make_case(machine.synthesizer(), host, plans, brain_mask, progress)
        files = _write(case, brain_mask_file, target, progress)
    _announce(files, time.perf_counter() - began, target, {})


def synthesize_again(
    recipe: Recipe,
    host_file: Path | None,
    series: str | None,
    brain_mask_file: Path | None,
    machine: Machine,
    target: Target,
) -> None:
    """The case of a provenance file once more, or a refusal that says what is not the same."""
    host_file = host_file or recipe.host_file
    if host_file is None:
        raise InputError(f"{recipe.path}: does not say which file its host was; give it with --host FILE")
    brain_mask_file = _same_brain_mask_file(recipe, brain_mask_file)
    machine.check()
    target.check()
    check_folder(target.path, target.overwrite, (host_file, brain_mask_file))
    recipe.check_bundle(Bundle.find(machine.bundle))
    began = time.perf_counter()
    host = _read_host(host_file, series, target)
    recipe.check_host(host)
    brain_mask = read_mask(brain_mask_file, host) if brain_mask_file else None
    if brain_mask is not None:
        recipe.check_brain_mask(brain_mask, brain_mask_file)
    with reporting() as progress:
        synthesizer = _synthesizer_like(recipe, machine)
        if brain_mask is None:
            progress("finding the brain", 0.0)
            recipe.check_brain_mask(synthesizer.find_brain(host).mask, None)
        case = _make_case(synthesizer, host, recipe.plans, brain_mask, progress)
        files = _write(case, brain_mask_file, target, progress)
    identical = recipe.same_voxels(files.provenance)
    _warn(recipe, files.provenance, identical)
    _announce(files, time.perf_counter() - began, target, {"identical": identical})


def _same_brain_mask_file(recipe: Recipe, given: Path | None) -> Path | None:
    if not recipe.uses_given_mask:
        if given is not None:
            raise InputError(f"--brain-mask {given}: {recipe.path} was made without one; leave it out")
        return None
    if given is None and recipe.brain_mask_file is None:
        raise InputError(f"{recipe.path}: its brain mask came from no file; give it with --brain-mask FILE")
    return given or recipe.brain_mask_file


def write_brain_mask(host_file: Path, machine: Machine, target: Target, series: str | None = None) -> None:
    machine.check()
    _check_mask_file(target, host_file)
    began = time.perf_counter()
    host = _read_host(host_file, series, target)
    with reporting() as progress:
        progress("finding the brain", 0.2)
        brain = machine.synthesizer().find_brain(host)
    host.write_volume(target.path, brain.mask.astype(np.uint8), "TumorSynth brain mask")
    facts = {
        "file": str(target.path),
        "method": brain.method,
        "volume_ml": round(float(np.count_nonzero(brain.mask)) * host.voxel_volume_mm3 / 1000, 1),
        "seconds": round(time.perf_counter() - began, 2),
    }
    if target.as_json:
        print(json.dumps(facts))
    else:
        print(f"{target.path}: brain of {facts['volume_ml']:g} ml ({facts['method']}), {facts['seconds']:g} s")


def _read_host(file: Path, series: str | None, target: Target) -> HostBrain:
    host = HostBrain.read(file, series=series)
    for note in host.notes:
        print(f"note: {note}", file=sys.stderr)
    target.check_host(host)
    return host


def _make_case(
    synthesizer: LesionSynthesizer,
    host: HostBrain,
    plans: Sequence[LesionPlan],
    brain_mask: np.ndarray | None,
    progress: Progress,
) -> SynthesizedCase:
    requests = [plan.request(host) for plan in plans]
    return synthesizer.synthesize_many(host, requests, brain_mask=brain_mask, progress=progress)


def _write(case: SynthesizedCase, brain_mask_file: Path | None, target: Target, progress: Progress) -> CaseFiles:
    progress("writing the case", 1.0)
    if brain_mask_file is not None:
        case = replace(case, provenance=provenance.with_brain_file(case.provenance, brain_mask_file))
    return target.write(case)


def _synthesizer_like(recipe: Recipe, machine: Machine) -> LesionSynthesizer:
    """On the recorded device, or on the best one here where that is absent and no other was asked for."""
    asked = replace(
        machine,
        device=recipe.device if machine.device == "auto" else machine.device,
        precision=recipe.precision if machine.precision == "auto" else machine.precision,
        threads=machine.threads or min(recipe.threads, max(os.cpu_count() or 1, MOST_THREADS_PER_MACHINE)),
    )
    try:
        return asked.synthesizer()
    except ResourceError:
        if machine.device != "auto":
            raise
        return replace(asked, device="auto").synthesizer()


def _warn(recipe: Recipe, here: dict[str, Any], identical: bool | None) -> None:
    differences = recipe.differences(here)
    if not differences and identical is not False:
        return
    reasons = ", ".join(differences) or "nothing that is recorded"
    outcome = {
        True: "the voxels are the same all the same",
        False: "the voxels are not the recorded ones to the bit",
        None: "the voxels may differ from the recorded ones",
    }[identical]
    print(f"warning: differs from {recipe.path}: {reasons}; {outcome}", file=sys.stderr)


def _announce(files: CaseFiles, seconds: float, target: Target, more: dict[str, Any]) -> None:
    record = files.provenance
    for number, lesion in enumerate(record["lesions"], 1):
        which = f"lesion {number}: " if len(record["lesions"]) > 1 else ""
        for note in lesion["notes"]:
            print(f"note: {which}{note}", file=sys.stderr)
    if target.as_json:
        facts = {
            "synthetic": True,
            "folder": str(files.folder),
            "files": {name: str(path) for name, path in files.files.items()},
            "lesions": record["lesions"],
            "brain_mask": record["brain_mask"],
            "bundle": record["bundle"]["name"],
            "device": record["device"],
            "seconds": round(seconds, 2),
            **more,
        }
        print(json.dumps(facts))
        return
    for number, lesion in enumerate(record["lesions"], 1):
        place = " ".join(f"{round(value, 1) + 0.0:g}" for value in lesion["centroid_ras"])
        print(f"lesion {number}: {lesion['volume_mm3'] / 1000:.2f} ml, centre of mass at {place} mm (RAS)")
    for path in files.files.values():
        print(path)
    print(f"SYNTHETIC case written in {seconds:.1f} s on {record['device']}")


def _check_mask_file(target: Target, host_file: Path) -> None:
    path = target.path
    if suffix_of(path) not in NIFTI_SUFFIXES:
        raise InputError(f"-o {path}: not a NIfTI name; end it in .nii.gz or .nii")
    if not path.parent.is_dir():
        raise InputError(f"-o {path}: the folder {path.parent} does not exist; create it first")
    if path.is_dir():
        raise InputError(f"-o {path}: a folder; give the name of a file for the mask")
    if path.exists() and path.resolve() == host_file.resolve():
        raise InputError(f"-o {path}: is the host itself; choose another name")
    if path.exists() and not target.overwrite:
        raise InputError(f"-o {path}: exists already; choose another name, or add --overwrite to replace it")
