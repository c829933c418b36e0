"""Annotated slices: the shipped networks' 2D set, or anybody's own images and masks."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from TumorSynthLib.errors import InputError

WINDOW = 176
# Neighbouring indices are often slices of one patient: patients are split by blocks, with a gap where blocks meet.
BLOCK = 20
BLOCKS_PER_FOLD = 25
VALIDATION_BLOCKS = 5
GAP = 12
# Of the blocks for validation, what was tuned on and what was not looked at until a bundle was final, and between them
# a gap as well: places within a fold of indices.
DEVELOPMENT = (400, 444)
UNTOUCHED = (456, 500)
# Anybody's own set knows its patients, each a block of its own: one in five is kept for validation.
OWN_PATIENTS_PER_VALIDATION = 5
MIN_AREA_PIXELS = 30
SPACING_MM = 1.0


@dataclass(frozen=True)
class SliceSet:
    """Windows of 176 pixels around a tumour, about 1 mm each. `index` orders them so that neighbours may share a
    patient; `weight` is how often a slice is drawn."""

    image: np.ndarray
    mask: np.ndarray
    index: np.ndarray
    weight: np.ndarray
    is_contiguous: bool

    def __len__(self) -> int:
        return len(self.image)

    def select(self, rows: np.ndarray) -> SliceSet:
        return SliceSet(self.image[rows], self.mask[rows], self.index[rows], self.weight[rows], self.is_contiguous)

    def rows(self, part: str, fraction: float = 1.0) -> np.ndarray:
        """Rows of 'train' or 'validation' patients; `fraction` keeps that share of the training blocks. Of the
        patients for validation, networks are tuned on the 'development' part only; 'untouched' is for one evaluation of
        each bundle."""
        is_validation, in_gap = self._folds() if self.is_contiguous else self._patients_folds()
        if part == "validation":
            return np.flatnonzero(is_validation)
        if part in ("development", "untouched"):
            return np.flatnonzero(is_validation & self._half_of_validation(part))
        if part != "train":
            raise ValueError(f"part '{part}': choose 'train', 'validation', 'development' or 'untouched'")
        blocks = self.index // BLOCK
        usable = ~is_validation & ~in_gap
        # One permutation cut at several lengths: smaller fractions lie within larger ones.
        names = np.random.default_rng(0).permutation(np.unique(blocks[usable]))
        return np.flatnonzero(usable & np.isin(blocks, names[: max(1, round(fraction * len(names)))]))

    def _folds(self) -> tuple[np.ndarray, np.ndarray]:
        """Which rows are for validation, and which too near to those to be trained on."""
        place = self.index % (BLOCK * BLOCKS_PER_FOLD)
        edge = BLOCK * (BLOCKS_PER_FOLD - VALIDATION_BLOCKS)
        return place >= edge, (place >= edge - GAP) | (place < GAP)

    def _half_of_validation(self, part: str) -> np.ndarray:
        if self.is_contiguous:
            place = self.index % (BLOCK * BLOCKS_PER_FOLD)
            first, end = DEVELOPMENT if part == "development" else UNTOUCHED
            return (place >= first) & (place < end)
        return (self.index // BLOCK // OWN_PATIENTS_PER_VALIDATION) % 2 == (part == "untouched")

    def _patients_folds(self) -> tuple[np.ndarray, np.ndarray]:
        blocks = self.index // BLOCK
        kept = np.unique(blocks)[::-OWN_PATIENTS_PER_VALIDATION]
        return np.isin(blocks, kept), np.zeros(len(self), bool)


def read_slices(source: Path, axes: tuple[int, ...] = (0, 1, 2)) -> SliceSet:
    """From the 2D set (.npz), a folder of NAME.nii.gz with NAME_mask.nii.gz, or a CSV with columns image and mask.

    Volumes are unstacked along `axes` (0 sagittal, 1 coronal, 2 axial); the 2D set mixes all three.
    """
    source = Path(source)
    if source.suffix == ".npz":
        return _from_archive(source)
    return _from_volumes(find_pairs(source), axes)


def find_pairs(source: Path) -> list[tuple[Path, Path]]:
    """The images and masks of anybody's own set. Two patients are the least: one to train on, one to look at."""
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    pairs = _pairs_from_csv(source) if source.suffix == ".csv" else _pairs_from_folder(source)
    if len(pairs) < 2:
        raise InputError(
            f"{source}: {len(pairs)} images with a mask found, two are the least: expected NAME.nii.gz beside "
            "NAME_mask.nii.gz, or a CSV with columns image and mask"
        )
    for file in (file for pair in pairs for file in pair):
        if not file.is_file():
            raise InputError(f"{source}: {file} is missing")
    return pairs


