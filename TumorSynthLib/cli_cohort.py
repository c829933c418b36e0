"""`tumorsynth cohort`, and what goes with it: `verify`, `export`, `records`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import cli_cohort_options as options
from .cli_exit import Stopped
from .cli_options import AsJson
from .errors import InputError

if TYPE_CHECKING:
    from .cohorts.recipe import Recipe
    from .cohorts.running import CohortSummary

SOME_FAILED = 3

CohortFolder = Annotated[Path, typer.Argument(metavar="COHORT", help="Folder of a cohort.", show_default=False)]


def register(app: typer.Typer) -> None:
    for command in (cohort, verify, export, records):
        app.command()(command)


@options.with_recipe_options
def cohort(
    context: typer.Context,
    hosts: options.Hosts = None,
    output: options.Output = None,
    recipe_file: options.RecipeFile = None,
    workers: options.Workers = 1,
    scheduler: options.Scheduler = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    preview: options.Preview = None,
    as_json: options.AsJson = False,
    **recipe: Any,
) -> int:
    """Make many annotated cases: hundreds or thousands of brain MRIs with tumours, as a recipe says.

    Case 17 of a recipe is the same whether it is made alone, in one process, by many, or after
    a crash. OUT is laid out like a BIDS derivative: see docs/cohorts.md. The exit code is 0 when
    all cases were made, and 3 when some could not be (failures.tsv in OUT says why).

    [bold]Examples[/bold]

    A look at what would be made, in words and as a picture:

        tumorsynth cohort scans -o cohort --cases 200 --seed 1 --dry-run

        tumorsynth cohort scans -o cohort --cases 200 --seed 1 --preview 9

    The cohort, on four cores; and on from where it was interrupted:

        tumorsynth cohort scans -o cohort --cases 200 --seed 1 --workers 4

        tumorsynth cohort -o cohort --resume --workers 4

    From a recipe file, larger and more often ring-enhancing than it says, on a Dask cluster:

        tumorsynth cohort --recipe recipe.yaml -o cohort \\
            --sizes 10:30 --structures ring=0.7,solid=0.3 --scheduler tcp://node1:8786
    """
    if output is None:
        raise InputError("-o OUT is missing: name a folder for the cohort")
    _check_machine(device, precision, workers, scheduler)
    chosen = _recipe(hosts, recipe_file, {k: v for k, v in recipe.items() if v is not None}, output, resume)
    if dry_run:
        return _tell(chosen if chosen else _stored(output), as_json)
    if preview is not None:
        return _preview(chosen if chosen else _stored(output), output, preview, device, precision, as_json)
    return _make(chosen, output, as_json, workers=workers, scheduler=scheduler, device=device, precision=precision,
                 resume=resume, overwrite=overwrite)  # fmt: skip


def _check_machine(device: str, precision: str, workers: int, scheduler: str | None) -> None:
    from .cohorts.running import MOST_WORKERS
    from .synthesis import DEVICES, PRECISIONS

    for name, value, known in (("device", device, DEVICES), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise InputError(f"--{name} '{value}' is unknown: choose one of {', '.join(known)}")
    if not 1 <= workers <= MOST_WORKERS:
        raise InputError(f"--workers {workers} is out of range: 1 to {MOST_WORKERS}; this machine has {os.cpu_count()}")
    if scheduler is not None and workers != 1:
        raise InputError("--workers and --scheduler exclude each other: a scheduler has workers of its own")


def _recipe(
    hosts: list[str] | None, file: Path | None, given: dict[str, Any], output: Path, resume: bool
) -> Recipe | None:
    """The recipe of file and options together; None to go on with what the folder itself says."""
    from .cohorts.recipe import Recipe, RecipeError
    from .cohorts.recipe_files import read_recipe_file

    written: dict[str, Any] = {}
    base = Path()
    if file is not None:
        written, base = read_recipe_file(file), file.parent
    elif resume and hosts is None:
        if not given:
            return None
        return _extended(output, given)
    overruled = {*given, *({"cases", "cases_per_host"} if {"cases", "cases_per_host"} & set(given) else ())}
    written = {name: value for name, value in written.items() if name.replace("-", "_") not in overruled}
    # Paths in options count from here, those in a recipe file from its own folder.
    written |= {name: _from_here(name, value) for name, value in given.items()}
    if hosts is not None:
        written["hosts"] = [str(Path(host).expanduser().absolute()) if "\0" not in host else host for host in hosts]
    try:
        return Recipe.of(written, base)
    except RecipeError as error:
        raise InputError(_located(error, hosts, file, given)) from None
    except InputError as error:
        raise InputError(f"{file}: {error}" if file else str(error)) from None


def _from_here(name: str, value: Any) -> Any:
    return str(Path(value).expanduser().absolute()) if name in ("map", "points", "keep_out", "records") else value


def _located(error: Any, hosts: list[str] | None, file: Path | None, given: dict[str, Any]) -> str:
    """The message with where the fault is: an option, or a line of the recipe file."""
    if error.key == "hosts" and hosts is not None:
        return error.message
    if error.key in given:
        return f"--{error.key.replace('_', '-')} {error.message}"
    if file is not None:
        return f"{file}: {error}"
    if error.key == "hosts":
        return f"HOSTS {error.message}"
    return f"--{error.key.replace('_', '-')} {error.message}"


def _stored(output: Path) -> Recipe:
    from .cohorts.files import read_json
    from .cohorts.layout import CohortPaths
    from .cohorts.recipe import Recipe

    paths = CohortPaths(output.absolute())
    return Recipe.of(read_json(paths.recipe), paths.root)


def _extended(output: Path, given: dict[str, Any]) -> Recipe:
    """The folder's own recipe with more cases; the folder refuses any other difference."""
    from .cohorts.recipe import Recipe, RecipeError

    stored = _stored(output)
    written = stored.as_dict() | {name.replace("_", "-"): _from_here(name, value) for name, value in given.items()}
    if "cases-per-host" in written:
        written.pop("cases")
    try:
        return Recipe.of(written, output.absolute())
    except RecipeError as error:
        raise InputError(_located(error, None, None, given)) from None


