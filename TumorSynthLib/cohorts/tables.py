"""The tables of a cohort, always written anew from the cases that are there, so that they cannot disagree with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..case_files import IMAGE
from . import layout
from .files import read_json, sha256_of, write_json, write_table, write_text
from .layout import BINARY_MASK, CohortPaths, case_name
from .recipe import Recipe

if TYPE_CHECKING:
    from .running import Failure

FOLDS = 5
_CASE_COLUMNS = {
    "participant_id": "The case.",
    "host": "File that the lesions were put into.",
    "host_number": "Its place in the recipe. Cases of one host are the same brain: keep them on one side of a split.",
    "patient": "Whose host it is, where the recipe says.",
    "bundle": "Trained networks.",
    "lesions": "Number of lesions.",
    "lesion_volume_ml": "Their volume together.",
    "seed": "The recipe's seed.",
    "host_sha256": "Checksum of the host's grid and voxels.",
}
_LESION_COLUMNS = {
    "participant_id": "The case.",
    "label": "The lesion's number in the label volume.",
    "host_number": "As in participants.tsv.",
    "patient": "As in participants.tsv.",
    "center_ras": "Where its centre of mass was asked for, mm.",
    "centroid_ras": "Where it is, mm.",
    "radii_mm": "Radii of the spheres, outermost first.",
    "values": "Grey value of each shell, outermost first.",
    "structure": "solid, ring, heterogeneous, or free for values that follow none.",
    "diameter_mm": "Of the outermost sphere.",
    "volume_mm3": "Of the label.",
    "class_fractions": "Share of each grey value in the label, darkest first.",
    "contrast": "As asked for.",
    "smoothing_mm": "As asked for.",
    "mass_effect": "As asked for.",
    "oedema": "As asked for.",
    "placed_by": "How its place was drawn.",
    "record": "Line of the record table that its spheres came from.",
    "seed": "The lesion's own seed.",
}
_README = """# A cohort of SYNTHETIC brain MRIs

Made with TumorSynth {version}. Every image here holds computer-made tumours. **Not for diagnosis.**

