"""The recipe of a cohort: everything a person decides, with defaults, units and explanations in this one place. The
command line, recipe files and Python all read it here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..option_names import APPEARANCE_FIELDS, option_name
from ..parameters import check_seed, ranges
from .distributions import Distribution, weights_of
from .hosts import HostEntry, expand_hosts

PLACEMENTS = ("junction", "brain", "map", "points")
FORMATS = ("nifti", "dicom")
MOST_CASES = 1_000_000
MOST_LESIONS = 100
APPEARANCE = {field: option.replace("-", "_") for option, field in APPEARANCE_FIELDS.items()}


class RecipeError(InputError):
    """What is wrong with one entry of a recipe; `key` says which."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key.replace('_', '-')}: {message}")
        self.key, self.message = key, message


def _entry(default: Any, text: str, metavar: str, read: Callable[[Any, Path], Any]) -> Any:
    """A field: its default as a person would write it, its explanation, and how what a person wrote is read."""
    return field(default=default, metadata={"text": text, "metavar": metavar, "read": read})


def _distribution(low: float, high: float, unit: str = "", whole: bool = False) -> Callable[[Any, Path], Distribution]:
    def read(written: Any, base: Path) -> Distribution:
        found = Distribution.of(written).within(low, high, unit)
        return found.whole() if whole else found

    return read


def _number(low: float, high: float, unit: str = " mm") -> Callable[[Any, Path], float]:
    def read(written: Any, base: Path) -> float:
        found = Distribution.of(written).within(low, high, unit)
        if found.kind != "constant":
            raise InputError(f"'{written}' is not one number: give one from {low:g} to {high:g}{unit}")
        return found.numbers[0]

    return read


def _choice(known: tuple[str, ...]) -> Callable[[Any, Path], str]:
    def read(written: Any, base: Path) -> str:
        if written not in known:
            raise InputError(f"'{written}' is unknown: choose one of {', '.join(known)}")
        return written

    return read


def _mix(what: str, known: tuple[str, ...] | None = None) -> Callable[[Any, Path], dict[str, float]]:
    def read(written: Any, base: Path) -> dict[str, float]:
        weights = weights_of(written, what)
        for name in weights if known else ():
            if name not in known:
                raise InputError(f"{what} '{name}' is unknown: choose from {', '.join(known)}")
        return weights

    return read


def _file(written: Any, base: Path) -> Path | None:
    if written is None:
        return None
    if not isinstance(written, (str, Path)) or not str(written).strip() or "\0" in str(written):
        raise InputError(f"{written!r} is not a path: give the name of a file")
    path = (base / Path(written).expanduser()).resolve()
    if not path.exists():
        raise InputError(f"{written}: no such file; check the path")
    return path


def _count(written: Any, base: Path) -> int | None:
    if written is None:
        return None
    is_whole = isinstance(written, int) and not isinstance(written, bool)
    if not is_whole or not 1 <= written <= MOST_CASES:
        raise InputError(f"{written!r} is not a whole number from 1 to {MOST_CASES}")
    return written


def _sizes(written: Any, base: Path) -> Distribution:
    from ..spheres import MAX_RADIUS_MM

    return Distribution.of(written).within(0.5, 2 * MAX_RADIUS_MM, " mm")


def _across(written: Any, base: Path) -> float:
    from ..spheres import MAX_RADIUS_MM

    return _number(0, 2 * MAX_RADIUS_MM)(written, base)


def _structures(written: Any, base: Path) -> dict[str, float]:
    from ..spheres import STRUCTURES

    return _mix("structure", tuple(STRUCTURES))(written, base)


def _seed(written: Any, base: Path) -> int:
    try:
        return check_seed(written)
    except InputError:
        raise InputError(f"{written!r} is not a whole number from 0 to {2**63 - 1}") from None


def _yes_or_no(written: Any, base: Path) -> bool:
    if not isinstance(written, bool):
        raise InputError(f"{written!r} is neither true nor false")
    return written


def _border(written: Any, base: Path) -> float | None:
    return None if written is None else _number(-40, 60)(written, base)


def _appearance(field_name: str, default: Any) -> Any:
    limits = ranges()[field_name]
    unit = f" {limits.unit}" if limits.unit not in ("", "x") else ""
    text = f"{limits.explanation[0].upper()}{limits.explanation[1:]}. From {limits.low:g} to {limits.high:g}{unit}."
    return _entry(default, text, "RANGE", _distribution(limits.low, limits.high, unit))


