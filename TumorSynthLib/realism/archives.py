"""Patches already cut out, as NumPy archives (.npz): see docs/realism.md for their form."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ..errors import InputError
from .patches import LesionPatches

REQUIRED = ("image", "mask", "block")
_FORM = "give image, mask and block, as docs/realism.md says"


def read_archive(path: Path, dimensions: int = 2) -> LesionPatches:
    content = _content(path)
    missing = [name for name in REQUIRED if name not in content]
    if missing:
        raise InputError(f"{path}: holds no {' and no '.join(missing)}; {_FORM}")
    image = content["image"]
    if image.ndim != dimensions + 1:
        raise InputError(f"{path}: patches of {image.ndim - 1} dimensions; {dimensions} were asked for (--dimensions)")
    base = content.get("base")
    white = content.get("white_matter")
    if white is not None:
        image, base = _relative(path, image, white), None if base is None else _relative(path, base, white)
    mask = _unpacked(content["mask"], image.shape)
    names = tuple(str(name) for name in content["name"]) if "name" in content else ()
    try:
        return LesionPatches(image, mask, content["block"], names, base)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def write_archive(path: Path, patches: LesionPatches) -> None:
    """The form that `read_archive` reads."""
    content = {"image": patches.image, "mask": np.packbits(patches.mask, axis=-1), "block": patches.block}
    if patches.name:
        content["name"] = np.array(patches.name)
    if patches.base is not None:
        content["base"] = patches.base
    np.savez_compressed(path, **content)


def _content(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the file") from None
    except (ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise InputError(f"{path}: not an archive of plain NumPy arrays; {_FORM}") from error


def _relative(path: Path, image: np.ndarray, white_matter: np.ndarray) -> np.ndarray:
    if white_matter.shape != image.shape[:1] or not (white_matter > 0).all():
        raise InputError(f"{path}: white_matter must be one number above 0 for each of the {len(image)} patches")
    return image.astype(np.float32) / white_matter.astype(np.float32).reshape(-1, *(1,) * (image.ndim - 1))


def _unpacked(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Masks as such, or as bits packed along the last axis."""
    is_packed = mask.dtype == np.uint8 and mask.shape != shape and mask.shape[:-1] == shape[:-1]
    return np.unpackbits(mask, axis=-1, count=shape[-1]).astype(bool) if is_packed else mask != 0
