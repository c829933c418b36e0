"""`tumorsynth reading`: make a blinded study, check it, and report what readers answered."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_options import AsJson
from .errors import InputError, ResourceError

if TYPE_CHECKING:
    from .reading.study import MadeStudy

reading = typer.Typer(help="Reading studies: can reviewers tell synthetic lesions from real ones?")

_CASES = "Which cases"
_QUESTION = "What readers are asked"
_SHOW = "How cases are shown"


def _option(*names: str, metavar: str, text: str, panel: str, default: bool | str = True) -> Any:
    return typer.Option(*names, metavar=metavar, help=text, rich_help_panel=panel, show_default=default)


_REAL = (
    "Real lesions: a folder of images with masks beside them (t1c.nii.gz, t1c_seg.nii.gz), or a CSV table with the"
    " columns image,mask[,patient,label]. May be given several times."
)
_SYNTHETIC = "Synthetic lesions: a cohort's folder, or a CSV table with the columns image,mask[,bundle,structure,...]."
_CASES_TEXT = "How many different cases, real and synthetic together (with 2afc: pairs)."
_VALUES = "Values of the real masks that make up a lesion, such as 1,3,4; all above 0 if left out."
_NOTHING = "With locate: images without any lesion, each shown at one place."
_READERS = "Readers' names, each with years of experience if known: anna:12,ben:3."

NewStudy = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder for the study. It must not exist yet.")]
Study = Annotated[Path, typer.Argument(metavar="STUDY", help="A study's folder.")]
Real = Annotated[list[Path], _option("--real", metavar="RECORDS", text=_REAL, panel=_CASES)]
Synthetic = Annotated[list[Path], _option("--synthetic", metavar="COHORT", text=_SYNTHETIC, panel=_CASES)]
Cases = Annotated[int, _option("--cases", metavar="N", text=_CASES_TEXT, panel=_CASES)]
Ratio = Annotated[float, _option("--ratio", metavar="R", text="Share of synthetic cases.", panel=_CASES)]
Repeats = Annotated[float, _option("--repeats", metavar="R", text="Share of cases shown twice.", panel=_CASES)]
Match = Annotated[
    str, _option("--match", metavar="size,location", text="In what real and synthetic are to be alike.", panel=_CASES)
]
Values = Annotated[str, _option("--lesion-values", metavar="V,...", text=_VALUES, panel=_CASES)]
Smallest = Annotated[float, _option("--smallest", metavar="MM", text="Leave out smaller lesions.", panel=_CASES)]
Nothing = Annotated[list[Path] | None, _option("--nothing", metavar="IMAGES", text=_NOTHING, panel=_CASES)]
Training = Annotated[
    int, _option("--training-cases", metavar="K", text="Cases with the truth told, before the others.", panel=_CASES)
]
SeedOption = Annotated[int, _option("--seed", metavar="N", text="Decides everything that is random.", panel=_CASES)]

Task = Annotated[str, _option("--task", metavar="yesno|confidence|2afc|locate", text="The question.", panel=_QUESTION)]
Readers = Annotated[str, _option("--readers", metavar="NAME,...", text=_READERS, panel=_QUESTION)]
Margin = Annotated[
    float,
    _option("--margin", metavar="M", text="Accuracy within 0.5 +- M counts as chance; fixed now.", panel=_QUESTION),
]
Disclose = Annotated[bool, typer.Option("--disclose-ratio", help="Tell readers the ratio.", rich_help_panel=_QUESTION)]
Back = Annotated[bool, typer.Option("--allow-back", help="Readers may go back.", rich_help_panel=_QUESTION)]
Instructions = Annotated[
    Path | None,
    _option("--instructions", metavar="FILE", text="Text to show instead of the standard one.", panel=_QUESTION),
]

WindowLevel = Annotated[
    str,
    _option("--window-level", metavar="W,L", text="Grey values shown at first; tissue lies at 1000.", panel=_SHOW),
]
Box = Annotated[float, _option("--box", metavar="MM", text="Side of the cube around the lesion.", panel=_SHOW)]
Spacing = Annotated[float, _option("--spacing", metavar="MM", text="Side of a voxel as shown.", panel=_SHOW)]
Noise = Annotated[
    float, _option("--noise", metavar="S", text="Noise added to every case, as a share of tissue.", panel=_SHOW)
]


@reading.command()
def new(
    study: NewStudy,
    real: Real,
    synthetic: Synthetic,
    cases: Cases,
    ratio: Ratio = 0.5,
    repeats: Repeats = 0.15,
    match: Match = "",
    lesion_values: Values = "",
    smallest: Smallest = 3.0,
    nothing: Nothing = None,
    training_cases: Training = 0,
    seed: SeedOption = 0,
    task: Task = "confidence",
    readers: Readers = "reader1",
    margin: Margin = 0.1,
    disclose_ratio: Disclose = False,
    allow_back: Back = False,
    instructions: Instructions = None,
    window_level: WindowLevel = "2000,1000",
    box: Box = 120.0,
    spacing: Spacing = 1.0,
    noise: Noise = 0.01,
    as_json: AsJson = False,
) -> None:
    """Make a blinded study of real and synthetic lesions.

    STUDY will hold session.json (the protocol, sealed by a checksum), cases/ (blinded
    images), later answers/, and key/ with the truth, which reading never opens. Give
    readers the study without key/.

    [bold]Example[/bold]

        tumorsynth reading new study --real records --synthetic cohort --cases 100 \\
            --match size,location --readers anna:12,ben:3 --seed 1
    """
    from .cli_progress import reporting
    from .reading.blinding import Presentation
    from .reading.study import StudyPlan, create_study
    from .reading.tasks import task_named

    _require_statistics()
    window, level = _two_numbers("--window-level", window_level)
    away = box / 4 if task_named(task).needs_point else 0.0
    plan = StudyPlan(
        real=real,
        synthetic=synthetic,
        cases=cases,
        ratio=ratio,
        repeats=repeats,
        match=tuple(_words(match)),
        seed=seed,
        readers=_readers(readers),
        task=task,
        window=window,
        level=level,
        training_cases=training_cases,
        margin=margin,
        ratio_disclosed=disclose_ratio,
        going_back=allow_back,
        instructions=_text_of(instructions),
        presentation=Presentation(box, spacing, noise, away),
        tissue_values=tuple(_numbers("--lesion-values", lesion_values)),
        smallest_mm=smallest,
        nothing=nothing or (),
    )
    with reporting() as progress:
        made = create_study(study, plan, progress)
    _tell_new(made, as_json)


def _tell_new(made: MadeStudy, as_json: bool) -> None:
    protocol = made.protocol
    if as_json:
        check = protocol.blinding_check
        facts = {
            "folder": str(made.folder),
            "checksum": protocol.checksum,
            "cases": protocol.case_count,
            "repeats": protocol.repeat_count,
            "training": len(protocol.training),
            "blinding": {"auc": check.auc, "low": check.low, "high": check.high, "by_group": dict(check.by_group)},
            "warnings": list(made.warnings),
        }
        print(json.dumps(facts))
        return
    for warning in made.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    counts = f"{protocol.case_count} cases, {protocol.repeat_count} repeats, {len(protocol.training)} for training"
    print(f"{made.folder}: {counts}")
    print(protocol.blinding_check)
    print(f"protocol {protocol.checksum}")
    print("Write this checksum down before the first reading, and give readers the study without its key folder.")


Reader = Annotated[str, typer.Option("--reader", metavar="NAME", help="Who reads, as the study names them.")]
Picture = Annotated[
    Path | None,
    typer.Option("--snapshot", metavar="OUT.png", help="Save a picture of the window and end; needs no screen."),
]


@reading.command("run")
def run_session(study: Study, reader: Reader, snapshot: Picture = None) -> None:
    """Read cases: opens the reading module in the workbench, at the first case without an answer.

    Every answer is on the disk before the next case shows: close the window at any time.
    """
    from .cli_app import WORKBENCH, code_of
    from .reading.protocol import Protocol

    Protocol.read(study).reader(reader)  # refused here, before a window opens
    if importlib.util.find_spec(WORKBENCH) is None:
        raise ResourceError('the workbench is not installed; install it with: pip install "tumorsynth[app]"')
    given = [f"--for-module={study.resolve()}", f"--for-module={reader}"]
    if snapshot is not None:
        given.append(f"--snapshot={snapshot}")
    code = code_of([sys.executable, "-m", WORKBENCH, "--module=TumorSynthReading", *given])
    if code:
        raise typer.Exit(code if code > 0 else 1)


@reading.command()
def check(study: Study, as_json: AsJson = False) -> None:
    """Check that a study's protocol, cases and answers are as they were written, and how far readers came.

    The truth key stays closed.
    """
    from .reading.protocol import Protocol
    from .reading.responses import answer_files, sittings

    protocol = Protocol.read(study)
    protocol.check_cases(study)
    done = sittings(protocol, answer_files(study, protocol))
    if as_json:
        readers = {each.reader: {"answered": each.answered, "total": each.total} for each in done}
        print(json.dumps({"checksum": protocol.checksum, "cases": len(protocol.cases), "readers": readers}))
        return
    print(f"protocol {protocol.checksum}: unchanged, like its {len(protocol.cases)} cases")
    for each in done:
        print(f"{each.reader}: {each.answered} of {each.total} answered in {each.sittings} sittings")


@reading.command()
def audit(study: Study, as_json: AsJson = False) -> None:
    """Check the blinding again: can a classifier tell real from synthetic by everything but the lesions?

    Opens the truth key: for the study leader.
    """
    from .reading.audit import audit_blinding

    found = audit_blinding(study)
    if as_json:
        print(json.dumps({"auc": found.auc, "low": found.low, "high": found.high, "by_group": dict(found.by_group)}))
        return
    print(found)
    for group, area in found.by_group.items():
        print(f"  by {group}: {area:.2f}")


ReportFolder = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FOLDER", help="Where to write; STUDY/report if left out."),
]


@reading.command()
def report(study: Study, output: ReportFolder = None, as_json: AsJson = False) -> None:
    """Open the truth key and report: a web page, a PDF, tables and all numbers.

    A study whose protocol, key, cases or answers were changed is refused.
    """
    from .cli_progress import reporting
    from .reading.report import FILES, write_report

    _require_statistics()
    with reporting() as progress:
        folder = write_report(study, output, progress)
    files = [str(folder / name) for name in FILES]
    print(json.dumps({"folder": str(folder), "files": files}) if as_json else "\n".join(files))


AnswersFile = Annotated[Path, typer.Option("-o", "--output", metavar="FILE.csv", help="File for all answers.")]


@reading.command("export-answers")
def export(study: Study, output: AnswersFile) -> None:
    """Write all readers' answers into one CSV table. The truth key stays closed."""
    from .reading.responses import export_answers

    print(f"{output}: {export_answers(study, output)} lines")


