"""All that a user can set about one lesion, as one immutable value: saved with the scene, restored by undo."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields

from TumorSynthLib.errors import InputError
from TumorSynthLib.parameters import Appearance
from TumorSynthLib.spheres import ConcentricSpheres
from TumorSynthLib.synthesis import LesionRequest

VERSION = 1


@dataclass(frozen=True)
class LesionState:
    """`center_ras` is in the host's own RAS millimetres, before any transform that the host is under. Either
    `structure` or `values` says how grey levels run; both None is the default structure."""

    name: str
    center_ras: tuple[float, float, float]
    radii_mm: tuple[float, ...]
    structure: str | None = None
    values: tuple[float, ...] | None = None
    seed: int = 0
    appearance: Appearance = field(default_factory=Appearance)
    visible: bool = True

    @property
    def spheres(self) -> ConcentricSpheres:
        return ConcentricSpheres(self.center_ras, self.radii_mm, self.values, self.structure)

    def request(self) -> LesionRequest:
        return LesionRequest(self.spheres, self.seed, self.appearance)

    def to_json(self) -> str:
        return json.dumps({"version": VERSION, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> LesionState:
        """The state as saved; what is missing takes its default, so that scenes of older versions open."""
        try:
            saved = json.loads(text)
            known = {f.name: saved[f.name] for f in fields(cls) if f.name in saved}
            for name in ("center_ras", "radii_mm", "values"):
                if known.get(name) is not None:
                    known[name] = tuple(float(number) for number in known[name])
            finish = saved.get("appearance", {})
            appearance = Appearance(**{f.name: finish[f.name] for f in fields(Appearance) if f.name in finish})
            state = cls(**{**known, "appearance": appearance})
            state.request()
        except (ValueError, TypeError, AttributeError, InputError) as error:
            raise InputError(f"a lesion saved in the scene cannot be read ({error})") from None
        return state
