"""Where in the head a lesion lies, in words and numbers that do without an atlas: enough to match and to group by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..grid import Grid

COARSE_MM = 3.0
SUPERFICIAL_MM = 20.0
MIDLINE = 0.12
# The head's box leaves out the outermost voxels on each side, which one bright speck in the air could move.
BOX_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Place:
    """`relative`: right, front, top, -1 to 1 in the box around what the scan shows. `depth_mm`: below its surface."""

    relative: tuple[float, float, float]
    depth_mm: float

    @property
    def side(self) -> str:
        right = self.relative[0]
        return "midline" if abs(right) < MIDLINE else "right" if right > 0 else "left"

    @property
    def level(self) -> str:
        top = self.relative[2]
        return "lower third" if top < -1 / 3 else "middle third" if top < 1 / 3 else "upper third"

    @property
    def depth(self) -> str:
        return "superficial" if self.depth_mm < SUPERFICIAL_MM else "deep"

    @property
    def words(self) -> str:
        return f"{self.level}, {self.depth}"

    def for_matching(self) -> np.ndarray:
        """Left and right alike: (distance from the midline, front, top, depth), each about -1 to 1."""
        right, front, top = self.relative
        return np.array([abs(right), front, top, min(self.depth_mm / 40.0, 1.5)])


class Head:
    """What a scan shows besides air, on a coarse lattice: with skull or without, as the scan has it."""

    def __init__(self, voxels: np.ndarray, grid: Grid) -> None:
        from scipy import ndimage
        from skimage.filters import threshold_otsu

        step = np.maximum(1, np.round(COARSE_MM / grid.voxel_mm)).astype(int)
        coarse = np.asarray(voxels[:: step[0], :: step[1], :: step[2]], np.float32)
        # A threshold of the logarithm-like root finds the head rather than its brightest tissue.
        rooted = np.sqrt(coarse - coarse.min())
        tissue = ndimage.binary_fill_holes(ndimage.binary_closing(rooted > threshold_otsu(rooted), iterations=2))
        self._step, self._grid = step, grid
        # One voxel of air around it, so that tissue at the scan's edge lies at its surface.
        self._depth = ndimage.distance_transform_edt(np.pad(tissue, 1), sampling=step * grid.voxel_mm)[1:-1, 1:-1, 1:-1]
        points = grid.to_ras(np.argwhere(tissue) * step)
        self._low, self._high = np.percentile(points, BOX_PERCENTILES, axis=0)

    def place_of(self, center_ras: np.ndarray) -> Place:
        half = np.maximum((self._high - self._low) / 2, 1.0)
        relative = (np.asarray(center_ras) - (self._low + self._high) / 2) / half
        index = np.round(self._grid.to_index(center_ras) / self._step).astype(int)
        depth = self._depth[tuple(np.clip(index, 0, np.array(self._depth.shape) - 1))]
        right, front, top = (round(float(value), 3) for value in relative)
        return Place((right, front, top), round(float(depth), 1))

    def random_point(self, random: np.random.Generator, deeper_than_mm: float) -> np.ndarray:
        """A point of the head's inside, for a case that shows nothing."""
        deep = np.argwhere(self._depth > min(deeper_than_mm, 0.6 * float(self._depth.max())))
        return self._grid.to_ras(deep[random.integers(len(deep))] * self._step)
