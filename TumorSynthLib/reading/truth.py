"""The truth key: which case is what, and where it came from. Reading never opens it; the report and the audit do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from .checksums import read_sealed, sealed
from .lesions import Lesion
from .protocol import Protocol

KEY_FOLDER = "key"
TRUTH = "truth.json"
MASKS = "masks"


@dataclass(frozen=True)
class Shown:
    """One blinded image of a case: what its lesion is. `mask` is a file in the key's folder."""

    origin: str
    image: str
    label: int
    patient: str
    scan: str
    diameter_mm: float
    side: str
    level: str
    depth: str
    mask: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, lesion: Lesion, mask: str) -> Shown:
        place = lesion.place
        return cls(
            lesion.origin,
            str(lesion.source.image.resolve()),
            lesion.label,
            lesion.patient,
            lesion.scan.checksum,
            lesion.diameter_mm,
            place.side,
            place.level,
            place.depth,
            mask,
            lesion.facts,
        )


@dataclass(frozen=True)
class CaseTruth:
    """One case: one image, or left and right. `repeat_of` names the case that it shows once more."""

    images: tuple[Shown, ...]
    repeat_of: str | None = None
    training: bool = False

    @property
    def origin(self) -> str:
        """Of a pair, the origins from left to right."""
        return "|".join(image.origin for image in self.images)

    @property
    def synthetic(self) -> Shown | None:
        return next((image for image in self.images if image.origin == "synthetic"), None)


@dataclass(frozen=True)
class TruthKey:
    """What readers must not know: the truth, and warnings such as "real lesions are larger"."""

    cases: Mapping[str, CaseTruth]
    warnings: tuple[str, ...]


def key_record(key: TruthKey, salt: str, more: Mapping[str, Any]) -> dict[str, Any]:
    return sealed({"salt": salt, **more, **json.loads(json.dumps(asdict(key)))})


def read_truth(study: Path, protocol: Protocol) -> dict[str, CaseTruth]:
    return dict(read_key(study, protocol).cases)


def read_key(study: Path, protocol: Protocol) -> TruthKey:
    """The key of a study, after checking that it is the one the protocol was sealed with."""
    path = study / KEY_FOLDER / TRUTH
    record = read_sealed(path, "truth key")
    if record["checksum"] != protocol.key_checksum:
        raise InputError(f"{path}: not the truth key that this study was made with; restore the original file")
    cases = {
        name: CaseTruth(tuple(Shown(**image) for image in case["images"]), case["repeat_of"], case["training"])
        for name, case in record["cases"].items()
    }
    return TruthKey(cases, tuple(record["warnings"]))


def mask_path(study: Path, shown: Shown) -> Path:
    return study / KEY_FOLDER / MASKS / shown.mask
