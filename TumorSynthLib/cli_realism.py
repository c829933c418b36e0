"""`tumorsynth realism`: how far synthetic lesions can be told from real ones, beside controls in the same table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_options import AsJson, Overwrite
from .errors import InputError

if TYPE_CHECKING:
    from .realism.study import Study

_REAL = (
    "Real lesions: a folder of images with masks beside them (NAME.nii.gz, NAME_mask.nii.gz), a CSV table with the"
    " columns image,mask[,patient], or an archive of patches (.npz)."
)
_SYNTHETIC = "Synthetic lesions: a cohort's folder, a folder of cases, or any of the kinds that REAL may be."

Real = Annotated[Path, typer.Argument(metavar="REAL", help=_REAL, show_default=False)]
Synthetic = Annotated[Path, typer.Argument(metavar="SYNTHETIC", help=_SYNTHETIC, show_default=False)]
ReportFolder = Annotated[
    Path, typer.Option("-o", "--output", metavar="REPORT", help="Folder for the report.", show_default=False)
]
Dimensions = Annotated[int, typer.Option("--dimensions", metavar="2|3", help="Compare slices, or cubes of 1 mm.")]
Slices = Annotated[int, typer.Option("--slices", metavar="N", help="With 2 dimensions: slices of each lesion.")]
Size = Annotated[int, typer.Option("--size", metavar="MM", help="Side of the window around a lesion.")]
LesionValues = Annotated[
    str,
    typer.Option(
        "--lesion-values",
        metavar="V,...",
        help="Values of real masks that make up a lesion, such as 1,3,4; all above 0 if left out.",
        show_default=False,
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Decides everything that is random.")]
Quick = Annotated[bool, typer.Option("--quick", help="Leave out whatever needs a network.")]


def realism(
    real: Real,
    synthetic: Synthetic,
    output: ReportFolder,
    dimensions: Dimensions = 2,
    slices: Slices = 1,
    size: Size = 64,
    lesion_values: LesionValues = "",
    seed: SeedOption = 0,
    quick: Quick = False,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Measure how far synthetic lesions can be told from real ones.

    REPORT will hold report.html, to be read, and report.json with all numbers. Judges are
    trained and tested on different patients. Real lesions of other patients, copies of real
    lesions and two simple ways to make lesions stand in the same table, always.

    [bold]Example[/bold]

        tumorsynth realism records cohort -o report --seed 1
    """
    from .cli_progress import FINISHED, reporting
    from .reading.report_folder import check_report_folder
    from .realism.report import FILES, write_report
    from .realism.study import study_of_files

    _require_judges()
    if seed < 0:
        raise InputError(f"--seed {seed} is out of range: give 0 or more")
    check_report_folder(output, FILES, overwrite)
    with reporting() as progress:
        found = study_of_files(
            real,
            synthetic,
            dimensions,
            seed,
            quick,
            progress,
            slices_per_lesion=slices,
            size=size,
            lesion_values=_numbers(lesion_values),
        )
        progress("writing the report", 1.0)
        write_report(found, output, overwrite)
        progress(FINISHED, 1.0)
    _tell(found, [str(output / name) for name in FILES], as_json)


def _tell(found: Study, files: list[str], as_json: bool) -> None:
    from .realism.measures import TESTS
    from .realism.report import findings

    if as_json:
        areas = {row.name: {name: row.figures[name].value for name in TESTS} for row in found.rows}
        print(json.dumps({"files": files, "pairs": len(found.real), "auc": areas, "notes": list(found.notes)}))
        return
    print("\n".join((*findings(found), *files)))


def _require_judges() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise InputError(f"{error.name} is not installed, which this needs: install tumorsynth[realism]") from error


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError as error:
        raise InputError(f"--lesion-values '{text}': give numbers with commas between, for example 1,3") from error
