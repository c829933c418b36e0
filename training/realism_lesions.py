"""Many lesions of the engine, each as one slice, for an audit of a bundle: `python -m training.realism_lesions
--bundle default --hosts FILE... --count 5000 --out lesions.npz`, then `tumorsynth audit lesions.npz --against RECORDS`.

Lesions are planned as a cohort's are (places, sizes, structures, appearance and seeds by chance), made by the engine in
healthy brains, and of each its largest axial slice is cut out, with the same place before. Parts of 250 lie beside the
archive until all are there: the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from TumorSynthLib.bundle import Bundle
from TumorSynthLib.cohorts.planning import plan_case
from TumorSynthLib.cohorts.recipe import Recipe
from TumorSynthLib.cohorts.studio import one_thread, requests_of
from TumorSynthLib.cohorts.terrain import Terrain, survey
from TumorSynthLib.composition import compose_part
from TumorSynthLib.errors import InputError
from TumorSynthLib.grid import Grid, box_of, canonical_axes, resample
from TumorSynthLib.host import HostBrain, read_mask
from TumorSynthLib.painting import Brain
from TumorSynthLib.realism.archives import read_archive, write_archive
from TumorSynthLib.realism.patches import LesionPatches, joined
from TumorSynthLib.sample import SAMPLE_BRAIN
from TumorSynthLib.synthesis import LesionSynthesizer, choose_device, choose_precision

PART = 250
# As wide as the lesions that painters learn from; of smaller ones hardly any can be judged.
SIZES_MM = "12:40"
LESIONS_PER_CASE = 3
WINDOW, PIXEL_MM = 64, 1.0
FEWEST_PIXELS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="default", help="whose lesions")
    parser.add_argument("--hosts", type=Path, nargs="*", default=[], help="healthy brains beside the sample brain")
    parser.add_argument("--count", type=int, default=5000, help="how many lesions")
    parser.add_argument("--sizes", default=SIZES_MM, help="diameters in mm, as in a cohort's recipe")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="archive to write (.npz)")
    chosen = parser.parse_args()
    try:
        recipe = recipe_for(chosen.bundle, chosen.hosts, chosen.sizes, chosen.seed)
        with one_thread():
            make_archive(recipe, chosen.count, chosen.out)
    except InputError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        sys.exit(2)


def recipe_for(bundle: str, hosts: Sequence[Path], sizes: str = SIZES_MM, seed: int = 0) -> Recipe:
    written = {"sizes": sizes, "seed": seed, "bundle": bundle, "lesions-per-case": LESIONS_PER_CASE}
    return Recipe.of({"hosts": [SAMPLE_BRAIN, *hosts], "cases": 1, "placement": "brain", **written})


def make_archive(recipe: Recipe, count: int, out: Path, part: int = PART) -> LesionPatches:
    """`count` lesions in one archive; what an earlier run left is taken over if recipe and bundle are the same."""
    if count < 1:
        raise InputError(f"--count {count}: at least one lesion is needed")
    folder = out.with_name(f"{out.name}.parts")
    folder.mkdir(parents=True, exist_ok=True)
    files, studio = [], _Studio(recipe)
    stamp = f"{recipe.checksum()[:12]}_{studio.bundle.checksum[:12]}"
    for number in range(-(-count // part)):
        size = min(part, count - number * part)
        file = folder / f"{stamp}_{number:04d}_{size}.npz"
        if not file.exists():
            began = time.perf_counter()
            _write_whole(file, joined(list(itertools.islice(studio.lesions(number), size))))
            print(f"part {number + 1}: {size} lesions in {time.perf_counter() - began:.0f} s", flush=True)
        files.append(file)
    made = joined([read_archive(file) for file in files])
    _write_whole(out, made)
    for file in files:
        file.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
    return made


def _write_whole(file: Path, patches: LesionPatches) -> None:
    draft = file.with_name(f"draft_{file.name}")
    write_archive(draft, patches)
    draft.replace(file)


@dataclass(frozen=True, eq=False)
class _Place:
    host: HostBrain
    brain: Brain
    terrain: Terrain


class _Studio:
    """The engine and the hosts, each made ready when it is first needed."""

    # No part runs into the next one's cases, however many of its lesions are too small to keep.
    CASES_OF_PART = 10_000

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        (name,) = recipe.bundle
        self.bundle = Bundle.find(name)
        self._places: dict[int, _Place] = {}
        self._synthesizer: LesionSynthesizer | None = None

    @property
    def synthesizer(self) -> LesionSynthesizer:
        if self._synthesizer is None:
            device = choose_device("cpu")
            self._synthesizer = LesionSynthesizer(self.bundle, device, choose_precision("auto", device))
        return self._synthesizer

    def place(self, number: int) -> _Place:
        if number not in self._places:
            entry = self.recipe.hosts[number]
            host = HostBrain.read(entry.image)
            given = Brain(read_mask(entry.brain_mask, host), "given", host.grid) if entry.brain_mask else None
            brain = given or self.synthesizer.find_brain(host)
            terrain = survey(host, brain.mask, keep_out=[], probability=None, points=None)
            self._places[number] = _Place(host, brain, terrain)
        return self._places[number]

    def lesions(self, part: int) -> Iterator[LesionPatches]:
        """Without end, and the same whichever parts were made before."""
        for case in itertools.count(part * self.CASES_OF_PART + 1):
            number = self.recipe.host_of(case)
            place = self.place(number)
            plan = plan_case(self.recipe, case, place.terrain, place.host.voxel_volume_mm3)
            requests = requests_of(plan)
            painted = [self.synthesizer.paint(place.host, place.brain, request) for request in requests]
            made = compose_part(place.host, place.brain, painted, [request.appearance for request in requests])
            image = made.on_host(place.host).image
            for label, lesion in enumerate(painted, 1):
                labelled = made.mask == label, place.host.grid.part(made.box)
                patch = cut(place.host, image, *labelled, lesion.white_matter, number, f"case {case} lesion {label}")
                if patch is not None:
                    yield patch


def cut(
    host: HostBrain, image: np.ndarray, mask: np.ndarray, part: Grid, white_matter: float, block: int, name: str
) -> LesionPatches | None:
    """The axial slice in which a lesion is largest, relative to the white matter around it; None if it is tiny. The
    image is on the host's grid, the mask on a part of it."""
    if not mask.any():
        return None
    window = _window(part, mask)
    labelled = resample(mask, part, window) >= 0.5
    if labelled.sum() < FEWEST_PIXELS:
        return None
    around = host.grid.box_covering(window, np.ones(window.shape, bool))
    grid = host.grid.part(around)
    made, base = (resample(host.normalized(v[around]), grid, window) / white_matter for v in (image, host.voxels))
    return LesionPatches(made, labelled, np.array([block]), (name,), base)


def _window(part: Grid, mask: np.ndarray) -> Grid:
    """One axial slice of 64 x 64 mm around the lesion, rows from front to back, columns from right to left."""
    axes = canonical_axes(part.affine)[:, (2, 1, 0)] * (1, -1, -1)
    box = box_of(mask)
    places = part.part(box).to_ras(np.argwhere(mask[box]))
    along = places @ axes
    height = np.round(along[:, 0] / PIXEL_MM)
    levels, counts = np.unique(height, return_counts=True)
    inside = along[height == levels[counts.argmax()]]
    middle = np.array([inside[:, 0].mean(), *((inside[:, 1:].min(0) + inside[:, 1:].max(0)) / 2)])
    affine = np.eye(4)
    affine[:3, :3] = axes * PIXEL_MM
    corner = axes @ (middle - (0, *(2 * [PIXEL_MM * (WINDOW - 1) / 2])))
    # On a voxel of the scan, so that one of 1 mm is not smoothed by resampling.
    affine[:3, 3] = part.to_ras(np.round(part.to_index(corner)))
    return Grid(affine, (1, WINDOW, WINDOW))


if __name__ == "__main__":
    main()