def _from_archive(source: Path) -> SliceSet:
    content = np.load(source)
    mask = np.unpackbits(content["mask"], axis=-1).astype(bool)
    index = content["index"].astype(int)
    # The bulk of these are pituitary tumours beside bone, unlike metastases: seen, but seldom.
    weight = np.where((index >= 950) & (index < 1850), 0.25, 1.0)
    return SliceSet(content["image"], mask, index, weight, is_contiguous=True)


def _pairs_from_folder(folder: Path) -> list[tuple[Path, Path]]:
    masks = sorted(folder.glob("*_mask.nii*"))
    return [(m.with_name(m.name.replace("_mask.nii", ".nii")), m) for m in masks]


def _pairs_from_csv(table: Path) -> list[tuple[Path, Path]]:
    # Spreadsheet programs begin a CSV with a byte order mark.
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        missing = {"image", "mask"} - set(rows.fieldnames or ())
        if missing:
            raise InputError(f"{table}: no column {' or '.join(sorted(missing))}; expected columns image and mask")
        return [_pair_of_row(table, rows.line_num, row) for row in rows]


def _pair_of_row(table: Path, line: int, row: dict[str, str]) -> tuple[Path, Path]:
    if not row["image"] or not row["mask"]:
        raise InputError(f"{table}: line {line} needs both an image and a mask")
    return table.parent / row["image"], table.parent / row["mask"]


def _from_volumes(pairs: list[tuple[Path, Path]], axes: tuple[int, ...]) -> SliceSet:
    windows: list[tuple[np.ndarray, np.ndarray, int]] = []
    for patient, (image_file, mask_file) in enumerate(pairs):
        image, mask = _isotropic(image_file), _isotropic(mask_file, is_mask=True) > 0.5
        if image.shape != mask.shape:
            raise InputError(f"{mask_file} is not on the grid of {image_file}")
        taken = 0
        for axis in axes:
            for position in range(mask.shape[axis]):
                outline = mask.take(position, axis)
                if outline.sum() >= MIN_AREA_PIXELS:
                    picture = image.take(position, axis)
                    windows.append((*_window(picture, outline), patient * BLOCK + min(taken, BLOCK - 1)))
                    taken += 1
    if not windows:
        raise InputError(f"{pairs[0][1]} and the others: no slice has a lesion of {MIN_AREA_PIXELS} mm2 or more")
    images, masks, index = (np.stack(part) for part in zip(*windows, strict=True))
    return SliceSet(images, masks, index, np.ones(len(index)), is_contiguous=False)


def _isotropic(file: Path, is_mask: bool = False) -> np.ndarray:
    import SimpleITK as sitk

    try:
        image = sitk.DICOMOrient(sitk.ReadImage(str(file), sitk.sitkFloat32), "RAS")
    except RuntimeError as problem:
        raise InputError(f"{file} cannot be read as a volume: expected a three-dimensional NIfTI image") from problem
    size = [max(1, round(n * s / SPACING_MM)) for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    grid = sitk.Image(size, sitk.sitkFloat32)
    grid.SetOrigin(image.GetOrigin())
    grid.SetDirection(image.GetDirection())
    grid.SetSpacing([SPACING_MM] * 3)
    how = sitk.sitkNearestNeighbor if is_mask else sitk.sitkLinear
    return sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(), how)).transpose(2, 1, 0)


def _window(picture: np.ndarray, outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle = [round(float(v.mean())) for v in np.nonzero(outline)]
    half = WINDOW // 2
    padded = [np.pad(p, half) for p in (picture, outline)]
    cut = tuple(slice(m, m + WINDOW) for m in middle)
    return padded[0][cut], padded[1][cut]
