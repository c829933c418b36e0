"""Asking the background process and waiting for what it says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from TumorSynthLib import Appearance, ConcentricSpheres, LesionRequest
from TumorSynthLib.background.messages import CasePatch, CaseQuestion, WorkerError
from TumorSynthLib.background.process import SynthesisProcess
from TumorSynthLib.background.tickets import Ticket

PATIENCE_S = 120.0
CALM = Appearance(mass_effect=0, oedema=0)


def lesion(right: float = 20.0, radius: float = 6.0, seed: int = 3, **appearance: float) -> LesionRequest:
    spheres = ConcentricSpheres((right, -20.0, 20.0), (radius, 0.7 * radius, 0.4 * radius))
    return LesionRequest(spheres, seed, Appearance(**appearance))


@dataclass
class Asked:
    """A question, and all that came back for it."""

    ticket: Ticket | None = None
    patches: list[CasePatch] = field(default_factory=list)
    errors: list[WorkerError] = field(default_factory=list)

    @property
    def patch(self) -> CasePatch:
        assert len(self.patches) == 1, self.errors
        return self.patches[0]

    @property
    def error(self) -> WorkerError:
        assert len(self.errors) == 1 and not self.patches
        return self.errors[0]


def ask(process: SynthesisProcess, *requests: LesionRequest, quality: str = "full", **options: str) -> Asked:
    asked = Asked()
    question = CaseQuestion(requests, quality, **options)
    asked.ticket = process.ask(question, asked.patches.append, asked.errors.append)
    return asked


def answer(process: SynthesisProcess, *requests: LesionRequest, quality: str = "full", **options: str) -> Asked:
    asked = ask(process, *requests, quality=quality, **options)
    assert process.wait(PATIENCE_S)
    return asked


def poll_until(process: SynthesisProcess, condition: Callable[[], bool], seconds: float = PATIENCE_S) -> float:
    """Polls as a window's timer does; the seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it does not come"
        process.poll()
        time.sleep(0.005)
    return time.monotonic() - began


def whole(host_voxels: np.ndarray, patch: CasePatch) -> np.ndarray:
    """The host with the patch in it."""
    image = host_voxels.copy()
    image[patch.box] = patch.image
    return image
