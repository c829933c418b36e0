"""Label maps of whole heads: where brains end, for procedural lesions and for brain masking."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from TumorSynthLib.errors import InputError

OUTER_CSF = 24
HELD_OUT = 4


def label_files(data: Path, held_out: bool = False) -> list[Path]:
    """The label maps to train on, or those kept out of every training."""
    files = sorted((data / "synthseg_labels").glob("*.nii.gz"))
    if len(files) <= HELD_OUT:
        raise InputError(f"{data / 'synthseg_labels'} needs more than {HELD_OUT} label maps (*.nii.gz)")
    return files[-HELD_OUT:] if held_out else files[:-HELD_OUT]


@lru_cache(maxsize=64)
def read_labels(path: Path, voxel_mm: float = 2.0) -> np.ndarray:
    """Labels on a 2 mm lattice, axes ordered R, A, S."""
    image = sitk.DICOMOrient(sitk.ReadImage(str(path), sitk.sitkInt32), "RAS")
    labels = sitk.GetArrayViewFromImage(image).transpose(2, 1, 0)
    step = round(voxel_mm / image.GetSpacing()[0])
    return np.ascontiguousarray(labels[step // 2 :: step, step // 2 :: step, step // 2 :: step]).astype(np.int16)


def brain_of(labels: np.ndarray, close_voxels: int = 2) -> np.ndarray:
    """Parenchyma and ventricles, sulci closed, as a radiologist would outline the brain."""
    tissue = (labels > 0) & (labels < 500) & (labels != OUTER_CSF)
    ball = ndimage.generate_binary_structure(3, 1)
    closed = ndimage.binary_closing(np.pad(tissue, 8), ball, iterations=close_voxels)
    return ndimage.binary_fill_holes(closed)[8:-8, 8:-8, 8:-8]
