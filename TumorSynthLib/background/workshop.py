"""Where the background process makes lesions: the engine, with a memory for what was made before."""

from __future__ import annotations

import gc
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from TumorSynthLib import provenance
from TumorSynthLib.composition import Composition, CompositionMemory, compose_part
from TumorSynthLib.grid import Grid, box_of
from TumorSynthLib.host import HostBrain
from TumorSynthLib.painting import Brain, PaintedLesion, check_place
from TumorSynthLib.parameters import Appearance
from TumorSynthLib.spheres import ConcentricSpheres
from TumorSynthLib.synthesis import LesionRequest, LesionSynthesizer

from .messages import CaseQuestion
from .wire import HostFiles

KEPT_HOSTS = 3
KEPT_SYNTHESIZERS = 3
KEPT_LESIONS = 64
KEPT_LESION_BYTES = 256 << 20

Tell = Callable[[str, float], None]
# Told whether much is still to be done; raises GivenUp when it is not wanted any more.
Check = Callable[[bool], None]


@dataclass(frozen=True, eq=False)
class CaseMade:
    part: Composition
    provenance: dict[str, Any] | None
    device: str
    painted: int


@dataclass(eq=False)
class _KnownHost:
    """A host, its brains by where they come from, and what its last answers lend to the next."""

    key: int
    host: HostBrain
    brains: dict[object, Brain] = field(default_factory=dict)
    checksums: dict[Brain, str] = field(default_factory=dict)
    memory: CompositionMemory = field(default_factory=CompositionMemory)
    # Lesions of the last full answer, by spheres and seed: a preview keeps their surroundings as they are.
    settled: frozenset[tuple[ConcentricSpheres, int]] = frozenset()

    def checksum_of(self, brain: Brain) -> str:
        if brain not in self.checksums:
            self.checksums[brain] = provenance.mask_checksum(brain.mask)
        return self.checksums[brain]


class Workshop:
    def __init__(self) -> None:
        self._hosts: OrderedDict[int, _KnownHost] = OrderedDict()
        self._synthesizers: OrderedDict[tuple[str, str], LesionSynthesizer] = OrderedDict()
        self._painted: OrderedDict[tuple, PaintedLesion] = OrderedDict()

    # -- warmth

    def warm(self, bundle: str, device: str) -> tuple[str, str]:
        """Everything that the first question would otherwise wait for. Returns the device in use and torch's version.

        A bundle or device that is not there is not reported here, but to the question that needs it.
        """
        import torch

        # Only its text: unpickling torch's own type of version would make the caller import torch.
        version = str(torch.__version__)
        try:
            synthesizer = self._synthesizer(bundle, device)
        except ValueError:
            return "", version
        _exercise(synthesizer)
        provenance.code_commit(), provenance.code_checksum(), provenance.library_versions()
        return str(synthesizer.device), version

    def free_memory(self) -> None:
        """What can be made again is let go."""
        import torch

        self._painted.clear()
        for known in self._hosts.values():
            known.memory = CompositionMemory()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    # -- questions

    def brain_of(self, files: HostFiles, bundle: str, device: str) -> Brain:
        return self._brain(self._known(files), files, self._synthesizer(bundle, device))

    def host_and_brain(self, files: HostFiles, question: CaseQuestion) -> tuple[HostBrain, Brain]:
        known = self._known(files)
        return known.host, self._brain(known, files, self._synthesizer(question.bundle, question.device))

    def make_case(self, files: HostFiles, question: CaseQuestion, tell: Tell, check: Check) -> CaseMade:
        began = time.perf_counter()
        synthesizer = self._synthesizer(question.bundle, question.device)
        known = self._known(files)
        if not question.requests:
            return CaseMade(_nothing(known.host), None, str(synthesizer.device), 0)
        is_full = question.quality == "full"
        if not known.brains:
            tell("finding the brain", 0.0)
        brain = self._brain(known, files, synthesizer)
        painted, networks_ran = self._paint_all(known, brain, question, synthesizer, tell, check)
        if is_full:
            tell("blending", 0.9)
            appearances = [r.appearance for r in question.requests]
        else:
            appearances = [_preview_of(r, known) for r in question.requests]
        made = compose_part(known.host, brain, painted, appearances, known.memory, lambda: check(False))
        if is_full:
            known.settled = frozenset((r.spheres, r.seed) for r in question.requests)
        record = self._record(known, brain, made, synthesizer, began) if is_full else None
        return CaseMade(_cropped(made, known.host), record, str(synthesizer.device), networks_ran)

    def _paint_all(
        self,
        known: _KnownHost,
        brain: Brain,
        question: CaseQuestion,
        synthesizer: LesionSynthesizer,
        tell: Tell,
        check: Check,
    ) -> tuple[list[PaintedLesion], int]:
        """All lesions of a question, those painted before from memory, and for how many the networks ran."""
        weights = synthesizer.bundle.checksum
        place = (known.key, known.checksum_of(brain), weights, str(synthesizer.device), synthesizer.precision)
        keys = [(*place, request.spheres, request.seed) for request in question.requests]
        new = [request for key, request in zip(keys, question.requests, strict=True) if key not in self._painted]
        for request in new:  # before the first is painted: a refusal should not come late
            check_place(known.host, brain, request.spheres)
        to_do = len(set(keys) - self._painted.keys())
        painted, networks_ran = [], 0
        for number, (key, request) in enumerate(zip(keys, question.requests, strict=True)):
            if key not in self._painted:
                check(to_do > 1)
                tell(f"painting lesion {number + 1} of {len(keys)}", 0.1 + 0.8 * number / len(keys))
                self._painted[key] = synthesizer.paint(known.host, brain, request)
                to_do, networks_ran = to_do - 1, networks_ran + 1
            self._painted.move_to_end(key)
            painted.append(self._painted[key])
        self._forget_oldest_lesions()
        return painted, networks_ran

    def _forget_oldest_lesions(self) -> None:
        while len(self._painted) > KEPT_LESIONS or sum(map(_bytes_of, self._painted.values())) > KEPT_LESION_BYTES:
            self._painted.popitem(last=False)

    def _record(
        self, known: _KnownHost, brain: Brain, made: Composition, synthesizer: LesionSynthesizer, began: float
    ) -> dict[str, Any]:
        return provenance.describe(
            host=known.host,
            bundle=synthesizer.bundle,
            lesions=made.lesions,
            brain_checksum=known.checksum_of(brain),
            brain_method=brain.method,
            device=synthesizer.device,
            precision=synthesizer.precision,
            seconds=time.perf_counter() - began,
        )

    # -- what is kept

    def _known(self, files: HostFiles) -> _KnownHost:
        key = files.voxels.key
        if key not in self._hosts:
            voxels = np.load(files.voxels.path, mmap_mode="r", allow_pickle=False)
            source = Path(files.source) if files.source else None
            self._hosts[key] = _KnownHost(key, HostBrain(voxels, files.affine, source, files.slope, files.intercept))
            while len(self._hosts) > KEPT_HOSTS:
                self._hosts.popitem(last=False)
        self._hosts.move_to_end(key)
        return self._hosts[key]

    def _brain(self, known: _KnownHost, files: HostFiles, synthesizer: LesionSynthesizer) -> Brain:
        """The brain that was given, or else the network's, which is found once for each set of weights."""
        if files.brain is None:
            weights = synthesizer.bundle.manifest["networks"]["brain"]["sha256"]
            by_network = (weights, str(synthesizer.device), synthesizer.precision)
            if by_network not in known.brains:
                known.brains[by_network] = synthesizer.find_brain(known.host)
            return known.brains[by_network]
        given = (files.brain.key, files.brain_method)
        if given not in known.brains:
            mask = np.load(files.brain.path, allow_pickle=False)
            # What the network found may come back from the caller: the same brain, and its provenance the same.
            same = (b for b in known.brains.values() if b.method != "given" and np.array_equal(b.mask, mask))
            known.brains[given] = next(same, None) or replace(
                synthesizer.brain_from(known.host, mask), method=files.brain_method
            )
        return known.brains[given]

    def _synthesizer(self, bundle: str, device: str) -> LesionSynthesizer:
        key = (bundle, device)
        if key not in self._synthesizers:
            self._synthesizers[key] = LesionSynthesizer.from_bundle(bundle, device)
            while len(self._synthesizers) > KEPT_SYNTHESIZERS:
                self._synthesizers.popitem(last=False)
        self._synthesizers.move_to_end(key)
        return self._synthesizers[key]


