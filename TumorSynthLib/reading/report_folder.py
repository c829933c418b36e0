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
    if not folder.is_dir() or {path.name for path in folder.iterdir()} - set(files):
        raise InputError(f"-o {folder}: exists already and is no report; choose another name")
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
        if folder.exists():
            shutil.rmtree(folder)
        os.rename(draft, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ResourceError(f"-o {folder}: cannot be written ({reason}); choose a writable folder") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