_SIZES = (
    "Diameters in mm: a number, a range, or a distribution. By default log-normal with the mean and spread measured on"
    " contrast-enhanced MPRAGE (4.3 +- 3.7 mm, doi 10.3174/ajnr.A1506), cut off below 2 mm."
)
_LESIONS = (
    "Lesions in each case: a number, a range, or a distribution such as poisson,mean=9,min=1. The usual range has a"
    " mean of 3; published means per patient are 3.4 to 14 (doi 10.1007/s11060-020-03419-6, PMC11903647)."
)
_PLACEMENT = (
    "junction: most lesions at the border of grey and white matter, where metastases lodge. brain: anywhere in tissue."
    " map: as likely as --map says. points: at the places in --points."
)
_JUNCTION = (
    "With junction: the share of lesions there, the others lie anywhere in tissue. 64 % were counted in 210 lesions"
    " (pubmed 8608542)."
)
_RECORDS = (
    "Cross-placement: spheres (radii, values) are taken from this table of other patients' lesions instead of --sizes"
    " and --structures. See `tumorsynth records`; a cohort's lesions.tsv is such a table too."
)
_KEEP_OUT = "A mask in which no lesion may lie, in the hosts' space. A table of hosts can name one for each host."
_BORDER = (
    "Least distance in mm from a lesion's outermost sphere to the brain's border. 0 keeps it whole inside; points in"
    " --points are taken as they are, unless this is given."
)


