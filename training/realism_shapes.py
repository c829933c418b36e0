"""Outlines and inner structure on trial: real lesions against slices through the engine's, by shape and by map:
`python -m training.realism_shapes --data DATA --part development --bundle default`.

`realism_sets` puts the painter on trial, in real outlines and with real maps; this asks whether the mask network's
outlines and the map network's arrangement of dark, middle and bright look like real ones. For each real slice the
engine makes a lesion of its size in the sample brain, told to be built like it; a slice through that lesion of like
area is taken, and its map gets the real one's shares. What then can tell is form alone.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from TumorSynthLib.bundle import Bundle
from TumorSynthLib.calibration import split_by_shares
from TumorSynthLib.cohorts.studio import one_thread
from TumorSynthLib.errors import InputError
from TumorSynthLib.grid import box_of
from TumorSynthLib.host import HostBrain
from TumorSynthLib.painting import Brain, PaintedLesion
from TumorSynthLib.realism.comparisons import real_halves
from TumorSynthLib.realism.patches import LesionPatches
from TumorSynthLib.realism.two_sample import TwoSampleResult, feature_test
from TumorSynthLib.sample import sample_brain
from TumorSynthLib.spheres import ConcentricSpheres
from TumorSynthLib.synthesis import LesionRequest, LesionSynthesizer

from .presets import slices_source
from .procedural import radii_of_shells
from .records import CLASSES, LesionRecords, read_records
from .slices import BLOCK

WINDOW = 64
# In pixels, as many voxels of the engine's cube: neither mere dots, nor more than the cube holds at its finest.
RADII = (4.0, 17.0)
# A slice through a lesion is seldom its largest.
WIDER = (1.0, 1.15)
# How deep a lesion's centre lies, in radii: tumours touch the brain's border more often than not.
DEPTH = (0.4, 1.2)
# Areas of slices count as alike up to this logarithm of their ratio.
ALIKE = 0.05
HALVINGS = 3
MOST_PLACES = 50
# What is judged of what: outlines by their shape, maps by how their levels are arranged where no edge blurs them.
QUESTIONS = {"outline": ("shape",), "map": ("core",)}


@dataclass(frozen=True)
class Verdict:
    outline: TwoSampleResult
    map: TwoSampleResult


class NoOpinion(torch.nn.Module):
    """Stands for a mask network that adds nothing: outlines are then the procedural ones that a seed asks for."""

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(shown[:, :1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the data, or a CSV of images and masks")
    parser.add_argument("--part", choices=("development", "untouched"), default="development")
    parser.add_argument("--bundle", default="default", help="whose networks")
    parser.add_argument("--procedural", action="store_true", help="outlines without the mask network")
    parser.add_argument(
        "--outlines", choices=("visible", "drawn"), default="drawn", help="of the real lesions, as networks learn them"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="also write the figures, as JSON")
    chosen = parser.parse_args()
    try:
        if chosen.out and not chosen.out.parent.is_dir():
            raise InputError(f"--out {chosen.out}: there is no folder {chosen.out.parent}; make it first")
        visible = chosen.outlines == "visible"
        records = read_records(slices_source(chosen.data), part=chosen.part, visible_outlines=visible)
        records = of_like_size(records)
        synthesizer = LesionSynthesizer(Bundle.find(chosen.bundle), torch.device("cpu"), "float32")
        if chosen.procedural:
            synthesizer.networks["mask"] = NoOpinion()
        with one_thread():
            rows = trial(records, synthesizer, chosen.seed)
    except InputError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        sys.exit(2)
    print_rows(rows)
    if chosen.out:
        chosen.out.write_text(json.dumps(numbers_of(rows), indent=1), encoding="utf-8")


def of_like_size(records: LesionRecords) -> LesionRecords:
    fits = (records.sphere_radius >= RADII[0]) & (records.sphere_radius <= RADII[1])
    return records.select(np.flatnonzero(fits))


def trial(records: LesionRecords, synthesizer: LesionSynthesizer, seed: int) -> dict[str, list[Verdict]]:
    """The engine's lesions against real ones, and halves of the real patients against each other."""
    if not len(records):
        raise InputError(f"no lesion slice of {RADII[0]:g} to {RADII[1]:g} pixels radius in this part of the data")
    real = real_patches(records)
    made = made_patches(records, synthesizer, seed)
    halves = [judged(real.select(one), real.select(other), seed) for one, other in real_halves(real, seed, HALVINGS)]
    return {"engine": [judged(real, made, seed)], "real of other patients": halves}


