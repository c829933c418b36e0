"""Where spheres meet a slice view: plain geometry on arrays.

A slice view is a plane of pixels in host RAS. A sphere of radius r whose center lies h away from the plane shows there
as a ring of radius sqrt(r^2 - h^2). All lengths are millimetres unless a name says pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class SlicePlane:
    """The plane of a slice view, in host RAS. `across` and `up` are the steps from one pixel to the next."""

    origin: np.ndarray
    across: np.ndarray
    up: np.ndarray

    @classmethod
    def of(cls, world_from_pixel: np.ndarray, world_from_host: np.ndarray) -> SlicePlane:
        host_from_pixel = np.linalg.solve(world_from_host, world_from_pixel)
        return cls(host_from_pixel[:3, 3], host_from_pixel[:3, 0], host_from_pixel[:3, 1])

    def point(self, pixel: Sequence[float]) -> np.ndarray:
        return self.origin + pixel[0] * self.across + pixel[1] * self.up

    def foot(self, point: np.ndarray) -> np.ndarray:
        """The point of the plane nearest to a point."""
        normal = _cross(self.across, self.up)
        return point - normal * (normal @ (point - self.origin) / (normal @ normal))

    def pixel_length(self, distance: float, direction: np.ndarray) -> float:
        """How many pixels a small distance is, at right angles to the edge that it is measured from.

        Under a transform that scales, a circle shows as an ellipse, and a pixel is not the same length everywhere.
        """
        slope = math.hypot(self.across @ direction, self.up @ direction)
        return distance / slope if slope > 0 else math.inf


@dataclass(frozen=True)
class Grab:
    """What a pointer has hold of: a ring (its index), or the inside of the spheres (None)."""

    ring: int | None
    distance_px: float


def ring_radius(sphere_radius: float, offset: float) -> float | None:
    """The ring that a sphere shows in a plane `offset` from its center, if it reaches that far."""
    inside = sphere_radius**2 - offset**2
    return math.sqrt(inside) if inside > 0 else None


def sphere_radius(ring: float, offset: float) -> float:
    """The sphere that shows as a ring of this radius in a plane `offset` from its center."""
    return math.hypot(ring, offset)


def in_plane(plane: SlicePlane, center: np.ndarray, pixel: Sequence[float]) -> tuple[float, float, np.ndarray]:
    """Of a pointer: distance from the rings' common middle, the plane's offset from the center, and direction."""
    foot = plane.foot(center)
    away = plane.point(pixel) - foot
    rho = float(np.linalg.norm(away))
    direction = away / rho if rho > 0 else plane.across / np.linalg.norm(plane.across)
    return rho, float(np.linalg.norm(foot - center)), direction


def grab(
    plane: SlicePlane, center: Sequence[float], radii: Sequence[float], pixel: Sequence[float], tolerance_px: float
) -> Grab | None:
    """What a pointer would take hold of; None outside.

    The nearest ring within tolerance; else the inside. The innermost ring on view leaves at least half of its inside
    to moving, so that small spheres can be moved as well.
    """
    rho, offset, direction = in_plane(plane, np.asarray(center, float), pixel)
    rings = [(index, ring) for index, radius in enumerate(radii) if (ring := ring_radius(radius, offset)) is not None]
    if not rings:
        return None
    gaps = [(plane.pixel_length(abs(rho - ring), direction), index) for index, ring in rings]
    distance, index = min(gaps)
    innermost, innermost_ring = rings[-1]
    in_the_core = index == innermost and rho < innermost_ring / 2
    if distance <= tolerance_px and not in_the_core:
        return Grab(index, distance)
    return Grab(None, distance) if rho < rings[0][1] else None


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))
