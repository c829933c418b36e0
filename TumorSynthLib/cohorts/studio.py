"""Where cases are made: one process's networks, hosts and their terrains, each loaded once."""

from __future__ import annotations

import io
import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import provenance
from ..bundle import Bundle
from ..errors import InputError
from ..host import HostBrain, read_mask
from ..painting import Brain
from . import case_writing
from .files import read_json, writing
from .hosts import HostEntry
from .layout import CohortPaths
from .planning import CasePlan, plan_case
from .recipe import Recipe
from .records import LesionRecord, read_records
from .terrain import Terrain, survey

if TYPE_CHECKING:
    from ..synthesis import LesionRequest, LesionSynthesizer, SynthesizedCase

# Networks compute on one thread in cohorts: how numbers are rounded may hang on the number of threads, and as many
# processes as there are cores are faster than one process with as many threads.
THREADS = 1
HOSTS_KEPT = 2


@contextmanager
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True, eq=False)
class PreparedHost:
    """A host with its brain and the places in it."""

    entry: HostEntry
    host: HostBrain
    brain: Brain
    terrain: Terrain


class Studio:
    """Prepares hosts and makes cases of the cohort in a folder. Call it within `one_thread`."""

    def __init__(self, root: Path) -> None:
        self.paths = CohortPaths(Path(root))
        self.recipe = Recipe.of(read_json(self.paths.recipe), self.paths.root)
        self.digest = self.recipe.checksum()
        self._machine: dict[str, Any] | None = None
        self._synthesizers: dict[str, LesionSynthesizer] = {}
        self._hosts: OrderedDict[int, PreparedHost] = OrderedDict()
        self._records: list[LesionRecord] | None = None

    # -- the machine

    def describe_machine(self, device: str, precision: str) -> dict[str, Any]:
        """What this process computes with, once 'auto' is settled."""
        import torch

        from ..synthesis import choose_device, choose_precision

        chosen = choose_device(device)
        bundles = {name: Bundle.find(name) for name in sorted(self.recipe.bundle)}
        brains = {bundle.manifest["networks"]["brain"]["sha256"] for bundle in bundles.values()}
        if len(brains) > 1:
            raise InputError(f"bundles {', '.join(bundles)} find brains by different networks: use one of them")
        capability = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else "cpu"
        return {
            "device": str(chosen),
            "precision": choose_precision(precision, chosen),
            "threads": THREADS,
            "bundles": {name: bundle.checksum for name, bundle in bundles.items()},
            "processor": f"{capability} {torch.backends.cpu.get_cpu_capability()}",
            "code": provenance.code_checksum(),
            "libraries": provenance.library_versions(),
        }

    @property
    def machine(self) -> dict[str, Any]:
        """What the cohort is made with, as its first run recorded it."""
        if self._machine is None:
            self._machine = read_json(self.paths.machine)
        return self._machine

    def synthesizer(self, bundle: str) -> LesionSynthesizer:
        from ..synthesis import LesionSynthesizer

        if bundle not in self._synthesizers:
            device, precision = self.machine["device"], self.machine["precision"]
            self._synthesizers[bundle] = LesionSynthesizer.from_bundle(bundle, device.split(":")[0], precision)
        return self._synthesizers[bundle]

    # -- hosts

    def prepare(self, number: int, save: bool = True) -> list[str]:
        """Finds the brain of a host and surveys it, once for the whole cohort if it is saved; returns what a person
        should know about the host."""
        entry = self.recipe.hosts[number]
        host = HostBrain.read(entry.image)
        if self.recipe.format == "dicom":
            from ..dicom.case import check_dicom

            check_dicom(host, keep_identity=self.recipe.keep_identity)
        if entry.brain_mask is not None:
            brain = Brain(read_mask(entry.brain_mask, host), "given", host.grid)
        else:
            brain = self.synthesizer(min(self.recipe.bundle)).find_brain(host)
        terrain = survey(
            host,
            brain.mask,
            keep_out=[file for file in (self.recipe.keep_out, entry.keep_out) if file],
            probability=(entry.map or self.recipe.map) if self.recipe.placement == "map" else None,
            points=(entry.points or self.recipe.points) if self.recipe.placement == "points" else None,
        )
        self._keep(number, PreparedHost(entry, host, brain, terrain))
        if save:
            _save(self.paths.prepared_host(number), provenance.host_checksum(host), brain, terrain)
        return list(host.notes)

    def prepared(self, number: int) -> PreparedHost:
        """A host that `prepare` has seen, here or in another process."""
        if number not in self._hosts:
            entry = self.recipe.hosts[number]
            host = HostBrain.read(entry.image)
            self._keep(number, PreparedHost(entry, host, *_load(self.paths.prepared_host(number), host)))
        self._hosts.move_to_end(number)
        return self._hosts[number]

    @property
    def fresh(self) -> set[int]:
        """Hosts at hand in this process."""
        return set(self._hosts)

    def _keep(self, number: int, prepared: PreparedHost) -> None:
        self._hosts[number] = prepared
        while len(self._hosts) > HOSTS_KEPT:
            self._hosts.popitem(last=False)

    # -- cases

    def plan(self, case: int) -> CasePlan:
        if self._records is None:
            self._records = read_records(self.recipe.records) if self.recipe.records else []
        prepared = self.prepared(self.recipe.host_of(case))
        return plan_case(self.recipe, case, prepared.terrain, prepared.host.voxel_volume_mm3, self._records)

    def synthesize(self, plan: CasePlan) -> SynthesizedCase:
        synthesizer, prepared = self.synthesizer(plan.bundle), self.prepared(plan.host)
        requests = requests_of(plan)
        painted = [synthesizer.paint(prepared.host, prepared.brain, request) for request in requests]
        return synthesizer.finish(prepared.host, prepared.brain, painted, [r.appearance for r in requests])

    def make(self, case: int) -> None:
        """One case, from its number to its folder."""
        plan = self.plan(case)
        made = self.synthesize(plan)
        mask_file = self.prepared(plan.host).entry.brain_mask
        if isinstance(mask_file, Path):
            made = replace(made, provenance=provenance.with_brain_file(made.provenance, mask_file))
        writer = case_writing.writer_for(self.recipe.format, self.recipe.keep_identity)
        case_writing.write_case(made, self.paths, case, self._cohort_facts(plan), writer)

    def _cohort_facts(self, plan: CasePlan) -> dict[str, Any]:
        """What a sidecar says of the cohort that its case belongs to."""
        return {
            "recipe": self.digest,
            "seed": self.recipe.seed,
            "case": plan.case,
            "host": plan.host + 1,
            "patient": self.recipe.hosts[plan.host].patient,
            "placed_by": [lesion.placed_by for lesion in plan.lesions],
            "records": [lesion.record for lesion in plan.lesions] if self.recipe.records else None,
        }


