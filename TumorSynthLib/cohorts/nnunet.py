"""A cohort as nnU-Net reads data sets: images and labels by name, dataset.json, and splits that keep hosts together."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from ..case_files import IMAGE
from ..errors import InputError
from .files import read_json, write_json, writing
from .layout import BINARY_MASK, CohortPaths, case_name
from .tables import FOLDS

CHANNEL = "T1"


def export_nnunet(cohort: str | Path, folder: str | Path) -> int:
    """Writes an nnU-Net data set into a new folder (name it like Dataset501_Synthetic); returns its number of cases.

    Files are linked where the disk can, so that a cohort and its export take the space of one.
    """
    paths, target = CohortPaths(Path(cohort).absolute()), Path(folder).absolute()
    if read_json(paths.recipe).get("format") == "dicom":
        raise InputError(f"{paths.root}: a cohort of DICOM, which nnU-Net does not read; make it with --format nifti")
    records = {case: read_json(paths.sidecar(case)) for case in paths.cases()}
    if not records:
        raise InputError(f"{paths.root}: holds no case yet; make some first")
    if target.exists():
        raise InputError(f"{target}: exists already; choose another name")
    if not target.parent.is_dir():
        raise InputError(f"{target}: the folder {target.parent} does not exist; create it first")
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        with writing(target):
            _fill(draft, paths, records)
            os.rename(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return len(records)


def _fill(draft: Path, paths: CohortPaths, records: dict[int, dict[str, Any]]) -> None:
    for name in ("imagesTr", "labelsTr"):
        (draft / name).mkdir(parents=True)
    for case in records:
        name = case_name(case)
        _link(paths.file(case, IMAGE), draft / "imagesTr" / f"{name}_0000.nii.gz")
        _link(paths.file(case, BINARY_MASK), draft / "labelsTr" / f"{name}.nii.gz")
    description = {
        "channel_names": {"0": CHANNEL},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": len(records),
        "file_ending": ".nii.gz",
        "description": "SYNTHETIC lesions by TumorSynth. Not for diagnosis.",
    }
    write_json(draft / "dataset.json", description)
    _write_splits(draft, records)


def _write_splits(draft: Path, records: dict[int, dict[str, Any]]) -> None:
    """For nnU-Net's preprocessed folder: its own splits would put cases of one brain on both sides."""
    import json

    folds = {case: (record["cohort"]["host"] - 1) % FOLDS for case, record in records.items()}
    if len(set(folds.values())) < 2:
        return
    splits = [
        {
            "train": [case_name(case) for case, own in folds.items() if own != fold],
            "val": [case_name(case) for case, own in folds.items() if own == fold],
        }
        for fold in sorted(set(folds.values()))
    ]
    (draft / "splits_final.json").write_text(json.dumps(splits, indent=2) + "\n", encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