@reading.command()
def plan(margin: Margin = 0.1, as_json: AsJson = False) -> None:
    """Say how many cases a margin needs, before a study is made."""
    from .reading.statistics.planning import MARGINS, sample_sizes

    _require_statistics()
    if not 0.03 <= margin <= 0.4:
        raise InputError(f"--margin {margin:g} is out of range: 0.03 to 0.4")
    sizes = sample_sizes(tuple(sorted({*MARGINS, margin})))
    if as_json:
        print(json.dumps([{"margin": s.margin, "power": s.power, "cases": s.cases} for s in sizes]))
        return
    print("margin   chance to show it   cases of one reader   95 % interval at 50 %")
    for size in sizes:
        mark = "  <" if size.margin == margin else ""
        shown = f"+-{100 * size.margin:g}", f"{100 * size.power:.0f} %", size.cases, f"+-{100 * size.half_width:.1f}"
        print("{:<9}{:<20}{:<22}{}".format(*shown) + mark)


# -- options in words


def _require_statistics() -> None:
    try:
        import sklearn  # noqa: F401
        import statsmodels  # noqa: F401
    except ImportError as error:
        raise InputError(f"{error.name} is not installed, which this needs: install tumorsynth[reading]") from error


def _words(text: str) -> list[str]:
    return [word for word in text.replace(",", " ").split() if word]


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(word) for word in _words(text)]
    except ValueError as error:
        raise InputError(f"{option} '{text}': give numbers with commas between, for example 1,3") from error


def _two_numbers(option: str, text: str) -> tuple[float, float]:
    numbers = _numbers(option, text.replace("/", ","))
    if len(numbers) != 2:
        raise InputError(f"{option} '{text}': give two numbers with a comma between, for example 2000,1000")
    return numbers[0], numbers[1]


def _readers(text: str) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for word in _words(text):
        name, colon, years = word.partition(":")
        if name in found:
            raise InputError(f"--readers '{name}' is named twice; give every reader a name of their own")
        try:
            found[name] = float(years) if colon else None
        except ValueError as error:
            raise InputError(f"--readers '{word}': give the years of experience as a number, like anna:12") from error
    return found


def _text_of(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--instructions {path}: cannot be read; give a text file in UTF-8") from error
    if not text:
        raise InputError(f"--instructions {path}: the file is empty; leave the option out for the standard text")
    return text
