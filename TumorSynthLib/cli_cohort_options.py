"""The options of `tumorsynth cohort`: those of a recipe, as recipe.py explains them, and how and where to make it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_options import AsJson, Device, Precision
from .cohorts.recipe import APPEARANCE, Recipe

_WHAT = "What to make"
_PLACE = "Where lesions lie"
_LOOKS = "How lesions are finished"
_HOW = "How to make it"
_PLACE_NAMES = frozenset(
    ("placement", "junction_share", "map", "points", "keep_out", "keep_out_distance", "between", "border")
)
_WHOLE_NUMBERS = frozenset(("cases", "cases_per_host", "seed"))

_HOSTS_TEXT = (
    "Brain MRIs to put lesions into: files, folders, DICOM folders, patterns in quotes, or a table (CSV or TSV) with a"
    " column 'image' and if you like 'brain_mask', 'keep_out', 'map', 'points' and 'patient'."
)
_RECIPE_TEXT = "A recipe in YAML or JSON: the names below without their dashes, and hosts. Options overrule it."
_SCHEDULER_TEXT = "Address of a Dask scheduler whose workers see the same files, instead of --workers."
_RESUME_TEXT = "Go on with an unfinished cohort, or make more cases of it (--cases). Needs no other option."
_DRY_RUN_TEXT = "Only tell what would be made."
_PREVIEW_TEXT = "Only draw this many of the cohort's cases, into OUT with .png added."

Hosts = Annotated[list[str] | None, typer.Argument(metavar="HOSTS...", help=_HOSTS_TEXT, show_default=False)]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="OUT", help="Folder for the cohort.", show_default=False)
]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", metavar="FILE", help=_RECIPE_TEXT, show_default=False, rich_help_panel=_WHAT)
]
Workers = Annotated[
    int, typer.Option("--workers", metavar="N", help="Processes on this computer, one core each.", rich_help_panel=_HOW)
]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDR", help=_SCHEDULER_TEXT, show_default=False, rich_help_panel=_HOW),
]
Resume = Annotated[bool, typer.Option("--resume", help=_RESUME_TEXT, rich_help_panel=_HOW)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an older cohort.", rich_help_panel=_HOW)]
DryRun = Annotated[bool, typer.Option("--dry-run", help=_DRY_RUN_TEXT, rich_help_panel=_HOW)]
Preview = Annotated[
    int | None, typer.Option("--preview", metavar="N", help=_PREVIEW_TEXT, show_default=False, rich_help_panel=_HOW)
]


def _panel(name: str) -> str:
    if name in _PLACE_NAMES:
        return _PLACE
    return _LOOKS if name in APPEARANCE.values() else _WHAT


def with_recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with an option for every field of a recipe, in place of its `**recipe`."""
    own = [p for p in Signature.from_callable(command, eval_str=True).parameters.values() if p.kind != p.VAR_KEYWORD]
    added = []
    for field in fields(Recipe):
        if "read" not in field.metadata:
            continue
        kind = int if field.name in _WHOLE_NUMBERS else bool if isinstance(field.default, bool) else str
        default = "" if field.default is None or field.default is False else str(field.default)
        option = typer.Option(
            f"--{field.name.replace('_', '-')}",
            metavar=field.metadata["metavar"] or None,
            help=field.metadata["text"],
            show_default=default or False,
            rich_help_panel=_panel(field.name),
        )
        annotation = Annotated[kind | None, option]
        added.append(Parameter(field.name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    own = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in own]
    command.__signature__ = Signature(own + added)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
    return command


__all__ = [
    "AsJson", "Device", "DryRun", "Hosts", "Output", "Overwrite", "Precision", "Preview", "RecipeFile", "Resume",
    "Scheduler", "Workers", "with_recipe_options",
]  # fmt: skip
