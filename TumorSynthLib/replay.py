"""The same case again: requests out of a provenance file, and whether everything they need is still the same."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import provenance
from .errors import InputError
from .lesion_lists import LesionPlan
from .parameters import Appearance, check_seed
from .spheres import STRUCTURES, ConcentricSpheres, Structure

if TYPE_CHECKING:
    from .bundle import Bundle
    from .host import HostBrain

MOST_THREADS = 1024
FREE_VALUES = "free"  # the name that ConcentricSpheres gives to values that follow no named structure
_AS_WRITTEN = "give the file as TumorSynth wrote it"
_COMPARED = ("device", "precision", "threads", "processor")


@dataclass(frozen=True)
class Recipe:
    """A case's record, read as instructions."""

    path: Path
    record: Mapping[str, Any]
    plans: tuple[LesionPlan, ...]

    @classmethod
    def read(cls, path: Path) -> Recipe:
        record = provenance.read(path)
        try:
            plans = tuple(_plan(lesion) for lesion in record["lesions"])
            recipe = cls(path, record, plans)
            recipe._touch()
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f"{path}: changed or damaged ({error!r}); {_AS_WRITTEN}") from None
        if not plans:
            raise InputError(f"{path}: lists no lesion; give the provenance.json of a case")
        return recipe

    def _touch(self) -> None:
        """Fails here, not half-way, where a part of the record is missing or of another kind."""
        for key in ("host", "bundle", "brain_mask", "libraries"):
            _expect(isinstance(self.record[key], Mapping), key, self.record[key], "an object")
        texts = {f"{part}.checksum": self.record[part].get("checksum") for part in ("host", "bundle", "brain_mask")}
        texts |= {"bundle.name": self.record["bundle"].get("name")}
        texts |= {key: self.record[key] for key in ("device", "precision")}
        for key, value in texts.items():
            _expect(isinstance(value, str) and value != "", key, value, "a text")
        for part in ("host", "brain_mask"):
            file = self.record[part].get("file")
            is_path = isinstance(file, str) and "\0" not in file
            _expect(file is None or is_path, f"{part}.file", file, "a path, or null")
        networks = self.record["bundle"].get("networks")
        _expect(networks is None or isinstance(networks, Mapping), "bundle.networks", networks, "an object")
        is_count = isinstance(self.threads, int) and not isinstance(self.threads, bool)
        fits = is_count and 1 <= self.threads <= MOST_THREADS
        _expect(fits, "threads", self.threads, f"a whole number from 1 to {MOST_THREADS}")

    @property
    def host_file(self) -> Path | None:
        file = self.record["host"].get("file")
        return Path(file) if file else None

    @property
    def brain_mask_file(self) -> Path | None:
        file = self.record["brain_mask"].get("file")
        return Path(file) if file else None

    @property
    def uses_given_mask(self) -> bool:
        return self.record["brain_mask"].get("method") == "given"

    @property
    def bundle_name(self) -> str:
        return self.record["bundle"]["name"]

    @property
    def device(self) -> str:
        return self.record["device"].split(":")[0]

    @property
    def precision(self) -> str:
        return self.record["precision"]

    @property
    def threads(self) -> int:
        return self.record["threads"]

    @property
    def format(self) -> str:
        return str(self.record.get("format", "nifti"))

    @property
    def keep_identity(self) -> bool:
        dicom = self.record.get("dicom")
        return isinstance(dicom, Mapping) and dicom.get("keep_identity") is True

    # -- what must be the same

    def check_host(self, host: HostBrain) -> None:
        if provenance.host_checksum(host) != self.record["host"]["checksum"]:
            raise InputError(
                f"{host.source}: not the host that {self.path} was made from (other voxels or grid);"
                " give the same image with --host FILE"
            )

    def check_bundle(self, bundle: Bundle) -> None:
        here = provenance.describe_bundle(bundle)
        if here["checksum"] == self.record["bundle"]["checksum"]:
            return
        recorded = self.record["bundle"].get("networks") or {}
        other = [kind for kind, checksum in here["networks"].items() if recorded.get(kind) != checksum]
        which = f" (its networks {', '.join(other)} differ)" if other else ""
        raise InputError(
            f"bundle '{bundle.name}' is not the one that {self.path} was made with{which};"
            " give that bundle's folder with --bundle FOLDER"
        )

    def check_brain_mask(self, mask: np.ndarray, file: Path | None) -> None:
        if provenance.mask_checksum(mask) == self.record["brain_mask"]["checksum"]:
            return
        if file is not None:
            raise InputError(
                f"{file}: not the brain mask that {self.path} was made with; give the same with --brain-mask"
            )
        raise InputError(
            f"the brain mask found here is not the one that {self.path} was made with;"
            " use the recorded device and library versions"
        )

    # -- what may change the last digit

    def differences(self, here: Mapping[str, Any]) -> list[str]:
        """What is not as recorded, of all that can change how numbers are rounded."""
        pairs = [(name, self.record.get(name), here[name]) for name in _COMPARED]
        libraries = self.record["libraries"]
        pairs += [(name, libraries.get(name), version) for name, version in here["libraries"].items()]
        pairs.append(("TumorSynth", _code(self.record["tool"]), _code(here["tool"])))
        return [f"{name} {now} instead of {then}" for name, then, now in pairs if then != now]

    def same_voxels(self, written: Mapping[str, Any]) -> bool | None:
        """Whether the results are those recorded; None where the record does not say."""
        recorded = self.record.get("outputs")
        return _by_name(recorded) == _by_name(written["outputs"]) if recorded else None


