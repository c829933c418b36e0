"""The protocol: what a study shows, asks and will test, fixed before anybody reads. Nothing in it tells an origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import InputError
from .checksums import SEAL, file_checksum, read_sealed, sealed
from .tasks import TASKS, Task

FORMAT = 1
PROTOCOL = "session.json"
CASES = "cases"
ANSWERS = "answers"


@dataclass(frozen=True)
class CaseFile:
    """One blinded image of a case, as it was written."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Reader:
    """Who reads, and in which order. `experience_years` is None where nobody said."""

    name: str
    order: tuple[str, ...]
    experience_years: float | None = None


@dataclass(frozen=True)
class BlindingCheck:
    """How well a classifier tells real from synthetic by everything but the lesion: AUC with 95 % interval."""

    auc: float | None
    low: float | None
    high: float | None
    by_group: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    def __str__(self) -> str:
        if self.auc is None or self.low is None or self.high is None:
            return f"Blinding check: not made ({self.note})"
        return f"Blinding check: AUC {self.auc:.2f} ({self.low:.2f}-{self.high:.2f}) on what surrounds the lesions"

    @property
    def tells_origin(self) -> bool:
        return self.low is not None and self.low > 0.5


@dataclass(frozen=True)
class Protocol:
    """The frozen protocol of one study, as `session.json` holds it."""

    task: str
    instructions: str
    readers: tuple[Reader, ...]
    cases: Mapping[str, tuple[CaseFile, ...]]
    training: Mapping[str, str]
    seed: int
    case_count: int
    repeat_count: int
    ratio: float
    ratio_disclosed: bool
    matched_on: tuple[str, ...]
    margin: float
    alpha: float
    going_back: bool
    window: float
    level: float
    presentation: Mapping[str, Any]
    blinding_check: BlindingCheck
    software: Mapping[str, Any]
    bundles: Mapping[str, str]
    key_checksum: str
    created: str
    checksum: str = ""

    @classmethod
    def read(cls, study: str | Path) -> Protocol:
        """The protocol of a study folder; a changed one is refused."""
        path = Path(study) / PROTOCOL
        record = read_sealed(path, "protocol")
        if record.get("format") != FORMAT or record.get("task") not in TASKS:
            raise InputError(
                f"{path}: format {record.get('format')!r} is unknown here; read it with a newer TumorSynth"
            )
        fields = {name: value for name, value in record.items() if name != "format"}
        return cls(
            **{
                **fields,
                "readers": tuple(
                    Reader(r["name"], tuple(r["order"]), r["experience_years"]) for r in record["readers"]
                ),
                "cases": {name: tuple(CaseFile(**file) for file in files) for name, files in record["cases"].items()},
                "blinding_check": BlindingCheck(**record["blinding_check"]),
                "matched_on": tuple(record["matched_on"]),
            }
        )

    def as_record(self) -> dict[str, Any]:
        """Plain data with a fresh seal."""
        return sealed({"format": FORMAT, **json.loads(json.dumps(asdict(self)))})

    def with_seal(self) -> Protocol:
        return replace(self, checksum=self.as_record()[SEAL])

    @cached_property
    def question(self) -> Task:
        return TASKS[self.task]

    def reader(self, name: str) -> Reader:
        for reader in self.readers:
            if reader.name == name:
                return reader
        known = ", ".join(reader.name for reader in self.readers)
        raise InputError(f"reader '{name}' is not in this study; choose one of {known}")

    def check_case(self, study: Path, case: str) -> tuple[Path, ...]:
        """The image files of a case, after checking that they are the ones the study was made with."""
        paths = []
        for file in self.cases[case]:
            path = study / CASES / file.name
            if not path.is_file():
                raise InputError(f"{path}: is missing; restore the study's {CASES} folder as it was made")
            if path.stat().st_size != file.bytes or file_checksum(path) != file.sha256:
                raise InputError(f"{path}: the case was changed after the study was made; restore the original file")
            paths.append(path)
        return tuple(paths)

    def check_cases(self, study: Path) -> None:
        for case in self.cases:
            self.check_case(study, case)
