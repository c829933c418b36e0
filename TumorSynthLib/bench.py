"""How fast, how exact: measured in one run on the machine at hand, against the numbers the design holds us to."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from .grid import Grid
from .host import HostBrain
from .painting import Brain
from .parameters import Appearance
from .spheres import STRUCTURES, ConcentricSpheres
from .synthesis import LesionRequest, LesionSynthesizer

HOST_SHAPE = (256, 256, 180)
RADII = (14.0, 11.0, 7.0)
PLAIN = Appearance(mass_effect=0, oedema=0)


@dataclass(frozen=True)
class Row:
    what: str
    median: float
    low: float
    high: float
    unit: str
    limit: str
    repeats: int


def bench_host() -> HostBrain:
    """A made-up head: smooth tissue in an ellipsoid, noise everywhere. Speed does not depend on anatomy."""
    rng = np.random.default_rng(0)
    grid = Grid(np.diag([-0.9, -0.9, 1.0, 1.0]), HOST_SHAPE)
    middle = (np.array(HOST_SHAPE) - 1) / 2
    inside = grid.squared_distance_mm2(grid.to_ras(middle), np.array([70.0, 88.0, 65.0])) < 1
    tissue = ndimage.gaussian_filter(rng.standard_normal([n // 4 for n in HOST_SHAPE]).astype(np.float32), 1.5)
    tissue = 400 + 60 * np.kron(tissue / tissue.std(), np.ones((4, 4, 4), np.float32))
    values = np.where(inside, tissue, 20) + 12 * rng.standard_normal(HOST_SHAPE, dtype=np.float32)
    # Laid out in memory as a NIfTI file's voxels are.
    return HostBrain.from_array(np.asfortranarray(np.clip(values, 0, 4095).astype(np.int16)), grid.affine)


def bench_brain(host: HostBrain) -> Brain:
    middle = host.ijk_to_ras((np.array(host.shape) - 1) / 2)
    inside = host.grid.squared_distance_mm2(middle, np.array([66.0, 84.0, 60.0])) < 1
    return Brain(inside, "made up", host.grid)


def measured(action: Callable[[], object], repeats: int) -> np.ndarray:
    action()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return np.array(times) * 1000


def speed_rows(synthesizer: LesionSynthesizer, repeats: int) -> list[Row]:
    host = bench_host()
    brain = bench_brain(host)
    center = tuple(host.ijk_to_ras((np.array(host.shape) - 1) / 2 + (20, -25, 10)))
    request = LesionRequest(ConcentricSpheres(center, RADII, structure="ring"), 1, Appearance(smoothing_mm=0.5))
    painted = synthesizer.paint(host, brain, request)
    turn = iter(range(10**9))

    def new_value(low: float, high: float) -> float:
        """Never one from before, which the synthesizer would remember."""
        return low + (high - low) * (next(turn) * GOLDEN_SHARE % 1)

    def dragged() -> LesionRequest:
        offset = np.array([new_value(-6, 6), new_value(-6, 6), 0])
        return replace(request, spheres=replace(request.spheres, center_ras=tuple(center + offset)))

    def preview() -> object:
        return synthesizer.paint(host, brain, dragged())

    def full() -> object:
        return synthesizer.finish(host, brain, [synthesizer.paint(host, brain, dragged())], [request.appearance])

    def finish() -> object:
        other = replace(request.appearance, contrast=new_value(0.8, 1.4))
        return synthesizer.finish(host, brain, [painted], [other])

    def push() -> object:
        other = replace(request.appearance, mass_effect=new_value(0.2, 0.8))
        return synthesizer.finish(host, brain, [painted], [other])

    def reference() -> object:
        return ndimage.gaussian_filter(host.voxels.astype(np.float32), 1.0)

    rows = []
    for what, action, limit in (
        ("preview (mask, map, painted)", preview, "< 150"),
        ("full lesion, 256 x 256 x 180, warm", full, "< 600, goal 250"),
        ("new contrast, smoothing or blend", finish, "< 60"),
        ("new mass effect or oedema", push, "< 60"),
        ("yardstick: 3D Gaussian over the host", reference, ""),
    ):
        times = measured(action, repeats)
        rows.append(Row(what, *np.percentile(times, [50, 10, 90]).tolist(), "ms", limit, repeats))
    return rows


_FIRST_LESION = """
import sys, time
began = time.perf_counter()
import numpy as np
from TumorSynthLib.bench import RADII, memory_gb
from TumorSynthLib.host import HostBrain
from TumorSynthLib.painting import Brain
from TumorSynthLib.spheres import ConcentricSpheres
from TumorSynthLib.synthesis import LesionRequest, LesionSynthesizer
imports = time.perf_counter() - began
with np.load(sys.argv[3]) as saved:
    host = HostBrain(saved["voxels"], saved["affine"])
    brain = Brain(saved["brain"], "made up", host.grid)
