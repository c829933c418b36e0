"""The command `tumorsynth`. Each command checks which options go together; the work is done elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from . import __version__, cli_cohort, cli_options
from .cli_app import open_workbench
from .cli_audit import audit
from .cli_bundles import bundles
from .cli_exit import run
from .cli_numbers import gathered
from .cli_reading import reading
from .cli_realism import realism
from .errors import InputError
from .option_names import APPEARANCE_FIELDS
from .parameters import Appearance

NAME = "tumorsynth"
BESIDE_FROM = frozenset(
    (
        *("recipe", "moved_host", "output", "brain_mask", "bundle", "device", "precision", "threads", "overwrite"),
        *("as_json", "series", "format", "keep_identity"),
    )
)

app = typer.Typer(
    name=NAME,
    help="Synthetic tumours in brain MRI. Every image that it makes says SYNTHETIC.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(bundles, name="bundle")
app.add_typer(reading, name="reading")
cli_cohort.register(app)
app.command()(realism)
app.command()(audit)
app.command("app")(open_workbench)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"TumorSynth {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")]


@app.callback()
def whole_program(version: Version = False) -> None:
    pass


@app.command()
def synthesize(
    context: typer.Context,
    output: cli_options.CaseFolder,
    host: cli_options.OptionalHost = None,
    center: cli_options.Center = None,
    space: cli_options.Space = "ras",
    radii: cli_options.Radii = None,
    values: cli_options.Values = None,
    structure: cli_options.StructureName = None,
    seed: cli_options.Seed = 0,
    lesions: cli_options.Lesions = None,
    brain_mask: cli_options.BrainMaskFile = None,
    smoothing: cli_options.Smoothing = Appearance.smoothing_mm,
    contrast: cli_options.Contrast = Appearance.contrast,
    blend_width: cli_options.BlendWidth = Appearance.blend_width_mm,
    mass_effect: cli_options.MassEffect = Appearance.mass_effect,
    oedema: cli_options.Oedema = Appearance.oedema,
    oedema_extent: cli_options.OedemaExtent = Appearance.oedema_extent,
    bundle: cli_options.BundleName = "default",
    device: cli_options.Device = "auto",
    precision: cli_options.Precision = "auto",
    threads: cli_options.Threads = None,
    series: cli_options.Series = None,
    format: cli_options.Format = "nifti",
    keep_identity: cli_options.KeepIdentity = False,
    recipe: cli_options.From = None,
    moved_host: cli_options.MovedHost = None,
    overwrite: cli_options.Overwrite = False,
    as_json: cli_options.AsJson = False,
) -> None:
    """Put one or more synthetic tumours into a brain MRI.

    OUT will hold the MRI with the tumour (image.nii.gz), a mask
    (lesion_mask.nii.gz: 1 for the first lesion, 2 for the second, ...), the
    tumour's grey levels (intensity_map.nii.gz) and all that it takes to make the
    case again (provenance.json).

    [bold]Examples[/bold]

    A ring-enhancing lesion 28 mm across, at R 30, A -20, S 15 as 3D Slicer shows them:

        tumorsynth synthesize t1c.nii.gz -o case1 \\
            --center 30 -20 15 --radii 14 10 5 --structure ring

    Another of the same size and place, without oedema and without pushing the brain aside:

        tumorsynth synthesize t1c.nii.gz -o case2 \\
            --center 30 -20 15 --radii 14 10 5 --structure ring \\
            --seed 2 --mass-effect 0 --oedema 0

    Several lesions, from a file lesions.json with the text
    [{"center": [30, -20, 15], "radii": [14, 10, 5], "structure": "ring"},
    {"center": [-25, 10, 40], "radii": [6, 4], "seed": 5, "contrast": 1.3}]

        tumorsynth synthesize t1c.nii.gz -o case3 --lesions lesions.json

    The first case again, bit for bit:

        tumorsynth synthesize --from case1/provenance.json -o again

    From a DICOM folder, back to DICOM: a folder image with the series, its DICOM
    segmentation lesion_mask.dcm and a folder intensity_map, without the patient's name:

        tumorsynth synthesize dicom_folder -o case4 --format dicom \\
            --center 30 -20 15 --radii 14 10 5
    """
    from .cli_synthesis import Machine, Target

    given = {name for name in context.params if _was_given(context, name)}
    machine = Machine(bundle, device, precision, threads)
    target = Target(output, overwrite, as_json, format, keep_identity)
    if recipe is None:
        _make_new(context.params, given, machine, target)
    else:
        _make_again(context.params, given, machine, target)


def _make_new(chosen: dict[str, Any], given: set[str], machine: Any, target: Any) -> None:
    from . import cli_synthesis, lesion_lists

    if "moved_host" in given:
        raise InputError(f"--host {chosen['moved_host']} belongs to --from: give the brain MRI without --host")
    if chosen["host"] is None:
        raise InputError(
            "HOST is missing: give the brain MRI, for example tumorsynth synthesize t1c.nii.gz -o case1 ..."
        )
    if {"values", "structure"} <= given:
        raise InputError("--values and --structure exclude each other: give one of them")
    if chosen["lesions"] is not None and given & {"center", "radii", "values"}:
        raise InputError("--lesions excludes --center, --radii and --values: put them into the file")
    options = {name: chosen[name] for name in ("space", "structure", "seed")}
    options |= {name: chosen[name.replace("-", "_")] for name in APPEARANCE_FIELDS}
    for name, example in (("center", "10 -20 30"), ("radii", "14 10 5"), ("values", "1 0.75 0.5")):
        if chosen[name] is not None:
            options[name] = lesion_lists.parse_numbers(chosen[name], f"--{name}", example)
    if chosen["lesions"] is None:
        plans = [lesion_lists.plan_from_options(options)]
    else:
        plans = lesion_lists.plans_from_file(chosen["lesions"], options)
    inputs = (chosen["host"], chosen["brain_mask"], chosen["lesions"])
    cli_synthesis.synthesize(chosen["host"], plans, chosen["brain_mask"], machine, target, inputs, chosen["series"])


def _make_again(chosen: dict[str, Any], given: set[str], machine: Any, target: Any) -> None:
    from . import cli_synthesis
    from .replay import Recipe

    if "host" in given:
        raise InputError("HOST and --from exclude each other: if the brain MRI was moved, give --host FILE")
    others = sorted(given - BESIDE_FROM)
    if others:
        name = others[0].replace("_", "-")
        raise InputError(f"--{name} and --from exclude each other: the same case again leaves nothing to choose")
    recipe = Recipe.read(chosen["recipe"])
    if "bundle" not in given:
        machine = machine.with_bundle(recipe.bundle_name)
    if "format" not in given:
        target = target.like(recipe)
    host = chosen["moved_host"], chosen["series"]
    cli_synthesis.synthesize_again(recipe, *host, chosen["brain_mask"], machine, target)


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


@app.command("brain-mask")
def brain_mask_of(
    host: cli_options.Host,
    output: cli_options.MaskFile,
    bundle: cli_options.BundleName = "default",
    device: cli_options.Device = "auto",
    precision: cli_options.Precision = "auto",
    threads: cli_options.Threads = None,
    series: cli_options.Series = None,
    overwrite: cli_options.Overwrite = False,
    as_json: cli_options.AsJson = False,
) -> None:
    """Find the brain in an MRI, with skull or without, and write it as a mask: 1 in the brain, 0 elsewhere.

    [bold]Example[/bold]

        tumorsynth brain-mask t1c.nii.gz -o brain.nii.gz

    A mask that you corrected by hand goes into synthesize with --brain-mask.
    """
    from .cli_synthesis import Machine, Target, write_brain_mask

    write_brain_mask(host, Machine(bundle, device, precision, threads), Target(output, overwrite, as_json), series)


Repeats = Annotated[int, typer.Option("--repeats", metavar="N", min=1, help="Measurements of each step.")]
Placements = Annotated[
    int, typer.Option("--placements", metavar="N", min=0, help="Also measure size and place of this many lesions.")
]


@app.command()
def bench(
    bundle: cli_options.BundleName = "default",
    device: cli_options.Device = "auto",
    repeats: Repeats = 15,
    placements: Placements = 0,
    as_json: cli_options.AsJson = False,
) -> None:
    """Measure how fast this computer makes lesions, and how much memory it takes."""
    from .bench import main as measure
    from .cli_synthesis import Machine

    Machine(bundle, device).check()
    measure(bundle, device, repeats, placements, as_json)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console command."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    sys.exit(run(app, gathered(given) or ["--help"], NAME))