def _preview_of(request: LesionRequest, known: _KnownHost) -> Appearance:
    """Surroundings that would be pushed aside anew at every step stay as they are until the lesion comes to rest."""
    is_at_rest = (request.spheres, request.seed) in known.settled
    return request.appearance if is_at_rest else replace(request.appearance, mass_effect=0.0, oedema=0.0)


def _bytes_of(lesion: PaintedLesion) -> int:
    return sum(array.nbytes for array in vars(lesion).values() if isinstance(array, np.ndarray))


def _nothing(host: HostBrain) -> Composition:
    box = (slice(0, 0),) * 3
    none = np.zeros((0, 0, 0), np.uint8)
    return Composition(box, none.astype(host.voxels.dtype), none, none.astype(np.float32), (), none.astype(bool))


def _cropped(made: Composition, host: HostBrain) -> Composition:
    """Only as much as differs from the host."""
    inner = box_of((made.image != host.voxels[made.box]) | (made.mask > 0))
    box = tuple(slice(b.start + i.start, b.start + i.stop) for b, i in zip(made.box, inner, strict=True))
    parts = (a[inner].copy(order="K") for a in (made.image, made.mask, made.intensity_map))
    return Composition(box, *parts, made.lesions, made.zone[inner])  # type: ignore[arg-type]


def _exercise(synthesizer: LesionSynthesizer) -> None:
    """One lesion in a made-up brain: what is allocated and compiled on first use then is."""
    grid = Grid(np.diag([1.5, 1.5, 1.5, 1.0]), (64, 64, 64))
    brain = grid.squared_distance_mm2(np.full(3, 48.0)) < 40**2
    noise = np.random.default_rng(0).standard_normal(grid.shape, dtype=np.float32)
    host = HostBrain(np.where(brain, 400 + 10 * noise, 10 + noise).astype(np.int16), grid.affine)
    for radius in (8.0, 16.0):
        spheres = ConcentricSpheres((48, 48, 48), (radius, 0.7 * radius, 0.4 * radius))
        synthesizer.synthesize(host, spheres, brain_mask=brain)
