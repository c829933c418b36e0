"""`LesionSynthesizer`: a host and spheres in, a synthesized lesion out."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .bundle import Bundle
from .composition import CompositionMemory, compose
from .errors import InputError, ResourceError
from .host import HostBrain
from .labelling import LesionFacts
from .painting import Brain, PaintedLesion, check_place, generate
from .parameters import Appearance, check_seed
from .spheres import ConcentricSpheres

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16")
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class LesionRequest:
    """One lesion: its spheres, the seed that varies its shape and texture, and how it is finished."""

    spheres: ConcentricSpheres
    seed: int = 0
    appearance: Appearance = field(default_factory=Appearance)

    def __post_init__(self) -> None:
        check_seed(self.seed)


@dataclass(frozen=True, eq=False)
class SynthesizedCase:
    """A host with its lesions, everything on the host's own grid.

    `image` has the host's data type and intensity scale and equals it, bit for bit, outside `zone`. `mask` numbers
    the lesions 1..n; `intensity_map` holds their grey values. `provenance` is all it takes to make the case again.
    """

    host: HostBrain
    image: np.ndarray
    mask: np.ndarray
    intensity_map: np.ndarray
    zone: np.ndarray
    brain_mask: np.ndarray
    lesions: tuple[LesionFacts, ...]
    provenance: dict


class LesionSynthesizer:
    """Keeps the networks of one bundle warm, the brains of the hosts it saw, and what the last case lends to the next
    with another appearance. Not for several threads at once."""

    def __init__(self, bundle: Bundle, device: torch.device, precision: str) -> None:
        self.bundle, self.device, self.precision = bundle, device, precision
        self.networks = {kind: bundle.load(kind, device) for kind in ("mask", "map", "paint")}
        self._brain_network: torch.nn.Module | None = None
        self._brains: weakref.WeakKeyDictionary[HostBrain, Brain] = weakref.WeakKeyDictionary()
        self._memory = CompositionMemory()
        self._checksums: weakref.WeakKeyDictionary[Brain, str] = weakref.WeakKeyDictionary()

    @classmethod
    def from_bundle(cls, name: str = "default", device: str = "auto", precision: str = "auto") -> LesionSynthesizer:
        bundle = Bundle.find(name)
        chosen = choose_device(device)
        return cls(bundle, chosen, choose_precision(precision, chosen))

    def find_brain(self, host: HostBrain) -> Brain:
        """The host's brain, by network; found once per host."""
        if host not in self._brains:
            from .brain_mask import find_brain

            if self._brain_network is None:
                self._brain_network = self.bundle.load("brain", self.device)
            with self._inference():
                found = find_brain(host, self._brain_network, self.device)
            self._brains[host] = Brain(found.mask, found.method, host.grid)
        return self._brains[host]

    def synthesize(
        self,
        host: HostBrain,
        spheres: ConcentricSpheres,
        seed: int = 0,
        *,
        appearance: Appearance | None = None,
        brain_mask: np.ndarray | None = None,
    ) -> SynthesizedCase:
        """One lesion in a host."""
        request = LesionRequest(spheres, seed, appearance or Appearance())
        return self.synthesize_many(host, [request], brain_mask=brain_mask)

    def synthesize_many(
        self,
        host: HostBrain,
        requests: Sequence[LesionRequest],
        *,
        brain_mask: np.ndarray | None = None,
        progress: Progress | None = None,
    ) -> SynthesizedCase:
        """Several lesions in one host, painted in order."""
        if not requests:
            raise InputError("no lesion was asked for: give at least one")
        began = time.perf_counter()
        tell = progress or (lambda what, share: None)
        tell("finding the brain", 0.0)
        brain = self.brain_from(host, brain_mask) if brain_mask is not None else self.find_brain(host)
        for request in requests:
            check_place(host, brain, request.spheres)
        painted = []
        for number, request in enumerate(requests):
            tell(f"painting lesion {number + 1} of {len(requests)}", 0.1 + 0.8 * number / len(requests))
            painted.append(self.paint(host, brain, request))
        tell("blending", 0.9)
        case = self.finish(host, brain, painted, [r.appearance for r in requests], began)
        tell("done", 1.0)
        return case

    def paint(self, host: HostBrain, brain: Brain, request: LesionRequest) -> PaintedLesion:
        """The networks' part of one lesion."""
        check_place(host, brain, request.spheres)
        with self._inference():
            return generate(self.networks, host, brain, request.spheres, request.seed, self.device)

    def finish(
        self,
        host: HostBrain,
        brain: Brain,
        painted: Sequence[PaintedLesion],
        appearances: Sequence[Appearance],
        began: float | None = None,
    ) -> SynthesizedCase:
        """Finished lesions blended into the host; cheap to call again with other appearances."""
        from .provenance import describe

        began = time.perf_counter() if began is None else began
        made = compose(host, brain, painted, appearances, self._memory)
        provenance = describe(
            host=host,
            bundle=self.bundle,
            lesions=made.lesions,
            brain_checksum=self._checksum(brain),
            brain_method=brain.method,
            device=self.device,
            precision=self.precision,
            seconds=time.perf_counter() - began,
        )
        return SynthesizedCase(
            host, made.image, made.mask, made.intensity_map, made.zone, brain.mask, made.lesions, provenance
        )

    def _checksum(self, brain: Brain) -> str:
        from .provenance import mask_checksum

        if brain not in self._checksums:
            self._checksums[brain] = mask_checksum(brain.mask)
        return self._checksums[brain]

    @staticmethod
    def brain_from(host: HostBrain, mask: np.ndarray) -> Brain:
        """A brain mask made by the user."""
        mask = np.asarray(mask)
        if mask.shape != host.shape:
            raise InputError(f"brain mask of {mask.shape} voxels for a host of {host.shape}: give one on its grid")
        if not mask.any():
            raise InputError("the brain mask is empty: mark the brain with 1")
        return Brain(mask.astype(bool), "given", host.grid)

    @contextmanager
    def _inference(self) -> Iterator[None]:
        import torch

        low = self.precision == "bfloat16"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=low), _memory_errors():
            yield


def choose_device(name: str) -> torch.device:
    import torch

    if name not in DEVICES:
        raise InputError(f"device '{name}' is unknown: choose one of {', '.join(DEVICES)}")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(d for d, there in available.items() if there))
    if not available[name]:
        there = ", ".join(d for d, is_there in available.items() if is_there)
        raise ResourceError(f"device '{name}' is not available on this machine: it has {there}")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """'auto' takes half precision where the hardware computes in it, and single precision where it only pretends."""
    import torch

    if name not in PRECISIONS:
        raise InputError(f"precision '{name}' is unknown: choose one of {', '.join(PRECISIONS)}")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    if device.type == "cpu" and _cpu_computes_in_bfloat16():
        return "bfloat16"
    return "float32"


def _cpu_computes_in_bfloat16() -> bool:
    import torch

    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe and probe()) and os.environ.get("TUMORSYNTH_NO_BFLOAT16", "") == ""


@contextmanager
def _memory_errors() -> Iterator[None]:
    import torch

    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise ResourceError(
            "out of memory: a lesion needs about 1.5 GB beside the image; close other programs, or use --device cpu"
        ) from error
