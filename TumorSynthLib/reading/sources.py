"""Where lesions come from: folders or a CSV table of real images and masks, and cohorts of synthetic cases."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..case_files import IMAGE, MASK, PROVENANCE
from ..cohorts.layout import SIDECAR_SUFFIX, SUFFIXES
from ..errors import InputError
from ..volume_files import ITK_SUFFIXES, NIFTI_SUFFIXES, suffix_of
from .tasks import NOTHING, REAL, SYNTHETIC

VOLUMES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES)
MASK_WORDS = ("lesion_mask", "mask", "seg", "segmentation", "label", "labels", "lesion", "lesions", "roi")
OTHER_WORDS = ("intensity_map",)
GROUPS = ("structure", "bundle", "upsampling", "training_fraction")
COLUMNS = ("image", "mask", "patient", "label", "provenance", *GROUPS)


@dataclass(frozen=True)
class Source:
    """One scan with its lesion mask. `label` picks one value of the mask; `facts` are words to group by."""

    origin: str
    image: Path
    mask: Path | None
    patient: str = ""
    label: int | None = None
    provenance: Path | None = None
    facts: dict[str, str] = field(default_factory=dict, hash=False)


def real_sources(given: Sequence[Path]) -> list[Source]:
    return _gathered(given, REAL, "--real")


def synthetic_sources(given: Sequence[Path]) -> list[Source]:
    return _gathered(given, SYNTHETIC, "--synthetic")


def nothing_sources(given: Sequence[Path]) -> list[Source]:
    """Images without any lesion: files, or folders of them."""
    files: list[Path] = []
    for path in given:
        _require(path, "--nothing")
        files += sorted(_volumes_below(path)) if path.is_dir() else [path]
    return [Source(NOTHING, file, None) for file in files]


def _gathered(given: Sequence[Path], origin: str, option: str) -> list[Source]:
    sources: list[Source] = []
    for path in given:
        _require(path, option)
        if path.is_file():
            sources += _from_table(path, origin)
        elif origin == SYNTHETIC:
            sources += _from_cohort(path)
        else:
            sources += _from_folder(path)
    names = [source.image.resolve() for source in sources if source.label is None]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"{option}: {twice} is given twice; leave one out")
    return sources


def _require(path: Path, option: str) -> None:
    if not path.exists():
        raise InputError(f"{option} {path}: no such file or folder; check the path")


def _from_cohort(folder: Path) -> list[Source]:
    """Every case below a folder, however deep: of `tumorsynth cohort`, or a single case of `tumorsynth synthesize`."""
    found = [*_single_cases(folder), *_cohort_cases(folder)]
    if not found:
        raise InputError(
            f"--synthetic {folder}: holds no NIfTI case of tumorsynth cohort or tumorsynth synthesize; give its folder,"
            " or a CSV table with the columns image,mask"
        )
    return found


def _single_cases(folder: Path) -> Iterator[Source]:
    for record in sorted(folder.rglob(PROVENANCE)):
        image, mask = record.with_name(IMAGE), record.with_name(MASK)
        if image.is_file() and mask.is_file() and not _is_hidden(record, folder):
            yield Source(SYNTHETIC, image, mask, provenance=record)


def _cohort_cases(folder: Path) -> Iterator[Source]:
    """Cases whose files begin with the case's name; the provenance is in the image's sidecar."""
    for record in sorted(folder.rglob(f"*_{SIDECAR_SUFFIX}")):
        name = record.name.removesuffix(SIDECAR_SUFFIX)
        image, mask = (record.with_name(name + SUFFIXES[kind]) for kind in (IMAGE, MASK))
        if image.is_file() and mask.is_file() and not _is_hidden(record, folder):
            yield Source(SYNTHETIC, image, mask, provenance=record)


def _from_folder(folder: Path) -> list[Source]:
    """Images and masks that belong together by their names, in this folder and all below."""
    found = []
    for place in sorted({path.parent for path in _volumes_below(folder)}):
        volumes = sorted(path for path in place.iterdir() if path.is_file() and suffix_of(path) in VOLUMES)
        masks = [path for path in volumes if _ends_in(path, MASK_WORDS)]
        images = [path for path in volumes if path not in masks and not _ends_in(path, OTHER_WORDS)]
        found += [Source(REAL, _image_of(mask, images), mask) for mask in masks]
    if not found:
        raise InputError(
            f"--real {folder}: holds no image with a lesion mask beside it (a name that ends in _seg, _mask, _label or"
            " _lesion); rename them, or give a CSV table with the columns image,mask"
        )
    return found


def _image_of(mask: Path, images: Sequence[Path]) -> Path:
    """The image whose name has most in common with the mask's, from its beginning."""
    stem = _stem(mask)
    for word in sorted(MASK_WORDS, key=len, reverse=True):
        stem = stem.removesuffix(word)
    stem = stem.rstrip("_-. ")
    same = [image for image in images if _stem(image) == stem or _stem(image).startswith((f"{stem}_", f"{stem}-"))]
    candidates = same or (list(images) if len(images) == 1 else [])
    if len(candidates) != 1:
        names = ", ".join(image.name for image in candidates[:3]) or "none"
        raise InputError(
            f"{mask}: which image does it belong to ({names})? give a CSV table with the columns image,mask"
        )
    return candidates[0]


def _from_table(path: Path, origin: str) -> list[Source]:
    if path.suffix.lower() != ".csv":
        raise InputError(f"{path}: not a folder or CSV table; give a folder, or a .csv with the columns image,mask")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            table = csv.DictReader(stream)
            rows = list(table)
            columns = tuple(table.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a CSV table; save it as UTF-8, comma-separated") from error
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown or not {"image", "mask"} <= set(columns):
        wrong = f"the column '{unknown[0]}' is unknown" if unknown else "the columns image and mask are needed"
        raise InputError(f"{path}: {wrong}; known are {', '.join(COLUMNS)}")
    if not rows:
        raise InputError(f"{path}: an empty table; list one image and mask a row")
    return [_from_row(row, path, number, origin) for number, row in enumerate(rows, 2)]


def _from_row(row: dict[str, str | None], table: Path, number: int, origin: str) -> Source:
    values = {name: (value or "").strip() for name, value in row.items() if name}
    files = {}
    for name in ("image", "mask", "provenance"):
        if not values.get(name):
            if name != "provenance":
                raise InputError(f"{table}: row {number} has no {name}; fill it in, or remove the row")
            continue
        files[name] = table.parent / values[name]  # an absolute path stays as it is
        if not files[name].exists():
            raise InputError(f"{table}: row {number}: {files[name]} does not exist; correct the path")
    label = values.get("label", "")
    if label and not label.isdigit():
        raise InputError(f"{table}: row {number}: label '{label}' is no whole number; give one value of the mask")
    return Source(
        origin,
        files["image"],
        files["mask"],
        values.get("patient", ""),
        int(label) if label else None,
        files.get("provenance"),
        {name: values[name] for name in GROUPS if values.get(name)},
    )


def _volumes_below(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*") if p.is_file() and suffix_of(p) in VOLUMES and not _is_hidden(p, folder))


def _is_hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)


def _stem(path: Path) -> str:
    return path.name[: -len(suffix_of(path))].lower()


def _ends_in(path: Path, words: Sequence[str]) -> bool:
    return any(_stem(path) == word or _stem(path).endswith((f"_{word}", f"-{word}", f".{word}")) for word in words)
