"""The model card of a bundle, or of a judge of realism, written from manifests and measured figures: no number in it is
typed by hand."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from TumorSynthLib.errors import InputError

from .stages import told

CARD = "MODEL_CARD.md"
EVALUATION = "evaluation.json"
_FIGURE_KEYS = {"what", "figure", "how"}

_PURPOSE = {
    "mask": "`G_binary`: brain and spheres to a lesion's mask (3D)",
    "map": "`G_quantize`: mask and spheres to an intensity map of three grey levels (3D)",
    "paint": "`G_syn`: paints the map into the scan, slice by slice (2D)",
    "brain": "outlines the brain, first coarsely, then finely (3D)",
    "encoder": "turns a lesion into features, between which distances are measured (2D)",
    "segment": "outlines lesions (2D)",
}

_INTRODUCTION = """\
# Model card: TumorSynth bundle `{name}`

{description}.

## What it is
Four networks that put a synthetic tumour into a brain MRI. A person places concentric spheres; the networks make a
mask of that size at that place, an intensity map with that inner structure, and paint the map into the scan. The fourth
finds the brain.

## Intended use
Research, teaching and data augmentation: reader studies with known truth, training and testing of detection and
segmentation. **Not for diagnosis, treatment or any other decision about a patient.** Images made with it are synthetic
and have to be labelled so wherever they go; every file that TumorSynth writes says it.

## Method
The chain from concentric spheres over mask and intensity map to painted slices follows the idea of patent
US 12,394,187 B2; credit for that idea is its authors'; code and weights are our own. The brain network learns
from heads of random contrast, an idea of SynthSeg (Billot et al., Medical Image Analysis 86:102789, 2023). Mask and map
networks learn from procedural lesions of exact volume and are then judged, slice by slice, against outlines and grey
levels of real lesions. The painter learns to put real lesions back where they were hidden.
"""

_JUDGE = """\
# Model card: TumorSynth's {name}, a judge of realism

{about}

It has learnt from training patients only. Figures are of development patients; untouched ones (see
`training/slices.py`) took no part.

## Intended use
Measuring how far synthetic lesions differ from real ones (`tumorsynth realism`). **Not for diagnosis, treatment or any
other decision about a patient.** It takes no part in making lesions, unless it is used as a loss in training; lesions
made that way must not be praised by its own figures.
"""

_ABOUT_JUDGES = {
    "encoder": """\
A small convolutional network ({parameters} parameters) that looks at slices of 64 pixels of 1 mm, relative to white
matter. The means of its later stages over a lesion and its rim are the lesion's features. Trained from nothing, without
labels: two views of one lesion are to look alike while features vary and do not repeat each other (VICReg, Bardes et
al. 2022). Views differ in shift, quarter turns, flips, contrast and a hidden box, never in blur or noise. Of a further
view, blurred or made noisier inside the lesion, it has to tell by how much, so that texture is not lost on it. Outlines
of lesions only tell where to look.""",
    "segment": """\
A small 2D U-Net ({parameters} parameters) that outlines lesions in slices of 1 mm, relative to white matter. Trained
from nothing on real lesions only and then frozen. What it finds of a synthetic lesion, against what it finds of real
ones it has not seen, tells how far masks mark what they say; the idea follows Qu et al.""",
}

_JUDGES_LIMITATIONS = """\
- It has seen thick two-dimensional slices of one collection, T1-weighted with contrast agent (glioma, meningioma,
  pituitary tumours). On other sequences, scanners and kinds of lesion it is no measure.
- Volumes are judged by their slices.
- Small, and trained for minutes: a judge that finds no difference is no proof that there is none. Its figures count
  beside their controls and beside the two-sample tests only.
"""

_LIMITS_OF_COLLECTION = """\
- All real lesions seen in training are thick two-dimensional slices of one collection, T1-weighted with contrast agent.
  Three-dimensional shape is procedural. Other sequences get lesions that look as on T1 with contrast agent.
- The collection holds glioma, meningioma and pituitary tumours. Metastases and lymphoma are not in it, and nothing here
  claims to look like a given histology.
"""

_LIMITATIONS = """\
- Grey levels follow rank and contrast, not physics: there is no perfusion, diffusion or calcification.
- Near the brain's surface shapes become flat. In very anisotropic scans edges are less natural.
- A trained classifier may tell synthetic from real lesions; the evaluation says how far where it was measured. What is
  trained on synthetic lesions alone may learn what is synthetic about them.
