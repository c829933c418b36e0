"""What a caller asks of the background process, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from TumorSynthLib.labelling import LesionFacts
from TumorSynthLib.synthesis import LesionRequest

Quality = Literal["preview", "full"]
ExportFormat = Literal["nifti", "dicom"]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class CaseQuestion:
    """All lesions of one host. A preview leaves mass effect and oedema of changing lesions out; a full answer has the
    voxels that `LesionSynthesizer.synthesize_many` makes of the same requests."""

    requests: tuple[LesionRequest, ...]
    quality: Quality = "full"
    bundle: str = "default"
    device: str = "auto"


@dataclass(frozen=True)
class ExportTarget:
    """Where and how a case is to be written: a new folder of files like the command line's. For DICOM, `dicom_source`
    are the files that the host was loaded from, if it was DICOM."""

    folder: str
    format: ExportFormat = "nifti"
    dicom_source: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CasePatch:
    """A host's lesions inside one box of its grid; outside it nothing differs from the host.

    `mask` numbers the lesions 1..n; `intensity_map` holds their grey values, 0 elsewhere. The arrays are the
    receiver's own. `provenance` belongs to full answers only. `box` may be empty, when there are no lesions. `painted`
    says for how many lesions the networks had to run.
    """

    box: Box
    image: np.ndarray
    mask: np.ndarray
    intensity_map: np.ndarray
    lesions: tuple[LesionFacts, ...]
    provenance: Mapping[str, Any] | None
    quality: Quality
    seconds: float
    painted: int = 0


@dataclass(frozen=True)
class WorkerError:
    """Why there is no answer. `message` is one line for a person, `details` a text to copy into a report. `packages`
    names what is not installed, when `kind` is "missing"."""

    kind: Literal["input", "memory", "missing", "crash"]
    message: str
    details: str = ""
    packages: tuple[str, ...] = ()
