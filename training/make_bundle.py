"""Make a bundle of weights from training runs:

python -m training.make_bundle default --mask runs/mask --map runs/map --paint runs/paint --brain runs/brain --data DATA
python -m training.make_bundle heterogeneous --map runs/map_transposed --share default --data DATA

A network that is not given stays as it is in a bundle made before, or comes from the bundle named by --share. The
bundle is written whole or not at all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from TumorSynthLib.bundle import FORMAT, MANIFEST, WEIGHTS_FOLDER, Bundle
from TumorSynthLib.errors import InputError, ResourceError
from TumorSynthLib.networks import NETWORKS, NetworkKind, UpSampling

from .data_sets import data_facts
from .loop import averaged_weights
from .model_card import CARD, EVALUATION, model_card, read_evaluation

DESCRIPTIONS = {
    "default": "Maps up-sampled by interpolation and convolution: smooth transitions between grey levels",
    "heterogeneous": "Maps up-sampled by transposed convolution; all other networks are those of the default bundle",
}
_REPOSITORY = Path(__file__).resolve().parent.parent
_CODE = ("TumorSynthLib", "training")
_NAME = re.compile("[A-Za-z][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Network:
    """A network on its way into a bundle: its entry in the manifest, and its file's content unless it is shared."""

    entry: dict[str, Any]
    content: bytes | None = None


def make_bundle(
    name: str,
    runs: Mapping[NetworkKind, Path],
    out: Path = WEIGHTS_FOLDER,
    *,
    data: Path | None = None,
    share: str | None = None,
    description: str | None = None,
    evaluation: Path | None = None,
) -> Bundle:
    target = out / name
    if not _NAME.fullmatch(name):
        raise InputError(
            f"'{name}' cannot name a bundle: letters, digits, '.', '_' and '-' can, beginning with a letter"
        )
    before = _bundle_at(target)
    shared = _bundle_to_share(out, name, share)
    networks = {kind: _network(kind, runs.get(kind), data, shared, before) for kind in NETWORKS}
    manifest = {
        "format": FORMAT,
        "name": name,
        "description": description or (before and before.description) or DESCRIPTIONS.get(name, name),
        "licence": "Apache-2.0",
        "networks": {kind: network.entry for kind, network in networks.items()},
    }
    figures = _evaluation(evaluation, manifest, before)
    try:
        with _replaced(target) as folder:
            _write(folder, manifest, networks, figures)
            _check(folder)
    except OSError as problem:
        raise ResourceError(f"{target} cannot be written ({problem.strerror})") from problem
    return Bundle.find(target)


def _bundle_at(folder: Path) -> Bundle | None:
    """The bundle that is to be replaced. One that is damaged is replaced as if there were none."""
    with suppress(InputError):
        return Bundle.find(folder)
    return None


def _bundle_to_share(out: Path, name: str, share: str | None) -> Bundle | None:
    if share is None:
        return None
    if share == name or not (out / share / MANIFEST).is_file():
        raise InputError(f"--share {share}: there is no other bundle of that name in {out}; make it first")
    bundle = Bundle.find(out / share)
    bundle.verify()
    return bundle


def _network(
    kind: NetworkKind, run: Path | None, data: Path | None, shared: Bundle | None, before: Bundle | None
) -> Network:
    if run is not None:
        if data is None:
            raise InputError("--data is missing: give the folder, or CSV, that the runs were trained on")
        made = network_from_run(kind, run, data)
        is_same = shared is not None and shared.manifest["networks"][kind]["sha256"] == made.entry["sha256"]
        return _shared(kind, shared, made.entry) if shared and is_same else made
    # What a bundle has of its own is what makes it another bundle: sharing the rest must not replace it.
    if before is not None and (shared is None or before.file_of(kind).parent == before.folder):
        return _kept(kind, before)
    if shared is not None:
        return _shared(kind, shared, shared.manifest["networks"][kind])
    raise InputError(f"--{kind} is missing: give its run folder, or --share with a bundle to take it from")


def _shared(kind: NetworkKind, shared: Bundle, entry: dict[str, Any]) -> Network:
    file = shared.file_of(kind)
    return Network(entry | {"file": f"../{file.parent.name}/{file.name}"})


def _kept(kind: NetworkKind, before: Bundle) -> Network:
    file, entry = before.file_of(kind), before.manifest["networks"][kind]
    content = before.content_of(kind)
    return Network(entry, content if file.parent == before.folder else None)


def network_from_run(kind: str, run: Path, data: Path) -> Network:
    """What a run of the task `kind` has learnt so far, in half precision, with all that is known of its making."""
    facts = _run_facts(kind, run)
    try:
        weights, done = averaged_weights(run)
    except FileNotFoundError:
        raise InputError(f"{run} has no checkpoint.ckpt yet: the first is written after a few minutes") from None
    content = safetensors.torch.save({name: _half(name, value, run) for name, value in weights.items()})
    upsampling: UpSampling = facts["preset"].get("upsampling", "upsampling+convolution")
    entry = {
        "file": f"{kind}.safetensors",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "upsampling": upsampling,
        "parameters": sum(value.numel() for value in weights.values()),
        "data": data_facts(kind, data),
        "run": facts
        | {"folder": run.resolve().name, "steps_done": done["step"], "seconds": round(done["seconds"], 1)}
        | {"losses": done["losses"], "code": facts.get("code") or code_version()},
    }
    return Network(entry, content)


