"""The options of the command line, in words that a radiologist understands. Loads nothing slow: help is to be quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .option_names import option_name
from .parameters import ranges

_LESION = "The lesion"
_FINISH = "How it is finished"
_MACHINE = "Networks and computer"
_AGAIN = "The same case again"
_DICOM = "DICOM"


def _option(*names: str, metavar: str, text: str, panel: str, default: bool | str = False, **more: Any) -> Any:
    return typer.Option(*names, metavar=metavar, help=text, rich_help_panel=panel, show_default=default, **more)


def _appearance(field: str) -> Any:
    limits = ranges()[field]
    unit = f" {limits.unit}" if limits.unit not in ("", "x") else ""
    metavar = {"mm": "MM", "x": "GAIN"}.get(limits.unit, "A")
    text = f"{limits.explanation[0].upper()}{limits.explanation[1:]}. From {limits.low:g} to {limits.high:g}{unit}."
    return _option(f"--{option_name(field)}", metavar=metavar, text=text, panel=_FINISH, default=True)


_HOST_TEXT = "The brain MRI: NIfTI, NRRD, MHA or a DICOM folder."
_CENTER_TEXT = "Where the lesion's centre of mass is to be. Negative numbers are fine."
_SPACE_TEXT = (
    "What the centre's numbers mean: millimetres to the right, front and top (ras, as 3D Slicer shows them), to the"
    " left, back and top (lps, as DICOM), or voxel numbers from 0 (ijk)."
)
_RADII_TEXT = (
    "Two or more radii in mm, outermost first, at most 40. The outermost is the lesion's size; the inner ones say how"
    " much of it each grey level fills."
)
_VALUES_TEXT = "Grey value of each shell, outermost first, above 0 and up to 1 (brightest); instead of --structure."
_STRUCTURE_TEXT = "solid: brightest in the core. ring: a bright rim around a dark core. heterogeneous: mixed."
_SEED_TEXT = "The same seed gives the same lesion, another seed another one of the same size and place."
_LESIONS_TEXT = "Several lesions in one case: a list as in the example above, instead of --center and --radii."
_BRAIN_TEXT = "Where the brain is, on the host's grid. Found automatically if left out."
_FROM_TEXT = "Make the case of this file again, bit for bit, instead of describing a lesion."
_MOVED_TEXT = "With --from: where that case's brain MRI lies now, if it was moved."
_BUNDLE_TEXT = "Which trained networks: see `tumorsynth bundle list`."
_DEVICE_TEXT = "Where to compute. auto takes the fastest there is."
_PRECISION_TEXT = "Number format of the networks. auto suits the device."
_THREADS_TEXT = "Processor cores to use. All if left out."
_SERIES_TEXT = "Which DICOM series, where HOST holds several: its UID or its description."
_FORMAT_TEXT = (
    "How to write the case: as NIfTI files, or as a DICOM series with a DICOM segmentation. All cases of one host come"
    " into the same study."
)
_IDENTITY_TEXT = "With --format dicom: keep the patient's name, dates and study instead of replacing them."
_FOLDER_TEXT = "Folder for the case. It must not exist yet."

OptionalHost = Annotated[Path | None, typer.Argument(metavar="HOST", help=_HOST_TEXT, show_default=False)]
Host = Annotated[Path, typer.Argument(metavar="HOST", help=_HOST_TEXT, show_default=False)]
CaseFolder = Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help=_FOLDER_TEXT, show_default=False)]
MaskFile = Annotated[Path, typer.Option("-o", "--output", metavar="MASK", help="File for the mask: .nii.gz or .nii.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an older result of the same name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

# Numbers come as one word (see cli_numbers.py) and are read by lesion_lists.py, which says what is wrong with them.
Center = Annotated[str | None, _option("--center", metavar="X Y Z", text=_CENTER_TEXT, panel=_LESION)]
Space = Annotated[str, _option("--space", metavar="ras|lps|ijk", text=_SPACE_TEXT, panel=_LESION, default=True)]
Radii = Annotated[str | None, _option("--radii", metavar="R1 R2 R3", text=_RADII_TEXT, panel=_LESION)]
Values = Annotated[str | None, _option("--values", metavar="V1 V2 V3", text=_VALUES_TEXT, panel=_LESION)]
StructureName = Annotated[
    str | None,
    _option("--structure", metavar="solid|ring|heterogeneous", text=_STRUCTURE_TEXT, panel=_LESION, default="solid"),
]
Seed = Annotated[int, _option("--seed", metavar="N", text=_SEED_TEXT, panel=_LESION, default=True)]
Lesions = Annotated[Path | None, _option("--lesions", metavar="FILE.json", text=_LESIONS_TEXT, panel=_LESION)]
BrainMaskFile = Annotated[Path | None, _option("--brain-mask", metavar="FILE", text=_BRAIN_TEXT, panel=_LESION)]

Smoothing = Annotated[float, _appearance("smoothing_mm")]
Contrast = Annotated[float, _appearance("contrast")]
BlendWidth = Annotated[float, _appearance("blend_width_mm")]
MassEffect = Annotated[float, _appearance("mass_effect")]
Oedema = Annotated[float, _appearance("oedema")]
OedemaExtent = Annotated[float, _appearance("oedema_extent")]

BundleName = Annotated[str, _option("--bundle", metavar="NAME", text=_BUNDLE_TEXT, panel=_MACHINE, default=True)]
Device = Annotated[
    str, _option("--device", metavar="auto|cpu|cuda|mps", text=_DEVICE_TEXT, panel=_MACHINE, default=True)
]
Precision = Annotated[
    str, _option("--precision", metavar="auto|float32|bfloat16", text=_PRECISION_TEXT, panel=_MACHINE, default=True)
]
Threads = Annotated[int | None, _option("--threads", metavar="N", text=_THREADS_TEXT, panel=_MACHINE)]

Series = Annotated[str | None, _option("--series", metavar="UID", text=_SERIES_TEXT, panel=_DICOM)]
Format = Annotated[str, _option("--format", metavar="nifti|dicom", text=_FORMAT_TEXT, panel=_DICOM, default=True)]
KeepIdentity = Annotated[bool, typer.Option("--keep-identity", help=_IDENTITY_TEXT, rich_help_panel=_DICOM)]

From = Annotated[Path | None, _option("--from", metavar="PROVENANCE.json", text=_FROM_TEXT, panel=_AGAIN)]
MovedHost = Annotated[Path | None, _option("--host", metavar="FILE", text=_MOVED_TEXT, panel=_AGAIN)]
