"""The hosts that the background process may be asked about, each written into the private folder once."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain

from .files import PrivateFolder, StoredArray
from .wire import HostFiles

KEPT_HOSTS = 3


@dataclass(frozen=True, eq=False)
class StoredHost:
    """One host with one brain mask, or without."""

    voxels: StoredArray
    affine: np.ndarray
    source: str | None
    slope: float
    intercept: float
    brain: StoredArray | None
    brain_method: str

    @property
    def key(self) -> int:
        return self.voxels.file.key

    @property
    def is_ready(self) -> bool:
        return self.voxels.is_ready and (self.brain is None or self.brain.is_ready)

    def write_some(self) -> None:
        """A few milliseconds' worth. OSError when the disk is full."""
        (self.brain if self.voxels.is_ready and self.brain else self.voxels).write_some()

    @property
    def files(self) -> HostFiles:
        brain = self.brain.file if self.brain else None
        return HostFiles(
            self.voxels.file, self.affine, self.source, self.slope, self.intercept, brain, self.brain_method
        )


class HostShelf:
    """What is stored of the hosts used last. A host that nobody holds any more leaves it."""

    def __init__(self, folder: PrivateFolder) -> None:
        self._folder = folder
        self._voxels: WeakKeyDictionary[HostBrain, StoredArray] = WeakKeyDictionary()
        self._brains: WeakKeyDictionary[HostBrain, tuple[np.ndarray, StoredArray]] = WeakKeyDictionary()

    def stored(self, host: HostBrain, brain_mask: np.ndarray | None, brain_method: str) -> StoredHost:
        voxels = self._voxels.pop(host, None) or StoredArray(self._folder, "host", host.voxels)
        self._voxels[host] = voxels
        for oldest in list(self._voxels.keys())[:-KEPT_HOSTS]:
            del self._voxels[oldest]
            self._brains.pop(oldest, None)
        brain = self._stored_brain(host, brain_mask) if brain_mask is not None else None
        source = str(host.source) if host.source else None
        return StoredHost(voxels, host.affine, source, host.slope, host.intercept, brain, brain_method)

    def _stored_brain(self, host: HostBrain, mask: np.ndarray) -> StoredArray:
        if mask.shape != host.shape:
            raise InputError(f"brain mask of {mask.shape} voxels for a host of {host.shape}: give one on its grid")
        known = self._brains.get(host)
        if known is None or not (known[0] is mask or np.array_equal(known[0], mask)):
            known = (mask, StoredArray(self._folder, "brain", np.asarray(mask, bool)))
            self._brains[host] = known
        return known[1]
