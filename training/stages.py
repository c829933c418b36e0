"""What a run was before it went on under other settings, or other code: its checkpoint knows nothing of that."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

_SETTINGS = ("preset_name", "preset", "changes", "steps", "seed", "precision", "code")


def continued(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What run.json is to say of the run in `folder` that is to go on as `facts` say: settings and code of each stage
    before, how far it got, what it began with, what a person remarked. With nothing left to train nothing changes."""
    now = json.loads(json.dumps(facts))
    file, checkpoint = folder / "run.json", folder / "checkpoint.ckpt"
    if not (file.exists() and checkpoint.exists()):
        return now
    before = json.loads(file.read_text(encoding="utf-8"))
    done = torch.load(checkpoint, map_location="cpu", weights_only=True)["step"]
    if done >= now["steps"]:
        return before
    stages = list(before.get("earlier", []))
    is_another = any(before.get(name) != now.get(name) for name in _SETTINGS)
    if is_another and done > (stages[-1]["steps_done"] if stages else 0):
        stages.append({"steps_done": done} | {name: before.get(name) for name in _SETTINGS})
    now["start"] = now.get("start") or before.get("start")
    return now | {k: v for k, v in (("earlier", stages), ("remark", before.get("remark"))) if v}


def told(stage: Mapping[str, Any]) -> str:
    """One stage in a line of a card."""
    words = ["--preset", stage["preset_name"], "--steps", str(stage["steps"])]
    for change in stage.get("changes") or ():
        words += ["--change", change]
    words += ["--seed", str(stage["seed"]), "--precision", stage["precision"]]
    code = stage.get("code") or {}
    by = f", code of commit {code['commit'][:7]}" if code.get("commit") else ""
    dirty = " with changes" if by and code.get("uncommitted_changes") else ""
    return f"to step {stage['steps_done']} with `{shlex.join(words)}`{by}{dirty}"
