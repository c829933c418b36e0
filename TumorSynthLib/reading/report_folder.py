"""A report's folder: it appears whole or not at all, and takes the place of nothing but an older report."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError, ResourceError


def check_report_folder(folder: Path, files: Collection[str], replace: bool = True) -> None:
    """Asked before long work. `files` are a report's names: a folder that holds others is none."""
    if not folder.absolute().parent.is_dir():
        raise InputError(f"-o {folder}: the folder {folder.parent} does not exist; create it first")
    if not folder.exists():
        return
    if not folder.is_dir() or folder.is_symlink() or _names_in(folder) - set(files):
        raise InputError(f"-o {folder}: exists already and is no report; choose another name")
    if folder.resolve() == Path.cwd():
        raise InputError(f"-o {folder}: is the folder you are in and cannot be replaced; go up and name it from there")
    if not replace:
        raise InputError(f"-o {folder}: exists already; choose another name, or add --overwrite to replace it")


@contextmanager
def report_folder(folder: Path) -> Iterator[Path]:
    """A draft beside the folder, which takes its place once it is whole."""
    try:
        draft = Path(tempfile.mkdtemp(prefix=".tumorsynth-", dir=folder.absolute().parent))
        draft.chmod(0o755)
    except OSError as error:
        raise ResourceError(f"-o {folder}: cannot be written ({error.strerror}); choose a writable folder") from error
    try:
        yield draft
        _replace(folder, draft)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ResourceError(f"-o {folder}: cannot be written ({reason}); choose a writable folder") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _replace(folder: Path, draft: Path) -> None:
    """What was there stands until the draft does."""
    if not folder.exists():
        os.rename(draft, folder)
        return
    aside = draft.with_name(f"{draft.name}-before")
    os.rename(folder, aside)
    try:
        os.rename(draft, folder)
    except OSError:
        os.rename(aside, folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _names_in(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except OSError as error:
        raise InputError(f"-o {folder}: cannot be read ({error.strerror}); choose another name") from error
