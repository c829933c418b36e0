"""Arrays in a private temporary folder, on their way from one process to the other."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from TumorSynthLib.errors import ResourceError

from .wire import ArrayFile

# What is written or read in one go while somebody's window waits: a few milliseconds' worth.
SLAB_BYTES = 8 << 20
# What is larger is mapped, not read.
LARGE_BYTES = 2 << 20


class PrivateFolder:
    """A folder that only this user reads, and that goes when it is closed.

    Windows does not delete a file that anybody has mapped, so what cannot be deleted now is tried again later.
    """

    def __init__(self) -> None:
        try:
            self.path = Path(tempfile.mkdtemp(prefix="tumorsynth-"))
        except OSError as problem:
            raise ResourceError(f"no folder for temporary files can be made ({problem})") from problem
        self._numbers = itertools.count(1)
        self._lingering: list[Path] = []

    def new_file(self, name: str) -> ArrayFile:
        number = next(self._numbers)
        return ArrayFile(number, str(self.path / f"{name}-{number}.npy"))

    def new_folder(self, name: str) -> Path:
        folder = self.path / f"{name}-{next(self._numbers)}"
        folder.mkdir(mode=0o700)
        return folder

    def remove(self, path: str | Path) -> None:
        self._lingering.append(Path(path))
        self.sweep()

    def sweep(self) -> None:
        self._lingering = [path for path in self._lingering if not _removed(path)]

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def _removed(path: Path) -> bool:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return not path.exists()
    return True


class StoredArray:
    """An array being written into the folder, a slab at a time. Its file goes when nobody holds this any more."""

    def __init__(self, folder: PrivateFolder, name: str, array: np.ndarray) -> None:
        self.file = folder.new_file(name)
        self._steps: Iterator[None] | None = _slabs_written(Path(self.file.path), array)
        weakref.finalize(self, folder.remove, self.file.path)

    @property
    def is_ready(self) -> bool:
        return self._steps is None

    def write_some(self) -> None:
        if self._steps is not None and next(self._steps, self) is self:
            self._steps = None


def _slabs_written(path: Path, array: np.ndarray) -> Iterator[None]:
    """Writes a .npy file with the array's own memory layout. Not through a mapping: a full disk then ends the process
    instead of raising an error."""
    is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": is_fortran, "shape": array.shape}
    rows = array.T if is_fortran else array
    count = max(1, SLAB_BYTES // max(rows[:1].nbytes, 1))
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows.shape[0], count):
            file.write(np.ascontiguousarray(rows[start : start + count]).data)
            yield


def handed_over(path: str, folder: PrivateFolder) -> np.ndarray:
    """An array that the other process wrote, as the receiver's own; its file is not needed any more.

    Large ones are mapped copy-on-write, so that nothing is read before it is looked at.
    """
    large = os.path.getsize(path) > LARGE_BYTES
    array = np.load(path, mmap_mode="c" if large else None, allow_pickle=False)
    folder.remove(path)
    return array
