"""Copies of records, changed as a network or a person would change them: an audit that misses these proves nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .patches import LesionPatches

KINDS = ("exact", "turned", "mirrored", "shifted", "scaled", "regreyed", "noisy", "soft edge", "blend")
CANDIDATES = 12


@dataclass(frozen=True)
class Changes:
    """What was done to one copy; `keeps` is the record's share where it is mixed with its new surroundings."""

    turn: float = 0.0
    scale: float = 1.0
    mirrored: bool = False
    shift: tuple[float, float] = (0.0, 0.0)
    gain: float = 1.0
    offset: float = 0.0
    noise: float = 0.0
    edge_pixels: float = 0.0
    keeps: float = 1.0


@dataclass(frozen=True, eq=False)
class PlantedCopies:
    patches: LesionPatches
    record: np.ndarray
    changes: tuple[Changes, ...]

    def __len__(self) -> int:
        return len(self.patches)


def changes_of(kind: str, rng: np.random.Generator) -> Changes:
    """One kind of change, as large as such copies come; 'any' mixes all of them by chance."""
    signed = rng.choice((-1.0, 1.0), 6)
    match kind:
        case "exact":
            return Changes()
        case "turned":
            return Changes(turn=rng.uniform(0, 2 * np.pi))
        case "mirrored":
            return Changes(mirrored=True, turn=rng.integers(4) * np.pi / 2)
        case "shifted":
            return Changes(shift=tuple(rng.uniform(-3, 3, 2)))
        case "scaled":
            return Changes(scale=1 + 0.1 * signed[0])
        case "regreyed":
            return Changes(gain=rng.uniform(0.6, 1.5), offset=0.2 * signed[1])
        case "noisy":
            return Changes(noise=0.05)
        case "soft edge":
            return Changes(edge_pixels=2.0)
        case "blend":
            return Changes(keeps=0.8)
    return Changes(
        turn=rng.uniform(0, 2 * np.pi),
        scale=rng.uniform(0.9, 1.1),
        mirrored=bool(rng.random() < 0.5),
        shift=tuple(rng.uniform(-3, 3, 2)),
        gain=rng.uniform(0.7, 1.3),
        offset=rng.uniform(-0.15, 0.15),
        noise=rng.uniform(0, 0.05),
        edge_pixels=rng.uniform(0, 2),
        keeps=rng.uniform(0.8, 1),
    )


def planted(
    records: LesionPatches, hosts: LesionPatches, count: int, seed: int = 0, kind: str = "any"
) -> PlantedCopies:
    """Copies of records pasted over lesions of `hosts`, each of a record about as large as the lesion it covers."""
    rng = np.random.default_rng([seed, 0xC0B1])
    into = rng.integers(len(hosts), size=count)
    rows = np.array([_alike_in_size(records.size, hosts.size[host], rng) for host in into])
    changes = tuple(changes_of(kind, rng) for _ in range(count))
    pairs = [
        pasted(records.image[row], records.mask[row], hosts.image[host], hosts.mask[host], change, rng)
        for row, host, change in zip(rows, into, changes, strict=True)
    ]
    image, mask = (np.stack(part) for part in zip(*pairs, strict=True))
    names = tuple(f"copy of {records.named(int(row))}" for row in rows)
    return PlantedCopies(LesionPatches(image, mask, records.block[rows], names), rows, changes)


def _alike_in_size(sizes: np.ndarray, size: int, rng: np.random.Generator) -> int:
    candidates = rng.integers(len(sizes), size=CANDIDATES)
    return int(candidates[np.abs(np.log(sizes[candidates] / size)).argmin()])


def pasted(
    image: np.ndarray,
    mask: np.ndarray,
    host: np.ndarray,
    host_mask: np.ndarray,
    changes: Changes,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """The record's lesion as changed, in the host's place; what shows through it is the host's own lesion."""
    moved = _moved(image, mask, host_mask, changes, order=1)
    moved_mask = _moved(mask.astype(np.float32), mask, host_mask, changes, order=1) > 0.5
    if not moved_mask.any():  # a lesion of a pixel or two
        moved_mask = host_mask.copy()
    noise = rng.normal(0, 1, host.shape) * changes.noise
    weight = moved_mask * changes.keeps
    if changes.edge_pixels:
        weight = weight * (ndimage.distance_transform_edt(moved_mask) / (1 + changes.edge_pixels)).clip(0, 1)
    lesion = changes.gain * moved + changes.offset + noise
    return (weight * lesion + (1 - weight) * host).astype(np.float32), moved_mask


def _moved(values: np.ndarray, mask: np.ndarray, host_mask: np.ndarray, changes: Changes, order: int) -> np.ndarray:
    """Resampled on the host's grid, with the lesion's middle where the host's lesion has its own."""
    cosine, sine = np.cos(changes.turn), np.sin(changes.turn)
    matrix = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag((1.0, -1.0 if changes.mirrored else 1.0))
    middle, target = (np.array([np.round(part.mean()) for part in np.nonzero(m)]) for m in (mask, host_mask))
    matrix = matrix / changes.scale
    offset = middle - matrix @ (target + np.array(changes.shift))
    return ndimage.affine_transform(values, matrix, offset, host_mask.shape, order=order, mode="constant")
