"""One case's result, kept in step with its lesions by questions to the background."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from TumorSynthLib.background.messages import (
    CasePatch,
    CaseQuestion,
    ExportFormat,
    ExportTarget,
    Quality,
    WorkerError,
)
from TumorSynthLib.background.process import SynthesisProcess
from TumorSynthLib.background.tickets import Ticket
from TumorSynthLib.labelling import LesionFacts
from TumorSynthLib.scene import host_volume
from TumorSynthLib.scene.case import SceneCase

MOST_EXPORTS_OF_A_NAME = 10_000


class LiveResult:
    """Asks, applies what comes, and knows whether it still is what was asked for.

    A question waits for one underway of its own kind, so that something is shown however fast changes come; one of the
    other kind takes its place: a drag that begins before the full result came, or the end of a drag.
    """

    def __init__(self, worker: SynthesisProcess) -> None:
        self.worker = worker
        self.bundle, self.device = "default", "auto"
        self.on_changed: Callable[[], None] = lambda: None
        self.on_patch: Callable[[CasePatch], None] = lambda patch: None
        self.on_trouble: Callable[[WorkerError], None] = lambda error: None
        self._exports: list[Path] = []
        self._ticket: Ticket | None = None
        self._underway: CaseQuestion | None = None
        self._stale: Quality | None = None
        self.follow(None)

    def follow(self, case: SceneCase | None) -> None:
        """From here on for this case, which may have a result from before. Exports underway go on."""
        self._call_off()
        self.case = case
        self.latest: CasePatch | None = None
        self.complaint: str | None = None
        self.exported: Path | None = None
        self._shown: tuple | None = None

    # -- how it stands

    @property
    def at_work(self) -> bool:
        return self._underway is not None or bool(self._exports)

    @property
    def at_long_work(self) -> bool:
        """At work on what somebody may want to cancel: not on a preview, which ends with the drag."""
        return bool(self._exports) or (self._underway is not None and self._underway.quality == "full")

    @property
    def is_outdated(self) -> bool:
        """Whether the last full result is of other lesions, or of other weights, than there are now."""
        return self.case is not None and self._shown != self._wanted()

    def facts_of(self, number: int) -> LesionFacts | None:
        """What was measured of a lesion, when the latest patch shows it as it is now."""
        if self.latest is None or number >= len(self.latest.lesions) or number >= len(self.case.lesions):
            return None
        facts, state = self.latest.lesions[number], self.case.lesions[number].state
        same = facts.center_ras == state.center_ras and facts.radii_mm == state.radii_mm and facts.seed == state.seed
        return facts if same else None

    def accept(self) -> None:
        """What the scene shows now is the result of the lesions as they are."""
        self.complaint = self.latest = None
        self._shown = self._wanted()

    def outdate(self) -> None:
        """Somebody else changed what the scene shows."""
        self._shown = None

    def _wanted(self) -> tuple:
        states = tuple(replace(state, name="", visible=True) for state in self.case.states())
        return states, self.bundle, self.device

    def _question(self, quality: Quality) -> CaseQuestion:
        requests = tuple(state.request() for state in self.case.states())
        return CaseQuestion(requests, quality, self.bundle, self.device)

    # -- asking

    def ask(self, quality: Quality) -> None:
        """Asks for a patch of the lesions as they are now."""
        if not self.case.lesions:
            self._clear()
        elif self._underway is not None and self._underway.quality == quality:
            self._stale = quality
        else:
            self._send(quality)

    def cancel(self) -> None:
        self.worker.cancel()
        self._underway = self._stale = None
        self._exports.clear()

    def _call_off(self) -> None:
        if self._ticket is not None:
            self._ticket.cancel()
        self._underway = self._stale = self._ticket = None

    def _send(self, quality: Quality) -> None:
        question, wanted = self._question(quality), self._wanted()
        self._underway, self._stale = question, None
        self._ticket = self.worker.ask(
            question,
            lambda patch: self._arrived(patch, question, wanted),
            lambda error: self._failed(error, question),
        )

    def _arrived(self, patch: CasePatch, question: CaseQuestion, wanted: tuple) -> None:
        if self.case is None:
            return
        is_full = patch.quality == "full"
        self.complaint, self.latest = None, patch
        self.case.outputs.apply(patch, is_full)
        self._shown = wanted if is_full else None
        self.on_patch(patch)
        self._answered(question)

    def _failed(self, error: WorkerError, question: CaseQuestion) -> None:
        if error.kind == "input":
            self.complaint = error.message
        else:
            self._stale = None
            self.on_trouble(error)
        self._answered(question)

    def _answered(self, question: CaseQuestion) -> None:
        if question is self._underway:
            self._underway = None
            if self._stale and self.case is not None:
                self._send(self._stale)
        self.on_changed()

    def _clear(self) -> None:
        """Without lesions there is no result."""
        self._call_off()
        self.case.outputs.clear()
        self.accept()

    # -- files

    def export(self, parent: Path, format: ExportFormat = "nifti") -> Path:
        """Has the case written into a new folder in `parent`, named after the host."""
        name = re.sub(r"[^\w.-]+", "_", self.case.host.GetName()).strip("._") or "case"
        names = (f"{name}_synthetic", *(f"{name}_synthetic_{n}" for n in range(2, MOST_EXPORTS_OF_A_NAME)))
        folder = next(p for n in names if not (p := parent / n).exists() and p not in self._exports)
        parent.mkdir(parents=True, exist_ok=True)
        self._exports.append(folder)
        source = host_volume.dicom_files(self.case.host) if format == "dicom" else ()
        target = ExportTarget(str(folder), format, source)
        self.worker.export(
            self._question("full"), target, self._written, lambda error: self._not_written(folder, error)
        )
        return folder

    def _written(self, folder: Path) -> None:
        self._exports.remove(folder)
        self.exported = folder
        self.on_changed()

    def _not_written(self, folder: Path, error: WorkerError) -> None:
        self._exports.remove(folder)
        self.on_trouble(error)
        self.on_changed()
