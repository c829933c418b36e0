"""A cohort's case on disk: its folder appears whole or not at all, and the same case always has the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__, provenance
from ..case_files import IMAGE, INTENSITY_MAP, MASK, PROVENANCE
from .files import sha256_of, to_disk, writing
from .layout import BINARY_MASK, DICOM, SIDECAR_SUFFIX, SUFFIXES, CohortPaths, case_name

if TYPE_CHECKING:
    from ..synthesis import SynthesizedCase

# What differs each time a case is made; it is kept in the run's log, so that the same case has the same bytes.
_VOLATILE = ("seconds", "created")

# Writes a case's volumes into a folder, by a name to begin theirs with; returns the record for its sidecar.
Writer = Callable[["SynthesizedCase", Path, str], dict[str, Any]]


def write_case(
    case: SynthesizedCase, paths: CohortPaths, number: int, cohort: Mapping[str, Any], writer: Writer
) -> None:
    """Writes case `number`; `cohort` says in its sidecar which recipe and plan it came from."""
    name = case_name(number)
    with writing(paths.root), _draft(paths, name) as draft:
        anatomy = draft / "anat"
        anatomy.mkdir()
        lasting = {key: value for key, value in case.provenance.items() if key not in _VOLATILE}
        record = writer(replace(case, provenance=lasting), anatomy, name)
        _write_sidecar(anatomy, name, {**record, "cohort": dict(cohort), "outputs": voxel_checksums(case)})
        for folder in (*(path for path in anatomy.rglob("*") if path.is_dir()), anatomy, draft):
            to_disk(folder)
        _publish(draft, paths.case(number))


def writer_for(form: str, keep_identity: bool = False) -> Writer:
    return partial(_write_dicom, keep_identity) if form == "dicom" else _write_nifti


def _write_nifti(case: SynthesizedCase, folder: Path, name: str) -> dict[str, Any]:
    host, made_by = case.host, f"TumorSynth {__version__}"
    files = {kind: folder / f"{name}_{suffix}" for kind, suffix in SUFFIXES.items()}
    host.write_volume(files[IMAGE], case.image, f"SYNTHETIC image, tumour made by {made_by}", keep_scale=True)
    host.write_volume(files[MASK], labels_of(case), f"SYNTHETIC lesion labels by {made_by}")
    host.write_volume(files[BINARY_MASK], (case.mask > 0).view(np.uint8), f"SYNTHETIC lesion mask by {made_by}")
    host.write_volume(files[INTENSITY_MAP], case.intensity_map, f"SYNTHETIC intensity map by {made_by}")
    return case.provenance


def _write_dicom(keep_identity: bool, case: SynthesizedCase, folder: Path, name: str) -> dict[str, Any]:
    """As a single case is written; its record becomes part of the sidecar, so that a case has one and not two."""
    from ..dicom.case import write_dicom_case

    written = write_dicom_case(case, folder / DICOM, keep_identity=keep_identity)
    (folder / DICOM / PROVENANCE).unlink()
    return written.provenance


def labels_of(case: SynthesizedCase) -> np.ndarray:
    return case.mask if case.mask.dtype != bool else case.mask.view(np.uint8)


def voxel_checksums(case: SynthesizedCase) -> dict[str, str]:
    """By the names that a single case's provenance uses, so that the case can be made again by itself."""
    arrays = {IMAGE: case.image, MASK: labels_of(case), INTENSITY_MAP: case.intensity_map}
    return {name: provenance.voxel_checksum(array) for name, array in arrays.items()}


def _write_sidecar(folder: Path, name: str, record: Mapping[str, Any]) -> None:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    described = {
        "Description": "SYNTHETIC: a brain MRI with tumours made by TumorSynth. Not for diagnosis.",
        **record,
        "files": {
            file.relative_to(folder).as_posix(): {"sha256": sha256_of(file), "bytes": file.stat().st_size}
            for file in files
        },
    }
    text = json.dumps(described, indent=2, ensure_ascii=False, allow_nan=False)
    sidecar = folder / f"{name}_{SIDECAR_SUFFIX}"
    sidecar.write_text(text + "\n", encoding="utf-8")
    for file in (*files, sidecar):
        to_disk(file)


@contextmanager
def _draft(paths: CohortPaths, name: str) -> Iterator[Path]:
    paths.drafts.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=paths.drafts))
    try:
        draft.chmod(paths.root.stat().st_mode & 0o777)  # a temporary folder is for its owner alone
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _publish(draft: Path, folder: Path) -> None:
    try:
        os.rename(draft, folder)
    except OSError:
        # A worker that was given up for lost has finished it meanwhile: the same case, the same bytes.
        if not folder.is_dir():
            raise
    to_disk(folder.parent)
