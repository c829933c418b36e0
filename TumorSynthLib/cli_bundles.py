"""`tumorsynth bundle`: which trained networks there are, what they are, and whether they are intact."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_options import AsJson
from .errors import InputError

if TYPE_CHECKING:
    from .bundle import Bundle

bundles = typer.Typer(help="The trained networks: list them, show where they come from, check that they are intact.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name from the list, or a bundle's folder.")]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Which to check; all if left out.", show_default=False)
]


@bundles.command("list")
def list_installed(as_json: AsJson = False) -> None:
    """List the installed networks and what each is good for."""
    from .bundle import Bundle, list_bundles

    found = [Bundle.find(name) for name in list_bundles()]
    if as_json:
        print(json.dumps({"bundles": [{"name": b.name, "description": b.description} for b in found]}))
    else:
        _print_table([(b.name, b.description) for b in found] or [("(none)", "no networks are installed")])


@bundles.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show where a bundle's networks come from: training, size, licence, checksums."""
    from .bundle import Bundle

    bundle = Bundle.find(name)
    if as_json:
        print(json.dumps({**bundle.manifest, "folder": str(bundle.folder), "checksum": bundle.checksum}))
        return
    rows = [
        ("name", bundle.name),
        ("description", bundle.description),
        ("licence", bundle.manifest["licence"]),
        ("folder", str(bundle.folder)),
        ("checksum", bundle.checksum),
    ]
    _print_table(rows + [(f"{kind} network", _network(entry)) for kind, entry in bundle.manifest["networks"].items()])


@bundles.command()
def verify(names: Names = None, as_json: AsJson = False) -> None:
    """Check that no file of a bundle was changed, cut short or lost."""
    from .bundle import Bundle, list_bundles

    chosen = names or list_bundles()
    if not chosen:
        raise InputError("no bundle is installed: there is nothing to verify")
    checked = [_verified(Bundle.find(name)) for name in chosen]
    if as_json:
        print(json.dumps({"intact": [bundle.name for bundle in checked]}))
    else:
        _print_table([(bundle.name, f"intact, checksum {bundle.checksum}") for bundle in checked])


def _verified(bundle: Bundle) -> Bundle:
    bundle.verify()
    return bundle


def _network(entry: dict[str, Any]) -> str:
    facts = [f"{entry['parameters']} parameters"] if "parameters" in entry else []
    run = entry.get("run") or {}
    facts += [f"{name} {run[name]}" for name in ("preset_name", "steps", "seed") if name in run]
    return ", ".join([*facts, entry["upsampling"], entry["file"]]).replace("preset_name", "preset")


def _print_table(rows: list[tuple[str, str]]) -> None:
    """Plain columns, one row a line, so that `grep` and `cut` work on them."""
    width = max(len(first) for first, _ in rows)
    for first, second in rows:
        print(f"{first:<{width}}  {second}")
