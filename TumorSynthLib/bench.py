"""How fast, how exact: measured in one run on the machine at hand, against the numbers the design holds us to."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

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
PLACEMENTS = 100


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
    return HostBrain.from_array(np.clip(values, 0, 4095).astype(np.int16), grid.affine)


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
    appearances = [replace(request.appearance, contrast=c) for c in np.linspace(0.8, 1.4, 7)]
    turn = iter(range(10**9))

    def preview() -> object:
        return synthesizer.paint(host, brain, request)

    def full() -> object:
        return synthesizer.finish(host, brain, [synthesizer.paint(host, brain, request)], [request.appearance])

    def finish() -> object:
        return synthesizer.finish(host, brain, [painted], [appearances[next(turn) % 7]])

    def reference() -> object:
        return ndimage.gaussian_filter(host.voxels.astype(np.float32), 1.0)

    rows = []
    for what, action, limit in (
        ("preview: mask, map, painted lesion", preview, "< 150"),
        ("full lesion in 256 x 256 x 180, warm", full, "< 600, goal 250"),
        ("new appearance, networks not run again", finish, "< 60"),
        ("yardstick: 3D Gaussian over the same host", reference, ""),
    ):
        times = measured(action, repeats)
        rows.append(Row(what, *np.percentile(times, [50, 10, 90]).tolist(), "ms", limit, repeats))
    return rows


def cold_row() -> Row:
    code = (
        "import time; t = time.perf_counter(); import numpy as np\n"
        "from TumorSynthLib.bench import bench_brain, bench_host, RADII\n"
        "from TumorSynthLib.synthesis import LesionRequest, LesionSynthesizer\n"
        "from TumorSynthLib.spheres import ConcentricSpheres\n"
        "host = bench_host(); brain = bench_brain(host); began = time.perf_counter() - t\n"
        "t = time.perf_counter(); s = LesionSynthesizer.from_bundle(device='cpu')\n"
        "r = LesionRequest(ConcentricSpheres(tuple(brain.center_ras), RADII))\n"
        "s.finish(host, brain, [s.paint(host, brain, r)], [r.appearance])\n"
        "print(time.perf_counter() - t)"
    )
    times = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)]
    return Row("networks loaded and first lesion, new process", times[0], times[0], times[0], "s", "< 10", 1)


def memory_row() -> Row:
    """Peak memory above the host, in a process of its own: a peak never falls, so it can be read only once."""
    code = (
        "import resource\n"
        "from TumorSynthLib.bench import bench_brain, bench_host, RADII\n"
        "from TumorSynthLib.synthesis import LesionRequest, LesionSynthesizer\n"
        "from TumorSynthLib.spheres import ConcentricSpheres\n"
        "host = bench_host(); brain = bench_brain(host)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "s = LesionSynthesizer.from_bundle(device='cpu')\n"
        "r = LesionRequest(ConcentricSpheres(tuple(brain.center_ras), RADII))\n"
        "s.finish(host, brain, [s.paint(host, brain, r)], [r.appearance])\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20)"
    )
    peak = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    return Row("peak memory above the host and the bench", peak, peak, peak, "GB", "< 1.5", 1)


def control_rows(
    synthesizer: LesionSynthesizer, host: HostBrain, brain: Brain, placements: int, seed: int = 0
) -> list[Row]:
    """Asked against got, over random places in a real brain."""
    volumes, centroids, fractions, inside = [], [], [], []
    for request in random_requests(brain, placements, seed):
        painted = synthesizer.paint(host, brain, request)
        facts = synthesizer.finish(host, brain, [painted], [Appearance(mass_effect=0, oedema=0)]).lesions[0]
        volumes.append(100 * abs(facts.volume_mm3 / facts.volume_asked_mm3 - 1))
        centroids.append(float(np.linalg.norm(np.subtract(facts.centroid_ras, facts.center_ras))))
        asked, got = np.array(facts.class_fractions_asked), np.array(facts.class_fractions)
        fractions.append(100 * float(np.abs(asked - got).max()))
        inside.append(100 * facts.share_in_brain)
    rows = []
    for what, values, unit, limit in (
        ("volume error", volumes, "%", "< 1"),
        ("centre of mass error", centroids, "mm", "< 0.7"),
        ("class fraction error", fractions, "% points", ""),
        ("share inside the brain", inside, "%", ""),
    ):
        rows.append(Row(what, *np.percentile(values, [50, 5, 95]).tolist(), unit, limit, placements))
    return rows


def random_requests(brain: Brain, count: int, seed: int) -> list[LesionRequest]:
    """Random places well inside the brain, radii from 3 to 18 mm, the structures in turn."""
    rng = np.random.default_rng(seed)
    depth = ndimage.distance_transform_edt(brain.mask[::2, ::2, ::2], sampling=2 * brain.grid.voxel_mm)
    requests = []
    for number in range(count):
        radius = float(np.exp(rng.uniform(np.log(3), np.log(18))))
        places = np.argwhere(depth >= min(0.6 * radius, 0.8 * depth.max()))
        center = tuple(brain.grid.to_ras(2 * places[rng.integers(len(places))] + rng.uniform(-0.5, 0.5, 3)))
        radii = tuple(radius * np.cbrt([1.0, rng.uniform(0.55, 0.75), rng.uniform(0.2, 0.4)]))
        structure = list(STRUCTURES)[number % len(STRUCTURES)]
        requests.append(LesionRequest(ConcentricSpheres(center, radii, structure=structure), number))
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
    """Print the table. With `placements`, controllability on the sample brain too (a second or so each)."""
    synthesizer = LesionSynthesizer.from_bundle(bundle, device)
    rows = [*speed_rows(synthesizer, repeats), cold_row(), memory_row()]
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
