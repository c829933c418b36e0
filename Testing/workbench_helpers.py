"""Volumes whose voxels tell where they are, for tests of the workbench's views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtGui import QImage

from volumes import oblique_affine, save_nifti

SHAPE = (60, 70, 50)
GRIDS = {
    "straight": np.diag([2.0, 2.0, 2.0, 1.0]),
    "oblique": oblique_affine(spacing_mm=(1.5, 1.5, 1.5)),
    "anisotropic": oblique_affine(spacing_mm=(0.8, 0.8, 3.0), angles_degrees=(0, 0, 0)),
    "flipped": oblique_affine((2.0, 1.0, 1.5), angles_degrees=(5, 10, -8), flips=(-1, 1, -1), axes=(2, 0, 1)),
}


def dot_volume(path: Path, grid: str) -> tuple[Path, np.ndarray]:
    """A dark box with one bright block of voxels off its middle, and the place of the block in world RAS."""
    affine = GRIDS[grid]
    voxels = np.full(SHAPE, 100, np.int16)
    index = np.array([20, 45, 30])
    reach = np.maximum(1, np.rint(3 / np.linalg.norm(affine[:3, :3], axis=0))).astype(int)
    low, high = index - reach, index + reach + 1
    voxels[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = 1000
    return save_nifti(path, voxels, affine), (affine @ [*index, 1])[:3]


def pixels_of(image: QImage) -> np.ndarray:
    """(height, width, RGB)"""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    data = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    # A copy: the bits are gone with the image.
    return data[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def center_of_bright(image: QImage, threshold: int = 200) -> np.ndarray:
    """(x, y) in the widget's pixels of the middle of what is bright, letters at the edges left out."""
    pixels = pixels_of(image).min(axis=2).astype(float)
    ratio = image.devicePixelRatio()
    edge = round(24 * ratio)
    pixels[:edge] = pixels[-edge:] = pixels[:, :edge] = pixels[:, -edge:] = 0
    rows, columns = np.nonzero(pixels > threshold)
    assert len(rows), "nothing is bright"
    return np.array([columns.mean(), rows.mean()]) / ratio