def requests_of(plan: CasePlan) -> list[LesionRequest]:
    from ..synthesis import LesionRequest

    return [LesionRequest(lesion.spheres, lesion.seed, lesion.appearance) for lesion in plan.lesions]


def plan_as_dict(plan: CasePlan) -> dict[str, Any]:
    return provenance.plain(asdict(plan))


# -- prepared hosts on disk


def _save(path: Path, checksum: str, brain: Brain, terrain: Terrain) -> None:
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        host=np.array(checksum),
        method=np.array(brain.method),
        shape=np.array(brain.mask.shape),
        brain=np.packbits(brain.mask.ravel(order="F")),
        **terrain.arrays(),
    )
    with writing(path):
        path.parent.mkdir(exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=f"{path.stem}.", dir=path.parent.parent / "drafts")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(packed.getbuffer())
                stream.flush()
                os.fsync(descriptor)
            os.replace(draft, path)
        finally:
            Path(draft).unlink(missing_ok=True)


def _load(path: Path, host: HostBrain) -> tuple[Brain, Terrain]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
        if str(arrays.pop("host")) != provenance.host_checksum(host):
            raise InputError(f"{host.source}: changed since this cohort was begun; put the same image back")
        shape, bits = tuple(arrays.pop("shape")), arrays.pop("brain")
        mask = np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape, order="F")
        return Brain(np.asfortranarray(mask), str(arrays.pop("method")), host.grid), Terrain(**arrays)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise InputError(f"{path}: damaged; remove it, and go on with --resume") from error
