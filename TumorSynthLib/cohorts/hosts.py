"""Which hosts: files, folders, patterns, DICOM folders, a table, or images in memory."""

from __future__ import annotations

import csv
import glob
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from ..host import HostBrain

TABLE_SUFFIXES = (".csv", ".tsv")
# What people call the column that names the image.
_IMAGE_COLUMNS = ("image", "host", "path", "file")


@dataclass(frozen=True, eq=False)
class HostEntry:
    """One host and what goes with it alone. A brain mask that is left out is found automatically."""

    image: Path | HostBrain
    brain_mask: Path | np.ndarray | None = None
    keep_out: Path | None = None
    map: Path | None = None
    points: Path | None = None
    patient: str | None = None

    @property
    def name(self) -> str:
        return str(self.image) if isinstance(self.image, Path) else "image in memory"

    def as_dict(self) -> dict[str, str]:
        """As a recipe file lists it."""
        return {field.name: str(value) for field in fields(self) if (value := getattr(self, field.name)) is not None}


def expand_hosts(written: object, base: Path) -> tuple[HostEntry, ...]:
    """All hosts, each once. Relative paths count from `base`."""
    if isinstance(written, (str, Path, Mapping, HostEntry)) or _is_image(written):
        written = [written]
    if not isinstance(written, Iterable):
        raise InputError(f"{written!r} is not understood: give files, folders, patterns or a table")
    found: dict[object, HostEntry] = {}
    for item in written:
        for entry in _entries_of(item, base):
            key = entry.image.resolve() if isinstance(entry.image, Path) else id(entry.image)
            found.setdefault(key, entry)
    if not found:
        raise InputError("no host is given: name at least one brain MRI, folder, pattern or table")
    return tuple(found.values())


def _is_image(item: object) -> bool:
    return hasattr(item, "voxels") and hasattr(item, "affine")


def _entries_of(item: Any, base: Path) -> Iterator[HostEntry]:
    if isinstance(item, HostEntry):
        yield item
    elif isinstance(item, Mapping):
        yield _entry_of_row(item, base, "hosts")
    elif _is_image(item):
        yield HostEntry(item)
    elif isinstance(item, (str, Path)) and str(item).strip():
        yield from _entries_of_path(base / Path(item).expanduser(), str(item))
    else:
        raise InputError(f"{item!r} is not a path")


def _entries_of_path(path: Path, written: str) -> Iterator[HostEntry]:
    if "\0" in written:
        raise InputError(f"{written!r} is not a path")
    if not path.exists() and any(mark in written for mark in "*?["):
        matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
        if not matches:
            raise InputError(f"{written}: no file matches this pattern; check it, and that the shell left it alone")
        for match in matches:
            yield from _entries_of_path(match, str(match))
    elif not path.exists():
        raise InputError(f"{written}: no such file or folder; check the path")
    elif path.is_dir():
        yield from _entries_of_folder(path)
    elif path.suffix.lower() in TABLE_SUFFIXES:
        yield from _entries_of_table(path)
    else:
        yield HostEntry(path.resolve())


def _entries_of_folder(folder: Path) -> Iterator[HostEntry]:
    """Every volume file below a folder, and every folder of DICOM slices."""
    from ..itk_files import begins_as_dicom
    from ..volume_files import ITK_SUFFIXES, NIFTI_SUFFIXES, suffix_of

    found = False
    for place in [folder, *sorted(f for f in folder.rglob("*") if f.is_dir())]:
        if any(part.startswith(".") for part in place.relative_to(folder).parts):
            continue
        files = sorted(f for f in place.iterdir() if f.is_file() and not f.name.startswith("."))
        volumes = [f for f in files if suffix_of(f) in (*NIFTI_SUFFIXES, *ITK_SUFFIXES)]
        for file in volumes:
            found = True
            yield HostEntry(file.resolve())
        if not volumes and any(begins_as_dicom(f) for f in files if f.name != "DICOMDIR"):
            found = True
            yield HostEntry(place.resolve())
    if not found:
        raise InputError(f"{folder}: holds no volume and no DICOM slices; give a folder of brain MRIs")


def _entries_of_table(path: Path) -> Iterator[HostEntry]:
    rows = read_table(path)
    if not rows:
        raise InputError(f"{path}: lists no host; give one a row below a line with the name of each column")
    for number, row in enumerate(rows, 2):
        yield _entry_of_row(row, path.parent, f"{path}: line {number}")


def _entry_of_row(row: Mapping[str, Any], base: Path, where: str) -> HostEntry:
    known = {field.name for field in fields(HostEntry)}
    named = {str(key).strip().replace("-", "_").lower(): value for key, value in row.items()}
    for name in _IMAGE_COLUMNS[1:]:
        if name in named and "image" not in named:
            named["image"] = named.pop(name)
    unknown = [name for name in named if name not in known]
    if unknown:
        raise InputError(f"{where}: column '{unknown[0]}' is unknown; known are {', '.join(sorted(known))}")
    given = {name: str(value).strip() for name, value in named.items() if value not in (None, "")}
    if "image" not in given:
        raise InputError(f"{where}: names no image; a column 'image' must name the brain MRI")
    paths = {name: _existing(base, value, where) for name, value in given.items() if name != "patient"}
    return HostEntry(**paths, patient=given.get("patient"))


def _existing(base: Path, written: str, where: str) -> Path:
    path = (base / Path(written).expanduser()).resolve()
    if not path.exists():
        raise InputError(f"{where}: {written}: no such file or folder; paths count from {base}")
    return path


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV or TSV file, by the names in its first line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    except ValueError:
        raise InputError(f"{path}: not a text file; give a table in UTF-8") from None
    header = text.partition("\n")[0]
    mark = "\t" if path.suffix.lower() == ".tsv" or "\t" in header else ";" if ";" in header else ","
    try:
        rows = list(csv.DictReader(text.splitlines(), delimiter=mark, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}: not a table ({error}); give one row a line") from None
    for number, row in enumerate(rows, 2):
        if None in row:
            raise InputError(f"{path}: line {number} has more columns than the first line names")
    return [{str(name).strip(): (value or "").strip() for name, value in row.items()} for row in rows]
