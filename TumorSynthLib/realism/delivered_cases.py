"""Synthesized cases as they lie on disk: single case folders, folders of those, and cohorts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..case_files import IMAGE, INTENSITY_MAP, MASK, PROVENANCE
from ..cohorts.layout import CohortPaths, case_name
from ..errors import InputError


@dataclass(frozen=True)
class DeliveredCase:
    """Where a case's files lie; `record` is its provenance, in a cohort its sidecar."""

    name: str
    record: Path
    image: Path
    mask: Path
    intensity_map: Path

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.record, self.image, self.mask, self.intensity_map)


def delivered_cases(sources: Path | str | Sequence[Path | str]) -> list[DeliveredCase]:
    """The cases in one or several places, every file of theirs there."""
    places = [sources] if isinstance(sources, Path | str) else list(sources)
    found = [case for place in places for case in _cases_in(Path(place))]
    if not found:
        raise InputError("no place was given to look for cases in: give a case's folder, or a cohort's")
    for case in found:
        missing = [file.name for file in case.files if not file.is_file()]
        if missing:
            raise InputError(
                f"{case.image.parent}: lacks {', '.join(missing)}; give the case as TumorSynth wrote it, in NIfTI"
            )
    return found


def _cases_in(place: Path) -> list[DeliveredCase]:
    if not place.is_dir():
        raise InputError(f"{place}: no such folder; give a case's folder, or a cohort's")
    if (place / PROVENANCE).is_file():
        return [_single_case(place)]
    cases = [*_cohort_cases(place), *(_single_case(file.parent) for file in sorted(place.glob(f"*/{PROVENANCE}")))]
    if not cases:
        raise InputError(f"{place}: holds no case (no {PROVENANCE} and no cohort); give a case's folder, or a cohort's")
    return cases


def _single_case(folder: Path) -> DeliveredCase:
    return DeliveredCase(
        folder.name, folder / PROVENANCE, folder / IMAGE, folder / MASK, folder / INTENSITY_MAP
    )  # fmt: skip


def _cohort_cases(root: Path) -> Iterator[DeliveredCase]:
    paths = CohortPaths(root)
    for case in paths.cases():
        image, mask, intensity_map = (paths.file(case, kind) for kind in (IMAGE, MASK, INTENSITY_MAP))
        yield DeliveredCase(case_name(case), paths.sidecar(case), image, mask, intensity_map)
