"""What a person writes about lesions, as options or in a JSON list, into checked requests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .host import SPACES, HostBrain, parse_point
from .option_names import APPEARANCE_FIELDS
from .parameters import Appearance, check_seed
from .spheres import ConcentricSpheres

if TYPE_CHECKING:
    from .synthesis import LesionRequest


KEYS = ("center", "space", "radii", "values", "structure", "seed", *APPEARANCE_FIELDS)
MOST_LESIONS = 1000

_WORDS_OF_SPHERES = re.compile(r"(center|radii|values|structure)\b")


@dataclass(frozen=True)
class LesionPlan:
    """One lesion as asked for; `spheres` has its centre in `space`, which becomes RAS once the host is known."""

    spheres: ConcentricSpheres
    space: str
    seed: int
    appearance: Appearance

    def request(self, host: HostBrain) -> LesionRequest:
        from .synthesis import LesionRequest

        center = tuple(parse_point(self.spheres.center_ras, self.space, host).tolist())
        return LesionRequest(replace(self.spheres, center_ras=center), self.seed, self.appearance)


def plan_from_options(options: Mapping[str, Any]) -> LesionPlan:
    """The one lesion that the command line describes; keys are option names without their dashes."""
    for needed in ("center", "radii"):
        if options.get(needed) is None:
            example = "10 -20 30" if needed == "center" else "14 10 5"
            raise InputError(f"--{needed} is missing: give it, for example --{needed} {example}, or --lesions FILE")
    return _plan(options, "--", "")


def plans_from_file(path: Path, defaults: Mapping[str, Any]) -> list[LesionPlan]:
    """The lesions of a JSON list. What an entry leaves out comes from the options, or from the usual defaults; without
    a seed of its own each takes the option's plus its place in the list, so that no two look alike by accident."""
    entries = _read_list(path)
    plans = []
    for number, entry in enumerate(entries):
        where = f"{path}: lesion {number + 1}: "
        _check_entry(entry, where)
        seed = {"seed": defaults["seed"] + number} if "seed" not in entry else {}
        plans.append(_plan({**defaults, **entry, **seed}, "", where))
    return plans


def parse_numbers(text: str, option: str, example: str) -> tuple[float, ...]:
    """Numbers as written after an option, between spaces or commas."""
    words = text.replace(",", " ").split()
    try:
        return tuple(float(word) for word in words)
    except ValueError:
        raise InputError(f"{option} {text}: not numbers; give for example {option} {example}") from None


def _read_list(path: Path) -> list[Any]:
    example = '[{"center": [10, -20, 30], "radii": [14, 10, 5]}]'
    try:
        entries = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_twins)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; give a JSON list of lesions") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a JSON list of lesions") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file ({error}); write for example {example}") from error
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: not a list of lesions; write for example {example}")
    if len(entries) > MOST_LESIONS:
        raise InputError(f"{path}: {len(entries)} lesions; at most {MOST_LESIONS} fit into one case")
    return entries


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, of whose equal keys Python would silently take the last."""
    entry = dict(pairs)
    if len(entry) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in entry if keys.count(key) > 1)
        raise InputError(f"'{twin}' is given twice in one lesion: give it once")
    return entry


def _check_entry(entry: object, where: str) -> None:
    if not isinstance(entry, dict):
        raise InputError(f'{where}not an object; write for example {{"center": [10, -20, 30], "radii": [14, 10, 5]}}')
    # As an option may be written: blend_width and blend-width mean the same.
    for key in [key for key in entry if "_" in key]:
        same = key.replace("_", "-")
        if same in entry:
            raise InputError(f"{where}'{same}' and '{key}' are the same: give one of them")
        entry[same] = entry.pop(key)
    unknown = [key for key in entry if key not in KEYS]
    if unknown:
        raise InputError(f"{where}'{unknown[0]}' is unknown; known are {', '.join(KEYS)}")
    missing = [key for key in ("center", "radii") if key not in entry]
    if missing:
        raise InputError(f"{where}{missing[0]} is missing; every lesion needs center and radii")
    if entry.get("values") is not None and entry.get("structure") is not None:
        raise InputError(f"{where}values and structure exclude each other: give one of them")


def _plan(given: Mapping[str, Any], dashes: str, where: str) -> LesionPlan:
    """A plan from values by option name. Errors begin with `where`, and call a field `dashes` and its option's name."""
    space = given.get("space") or "ras"
    if space not in SPACES:
        raise InputError(f"{where}{dashes}space '{space}' is unknown: choose one of {', '.join(SPACES)}")
    # A list's own values overrule a structure that the command line gives to all.
    structure = given.get("structure") if given.get("values") is None else None
    if structure is not None and not isinstance(structure, str):
        raise InputError(f"{where}{dashes}structure {structure} is not a name")
    center, radii = (_numbers(given, key, where + dashes) for key in ("center", "radii"))
    values = _numbers(given, "values", where + dashes) if given.get("values") is not None else None
    try:
        spheres = ConcentricSpheres(center, radii, values, structure)
    except InputError as error:
        name = "" if _WORDS_OF_SPHERES.match(str(error)) else "radii: "
        raise InputError(f"{where}{dashes}{name}{error}") from None
    try:
        seed = check_seed(given.get("seed", 0))
    except InputError as error:
        raise InputError(f"{where}{dashes}{error}") from None
    return LesionPlan(spheres, space, seed, _appearance(given, where + dashes))


def _numbers(given: Mapping[str, Any], key: str, where: str) -> tuple[float, ...]:
    values = given[key]
    is_list = isinstance(values, Sequence) and not isinstance(values, str)
    if not is_list or not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        raise InputError(f"{where}{key} {values} is not a list of numbers")
    try:
        return tuple(float(v) for v in values)
    except OverflowError:
        raise InputError(f"{where}{key}: a number beyond all bounds") from None


def _appearance(given: Mapping[str, Any], where: str) -> Appearance:
    chosen = {field: given[key] for key, field in APPEARANCE_FIELDS.items() if given.get(key) is not None}
    for key, field in APPEARANCE_FIELDS.items():
        if isinstance(chosen.get(field), bool):  # which Python takes for 0 or 1
            raise InputError(f"{where}{key} {chosen[field]} is not a number")
        if field in chosen:
            try:
                Appearance(**{field: chosen[field]})
            except InputError as error:
                raise InputError(where + str(error).replace(field, key, 1)) from None
            except OverflowError:
                raise InputError(f"{where}{key}: a number beyond all bounds") from None
    return Appearance(**chosen)
