"""The hosts of delivered cases without their lesions, and where the brain is in them."""

from __future__ import annotations

from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..host import HostBrain, read_mask
from ..replay import Recipe

if TYPE_CHECKING:
    import torch

REMEMBERED = 4


class BareHosts:
    """Reads each host once, and finds its brain once, for as many cases as follow each other with it."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[np.ndarray, np.ndarray]] = OrderedDict()

    def bare_and_brain(self, recipe: Recipe, image: HostBrain) -> tuple[np.ndarray, np.ndarray]:
        """Voxels of the host if it is still there and still the same, else of the delivered image; and the brain."""
        key = recipe.record["host"]["checksum"]
        if key not in self._known:
            host = _host_of(recipe)
            if host is None or not host.same_grid(image.shape, image.affine):
                return image.voxels, self._brain(recipe, image)
            self._known[key] = host.voxels, self._brain(recipe, host)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[key]

    def _brain(self, recipe: Recipe, host: HostBrain) -> np.ndarray:
        file = recipe.brain_mask_file
        if file is not None and file.is_file():
            return read_mask(file, host)
        from ..brain_mask import find_brain

        return find_brain(host, self._network).mask

    @cached_property
    def _network(self) -> torch.nn.Module:
        from ..bundle import Bundle

        return Bundle.find("default").load("brain")


def _host_of(recipe: Recipe) -> HostBrain | None:
    file = recipe.host_file
    if file is None or not file.exists():
        return None
    try:
        host = HostBrain.read(file)
        recipe.check_host(host)
    except InputError:
        return None
    return host