def judged(real: LesionPatches, made: LesionPatches, seed: int = 0) -> Verdict:
    return Verdict(**{name: feature_test(real, made, groups, seed) for name, groups in QUESTIONS.items()})


def real_patches(records: LesionRecords) -> LesionPatches:
    return _patches([_window(classes) for classes in records.classes], records)


def made_patches(records: LesionRecords, synthesizer: LesionSynthesizer, seed: int) -> LesionPatches:
    host = sample_brain()
    brain = synthesizer.find_brain(host)
    depth = ndimage.distance_transform_edt(brain.mask, host.grid.voxel_mm)
    windows = []
    for row in range(len(records)):
        rng = np.random.default_rng([seed, row])
        lesion = _first_with_room(synthesizer, host, brain, _requests(records, row, host, depth, rng))
        windows.append(_window(slice_like(lesion, records, row, rng)))
    return _patches(windows, records)


def _first_with_room(
    synthesizer: LesionSynthesizer, host: HostBrain, brain: Brain, requests: Iterator[LesionRequest]
) -> PaintedLesion:
    for request in itertools.islice(requests, MOST_PLACES):
        with contextlib.suppress(InputError):  # no room just there
            return synthesizer.paint(host, brain, request)
    raise InputError(f"no room in the sample brain for a lesion of {request.spheres.outer_radius_mm:.0f} mm radius")


def _requests(
    records: LesionRecords, row: int, host: HostBrain, depth: np.ndarray, rng: np.random.Generator
) -> Iterator[LesionRequest]:
    radius = records.sphere_radius[row] * rng.uniform(*WIDER)
    radii = radii_of_shells(radius, records.shell_fractions[row])
    low, high = np.array(DEPTH) * radius
    places = np.argwhere((depth >= min(low, 0.9 * depth.max())) & (depth <= high))
    while True:
        center = host.grid.to_ras(places[rng.integers(len(places))])
        spheres = ConcentricSpheres(tuple(center), radii, structure=records.structure(row))
        yield LesionRequest(spheres, seed=int(rng.integers(2**31)))


def slice_like(lesion: PaintedLesion, records: LesionRecords, row: int, rng: np.random.Generator) -> np.ndarray:
    """Classes of a slice across any axis, by chance one of those as large as the real one, in the real one's shares."""
    wanted = records.area[row]
    areas = np.stack([lesion.mask.sum(tuple({0, 1, 2} - {axis})) for axis in range(3)])
    off = np.abs(np.log(np.maximum(areas, 1) / wanted))
    axis, number = rng.choice(np.argwhere(off <= max(float(off.min()), ALIKE)))
    outline, score = (np.moveaxis(part, axis, 0)[number] for part in (lesion.mask, lesion.score))
    classes = np.zeros(outline.shape, np.uint8)
    classes[outline] = 1 + split_by_shares(score[outline], records.fractions[row])
    return classes


def _window(classes: np.ndarray) -> np.ndarray:
    box = box_of(classes > 0)
    lesion = classes[box][tuple(slice(0, WINDOW) for _ in range(2))]
    free = [WINDOW - side for side in lesion.shape]
    return np.pad(lesion, [(space // 2, space - space // 2) for space in free])


def _patches(windows: list[np.ndarray], records: LesionRecords) -> LesionPatches:
    classes = np.stack(windows)
    return LesionPatches(classes / CLASSES, classes > 0, records.slices.index // BLOCK)


def numbers_of(rows: dict[str, list[Verdict]]) -> dict[str, dict[str, list[float]]]:
    """Of every row and question the area and its interval, means where it was asked several times."""
    found = {}
    for name, verdicts in rows.items():
        results = {question: [getattr(verdict, question) for verdict in verdicts] for question in QUESTIONS}
        found[name] = {
            question: np.mean([(r.auc, r.low, r.high) for r in each], axis=0).round(3).tolist()
            for question, each in results.items()
        }
    return found


def print_rows(rows: dict[str, list[Verdict]]) -> None:
    for name, figures in numbers_of(rows).items():
        shown = [f"{question} {area:.2f} ({low:.2f}-{high:.2f})" for question, (area, low, high) in figures.items()]
        print(f"{name}: {', '.join(shown)}")
    for question in QUESTIONS:
        telling = getattr(rows["engine"][0], question).telling[:5]
        print(f"{question} by itself: {', '.join(f'{name} {area:.2f}' for name, area in telling)}")


if __name__ == "__main__":
    main()
