"""What making one image lends to the next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

from .host import HostBrain
from .painting import Brain

MEMORY_BYTES = 256 << 20

Made = TypeVar("Made")


class CompositionMemory:
    """What one composition lends to the next: all that a new appearance, or another lesion elsewhere, leaves as it was.

    Of one host and brain. What was used longest ago is forgotten first, but nothing of the composition at hand.
    """

    def __init__(self) -> None:
        self._about: tuple[HostBrain, Brain] | None = None
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._in_use: set[Hashable] = set()

    def begin(self, host: HostBrain, brain: Brain) -> None:
        if self._about is None or self._about[0] is not host or self._about[1] is not brain:
            self._about = (host, brain)
            self._kept.clear()
        self._in_use.clear()

    def recall(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What was made under this key before, or is made now. Lent, not given: to be read only."""
        if key not in self._kept:
            made = make()
            self._kept[key] = (made, sum(array.nbytes for array in _arrays_in(made)))
        self._kept.move_to_end(key)
        self._in_use.add(key)
        return self._kept[key][0]

    def end(self) -> None:
        size = sum(size for _, size in self._kept.values())
        for key in list(self._kept):
            if size <= MEMORY_BYTES:
                return
            if key not in self._in_use:
                size -= self._kept.pop(key)[1]


def _arrays_in(value: object) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _arrays_in(item)
    elif is_dataclass(value):
        for item in fields(value):
            yield from _arrays_in(getattr(value, item.name))