def _tell(recipe: Recipe, as_json: bool) -> int:
    from .cohorts.foretelling import foretell

    facts = foretell(recipe)
    if as_json:
        print(json.dumps({"dry_run": True, **vars(facts), "recipe": recipe.as_dict()}))
        return 0
    space = f", about {facts.gigabytes:g} GB" if facts.gigabytes is not None else ""
    print(f"{facts.cases} cases in {facts.hosts} hosts, about {facts.lesions} lesions{space}")
    print("diameters: " + ", ".join(f"{value:g} mm at {share}" for share, value in facts.diameters_mm.items()))
    print("structures: " + ", ".join(f"{name} {share:.0%}" for name, share in facts.structures.items()))
    for case in facts.first_cases:
        print(f"case {case['case']}: {' '.join(f'{d:g}' for d in case['diameters_mm'])} mm in {case['host']}")
    print("Nothing was made (--dry-run).")
    return 0


def _preview(recipe: Recipe, output: Path, count: int, device: str, precision: str, as_json: bool) -> int:
    from .cli_progress import reporting
    from .cohorts.contact_sheet import MOST_CASES, preview
    from .cohorts.running import check_without_hosts

    if not 1 <= count <= MOST_CASES:
        raise InputError(f"--preview {count} is out of range: 1 to {MOST_CASES} cases")
    check_without_hosts(recipe)
    picture = output.with_name(f"{output.name}.png")
    if not picture.parent.is_dir():
        raise InputError(f"-o {output}: the folder {picture.parent} does not exist; create it first")
    with reporting() as progress:
        cases = preview(recipe, picture, count, device=device, precision=precision, progress=progress)
    print(json.dumps({"picture": str(picture), "cases": cases}) if as_json else picture)
    return 0


def _make(recipe: Recipe | None, output: Path, as_json: bool, **how: Any) -> int:
    from .cli_cohort_progress import reporting
    from .cohorts.running import make_cohort

    try:
        with reporting() as progress:
            summary = make_cohort(recipe, output, progress=progress, **how)
    except (KeyboardInterrupt, Stopped):
        print(f"stopped; finished cases stay, and go on with: tumorsynth cohort -o {output} --resume", file=sys.stderr)
        raise
    _announce(summary, as_json)
    return SOME_FAILED if summary.failures else 0


