"""`tumorsynth audit`: do synthetic lesions repeat lesions that the networks learned from?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_options import AsJson
from .errors import InputError

if TYPE_CHECKING:
    from .realism.memorisation import Features

_COHORT = "Synthetic lesions: a cohort, a folder of cases, or an archive of patches (.npz)."
_RECORDS = (
    "Lesions learned from: an archive of patches or of annotated slices (.npz), a folder with NAME.nii.gz and"
    " NAME_mask.nii.gz, or a CSV table with the columns image,mask."
)
_PART = (
    "Of an archive of annotated slices (image, mask, index): train, what the shipped networks learned from, or all."
    " Every other kind of RECORDS is taken whole."
)
_OUTPUT = "A folder for audit.json and audit.html; that of an older audit is replaced."
_FEATURES = "What the comparison by features goes by: own (rings of the pattern), or encoder (the shipped judge)."

Cohort = Annotated[Path, typer.Argument(metavar="COHORT", help=_COHORT, show_default=False)]
Against = Annotated[Path, typer.Option("--against", metavar="RECORDS", help=_RECORDS, show_default=False)]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="REPORT", help=_OUTPUT, show_default=False)]
Slices = Annotated[int, typer.Option("--slices", metavar="N", min=1, help="Slices of each lesion, from volumes.")]
Part = Annotated[str, typer.Option("--part", metavar="train|all", help=_PART)]
Excluded = Annotated[
    str, typer.Option("--exclude-patient", metavar="N,...", help="Leave these patients (blocks) out of the records.")
]
Copies = Annotated[
    int, typer.Option("--copies", metavar="N", min=10, help="Changed copies to plant, to learn what would be found.")
]
FeaturesName = Annotated[str, typer.Option("--features", metavar="own|encoder", help=_FEATURES)]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Decides what is planted.")]


def audit(
    cohort: Cohort,
    against: Against,
    output: Output = None,
    slices: Slices = 3,
    part: Part = "train",
    exclude_patient: Excluded = "",
    copies: Copies = 100,
    features: FeaturesName = "own",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Find synthetic lesions that repeat a lesion that was learned from.

    A lesion is flagged if it is more like a record than real lesions of different patients
    are like each other. Copies of records, changed by chance, are planted among the synthetic
    lesions: the share that is found says what "none flagged" is worth.

    [bold]Example[/bold]

        tumorsynth audit cohort --against records.npz -o report
    """
    from .cli_progress import FINISHED, reporting
    from .reading.report_folder import check_report_folder
    from .realism.audit_sources import read_for_audit, without_blocks
    from .realism.memorisation import audit as compare
    from .realism.memorisation_report import FILES, facts_of, verdict, write_audit

    if output:
        check_report_folder(output, FILES)
    chosen = _features(features)
    blocks = _numbers(exclude_patient)
    synthetic = read_for_audit(cohort, slices)
    records = without_blocks(read_for_audit(against, slices, part), blocks)
    with reporting() as progress:
        found = compare(synthetic, records, features=chosen, copies=copies, seed=seed, progress=progress)
        progress(FINISHED, 1.0)
    files = write_audit(output, found, synthetic, records) if output else []
    if as_json:
        print(json.dumps({**facts_of(found, synthetic, records), "files": [str(file) for file in files]}))
        return
    print(verdict(found))
    for row in found.flagged.tolist():
        record = found.synthetic.by_pattern.record[row]
        print(f"  {synthetic.named(row)} repeats {records.named(int(record))}")
    for file in files:
        print(file)


def _features(name: str) -> Features:
    if name == "own":
        from .realism.looks import own_features

        return own_features
    if name == "encoder":
        from .realism.encoder import encoded

        return encoded
    raise InputError(f"--features {name}: choose own or encoder")


def _numbers(words: str) -> list[int]:
    try:
        return [int(word) for word in words.split(",") if word.strip()]
    except ValueError:
        raise InputError(f"--exclude-patient {words}: whole numbers separated by commas are expected") from None