| file | what |
|---|---|
| `sub-*/anat/dicom/` | image, lesion mask and intensity map, in a cohort of DICOM; otherwise: |
| `sub-*/anat/*_desc-synthetic_T1w.nii.gz` | the scan with its lesions |
| `sub-*/anat/*_desc-lesions_dseg.nii.gz` | labels 1..n, one a lesion |
| `sub-*/anat/*_desc-lesion_mask.nii.gz` | 1 in any lesion |
| `sub-*/anat/*_desc-intensity_map.nii.gz` | the grey values that the lesions' spheres asked for |
| `sub-*/anat/*_desc-synthetic_T1w.json` | all it takes to make the case again: `tumorsynth synthesize --from` |
| `participants.tsv`, `lesions.tsv` | one row a case, one row a lesion |
| `failures.tsv` | cases that could not be made, and why |
| `dataset.json` | the same as a list that MONAI reads; folds keep the cases of one host together |
| `recipe.json` | what was asked for: `tumorsynth cohort --recipe recipe.json` |
| `SHA256SUMS` | checksums: `sha256sum --check SHA256SUMS`, or `tumorsynth verify` |
| `run_log.tsv` | when each case was made, and how long it took |
"""


@dataclass(frozen=True)
class Facts:
    cases: int
    lesions: int


def write_tables(paths: CohortPaths, recipe: Recipe, failures: Sequence[Failure]) -> Facts:
    records = {case: read_json(paths.sidecar(case)) for case in paths.cases() if case <= recipe.cases}
    cases = [_case_row(case, record) for case, record in records.items()]
    lesions = [row for case, record in records.items() for row in _lesion_rows(case, record)]
    write_table(paths.root / layout.PARTICIPANTS, list(_CASE_COLUMNS), cases)
    write_table(paths.root / layout.LESIONS, list(_LESION_COLUMNS), lesions)
    for name, columns in (("participants.json", _CASE_COLUMNS), ("lesions.json", _LESION_COLUMNS)):
        write_json(paths.root / name, {column: {"Description": text} for column, text in columns.items()})
    rows = [{**vars(failure), "participant_id": case_name(failure.case)} for failure in failures]
    rows.sort(key=lambda row: row["case"])
    write_table(paths.root / layout.FAILURES, ("participant_id", "host", "stage", "reason"), rows)
    _write_descriptions(paths, recipe)
    if recipe.format == "nifti":
        write_json(paths.root / layout.DATALIST, _datalist(paths, records))
    write_text(paths.root / layout.CHECKSUMS, "".join(_checksum_lines(paths, records)))
    return Facts(len(cases), len(lesions))


def _case_row(case: int, record: dict[str, Any]) -> dict[str, Any]:
    return {
        "participant_id": case_name(case),
        "host": Path(record["host"]["file"] or "n/a").name,
        "host_number": record["cohort"]["host"],
        "patient": record["cohort"]["patient"],
        "bundle": record["bundle"]["name"],
        "lesions": len(record["lesions"]),
        "lesion_volume_ml": sum(lesion["volume_mm3"] for lesion in record["lesions"]) / 1000,
        "seed": record["cohort"]["seed"],
        "host_sha256": record["host"]["checksum"],
    }


def _lesion_rows(case: int, record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    cohort = record["cohort"]
    for number, lesion in enumerate(record["lesions"]):
        appearance = {name: lesion["appearance"].get(name) for name in _LESION_COLUMNS if name in lesion["appearance"]}
        yield {
            **{name: lesion[name] for name in _LESION_COLUMNS if name in lesion},
            **appearance,
            "participant_id": case_name(case),
            "label": number + 1,
            "host_number": cohort["host"],
            "patient": cohort["patient"],
            "diameter_mm": 2 * lesion["radii_mm"][0],
            "placed_by": cohort["placed_by"][number],
            "record": cohort["records"][number] if cohort["records"] else None,
        }


def _write_descriptions(paths: CohortPaths, recipe: Recipe) -> None:
    description = {
        "Name": f"SYNTHETIC lesions, seed {recipe.seed}, recipe {recipe.checksum()[:12]}",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "TumorSynth",
                "Version": __version__,
                "Description": "Synthetic tumours in brain MRI. Every image holds computer-made lesions.",
            }
        ],
    }
    write_json(paths.root / layout.DESCRIPTION, description)
    write_text(paths.root / layout.README, _README.format(version=__version__))
    not_bids = (layout.RECIPE, layout.LESIONS, "lesions.json", layout.FAILURES, layout.DATALIST, layout.CHECKSUMS,
                layout.RUN_LOG, layout.MAP_NOTE, "*_desc-intensity_map.nii.gz", f"*/anat/{layout.DICOM}/")  # fmt: skip
    write_text(paths.root / layout.BIDS_IGNORE, "\n".join(not_bids) + "\n")
    notes = {
        layout.LABELS_NOTE: {"Manual": False, "Description": "Labels 1..n, one a SYNTHETIC lesion."},
        layout.MASK_NOTE: {"Type": "Lesion", "Manual": False, "Description": "1 in any SYNTHETIC lesion."},
        layout.MAP_NOTE: {"Description": "Grey values that the spheres of SYNTHETIC lesions asked for; 0 outside."},
    }
    for name, note in notes.items():
        write_json(paths.root / name, note)


def _datalist(paths: CohortPaths, records: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """In the words of the Medical Segmentation Decathlon, which MONAI reads."""
    training = [
        {
            "image": paths.file(case, IMAGE).relative_to(paths.root).as_posix(),
            "label": paths.file(case, BINARY_MASK).relative_to(paths.root).as_posix(),
            "fold": (record["cohort"]["host"] - 1) % FOLDS,
        }
        for case, record in records.items()
    ]
    return {
        "name": "SYNTHETIC lesions by TumorSynth",
        "description": "SYNTHETIC tumours in brain MRI. The folds keep the cases of one host together.",
        "modality": {"0": "T1"},
        "labels": {"0": "background", "1": "lesion"},
        "numTraining": len(training),
        "numTest": 0,
        "training": training,
        "test": [],
    }


def _checksum_lines(paths: CohortPaths, records: dict[int, dict[str, Any]]) -> Iterator[str]:
    """Every file that is the same whenever and however the cohort is made, as `sha256sum` writes them."""
    named = (layout.DATALIST, layout.DESCRIPTION, layout.LESIONS, layout.PARTICIPANTS, layout.README)
    for name in sorted(name for name in named if (paths.root / name).exists()):
        yield f"{sha256_of(paths.root / name)}  {name}\n"
    for case, record in records.items():
        folder = paths.sidecar(case).parent
        sums = {name: facts["sha256"] for name, facts in record["files"].items()}
        sums[paths.sidecar(case).name] = sha256_of(paths.sidecar(case))
        for name in sorted(sums):
            yield f"{sums[name]}  {(folder / name).relative_to(paths.root).as_posix()}\n"