def _announce(summary: CohortSummary, as_json: bool) -> None:
    if as_json:
        facts = {**vars(summary), "synthetic": True, "folder": str(summary.folder)}
        facts["failures"] = [vars(failure) for failure in summary.failures]
        facts["seconds"] = round(summary.seconds, 2)
        print(json.dumps(facts))
        return
    there = f", {summary.existing} were there" if summary.existing else ""
    print(f"{summary.made} cases made{there}, {len(summary.failures)} failed; {summary.lesions} lesions in all")
    if summary.failures:
        print(f"why: {summary.folder / 'failures.tsv'}; --resume tries them again")
    print(summary.folder)
    print(f"SYNTHETIC cohort made in {summary.seconds:.1f} s")


Remake = Annotated[int, typer.Option("--remake", metavar="N", min=0, help="How many cases to make again.")]
VerifySeed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Chooses other cases to make again.")]


def verify(folder: CohortFolder, remake: Remake = 3, seed: VerifySeed = 0, as_json: AsJson = False) -> None:
    """Check that a cohort is as it was made: all checksums, and a few cases made again and compared.

    [bold]Example[/bold]

        tumorsynth verify cohort --remake 5
    """
    from .cli_progress import reporting
    from .cohorts.verifying import verify_cohort

    with reporting() as progress:
        found = verify_cohort(folder, remake=remake, seed=seed, progress=progress)
    if as_json:
        print(json.dumps({"intact": not found.faults, **vars(found)}))
    for fault in found.faults if not as_json else ():
        print(fault)
    if found.faults:
        raise InputError(f"{folder}: {len(found.faults)} things are not as they were made, first {found.faults[0]}")
    if not as_json:
        again = f"; made again and the same: {', '.join(map(str, found.remade))}" if found.remade else ""
        print(f"{folder}: {found.cases} cases, {found.files} files as they were made{again}")


ExportFolder = Annotated[
    Path, typer.Option("-o", "--output", metavar="FOLDER", help="New folder, such as nnUNet_raw/Dataset501_Synthetic.")
]
ExportKind = Annotated[str, typer.Option("--to", metavar="nnunet", help="What is to read it.")]


def export(folder: CohortFolder, output: ExportFolder, to: ExportKind = "nnunet", as_json: AsJson = False) -> None:
    """Lay a cohort out as nnU-Net reads it. (MONAI reads the dataset.json of a cohort as it is.)

    [bold]Example[/bold]

        tumorsynth export cohort -o nnUNet_raw/Dataset501_Synthetic
    """
    from .cohorts.nnunet import export_nnunet

    if to != "nnunet":
        raise InputError(f"--to '{to}' is unknown: choose nnunet")
    count = export_nnunet(folder, output)
    print(json.dumps({"folder": str(output), "cases": count}) if as_json else f"{output}: {count} cases for nnU-Net")


Annotated3D = Annotated[
    list[Path],
    typer.Argument(metavar="IMAGE MASK...", help="T1c images, each followed by the mask of its tumours."),
]
RecordFile = Annotated[Path, typer.Option("-o", "--output", metavar="FILE.tsv", help="Table to write.")]
OverwriteTable = Annotated[bool, typer.Option("--overwrite", help="Replace an older table.")]


def records(files: Annotated3D, output: RecordFile, overwrite: OverwriteTable = False, as_json: AsJson = False) -> None:
    """Measure real, annotated tumours as spheres, to put the like of them into other brains (cohort --records).

    Every connected part of a mask is one lesion. Its grey levels are split into three classes, and
    each class's volume becomes one shell; nothing else of the patient is kept.

    [bold]Example[/bold]

        tumorsynth records p1_t1c.nii.gz p1_tumour.nii.gz p2_t1c.nii.gz p2_tumour.nii.gz -o records.tsv
    """
    from .cohorts.measuring import write_records
    from .volume_files import suffix_of

    if len(files) % 2:
        raise InputError(f"{files[-1]}: has no mask; give every image followed by its mask")
    if output.suffix.lower() != ".tsv":
        raise InputError(f"-o {output}: a table; end its name in .tsv")
    if output.exists() and not overwrite:
        raise InputError(f"-o {output}: exists already; choose another name, or add --overwrite to replace it")
    if not output.parent.is_dir():
        raise InputError(f"-o {output}: the folder {output.parent} does not exist; create it first")
    together = zip(files[::2], files[1::2], strict=True)
    pairs = [(image, mask, image.name.removesuffix(suffix_of(image))) for image, mask in together]
    found = write_records(pairs, output)
    facts = {"file": str(output), "patients": len(pairs), "lesions": len(found)}
    print(json.dumps(facts) if as_json else f"{output}: {len(found)} lesions of {len(pairs)} patients")
