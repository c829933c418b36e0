"""What a cohort's folder is like: named as BIDS derivatives are, every case a synthetic participant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..case_files import IMAGE, INTENSITY_MAP, MASK

STATE = ".tumorsynth"
RECIPE = "recipe.json"
MACHINE = "machine.json"
DESCRIPTION = "dataset_description.json"
README = "README.md"
PARTICIPANTS = "participants.tsv"
LESIONS = "lesions.tsv"
FAILURES = "failures.tsv"
DATALIST = "dataset.json"
CHECKSUMS = "SHA256SUMS"
RUN_LOG = "run_log.tsv"
BIDS_IGNORE = ".bidsignore"
SOURCES = "sourcedata"
LABELS_NOTE = "desc-lesions_dseg.json"
MASK_NOTE = "desc-lesion_mask.json"
MAP_NOTE = "desc-intensity_map.json"

# Which file of a case holds what; the binary mask is the labels' again, as training tools want it.
BINARY_MASK = "binary_mask"
SUFFIXES = {
    IMAGE: "desc-synthetic_T1w.nii.gz",
    MASK: "desc-lesions_dseg.nii.gz",
    BINARY_MASK: "desc-lesion_mask.nii.gz",
    INTENSITY_MAP: "desc-intensity_map.nii.gz",
}
DICOM = "dicom"  # folder of a case, in a cohort of DICOM
SIDECAR_SUFFIX = "desc-synthetic_T1w.json"
_PREFIX = "sub-"


def case_name(case: int) -> str:
    return f"{_PREFIX}{case:05d}"


def case_number(name: str) -> int | None:
    digits = name.removeprefix(_PREFIX)
    is_ours = name.startswith(_PREFIX) and digits.isascii() and digits.isdigit()
    return int(digits) if is_ours and name == case_name(int(digits)) else None


@dataclass(frozen=True)
class CohortPaths:
    """Where everything of a cohort lies."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / STATE

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def drafts(self) -> Path:
        return self.state / "drafts"

    @property
    def machine(self) -> Path:
        return self.state / MACHINE

    @property
    def error_log(self) -> Path:
        return self.state / "errors.log"

    @property
    def recipe(self) -> Path:
        return self.root / RECIPE

    def prepared_host(self, host: int) -> Path:
        return self.state / "hosts" / f"{host + 1:05d}.npz"

    def source(self, host: int, what: str) -> Path:
        """Where an image that came from memory is kept."""
        return self.root / SOURCES / f"host-{host + 1:05d}_{what}.nii.gz"

    def case(self, case: int) -> Path:
        return self.root / case_name(case)

    def sidecar(self, case: int) -> Path:
        return self.case(case) / "anat" / f"{case_name(case)}_{SIDECAR_SUFFIX}"

    def file(self, case: int, kind: str) -> Path:
        return self.case(case) / "anat" / f"{case_name(case)}_{SUFFIXES[kind]}"

    def cases(self) -> Iterator[int]:
        """The cases that are there, in their order."""
        found = (case_number(path.name) for path in self.root.iterdir())
        yield from sorted(number for number in found if number is not None)


OURS = frozenset(
    (STATE, RECIPE, DESCRIPTION, README, PARTICIPANTS, "participants.json", LESIONS, "lesions.json", FAILURES, DATALIST,
     CHECKSUMS, RUN_LOG, BIDS_IGNORE, SOURCES, LABELS_NOTE, MASK_NOTE, MAP_NOTE)
)  # fmt: skip
