"""A case made in the background, written as the command line writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from TumorSynthLib.case_files import write_case
from TumorSynthLib.host import HostBrain
from TumorSynthLib.painting import Brain
from TumorSynthLib.synthesis import SynthesizedCase

from .messages import ExportTarget
from .workshop import CaseMade

BRAIN_MASK = "brain_mask.nii.gz"


def export_case(host: HostBrain, brain: Brain, made: CaseMade, target: ExportTarget) -> None:
    """A new folder. A brain mask that was given, and has no file of its own, is written beside the case: without it
    nobody could make the case again."""
    folder = Path(target.folder)
    whole = made.part.on_host(host)
    record = dict(made.provenance or {})
    mask_file = folder / BRAIN_MASK
    is_given = brain.method == "given" and target.format == "nifti"
    if is_given:
        record["brain_mask"] = {**record["brain_mask"], "file": str(mask_file.resolve())}
    case = SynthesizedCase(
        host, whole.image, whole.mask, whole.intensity_map, whole.zone, brain.mask, made.part.lesions, record
    )
    if target.format == "dicom":
        _write_dicom(case, target)
    else:
        write_case(case, folder)
    if is_given:
        host.write_volume(mask_file, brain.mask.astype(np.uint8), "brain mask")


def _write_dicom(case: SynthesizedCase, target: ExportTarget) -> None:
    from TumorSynthLib.dicom.case import write_dicom_case
    from TumorSynthLib.dicom.series import DicomSeries

    source = DicomSeries.from_files(target.dicom_source) if target.dicom_source else None
    write_dicom_case(case, target.folder, source=source)
