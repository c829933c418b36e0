"""What an audit compares, read as slices: synthetic lesions of cases or archives, and the records learned from."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ..errors import InputError
from .patches import LesionPatches
from .sources import read_patches

WINDOW = 64
# The raw set of annotated slices has no patients' names; runs of this many neighbouring slices stand for them.
BLOCK = 20
# Of every 25 such runs the last five are kept from training, with a gap around them: what training/slices.py calls the
# part "train". Only that was learned from.
FOLD, KEPT_FROM, GAP = 25 * BLOCK, 20 * BLOCK, 12
PARTS = ("train", "all")
FEWEST_PIXELS = 30
# As in training: tissue is what is brighter than this share of the brightest, white matter its upper middle.
TISSUE_SHARE, WHITE_MATTER_PERCENTILE = 0.15, 60


def read_for_audit(path: Path, slices_per_lesion: int = 3, part: str = "all") -> LesionPatches:
    """Patches of two dimensions, up to `slices_per_lesion` of each lesion where the source is of volumes. Of the raw
    set of annotated slices, `part` "train" takes what the shipped networks learned from; other sources are read whole.
    """
    if part not in PARTS:
        raise InputError(f"part '{part}': choose {' or '.join(PARTS)}")
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path")
    raw = _annotated_slices(path, part) if path.suffix.lower() == ".npz" else None
    return raw or read_patches(path, dimensions=2, slices_per_lesion=slices_per_lesion)


def without_blocks(patches: LesionPatches, blocks: list[int]) -> LesionPatches:
    """All but the patients given, who must be among them: a mistyped number is not to pass for an exclusion."""
    strange = sorted(set(blocks) - set(patches.block.tolist()))
    if strange:
        raise InputError(f"no record is of patient {strange[0]}: give numbers that the records have as block")
    return patches.select(np.flatnonzero(~np.isin(patches.block, blocks)))


def learned_from(index: np.ndarray) -> np.ndarray:
    """Which slices of the raw set the shipped networks were trained on."""
    place = index % FOLD
    return (place >= GAP) & (place < KEPT_FROM - GAP)


def _annotated_slices(path: Path, part: str) -> LesionPatches | None:
    """The raw set (image, mask in packed bits, index); None if the archive is of another kind."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if "block" in archive.files and not archive["block"].size:
                raise InputError(f"{path}: no lesion in it; at least one is needed")
            if "block" in archive.files or not {"image", "mask", "index"} <= set(archive.files):
                return None
            image, mask, index = (archive[name] for name in ("image", "mask", "index"))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        return None  # whoever reads the other kinds says what is wrong
    mask = np.unpackbits(mask, axis=-1, count=image.shape[-1]).astype(bool)
    rows = np.flatnonzero((mask.sum((1, 2)) >= FEWEST_PIXELS) & (learned_from(index) | (part == "all")))
    cut = [_window(image[row].astype(np.float32), mask[row]) for row in rows]
    if not cut:
        raise InputError(f"{path}: no lesion of {FEWEST_PIXELS} pixels or more; give larger lesions")
    images, masks = (np.stack(part) for part in zip(*cut, strict=True))
    return LesionPatches(images, masks, index[rows] // BLOCK, tuple(f"slice {number}" for number in index[rows]))


def _window(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    tissue = image[~mask]
    level = np.percentile(tissue[tissue > TISSUE_SHARE * np.percentile(tissue, 99)], WHITE_MATTER_PERCENTILE)
    middle = [round(float(v.min() + v.max()) / 2) for v in np.nonzero(mask)]
    half = WINDOW // 2 + 16  # of the widest lesions as well
    padded = np.pad(image / max(float(level), 1e-6), half), np.pad(mask, half)
    return tuple(part[middle[0] : middle[0] + 2 * half, middle[1] : middle[1] + 2 * half] for part in padded)  # type: ignore[return-value]
