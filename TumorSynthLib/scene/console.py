"""Lesions by one call, for scripts: what the panel does, without a panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer

from TumorSynthLib.background.messages import CasePatch, CaseQuestion, WorkerError
from TumorSynthLib.background.process import SynthesisProcess
from TumorSynthLib.errors import InputError, ResourceError
from TumorSynthLib.scene import display, host_volume
from TumorSynthLib.scene.case import SceneCase
from TumorSynthLib.scene.lesion_state import LesionState
from TumorSynthLib.scene.sphere_handles import is_spheres_node, state_of
from TumorSynthLib.synthesis import SynthesizedCase

if TYPE_CHECKING:
    from TumorSynthLib.cohorts import CohortSummary
# What concerns the making of a cohort, not its recipe.
COHORT_OPTIONS = ("scheduler", "device", "precision", "resume", "overwrite", "progress", "cancelled")


def synthesize(
    worker: SynthesisProcess,
    volume: slicer.vtkMRMLScalarVolumeNode,
    spheres: slicer.vtkMRMLMarkupsFiducialNode | Sequence[slicer.vtkMRMLMarkupsFiducialNode],
    *,
    brain_mask: slicer.vtkMRMLNode | None = None,
    segment_id: str | None = None,
    bundle: str = "default",
    device: str = "auto",
    **fields: Any,
) -> tuple[SceneCase, SynthesizedCase]:
    """The volume's case with exactly these lesions, and its arrays. `fields` of LesionState (seed, structure, values,
    appearance) overrule what the nodes say. Waits until all is done."""
    reason = host_volume.why_not(volume)
    if reason:
        raise InputError(reason)
    case = SceneCase.of(volume)
    if brain_mask is not None:
        case.set_brain_mask(brain_mask, segment_id)
    host, brain = host_volume.host_of(volume), case.brain()
    nodes = [spheres] if isinstance(spheres, slicer.vtkMRMLNode) else list(spheres)
    states = tuple(_state(node, volume, number, fields) for number, node in enumerate(nodes, start=1))
    if brain is None:
        worker.use_host(host)
        mask, method = _answer(worker, worker.find_brain)
        case.keep_found_brain(mask, method)
        brain = case.brain()
    worker.use_host(host, brain.mask, brain.method)
    question = CaseQuestion(tuple(state.request() for state in states), "full", bundle, device)
    (patch,) = _answer(worker, lambda on_done, on_error: worker.ask(question, on_done, on_error))
    case.restore(states)
    case.outputs.apply(patch, final=True)
    display.show(case)
    return case, _whole(patch, host, brain.mask)


def generate_cohort(
    volumes: Sequence[slicer.vtkMRMLScalarVolumeNode], folder: str | Path, *, workers: int = 1, **options: Any
) -> CohortSummary:
    """A cohort of the volumes as hosts, with the brain masks chosen for them."""
    from TumorSynthLib.cohorts import HostEntry, Recipe, make_cohort

    hosts = []
    for volume in volumes:
        reason = host_volume.why_not(volume)
        if reason:
            raise InputError(reason)
        case = SceneCase.of(volume, create=False)
        brain = case.brain() if case is not None else None
        mask = brain.mask if brain is not None and brain.method == "given" else None
        hosts.append(HostEntry(host_volume.host_of(volume), brain_mask=mask))
    making = {name: options.pop(name) for name in COHORT_OPTIONS if name in options}
    return make_cohort(Recipe(hosts=hosts, **options), folder, workers=workers, **making)


def _state(
    node: slicer.vtkMRMLMarkupsFiducialNode, volume: slicer.vtkMRMLNode, number: int, fields: dict[str, Any]
) -> LesionState:
    if is_spheres_node(node):
        state = state_of(node)
        fields = {**({"values": None} if fields.get("structure") else {}), **fields}
        if fields.get("values"):
            fields = {"structure": None, **fields}
        state = replace(state, **fields)
    else:
        center, radii = _from_points(node, volume)
        state = LesionState(node.GetName() or f"Lesion {number}", center, radii, **fields)
    state.request()
    return state


def _from_points(node: slicer.vtkMRMLMarkupsNode, volume: slicer.vtkMRMLNode) -> tuple[tuple, tuple]:
    """A center and rims anywhere in the world, in the host's own RAS."""
    count = node.GetNumberOfControlPoints()
    if count < 3:
        raise InputError(f"'{node.GetName()}' has {count} points: give a center and two or more on the spheres' rims")
    points, world = [], [0.0, 0.0, 0.0]
    for number in range(count):
        node.GetNthControlPointPositionWorld(number, world)
        points.append(host_volume.to_host(volume, world))
    radii = np.sort(np.linalg.norm(np.array(points[1:]) - points[0], axis=1))[::-1]
    return tuple(points[0].tolist()), tuple(radii.tolist())


def _answer(worker: SynthesisProcess, ask: Any) -> tuple:
    """What comes back to one question, or the error it ended with."""
    answers: list[tuple] = []
    errors: list[WorkerError] = []
    ask(lambda *answer: answers.append(answer), errors.append)
    while not answers and not errors:
        worker.wait(0.05)
    if errors:
        raise (InputError if errors[0].kind == "input" else ResourceError)(errors[0].message)
    return answers[0]


def _whole(patch: CasePatch, host: Any, brain: np.ndarray) -> SynthesizedCase:
    """The patch on the whole of the host's grid."""
    image = host.voxels.copy(order="K")
    mask = np.zeros_like(host.voxels, patch.mask.dtype)
    levels = np.zeros_like(host.voxels, np.float32)
    image[patch.box], mask[patch.box], levels[patch.box] = patch.image, patch.mask, patch.intensity_map
    zone = image != host.voxels
    return SynthesizedCase(host, image, mask, levels, zone, brain, patch.lesions, dict(patch.provenance or {}))