- The brain network knows the anatomy of its label maps. Heads far from these may be outlined badly: look at the brain
  mask, or give your own.
"""


def read_evaluation(file: Path) -> list[dict[str, str]]:
    """Figures as measurement commands write them: a list of {"what", "figure", "how"}, all of them texts."""
    try:
        figures = json.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError(f"{file} cannot be read ({problem.strerror})") from problem
    except ValueError as problem:
        raise InputError(f"{file} is not JSON ({problem})") from problem
    if not isinstance(figures, list) or not all(map(_is_figure, figures)):
        raise InputError(f'{file} must be a list of {{"what": text, "figure": text, "how": text}}')
    return figures


def _is_figure(figure: Any) -> bool:
    return (
        isinstance(figure, dict)
        and set(figure) == _FIGURE_KEYS
        and all(isinstance(text, str) and text.strip() for text in figure.values())
    )


def model_card(manifest: dict[str, Any], figures: list[dict[str, str]]) -> str:
    networks: dict[str, dict[str, Any]] = manifest["networks"]
    sections = [
        _INTRODUCTION.format(name=manifest["name"], description=manifest["description"].rstrip(".")),
        _data_section(networks),
        _networks_section(networks),
        _remarks_section(networks),
        _losses_section(networks),
        _evaluation_section(figures),
        _limitations_section(networks),
        _licence_section(manifest),
        _commands_section(manifest),
    ]
    return "\n".join(section for section in sections if section)


def judge_card(name: str, kind: str, entry: dict[str, Any], figures: list[dict[str, str]]) -> str:
    """Of the judge `name` that the task `kind` has trained; `entry` is as a network's in a bundle's manifest."""
    networks = {kind: entry}
    about = _ABOUT_JUDGES[kind].format(parameters=entry["parameters"])
    command = f"python -m training.make_judge {name} --run runs/{shlex.quote(entry['run']['folder'])} --data DATA"
    sections = [
        _JUDGE.format(name=name, about=about),
        _data_section(networks, "judge"),
        _networks_section(networks),
        f"sha256 of {entry['file']}: `{entry['sha256']}`\n",
        _remarks_section(networks),
        _losses_section(networks),
        _evaluation_section(figures),
        f"## Limitations\n{_JUDGES_LIMITATIONS}",
        _licence_section({"networks": networks, "licence": "Apache-2.0"}),
        _again_section([_training_command(kind, entry["run"]), command]),
    ]
    return "\n".join(section for section in sections if section)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _data_sets(networks: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each data set once, with the networks that learnt from it. Bytes that differ make another data set."""
    found: dict[str, dict[str, Any]] = {}
    for kind, entry in networks.items():
        for data in entry["data"]:
            key = f"{data['name']} {data.get('sha256', '')}"
            found.setdefault(key, data | {"networks": []})["networks"].append(kind)
    return found


def _data_section(networks: dict[str, dict[str, Any]], delivered: str = "bundle") -> str:
    head = ["data", "attribution", "licence", "used for", "sha256"]
    rows = []
    for data in _data_sets(networks).values():
        checksum = f"`{data['sha256']}` ({data['sha256_of']})" if "sha256" in data else "-"
        rows.append([data["title"], data["attribution"], data["licence"], ", ".join(data["networks"]), checksum])
    return f"## Training data\nThe data themselves are not part of the {delivered}.\n\n{_table(head, rows)}"


def _networks_section(networks: dict[str, dict[str, Any]]) -> str:
    head = ["network", "what it does", "preset", "steps", "time", "seed", "up-sampling", "parameters", "file", "bytes"]
    rows = []
    for kind, entry in networks.items():
        run = entry["run"]
        steps = f"{run['steps_done']} of {run['steps']}"
        time = f"{run['seconds'] / 60:.1f} min"
        rows.append(
            [kind, _PURPOSE[kind], run["preset_name"], steps, time, str(run["seed"]), entry["upsampling"]]
            + [str(entry["parameters"]), entry["file"], str(entry["bytes"])]
        )
    return (
        "## How each network was trained\n"
        "Weights are exponential moving averages over the steps, stored in half precision (float16).\n\n"
        f"{_table(head, rows)}\n{_machines(networks)}"
    )


def _machines(networks: dict[str, dict[str, Any]]) -> str:
    rows = []
    for kind, entry in networks.items():
        run, code = entry["run"], entry["run"]["code"]
        state = {True: "with uncommitted changes", False: "unchanged", None: "unknown"}[code["uncommitted_changes"]]
        commit = code["commit"] or "none"
        rows.append(
            [kind, run["machine"], str(run["threads"]), run["precision"], run["torch"], str(code["version"])]
            + [commit, state]
        )
    head = ["network", "machine", "CPU threads", "precision", "torch", "code version", "commit", "state of the code"]
    return _table(head, rows)


