"""One host's lesions being edited: every change goes through here, is remembered for undo, and is painted in the
background. Knows no widgets; a timer of whoever has one calls `poll`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from TumorSynthLib.background.messages import CasePatch, ExportFormat, Quality, WorkerError
from TumorSynthLib.background.process import SynthesisProcess
from TumorSynthLib.background.tickets import Ticket
from TumorSynthLib.errors import InputError
from TumorSynthLib.painting import Brain
from TumorSynthLib.scene import host_volume, suggestion
from TumorSynthLib.scene.case import SceneCase
from TumorSynthLib.scene.history import History
from TumorSynthLib.scene.lesion_state import LesionState
from TumorSynthLib.scene.live_result import LiveResult
from TumorSynthLib.scene.sphere_handles import SphereHandles

NO_HOST = "choose a brain volume first"

States = tuple[LesionState, ...]


class LesionEditor:
    """Chooses a host, edits its lesions, asks for patches and applies them.

    While a lesion is dragged, previews are asked for one at a time, each with the spheres as they are by then; the end
    of a gesture (`settle`) asks for the full result and is one step of undo.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, worker: SynthesisProcess) -> None:
        self.scene, self.worker = scene, worker
        self.case: SceneCase | None = None
        self.chosen: SphereHandles | None = None
        self.brain: Brain | None = None
        self.refusal: str | None = NO_HOST
        self.result = LiveResult(worker)
        self.live = True
        self.on_changed: Callable[[], None] = lambda: None
        self.result.on_changed = lambda: self.on_changed()
        self._histories: dict[str, History[States]] = {}
        self._unsettled = False
        self._search: Ticket | None = None

    @property
    def on_patch(self) -> Callable[[CasePatch], None]:
        """Told of every patch, once it is shown."""
        return self.result.on_patch

    @on_patch.setter
    def on_patch(self, listener: Callable[[CasePatch], None]) -> None:
        self.result.on_patch = listener

    @property
    def on_trouble(self) -> Callable[[WorkerError], None]:
        """Told of what no change of the lesions can mend."""
        return self.result.on_trouble

    @on_trouble.setter
    def on_trouble(self, listener: Callable[[WorkerError], None]) -> None:
        self.result.on_trouble = listener

    # -- host and brain

    def choose_host(self, node: slicer.vtkMRMLVolumeNode | None) -> None:
        if self.case is not None and node is self.case.host:
            return
        self.release()
        self.refusal = host_volume.why_not(node)
        if self.refusal is None:
            self.case = SceneCase.of(node)
            self.result.follow(self.case)
            self.case.on_changed = self._changed_from_outside
            self._take_up_lesions()
            self._history()
            self._mark(self.case.lesions[0] if self.case.lesions else None)
            self.refresh_brain()
        self.on_changed()

    def release(self) -> None:
        """Lets go of the host; its lesions stay in the scene as they are."""
        if self._search is not None:
            self._search.cancel()
        if self.case is not None:
            self.case.on_changed = _ignore
            for handles in self.case.lesions:
                handles.active = False
                handles.on_edit = handles.on_grabbed = _ignore
        self.result.follow(None)
        self.case = self.chosen = self.brain = None
        self._search, self._unsettled = None, False
        self.refusal = NO_HOST

    def choose_brain_mask(self, node: slicer.vtkMRMLNode | None, segment_id: str | None = None) -> None:
        """A labelmap or segment as the brain; None has it found by network."""
        if self.case is not None:
            self.case.set_brain_mask(node, segment_id)
            self.refresh_brain()
            self.on_changed()

    def refresh_brain(self) -> None:
        """Takes the brain chosen or found before, or begins to look for it."""
        self.refusal = self.result.complaint = None
        try:
            host = host_volume.host_of(self.case.host)
            self.brain = self.case.brain()
        except InputError as error:
            self.brain, self.refusal = None, str(error)
            return
        if self.brain is None:
            self.worker.use_host(host)
            self._search = self.worker.find_brain(self._brain_found, self._trouble)
        else:
            self.worker.use_host(host, self.brain.mask, self.brain.method)
            if self.live and self.result.is_outdated:
                self.ask("full")

    @property
    def finding_brain(self) -> bool:
        return self._search is not None

    def _brain_found(self, mask: np.ndarray, method: str) -> None:
        self._search = None
        if self.case is not None:
            self.case.keep_found_brain(mask, method)
            self.brain = self.case.brain()
            if self.case.lesions and self.live:
                self.ask("full")
        self.on_changed()

    def _changed_from_outside(self, what: str) -> None:
        """Somebody changed or removed a node of this case by other means than this editor."""
        if what == "removed" or not self.case.is_alive:
            self.release()
        elif what == "host":
            host = self.case.host
            self._histories.pop(self.case.node.GetID(), None)  # old states hold places from before a host moved
            self.release()
            self.choose_host(host)
        elif what == "lesions":
            if self.chosen not in self.case.lesions:
                self._mark(self.case.lesions[0] if self.case.lesions else None)
            self._changed()
        else:
            self.result.outdate()
        self.on_changed()

    def take_up(self, case: SceneCase) -> None:
        """A script gave this host other lesions, with their result."""
        if case is self.case:
            self._take_up_lesions()
            self._mark(case.lesions[0] if case.lesions else None)
            self._history().record(case.states())
            self.result.accept()
            self.on_changed()

    def _take_up_lesions(self) -> None:
        for handles in self.case.lesions:
            handles.on_edit, handles.on_grabbed = self._dragged, self.choose

    # -- what can be done now

    @property
    def why_not_place(self) -> str | None:
        if self.refusal:
            return self.refusal
        return "the brain is still being looked for" if self.brain is None else None

    @property
    def why_not_apply(self) -> str | None:
        if self.refusal:
            return self.refusal
        if not self.case.lesions:
            return "place a lesion first"
        if self.complaint:
            return self.complaint
        return None if self.result.is_outdated else "the result is up to date"

    @property
    def why_not_export(self) -> str | None:
        if self.refusal:
            return self.refusal
        if not self.case.lesions:
            return "place a lesion first"
        return self.complaint

    @property
    def brain_volume_ml(self) -> float:
        return self.brain.volume_mm3 / 1000

    @property
    def at_long_work(self) -> bool:
        return self.finding_brain or self.result.at_long_work

    @property
    def at_work(self) -> bool:
        return self.finding_brain or self.result.at_work

    def use_engine(self, bundle: str, device: str) -> None:
        if (bundle, device) != (self.result.bundle, self.result.device):
            self.result.bundle, self.result.device = bundle, device
            if self.live and self.case is not None:
                self.ask("full")
            self.on_changed()

    def retry(self) -> None:
        """Begins again what could not be done before, once what was missing is there."""
        if self.case is not None:
            self.refresh_brain()

    # -- lesions

    def place(self, world_ras: Sequence[float], structure: str | None = "ring", seed: int = 0) -> SphereHandles:
        """A new lesion where the user pointed, of a size that fits there."""
        point = host_volume.to_host(self.case.host, world_ras)
        center, radii = suggestion.suggested_spheres(self.brain, host_volume.host_of(self.case.host), point)
        return self.add(LesionState(self.case.unused_name(), center, radii, structure, seed=seed))

    def place_at_random(self, chance: np.random.Generator, structure: str | None = "ring") -> SphereHandles:
        host = host_volume.host_of(self.case.host)
        others = [state.spheres for state in self.case.states()]
        center, radii = suggestion.random_spheres(self.brain, host, chance, others)
        seed = int(chance.integers(2**31))
        return self.add(LesionState(self.case.unused_name(), center, radii, structure, seed=seed))

    def add(self, state: LesionState) -> SphereHandles:
        handles = self.case.add(state)
        self._take_up_lesions()
        self._mark(handles)
        self.jump()
        self._changed()
        return handles

    def duplicate(self) -> SphereHandles | None:
        """The chosen lesion once more, beside itself and with the next seed."""
        if self.chosen is None:
            return None
        state = self.chosen.state
        others = [other.spheres for other in self.case.states()]
        center = suggestion.place_beside(self.brain, host_volume.host_of(self.case.host), state.spheres, others)
        return self.add(
            replace(state, name=self.case.unused_name(), center_ras=center, seed=state.seed + 1, visible=True)
        )

    def delete(self, handles: SphereHandles | None = None) -> None:
        handles = handles or self.chosen
        if handles is None:
            return
        number = self.case.lesions.index(handles)
        self.case.remove(handles)
        left = self.case.lesions
        self._mark(left[min(number, len(left) - 1)] if left else None)
        self._changed()

    def choose(self, handles: SphereHandles | None, jump: bool = False) -> None:
        self._mark(handles)
        if jump:
            self.jump()
        self.on_changed()

    def jump(self) -> None:
        """All slice views to the chosen lesion's center."""
        if self.chosen is not None:
            world = host_volume.to_world(self.case.host, self.chosen.state.center_ras)
            for node in slicer.util.getNodesByClass("vtkMRMLSliceNode", self.scene):
                node.JumpSliceByOffsetting(*world)

    def _mark(self, handles: SphereHandles | None) -> None:
        for other in self.case.lesions:
            other.active = other is handles
        self.chosen = handles

    def change(self, handles: SphereHandles | None = None, *, finished: bool = True, **fields: Any) -> None:
        """Sets fields of a lesion's state; not `finished` while a slider moves, until `settle`."""
        handles = handles or self.chosen
        if handles is None:
            return
        state = replace(handles.state, **fields)
        state.request()  # refuses what cannot be, before anything changes
        if state != handles.state:
            only_appearance = replace(state, appearance=handles.state.appearance) == handles.state
            handles.state = state
            self._changed(finished, preview="full" if only_appearance else "preview")

    def new_variation(self) -> None:
        """The same spheres with the next seed."""
        if self.chosen is not None:
            self.change(seed=self.chosen.state.seed + 1)

    def settle(self) -> None:
        """Ends a gesture: from here back to where it began is one step of undo."""
        if self._unsettled:
            self._changed()

    def _dragged(self, handles: SphereHandles, finished: bool) -> None:
        self._changed(finished)

    def _changed(self, finished: bool = True, preview: Quality = "preview") -> None:
        self.case.outputs.relabel()
        self.result.complaint = self.result.exported = None
        self._unsettled = not finished
        if finished:
            self._history().record(self.case.states())
        if self.live:
            self.ask("full" if finished else preview)
        self.on_changed()

    # -- undo

    def _history(self) -> History[States]:
        """Each host has its own."""
        key = self.case.node.GetID()
        if key not in self._histories:
            self._histories[key] = History()
            self._histories[key].record(self.case.states())
        return self._histories[key]

    @property
    def can_undo(self) -> bool:
        return self.case is not None and self._history().can_undo

    @property
    def can_redo(self) -> bool:
        return self.case is not None and self._history().can_redo

    def undo(self) -> None:
        self.settle()
        if self.can_undo:
            self._restore(self._history().undo())

    def redo(self) -> None:
        if self.can_redo:
            self._restore(self._history().redo())

    def _restore(self, states: States) -> None:
        number = self.case.lesions.index(self.chosen) if self.chosen in self.case.lesions else 0
        self.case.restore(states)
        self._take_up_lesions()
        left = self.case.lesions
        self._mark(left[min(number, len(left) - 1)] if left else None)
        self.result.complaint = None
        if self.live:
            self.ask("full")
        self.on_changed()

    def forget_history(self) -> None:
        self._histories.clear()

    # -- the result

    @property
    def latest(self) -> CasePatch | None:
        return self.result.latest

    @property
    def complaint(self) -> str | None:
        """Why there is no result of the lesions as they are."""
        return self.result.complaint

    def complain(self, why: str) -> None:
        """Says why a wish could not be met; it stays until the next change."""
        self.result.complaint = why
        self.on_changed()

    def apply(self) -> None:
        self.ask("full")
        self.on_changed()

    def ask(self, quality: Quality) -> None:
        """Has the result follow. While the brain is being looked for it waits for that."""
        if self.brain is not None and not self.refusal:
            self.result.ask(quality)

    def export(self, parent: Path, format: ExportFormat = "nifti") -> Path:
        """Has the case written into a new folder in `parent`, as the command line does."""
        folder = self.result.export(parent, format)
        self.on_changed()
        return folder

    def cancel(self) -> None:
        self.result.cancel()
        self._search = None
        self.on_changed()

    def poll(self) -> bool:
        """Takes what the background has for us; whether more is to come."""
        return self.worker.poll()

    def _trouble(self, error: WorkerError) -> None:
        self._search = None
        self.on_trouble(error)
        self.on_changed()


def _ignore(*_: object) -> None:
    """What happens to a host that is not being edited."""
