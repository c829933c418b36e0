"""Tiny training data for tests: scans with a bright lesion and its mask, and label maps of egg-shaped heads."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SCAN_SIZE = 40
HEAD_SIZE, HEAD_VOXEL_MM = 80, 2.0
WHITE_MATTER, CORTEX, FLUID, SKIN, BONE = 2, 3, 24, 511, 515


def write_volume(path: Path, voxels: np.ndarray, voxel_mm: float = 1.0) -> Path:
    image = sitk.GetImageFromArray(voxels.transpose(2, 1, 0))
    image.SetSpacing([voxel_mm] * 3)
    # ITK counts from right to left and front to back.
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(path))
    return path


def relative_depth(size: int, radii: tuple[float, float, float], center: tuple[float, float, float]) -> np.ndarray:
    """0 in an ellipsoid's centre, 1 on its surface."""
    index = np.indices((size,) * 3)
    return np.sqrt(sum(((index[a] - center[a]) / radii[a]) ** 2 for a in range(3)))


def write_own_data(folder: Path, patients: int = 3, seed: int = 0) -> Path:
    """NAME.nii.gz with NAME_mask.nii.gz: white noise around 100, a lesion with a bright rim and a dark core."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for patient in range(patients):
        center = rng.uniform(SCAN_SIZE / 2 - 3, SCAN_SIZE / 2 + 3, 3)
        depth = relative_depth(SCAN_SIZE, tuple(rng.uniform(6, 8, 3)), tuple(center))
        scan = rng.normal(100, 6, depth.shape)
        scan[depth < 1] += 70
        scan[depth < 0.85] -= 60
        scan[depth < 0.6] -= 60
        write_volume(folder / f"patient{patient}.nii.gz", scan.clip(0).astype(np.float32))
        write_volume(folder / f"patient{patient}_mask.nii.gz", (depth < 1).astype(np.uint8))
    return folder


def write_table(folder: Path) -> Path:
    """The same set as a CSV, whose paths are relative to it."""
    table = folder / "set.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "mask"])
        for mask in sorted(folder.glob("*_mask.nii.gz")):
            rows.writerow([mask.name.replace("_mask", ""), mask.name])
    return table


def write_label_maps(folder: Path, count: int = 6, seed: int = 0) -> Path:
    """`folder`/synthseg_labels: brain in fluid in bone in skin, a little different each."""
    labels = folder / "synthseg_labels"
    labels.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    middle = (HEAD_SIZE / 2,) * 3
    for number in range(count):
        radii = tuple(np.array([32.0, 37.0, 34.0]) * rng.uniform(0.9, 1.0))
        depth = relative_depth(HEAD_SIZE, radii, middle)
        head = np.zeros(depth.shape, np.int16)
        for limit, label in ((1.0, SKIN), (0.92, BONE), (0.84, FLUID), (0.8, CORTEX), (0.7, WHITE_MATTER)):
            head[depth < limit] = label
        write_volume(labels / f"head{number}.nii.gz", head, HEAD_VOXEL_MM)
    return folder