@dataclass(frozen=True, eq=False)
class Recipe:
    """What to make. Every field takes what a person would write: `sizes="4:12"`, `structures={"ring": 1}`,
    `hosts=["scans/*.nii.gz"]`, or for hosts a `HostBrain` or `HostEntry`."""

    hosts: Any
    cases: Any = _entry(None, "How many cases.", "N", _count)
    cases_per_host: Any = _entry(None, "Instead of --cases: this many for each host.", "N", _count)
    seed: Any = _entry(0, "The same seed gives the same cohort, another seed another.", "N", _seed)
    lesions_per_case: Any = _entry("1:5", _LESIONS, "A:B", _distribution(1, MOST_LESIONS, whole=True))
    sizes: Any = _entry("lognormal,mean=4.3,sd=3.7,min=2,max=60", _SIZES, "SIZES", _sizes)
    structures: Any = _entry(
        "solid=0.4,ring=0.35,heterogeneous=0.25", "What lesions are like: one name, or weights.", "MIX", _structures,
    )  # fmt: skip
    ring_from: Any = _entry(
        6, "Smaller lesions, in mm across, cannot show a rim: they get another structure of the mix.", "MM", _across,
    )  # fmt: skip
    middle: Any = _entry(
        "0.75:0.92", "Radius of the middle sphere, as a share of the outermost.", "RANGE", _distribution(0.1, 0.99)
    )
    core: Any = _entry(
        "0.45:0.70", "Radius of the innermost sphere, as a share of the outermost.", "RANGE", _distribution(0.05, 0.98)
    )
    records: Any = _entry(None, _RECORDS, "FILE", _file)
    placement: Any = _entry("junction", _PLACEMENT, "|".join(PLACEMENTS), _choice(PLACEMENTS))
    junction_share: Any = _entry(0.64, _JUNCTION, "SHARE", _number(0, 1, ""))
    map: Any = _entry(None, "Probability map, in the hosts' space: any volume, only ratios count.", "FILE", _file)
    points: Any = _entry(None, "Places to choose from: a table with columns R, A and S (RAS, mm).", "FILE", _file)
    keep_out: Any = _entry(None, _KEEP_OUT, "FILE", _file)
    keep_out_distance: Any = _entry(0, "Least distance in mm to what --keep-out marks.", "MM", _number(0, 100))
    between: Any = _entry(
        2, "Least distance in mm between the outermost spheres of two lesions.", "MM", _number(-80, 200)
    )
    border: Any = _entry(None, _BORDER, "MM", _border)
    smoothing: Any = _appearance("smoothing_mm", "0:0.5")
    contrast: Any = _appearance("contrast", "0.7:1.3")
    blend_width: Any = _appearance("blend_width_mm", "1.5:2.5")
    mass_effect: Any = _appearance("mass_effect", "0.2:0.8")
    oedema: Any = _appearance("oedema", "0:0.6")
    oedema_extent: Any = _appearance("oedema_extent", "0.7:1.3")
    bundle: Any = _entry("default", "Trained networks: one name, or weights such as default=1,heterogeneous=1.", "MIX",
                         _mix("bundle"))  # fmt: skip
    format: Any = _entry("nifti", "What cases are written as.", "|".join(FORMATS), _choice(FORMATS))
    keep_identity: Any = _entry(
        False, "With --format dicom: keep the patient's name and the like. They are replaced otherwise.", "", _yes_or_no
    )
    base: Path = field(default=Path(), repr=False)

    def __post_init__(self) -> None:
        for each in fields(self):
            if "read" in each.metadata:
                self._read(each.name, each.metadata["read"])
        try:
            object.__setattr__(self, "hosts", expand_hosts(self.hosts, self.base))
        except InputError as error:
            raise RecipeError("hosts", str(error)) from None
        self._settle_cases()
        self._check_together()

    def _read(self, name: str, read: Callable[[Any, Path], Any]) -> None:
        try:
            object.__setattr__(self, name, read(getattr(self, name), self.base))
        except InputError as error:
            raise RecipeError(name, str(error)) from None

    def _settle_cases(self) -> None:
        if self.cases is not None and self.cases_per_host is not None:
            raise RecipeError("cases", "excludes cases-per-host: give one of them")
        if self.cases is None and self.cases_per_host is None:
            raise RecipeError("cases", "is missing: say how many cases, or how many per host (cases-per-host)")
        if self.cases is None:
            object.__setattr__(self, "cases", self.cases_per_host * len(self.hosts))
        object.__setattr__(self, "cases_per_host", None)

    def _check_together(self) -> None:
        for name in ("map", "points"):
            needed = self.placement == name
            everywhere = getattr(self, name) is not None or all(getattr(host, name) for host in self.hosts)
            if needed and not everywhere:
                raise RecipeError(name, f"is missing: placement '{name}' needs a file (or one for every host)")
            if getattr(self, name) is not None and not needed:
                raise RecipeError(name, f"is given, but placement is '{self.placement}': give placement {name}")
        if self.keep_identity and self.format != "dicom":
            raise RecipeError("keep_identity", "belongs to format dicom: other formats hold no patient's name")
        if self.core.kind in ("constant", "uniform") and min(self.core.numbers) >= max(self.middle.numbers):
            raise RecipeError("core", f"{self.core} never lies inside middle, {self.middle}: make it smaller")

    # -- as text

    @classmethod
    def names(cls) -> list[str]:
        return [each.name for each in fields(cls) if "read" in each.metadata]

    @classmethod
    def of(cls, written: Mapping[str, Any], base: Path = Path()) -> Recipe:
        """From a mapping as a recipe file holds it; keys may be spelled with - or _."""
        known = ["hosts", *cls.names()]
        given: dict[str, Any] = {}
        for key, value in written.items():
            name = str(key).replace("-", "_")
            if name not in known:
                raise InputError(f"'{key}' is unknown; known are {', '.join(k.replace('_', '-') for k in known)}")
            if name in given:
                raise InputError(f"'{key}' is given twice, with - and with _: give it once")
            given[name] = value
        if given.get("hosts") is None:
            raise RecipeError("hosts", "are missing: name at least one brain MRI, folder, pattern or table")
        defaults = {f.name: f.default for f in fields(cls) if f.default is not MISSING and "read" in f.metadata}
        return cls(**{**defaults, **{name: value for name, value in given.items() if value is not None}}, base=base)

    def as_dict(self) -> dict[str, Any]:
        """Everything decided, in full, as `of` reads it."""
        out: dict[str, Any] = {"hosts": [entry.as_dict() for entry in self.hosts]}
        for name in self.names():
            value = getattr(self, name)
            if value is not None:
                is_text = isinstance(value, (Distribution, Path))
                out[name.replace("_", "-")] = str(value) if is_text else value
        return out

    def checksum(self) -> str:
        """Of everything that decides what case k is; how many cases there are does not."""
        text = json.dumps({**self.as_dict(), "cases": None}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def with_hosts(self, hosts: tuple[HostEntry, ...]) -> Recipe:
        return replace(self, hosts=hosts, cases_per_host=None)

    def with_cases(self, cases: int) -> Recipe:
        return replace(self, cases=cases, cases_per_host=None)

    def host_of(self, case: int) -> int:
        """The place in `hosts` of the host of case 1, 2, ...: in turn, so that every host has its share."""
        return (case - 1) % len(self.hosts)

    def appearance_distributions(self) -> dict[str, Distribution]:
        return {name: getattr(self, option_name(name).replace("-", "_")) for name in ranges()}
