"""Put a judge of realism, as a run has trained it, beside the others with its card:

python -m training.make_judge encoder --run runs/encoder --data DATA --evaluation encoder_figures.json
python -m training.make_judge segmenter --run runs/segment --data DATA
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import safetensors.torch
import torch

from TumorSynthLib.errors import InputError, ResourceError
from TumorSynthLib.realism.encoder import JUDGES_FOLDER, build_encoder
from TumorSynthLib.realism.segmenter import build_segmenter

from .make_bundle import network_from_run
from .model_card import judge_card, read_evaluation

# Each judge's task, as `training.train` calls it, and its network.
JUDGES: dict[str, tuple[str, Callable[[], torch.nn.Module]]] = {
    "encoder": ("encoder", build_encoder),
    "segmenter": ("segment", build_segmenter),
}


def make_judge(kind: str, run_folder: Path, data: Path, out: Path, evaluation: Path | None = None) -> Path:
    """Writes OUT/KIND.safetensors and OUT/KIND.md; returns the first. `evaluation` is as for a bundle."""
    if kind not in JUDGES:
        raise InputError(f"judge '{kind}' is unknown: choose one of {', '.join(JUDGES)}")
    task, build = JUDGES[kind]
    figures = read_evaluation(evaluation) if evaluation else []
    network = network_from_run(task, run_folder, data)
    if network.content is None:
        raise InputError(f"{run_folder} holds no weights")
    _check(kind, build(), network.content, run_folder)
    entry = network.entry | {"file": f"{kind}.safetensors", "upsampling": "-"}
    file = out / entry["file"]
    try:
        out.mkdir(parents=True, exist_ok=True)
        _replace(file, network.content)
        _replace(out / f"{kind}.md", judge_card(kind, task, entry, figures).encode())
    except OSError as problem:
        raise ResourceError(f"{out} cannot be written ({problem.strerror})") from problem
    return file


def _check(kind: str, network: torch.nn.Module, content: bytes, run_folder: Path) -> None:
    try:
        network.load_state_dict(safetensors.torch.load(content))
    except RuntimeError as problem:
        raise InputError(f"{run_folder} does not fit the {kind}: it was trained by another version") from problem


def _replace(file: Path, content: bytes) -> None:
    handle, draft = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(draft, 0o644)
        os.replace(draft, file)
    finally:
        Path(draft).unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=sorted(JUDGES))
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--data", type=Path, required=True, help="what the run was trained on; its checksum is noted")
    parser.add_argument("--evaluation", type=Path, metavar="FILE", help="JSON list of {what, figure, how}")
    parser.add_argument("--out", type=Path, default=JUDGES_FOLDER, help="the judges' folder (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        file = make_judge(chosen.kind, chosen.run, chosen.data, chosen.out, chosen.evaluation)
    except InputError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 2
    print(f"{file}  {file.stat().st_size} bytes, card {file.with_suffix('.md')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
