"""What goes over the connection between the caller and the background process. Arrays do not: they go by file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from TumorSynthLib.labelling import LesionFacts

from .messages import Box, CaseQuestion, ExportTarget, WorkerError


@dataclass(frozen=True)
class ArrayFile:
    """An array in the private folder. The same key is the same content, for as long as a process lives."""

    key: int
    path: str


@dataclass(frozen=True, eq=False)
class HostFiles:
    """A host as the background process finds it: its voxels, where they lie, and its brain if that is known."""

    voxels: ArrayFile
    affine: np.ndarray
    source: str | None
    slope: float
    intercept: float
    brain: ArrayFile | None
    brain_method: str


# -- to the background process


@dataclass(frozen=True)
class Warm:
    """Load a bundle and run its networks once, so that the first question need not wait for that."""

    bundle: str
    device: str


@dataclass(frozen=True, eq=False)
class AskCase:
    number: int
    host: HostFiles
    question: CaseQuestion


@dataclass(frozen=True, eq=False)
class AskExport:
    """A full case, written into a new folder as the command line writes it."""

    number: int
    host: HostFiles
    question: CaseQuestion
    target: ExportTarget


@dataclass(frozen=True, eq=False)
class AskBrain:
    number: int
    host: HostFiles
    bundle: str
    device: str


@dataclass(frozen=True)
class Cancel:
    number: int


@dataclass(frozen=True)
class Leave:
    """The caller goes on without this process and looks after the folder itself."""


# -- and back


@dataclass(frozen=True)
class Hello:
    """The process that does the work: not always the one that was started, which may be a launcher."""

    process_id: int


@dataclass(frozen=True)
class Ready:
    device: str
    torch_version: str
    seconds: float


@dataclass(frozen=True)
class Progress:
    number: int | None
    text: str
    share: float


@dataclass(frozen=True)
class Dropped:
    """A question that was cancelled, or gave way to a newer one."""

    number: int


@dataclass(frozen=True, eq=False)
class CaseMade:
    """A patch, with the paths of its arrays in place of these."""

    number: int
    box: Box
    image: str
    mask: str
    intensity_map: str
    lesions: tuple[LesionFacts, ...]
    provenance: dict[str, Any] | None
    quality: str
    seconds: float
    painted: int
    device: str
    peak_memory_bytes: int | None


@dataclass(frozen=True)
class BrainMade:
    number: int
    mask: str
    method: str


@dataclass(frozen=True)
class Exported:
    number: int
    folder: str


@dataclass(frozen=True)
class Problem:
    """Why a question has no answer, or, without a number, why the process cannot work."""

    number: int | None
    error: WorkerError