def _remarks_section(networks: dict[str, dict[str, Any]]) -> str:
    """How runs departed from their commands: what a run.json's `remark` owns up to, and stages under other settings."""
    lines = []
    for kind, entry in networks.items():
        if entry["run"].get("remark"):
            lines.append(f"- {kind}: {entry['run']['remark']}\n")
        if stages := entry["run"].get("earlier"):
            lines.append(f"- {kind} ran in {len(stages) + 1} stages, each resuming the one before:\n")
            lines += [f"  - {told(stage)}\n" for stage in stages]
            lines.append("  - then as the command below, which alone, from the start, would give other weights\n")
    return "### Remarks on the runs\n" + "".join(lines) if lines else ""


def _losses_section(networks: dict[str, dict[str, Any]]) -> str:
    rows = [
        [kind, ", ".join(f"{name} {value:.3g}" for name, value in entry["run"]["losses"].items()) or "-"]
        for kind, entry in networks.items()
    ]
    return (
        "### Losses of the last step\nOne batch each, so they scatter; curves are in the runs' TensorBoard logs.\n\n"
        + _table(["network", "losses"], rows)
    )


def _evaluation_section(figures: list[dict[str, str]]) -> str:
    if not figures:
        return "## Evaluation\nNone was recorded for these weights.\n"
    rows = [[figure["what"], figure["figure"], figure["how"]] for figure in figures]
    return "## Evaluation\n" + _table(["what", "figure", "how it was measured"], rows)


def _limitations_section(networks: dict[str, dict[str, Any]]) -> str:
    uses_collection = any(data["name"] == "cheng_t1c_2d" for data in _data_sets(networks).values())
    return "## Limitations\n" + (_LIMITS_OF_COLLECTION if uses_collection else "") + _LIMITATIONS


def _licence_section(manifest: dict[str, Any]) -> str:
    found = _data_sets(manifest["networks"]).values()
    data = {d["attribution"]: d["licence"] for d in found if "sha256" in d}
    credits = "".join(f"- {attribution} ({licence})\n" for attribution, licence in data.items())
    return (
        f"## Licence\nThe weights are under {manifest['licence']}, like the code. Whoever passes them on passes on "
        f"these attributions too:\n{credits}"
    )


def _commands_section(manifest: dict[str, Any]) -> str:
    own = {kind: entry for kind, entry in manifest["networks"].items() if not entry["file"].startswith("../")}
    sharing = sorted({Path(e["file"]).parts[1] for k, e in manifest["networks"].items() if k not in own})
    lines = [_training_command(kind, entry["run"]) for kind, entry in own.items()]
    runs = " ".join(f"--{kind} runs/{shlex.quote(entry['run']['folder'])}" for kind, entry in own.items())
    shares = "".join(f" --share {shlex.quote(name)}" for name in sharing)
    lines.append(f"python -m training.make_bundle {shlex.quote(manifest['name'])} {runs} --data DATA{shares}".rstrip())
    shared = "".join(f"The shared networks' commands are in ../{name}/{CARD}.\n" for name in sharing)
    return _again_section(lines, shared)


def _again_section(commands: list[str], shared: str = "") -> str:
    block = "\n".join(commands)
    return (
        "## Making it again\nDATA is a folder as `training/README.md` describes. Another number of threads, another "
        "processor or another release of torch rounds differently, so that weights come out alike but not identical.\n"
        f"{shared}```\n{block}\n```\n"
    )


def _training_command(kind: str, run: dict[str, Any]) -> str:
    words = ["python", "-m", "training.train", kind, "--preset", run["preset_name"]]
    words += ["--data", "DATA", "--out", f"runs/{run['folder']}"]
    if run["steps"] != run["preset"].get("steps"):
        words += ["--steps", str(run["steps"])]
    for change in run.get("changes", ()):
        words += ["--change", change]
    if run.get("start"):
        words += ["--start", Path(run["start"]["file"]).name]
    words += ["--seed", str(run["seed"]), "--precision", run["precision"], "--threads", str(run["threads"])]
    stopped = run["steps_done"] < run["steps"]
    return shlex.join(words) + (f"   # stopped after step {run['steps_done']}" if stopped else "")
