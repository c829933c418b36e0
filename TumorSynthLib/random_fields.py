"""Seeded chance: smooth random fields and the irregularity they give a lesion's outline."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import fft

from .grid import Grid, canonical_order


@lru_cache(maxsize=4)
def _squared_frequencies(size: int) -> np.ndarray:
    full, half = np.fft.fftfreq(size), np.fft.rfftfreq(size)
    return (full[:, None, None] ** 2 + full[None, :, None] ** 2 + half[None, None, :] ** 2).astype(np.float32)


# Whoever drags a lesion asks for the same chance again and again.
_KEPT_SPECTRA, _KEPT_FIELDS = 8, 8
_spectra: OrderedDict[tuple, tuple[np.ndarray, dict]] = OrderedDict()
_fields: OrderedDict[tuple, np.ndarray] = OrderedDict()
_lock = threading.Lock()


def smooth_field(rng: np.random.Generator, size: int, lengths: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Noise of unit variance: a sum of Gaussian random fields, each given as (weight, correlation length in voxels).
    To be read only: the same field is given to whoever asks for it in the same state of chance."""
    key = (_state_of(rng), size)
    spectrum = _spectrum(rng, key)
    return _kept(_fields, (*key, lengths), _KEPT_FIELDS, lambda: _shaped(spectrum, size, lengths))


def _state_of(rng: np.random.Generator) -> tuple:
    state = rng.bit_generator.state
    return (state["bit_generator"], repr(state))


def _spectrum(rng: np.random.Generator, key: tuple) -> np.ndarray:
    """Of white noise. Leaves the generator where drawing the noise does."""

    def drawn() -> tuple[np.ndarray, dict]:
        spectrum = fft.rfftn(rng.standard_normal((key[1],) * 3, dtype=np.float32))
        return spectrum, rng.bit_generator.state

    spectrum, rng.bit_generator.state = _kept(_spectra, key, _KEPT_SPECTRA, drawn)
    return spectrum


def _kept(kept: OrderedDict, key: tuple, most: int, make: Callable[[], Any]) -> Any:
    with _lock:
        if key in kept:
            kept.move_to_end(key)
            return kept[key]
    made = make()
    with _lock:
        kept[key] = made
        while len(kept) > most:
            kept.popitem(last=False)
    return made


def _shaped(spectrum: np.ndarray, size: int, lengths: tuple[tuple[float, float], ...]) -> np.ndarray:
    squared = _squared_frequencies(size)
    shaping = sum(weight * _unit_gaussian(squared, length, size) for weight, length in lengths)
    values = fft.irfftn(spectrum * shaping, s=(size,) * 3).astype(np.float32)
    values /= max(float(values.std()), 1e-6)
    values.flags.writeable = False
    return values


def _unit_gaussian(squared: np.ndarray, length: float, size: int) -> np.ndarray:
    response = np.exp(-0.5 * (2 * np.pi * length) ** 2 * squared)
    return response / np.sqrt((response**2).sum() / size**3 * 2)


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def outline_field(
    rng: np.random.Generator,
    offsets: list[np.ndarray],
    radius: float,
    irregularity: float,
    elongation: float,
    window: tuple[slice, ...] = (slice(None),) * 3,
) -> np.ndarray:
    """How far a lesion's outline departs from its sphere, in radii: a rotated ellipsoid plus smooth noise.

    `offsets` are the distances of a cubic grid's voxels from the centre along each axis, in the units of `radius`;
    the lesion is where distance / radius + field stays below a threshold. Of a window only that part is made.
    """
    size = len(offsets[0])
    stretch = np.exp(rng.uniform(-elongation, elongation, 3))
    stretch /= stretch.prod() ** (1 / 3)
    metric = random_rotation(rng)
    metric = (metric / stretch**2) @ metric.T
    a, b, c = (o[w] for o, w in zip(offsets, window, strict=True))
    a, b, c = a[:, None, None], b[None, :, None], c[None, None, :]
    plain = a * a + b * b + c * c
    bent = (
        metric[0, 0] * a * a + metric[1, 1] * b * b + metric[2, 2] * c * c
        + 2 * (metric[0, 1] * a * b + metric[0, 2] * a * c + metric[1, 2] * b * c)
    )  # fmt: skip
    step = float(np.abs(np.diff(offsets[0])).mean())
    wavelength = radius / step
    noise = smooth_field(rng, size, ((0.8, wavelength * 0.55), (0.45, max(wavelength * 0.22, 0.8))))
    departure = (np.sqrt(np.maximum(bent, 0)) - np.sqrt(plain)) / radius
    return (departure + irregularity * noise[window]).astype(np.float32)


def white_noise(rng: np.random.Generator, grid: Grid) -> np.ndarray:
    """Noise in every voxel, drawn along R, A and S: the same grain in whatever order a scan's axes are stored."""
    order, signs = canonical_order(grid.affine)
    drawn = rng.standard_normal(tuple(grid.shape[axis] for axis in order), dtype=np.float32)
    turned = drawn[tuple(slice(None, None, int(sign)) for sign in signs)]
    return turned.transpose(np.argsort(order))
