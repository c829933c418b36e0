"""What a run was before it went on under other settings, or other code: its checkpoint knows nothing of that."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

_SETTINGS = ("preset_name", "preset", "changes", "steps", "seed", "precision", "code")


def earlier_stages(folder: Path, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of the run in `folder`, which is to go on as `facts` say: settings and code of each stage, and how far it got."""
    file, checkpoint = folder / "run.json", folder / "checkpoint.ckpt"
    if not (file.exists() and checkpoint.exists()):
        return []
    before = json.loads(file.read_text(encoding="utf-8"))
    stages = list(before.get("earlier", []))
    if any(before.get(name) != facts.get(name) for name in _SETTINGS):
        done = torch.load(checkpoint, map_location="cpu", weights_only=True)["step"]
        stages.append({"steps_done": done} | {name: before.get(name) for name in _SETTINGS})
    return stages


def told(stage: Mapping[str, Any]) -> str:
    """One stage in a line of a card."""
    words = ["--preset", stage["preset_name"], "--steps", str(stage["steps"])]
    for change in stage.get("changes") or ():
        words += ["--change", change]
    code = stage.get("code") or {}
    by = f", code of commit {code['commit'][:7]}" if code.get("commit") else ""
    dirty = " with changes" if by and code.get("uncommitted_changes") else ""
    return f"to step {stage['steps_done']} with `{shlex.join(words)}`{by}{dirty}"
