"""How spheres keep out of each other's way while one of them, or all, change size. Radii are outermost first, in mm.

A sphere stops at its neighbor and never pushes it: what a reader has set stays as it was set.
"""

from __future__ import annotations

from collections.abc import Sequence

from TumorSynthLib.spheres import MAX_RADIUS_MM

MIN_GAP_MM = 0.5
MIN_RADIUS_MM = 1.0

Radii = tuple[float, ...]


def limits(radii: Sequence[float], index: int) -> tuple[float, float]:
    """The smallest and the largest radius that one sphere may take among the others as they are.

    A sphere that is already out of bounds (typed, or from a script) may stay and come back, but go no further.
    """
    now = radii[index]
    low = MIN_RADIUS_MM if index == len(radii) - 1 else radii[index + 1] + MIN_GAP_MM
    high = MAX_RADIUS_MM if index == 0 else radii[index - 1] - MIN_GAP_MM
    return min(low, now), max(high, now)


def with_radius(radii: Sequence[float], index: int, wanted: float) -> Radii:
    """One sphere given the wanted radius, or the nearest that its neighbors leave to it."""
    low, high = limits(radii, index)
    changed = list(radii)
    changed[index] = float(min(max(wanted, low), high))
    return tuple(changed)


def scaled(radii: Sequence[float], factor: float) -> Radii:
    """All spheres by one factor, so that the structure stays; the factor is held where the first of them would stop."""
    room_above = max(MAX_RADIUS_MM / radii[0], 1.0)
    gaps = [outer - inner for outer, inner in zip(radii, radii[1:], strict=False)]
    room_below = min(max(MIN_RADIUS_MM / radii[-1], MIN_GAP_MM / min(gaps)), 1.0)
    held = min(max(factor, room_below), room_above)
    largest = max(MAX_RADIUS_MM, radii[0])
    return tuple(min(float(radius) * held, largest) for radius in radii)
