"""A case on disk: its folder appears whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__, provenance
from .errors import InputError, ResourceError

if TYPE_CHECKING:
    from .synthesis import SynthesizedCase

IMAGE = "image.nii.gz"
MASK = "lesion_mask.nii.gz"
INTENSITY_MAP = "intensity_map.nii.gz"
PROVENANCE = "provenance.json"
FILES = (IMAGE, MASK, INTENSITY_MAP, PROVENANCE)
DICOM_FILES = ("image", "lesion_mask.dcm", "intensity_map", PROVENANCE)  # two of them folders, a file for each slice
_DICOM_SLICE = re.compile(r"(image|intensity_map)/\d+\.dcm")
PICTURE = "picture.png"  # made of a case by some commands, out of date once the case is replaced


@dataclass(frozen=True)
class CaseFiles:
    """Where a case lies, and its provenance as written, with the checksums of the results."""

    folder: Path
    provenance: dict[str, Any]
    names: tuple[str, ...] = FILES

    @property
    def files(self) -> dict[str, Path]:
        return {name.split(".")[0]: self.folder / name for name in self.names}


def write_case(case: SynthesizedCase, folder: str | Path, overwrite: bool = False) -> CaseFiles:
    """Writes image, masks and provenance into a new folder; with `overwrite` it takes the place of an older case."""
    folder = followed(Path(folder))
    with new_case(folder, overwrite) as draft:
        record = _write_files(case, draft)
    return CaseFiles(folder, record)


@contextmanager
def new_case(folder: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A draft of a case's folder to write files into; at the end it takes the folder's place, whole or not at all."""
    folder = followed(Path(folder))
    check_folder(folder, overwrite)
    with _draft_beside(folder) as draft:
        try:
            with _disk_errors(draft):
                yield draft
                for path in draft.rglob("*"):
                    _to_disk(path)
                _to_disk(draft)
        except InputError as error:  # name the place that the person chose, not the draft
            raise type(error)(str(error).replace(str(draft), str(folder))) from error
        _publish(draft, folder)


def check_folder(folder: str | Path, overwrite: bool = False, inputs: Iterable[Path | None] = ()) -> None:
    """Refuses a folder that cannot be written or must not be replaced; `inputs` must survive the replacement."""
    folder = followed(Path(folder))
    if folder.exists():
        _check_existing(folder, overwrite)
        for path in inputs:
            if path is not None and path.resolve().is_relative_to(folder.resolve()):
                raise InputError(f"{folder}: holds the input {path}, which would be replaced; choose another folder")
    elif not folder.parent.is_dir():
        raise InputError(f"{folder}: the folder {folder.parent} does not exist; create it first")
    with _draft_beside(folder):  # the only honest way to know whether a disk lets us write
        pass


def _check_existing(folder: Path, overwrite: bool) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder}: a file, not a folder; give the name of a folder for the case")
    if not overwrite:
        raise InputError(f"{folder}: exists already; choose another name, or add --overwrite to replace it")
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return
    if PROVENANCE not in names:
        raise InputError(f"{folder}: not a case (no {PROVENANCE}), so --overwrite leaves it; choose another folder")
    provenance.read(folder / PROVENANCE)
    others = [name for name in names if name not in (*FILES, *DICOM_FILES, PICTURE)]
    others += [file for file in _files_in(folder, DICOM_FILES) if not _DICOM_SLICE.fullmatch(file)]
    if others:
        shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise InputError(f"{folder}: holds other files than a case ({shown}); move them away before --overwrite")


def _files_in(folder: Path, names: Iterable[str]) -> list[str]:
    return sorted(
        f"{name}/{file.name}" for name in names if (folder / name).is_dir() for file in (folder / name).iterdir()
    )


def followed(folder: Path) -> Path:
    """The folder behind a link or a name such as `.`, so that it can be renamed and its parent is its parent."""
    if folder.is_symlink() and not folder.exists():
        raise InputError(f"{folder}: a link that leads nowhere; remove it or choose another name")
    return folder.resolve() if folder.is_symlink() or folder.name in ("", "..") else folder


def _write_files(case: SynthesizedCase, draft: Path) -> dict[str, Any]:
    host, made_by = case.host, f"TumorSynth {__version__}"
    labels = case.mask if case.mask.dtype != bool else case.mask.view(np.uint8)
    host.write_volume(draft / IMAGE, case.image, f"SYNTHETIC image, tumour made by {made_by}", keep_scale=True)
    host.write_volume(draft / MASK, labels, f"SYNTHETIC lesion labels by {made_by}")
    host.write_volume(draft / INTENSITY_MAP, case.intensity_map, f"SYNTHETIC intensity map by {made_by}")
    arrays = {IMAGE: case.image, MASK: labels, INTENSITY_MAP: case.intensity_map}
    record = {**case.provenance, "outputs": {name: provenance.voxel_checksum(a) for name, a in arrays.items()}}
    write_provenance(draft, record)
    return record


def write_provenance(draft: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    (draft / PROVENANCE).write_text(text + "\n", encoding="utf-8")


@contextmanager
def _draft_beside(folder: Path) -> Iterator[Path]:
    """A folder on the same disk, with the permissions a new folder would have; gone at the end, whatever happens."""
    with _disk_errors(folder):
        draft = Path(tempfile.mkdtemp(prefix=".tumorsynth-", dir=folder.parent))
    try:
        with _disk_errors(folder):
            draft.chmod(0o777 & ~_umask())
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _publish(draft: Path, folder: Path) -> None:
    """Puts the draft in the folder's place. An older case waits beside until the new one stands."""
    with _disk_errors(folder):
        if not folder.exists():
            os.rename(draft, folder)
        else:
            with _draft_beside(folder) as aside:
                _exchange(draft, folder, aside / "old")
        _to_disk(folder.parent)


def _exchange(draft: Path, folder: Path, aside: Path) -> None:
    try:
        os.rename(folder, aside)
        os.rename(draft, folder)
    except BaseException:  # also when interrupted between the two
        if aside.exists() and not folder.exists():
            os.rename(aside, folder)
        raise


@contextmanager
def _disk_errors(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ResourceError(
            f"{place}: cannot be written ({reason}); choose a writable folder with enough free space"
        ) from error


def _to_disk(path: Path) -> None:
    """Waits until a file, or a folder's list of files, is on the disk, so that a power cut leaves no empty case."""
    with suppress(PermissionError):  # Windows opens no folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