before = memory_gb("VmRSS")
began = time.perf_counter()
synthesizer = LesionSynthesizer.from_bundle(sys.argv[1], sys.argv[2])
request = LesionRequest(ConcentricSpheres(tuple(brain.center_ras), RADII))
synthesizer.finish(host, brain, [synthesizer.paint(host, brain, request)], [request.appearance])
seconds = imports + time.perf_counter() - began
print(seconds, memory_gb("VmHWM") - before)
"""


def memory_gb(what: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process, from Linux' own account. The resource module's peak will not do: a
    child starts with its parent's."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 2**20


def first_lesion_rows(bundle: str, device: str) -> list[Row]:
    """Time of a new process' first lesion, imports included, and how much its memory peaks above the loaded host (torch
    and networks included)."""
    host = bench_host()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "host.npz"
        np.savez(file, voxels=host.voxels, affine=host.affine, brain=bench_brain(host).mask)
        command = [sys.executable, "-c", _FIRST_LESION, bundle, device, str(file)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, gigabytes = (float(word) for word in result.stdout.split())
    return [
        Row("imports to first lesion, new process", seconds, seconds, seconds, "s", "< 10", 1),
        Row("peak memory above the loaded host", gigabytes, gigabytes, gigabytes, "GB", "< 1.5", 1),
    ]


def control_rows(
    synthesizer: LesionSynthesizer, host: HostBrain, brain: Brain, placements: int, seed: int = 0
) -> list[Row]:
    """Asked against got, over random places in a brain, each with all three structures; and whether what one sees
    agrees with the label: painted change in the brain, and visible lesion against mask."""
    found: dict[str, list[float]] = {name: [] for name in CONTROL}
    for request in random_requests(brain, placements, seed):
        case = synthesizer.finish(host, brain, [synthesizer.paint(host, brain, request)], [PLAIN])
        facts = case.lesions[0]
        asked, got = np.array(facts.class_fractions_asked), np.array(facts.class_fractions)
        change = np.abs(case.image - host.voxels.astype(float)) * case.zone
        found["volume error"].append(100 * abs(facts.volume_mm3 / facts.volume_asked_mm3 - 1))
        off = np.subtract(facts.centroid_ras, facts.center_ras)
        found["centre of mass error"].append(float(np.linalg.norm(off)))
        found["class fraction error"].append(100 * float(np.abs(asked - got).max()))
        found["label inside the brain"].append(100 * facts.share_in_brain)
        found["painted change inside the brain"].append(100 * float(change[brain.mask].sum() / change.sum()))
        found["painted change inside the label"].append(100 * float(change[case.mask > 0].sum() / change.sum()))
    return [
        Row(what, *np.percentile(values, [50, 5, 95]).tolist(), *CONTROL[what], len(values))
        for what, values in found.items()
    ]


# Multiples of it, without their whole parts, never come back and lie evenly.
GOLDEN_SHARE = 0.618034

CONTROL = {
    "volume error": ("%", "< 1"),
    "centre of mass error": ("mm", "< 0.7"),
    "class fraction error": ("% points", ""),
    "label inside the brain": ("%", ""),
    "painted change inside the brain": ("%", ""),
    "painted change inside the label": ("%", ""),
}


def random_requests(brain: Brain, count: int, seed: int) -> list[LesionRequest]:
    """`count` random places in the brain, radii from 3 to 18 mm, each place with all three structures."""
    rng = np.random.default_rng(seed)
    thin = (slice(None, None, 2),) * 3
    depth = ndimage.distance_transform_edt(brain.mask[thin], sampling=2 * brain.grid.voxel_mm)
    requests = []
    for number in range(count):
        radius = float(np.exp(rng.uniform(np.log(3), np.log(18))))
        places = np.argwhere(depth >= min(0.6 * radius, 0.8 * depth.max()))
        center = tuple(brain.grid.to_ras(2 * places[rng.integers(len(places))] + rng.uniform(-0.5, 0.5, 3)))
        radii = tuple(radius * np.cbrt([1.0, rng.uniform(0.55, 0.75), rng.uniform(0.2, 0.4)]))
        requests += [LesionRequest(ConcentricSpheres(center, radii, structure=name), number) for name in STRUCTURES]
    return requests


def machine() -> dict[str, str]:
    import torch

    return {
        "processor": platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def main(
    bundle: str = "default", device: str = "auto", repeats: int = 15, placements: int = 0, as_json: bool = False
) -> None:
    """Print the table. With `placements`, controllability on the sample brain too (three lesions each)."""
    synthesizer = LesionSynthesizer.from_bundle(bundle, device)
    rows = [*speed_rows(synthesizer, repeats), *first_lesion_rows(bundle, synthesizer.device.type)]
    if placements:
        from .sample import sample_brain

        host = sample_brain()
        rows += control_rows(synthesizer, host, synthesizer.find_brain(host), placements)
    facts = machine() | {"device": str(synthesizer.device), "precision": synthesizer.precision, "bundle": bundle}
    if as_json:
        print(json.dumps({"machine": facts, "rows": [asdict(row) for row in rows]}))
        return
    _print_table(facts, rows)


def _print_table(facts: dict[str, str], rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    yardstick = next(row.median for row in rows if row.what.startswith("yardstick"))
    table = Table("what", "median", "10 % .. 90 %", "unit", "held to", "yardsticks", "n")
    for row in rows:
        ratio = f"{row.median / yardstick:.2f}" if row.unit == "ms" else ""
        spread = f"{row.low:.3g} .. {row.high:.3g}"
        table.add_row(row.what, f"{row.median:.3g}", spread, row.unit, row.limit, ratio, str(row.repeats))
    console = Console()
    console.print("  ".join(f"{key}: {value}" for key, value in facts.items()))
    console.print(table)
