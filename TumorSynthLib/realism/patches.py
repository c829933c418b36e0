"""Lesions cut out for comparison: what every measure of realism is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError


@dataclass(frozen=True, eq=False)
class LesionPatches:
    """Lesions in two (n, h, w) or three dimensions (n, d, h, w), 1 mm a pixel.

    `image` is relative to white matter: 1 is white matter, 0 is air. `block` numbers patients, or runs of patients that
    cannot be told apart: lesions of one block are never split between training and testing a judge. `base`, where it is
    known, is the same place without the lesion.
    """

    image: np.ndarray
    mask: np.ndarray
    block: np.ndarray
    name: tuple[str, ...] = ()
    base: np.ndarray | None = None

    def __post_init__(self) -> None:
        image = np.asarray(self.image, np.float32)
        if image.ndim not in (3, 4):
            raise InputError(
                f"lesion patches have {image.ndim} axes: three (n, h, w) or four (n, d, h, w) are expected"
            )
        object.__setattr__(self, "image", image)
        object.__setattr__(self, "mask", np.asarray(self.mask, bool))
        object.__setattr__(self, "block", np.asarray(self.block, int))
        if self.base is not None:
            object.__setattr__(self, "base", np.asarray(self.base, np.float32))
        for what, array in (("mask", self.mask), ("base", self.base)):
            if array is not None and array.shape != image.shape:
                raise InputError(
                    f"lesion patches' {what} has shape {array.shape}: {image.shape}, as their image, is right"
                )
        if self.block.shape != image.shape[:1]:
            raise InputError(f"{len(image)} lesion patches have {self.block.size} block numbers: one each is right")
        if self.name and len(self.name) != len(image):
            raise InputError(f"{len(image)} lesion patches have {len(self.name)} names: one each is right")
        if not len(image):
            raise InputError("there are no lesions: at least one lesion patch is needed")
        empty = np.flatnonzero(~self.mask.reshape(len(image), -1).any(1))
        if empty.size:
            raise InputError(
                f"lesion patch {self.named(int(empty[0]))} has an empty mask: at least one voxel is needed"
            )
        if not np.isfinite(image).all():
            raise InputError("lesion patches hold values that are not numbers: finite intensities are needed")

    def __len__(self) -> int:
        return len(self.image)

    @property
    def dimensions(self) -> int:
        return self.image.ndim - 1

    @property
    def size(self) -> np.ndarray:
        """Pixels, or voxels, of each lesion."""
        return self.mask.reshape(len(self), -1).sum(1)

    def named(self, row: int) -> str:
        return self.name[row] if self.name else str(row)

    def select(self, rows: np.ndarray) -> LesionPatches:
        chosen = np.arange(len(self))[rows]
        names = tuple(self.name[row] for row in chosen) if self.name else ()
        base = None if self.base is None else self.base[chosen]
        return LesionPatches(self.image[chosen], self.mask[chosen], self.block[chosen], names, base)


def joined(parts: Sequence[LesionPatches]) -> LesionPatches:
    """All of them one after the other; bases only if all have one."""
    has_base = all(part.base is not None for part in parts)
    return LesionPatches(
        np.concatenate([part.image for part in parts]),
        np.concatenate([part.mask for part in parts]),
        np.concatenate([part.block for part in parts]),
        tuple(name for part in parts for name in part.name) if all(part.name for part in parts) else (),
        np.concatenate([part.base for part in parts]) if has_base else None,  # type: ignore[misc]
    )