def _run_facts(kind: str, run: Path) -> dict[str, Any]:
    file = run / "run.json"
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{file} is missing: python -m training.train {kind} --out {run} writes it, also for a run that is done"
        ) from None
    if facts["network"] != kind:
        raise InputError(f"--{kind} {run}: this run trained the {facts['network']} network")
    return facts


def _half(name: str, value: torch.Tensor, run: Path) -> torch.Tensor:
    half = value.detach().to(torch.float16).contiguous()
    if not torch.isfinite(half).all():
        raise InputError(f"{run}: weights '{name}' are not finite in half precision; the training has failed")
    return half


def code_version() -> dict[str, Any]:
    """Which code made this, as far as the machine can tell; a copy without its history has a version only."""
    import TumorSynthLib

    changes = _git("status", "--porcelain", "--", *_CODE)
    return {
        "version": getattr(TumorSynthLib, "__version__", None),
        "commit": _git("rev-parse", "--verify", "--quiet", "HEAD"),
        "described": _git("describe", "--tags", "--always"),
        "uncommitted_changes": None if changes is None else bool(changes),
    }


def _git(*command: str) -> str | None:
    try:
        done = subprocess.run(["git", *command], cwd=_REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _evaluation(file: Path | None, manifest: dict[str, Any], before: Bundle | None) -> list[dict[str, str]]:
    """The figures given, or those the bundle had, which hold for the very same weights only."""
    if file is not None:
        return read_evaluation(file)
    if before is None or not (before.folder / EVALUATION).is_file():
        return []
    if replace(before, manifest=manifest).checksum != before.checksum:
        print(f"figures in {before.folder / EVALUATION} belong to other weights and are left out", file=sys.stderr)
        return []
    return read_evaluation(before.folder / EVALUATION)


@contextmanager
def _replaced(target: Path) -> Iterator[Path]:
    """A new folder that takes the place of `target` once it is filled, and vanishes if that fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        part.chmod(0o755)
        yield part
        old = part.with_name(part.name + ".old")
        if target.exists():
            target.rename(old)
        try:
            part.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(
    folder: Path, manifest: dict[str, Any], networks: Mapping[str, Network], figures: list[dict[str, str]]
) -> None:
    for network in networks.values():
        if network.content is not None:
            _write_file(folder / network.entry["file"], network.content)
    _write_file(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    if figures:
        _write_file(folder / EVALUATION, (json.dumps(figures, indent=1, ensure_ascii=False) + "\n").encode())
    _write_file(folder / CARD, model_card(manifest, figures).encode())


def _write_file(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _check(folder: Path) -> None:
    """The bundle is loaded as its users will load it before it takes its name."""
    bundle = Bundle.find(folder)
    for kind in NETWORKS:
        bundle.load(kind)


def bundles_made_stale(out: Path) -> list[str]:
    """Bundles that share a file which has since been replaced."""
    stale = []
    for manifest in sorted(out.glob(f"[!.]*/{MANIFEST}")):
        try:
            Bundle.find(manifest.parent).verify()
        except InputError:
            stale.append(manifest.parent.name)
    return stale


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    runs = {kind: getattr(chosen, kind) for kind in NETWORKS if getattr(chosen, kind) is not None}
    try:
        bundle = make_bundle(
            chosen.name, runs, chosen.out, data=chosen.data, share=chosen.share,
            description=chosen.description, evaluation=chosen.evaluation,
        )  # fmt: skip
    except InputError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 2
    for kind, entry in bundle.manifest["networks"].items():
        run = entry["run"]
        print(f"{kind:6} {entry['file']:32} {entry['bytes']:9} bytes  step {run['steps_done']}/{run['steps']}")
    print(f"bundle '{bundle.name}' in {chosen.out / bundle.name}, checksum {bundle.checksum}")
    for stale in bundles_made_stale(chosen.out):
        print(f"bundle '{stale}' shares files that have changed: make it again", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name of the bundle, for example default")
    for kind in NETWORKS:
        parser.add_argument(f"--{kind}", type=Path, metavar="RUN", help=f"run folder of the {kind} network")
    parser.add_argument("--data", type=Path, help="what the runs were trained on; its checksums go into the manifest")
    parser.add_argument("--share", metavar="BUNDLE", help="refer to this bundle's files instead of copying them")
    parser.add_argument("--description", help="one sentence")
    parser.add_argument("--evaluation", type=Path, metavar="FILE", help="JSON list of {what, figure, how}")
    parser.add_argument("--out", type=Path, default=WEIGHTS_FOLDER, help="the weights folder (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