def _expect(is_right: bool, key: str, value: object, right: str) -> None:
    if not is_right:
        shown = "is missing" if value is None else f"{textwrap.shorten(repr(value), 60)} is wrong"
        raise InputError(f"{key} {shown}: it must be {right}; {_AS_WRITTEN}")


def _by_name(outputs: Mapping[str, str]) -> dict[str, str]:
    """Checksums of voxels, whatever format they were written in."""
    return {name.split(".")[0]: checksum for name, checksum in outputs.items()}


def _code(tool: Mapping[str, Any]) -> str:
    return f"{tool.get('version')} (code {str(tool.get('code'))[:8]})"


def _plan(lesion: Mapping[str, Any]) -> LesionPlan:
    known = {field.name for field in fields(Appearance)}
    appearance = {name: value for name, value in lesion["appearance"].items() if name in known}
    if len(appearance) != len(known):
        raise InputError(f"a lesion without {', '.join(sorted(known - set(appearance)))}")
    spheres = ConcentricSpheres(lesion["center_ras"], lesion["radii_mm"], **_structure(lesion))
    _check_structure(lesion, spheres.resolved_structure)
    return LesionPlan(spheres, "ras", check_seed(lesion["seed"]), Appearance(**appearance))


def _structure(lesion: Mapping[str, Any]) -> dict[str, Any]:
    """Values or structure, whichever was chosen: a record carries the values that a structure led to."""
    name = lesion["structure"]
    if name in STRUCTURES:
        return {"structure": name}
    if name != FREE_VALUES:
        raise InputError(f"structure {name!r} was made in Python; make this case again there")
    return {"values": lesion["values"]}


def _check_structure(lesion: Mapping[str, Any], here: Structure) -> None:
    """A structure that somebody made in Python may bear the name of one of ours."""
    for key in ("values", "heterogeneity", "darkest", "brightest"):
        then, now = lesion.get(key), getattr(here, key)
        then = tuple(then) if isinstance(then, Sequence) else then
        if key in lesion and then != now:
            raise InputError(
                f"structure '{here.name}' with {key} {then} instead of {now} was made in Python, or by another version"
                " of TumorSynth; make this case again there"
            )
