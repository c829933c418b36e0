"""How good brain masks are: ``python -m training.evaluate_brain --data DIR [--weights FILE] [--pictures FILE]``.

Held-out label maps in random contrasts at 1 mm, and the development hosts, whose skulls others took off (their filled
foreground is the reference, and the shortcut for stripped images is switched off).
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from TumorSynthLib.brain_mask import bounding_box, filled, find_brain, largest_component
from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain
from TumorSynthLib.networks import build_network

from .brains import brain_of, label_files, read_labels
from .loop import Chance, averaged_weights
from .synthetic_heads import CLOSE_VOXELS, FINE_MM, whole_head

LABEL_MM = 1.0
DRAWS = 4


@dataclass(frozen=True, eq=False)
class Case:
    group: str
    name: str
    host: HostBrain
    reference: np.ndarray | None


@dataclass(frozen=True)
class Score:
    group: str
    name: str
    dice: float
    surface_mm: float
    volume_ratio: float
    seconds: float


def label_cases(data: Path, draws: int = DRAWS) -> Iterator[Case]:
    """Held-out heads; each draw has its own contrast, field of view and order of axes."""
    for number, path in enumerate(label_files(data, held_out=True)):
        labels = read_labels(path, LABEL_MM)
        reference = brain_of(labels, round(CLOSE_VOXELS * FINE_MM / LABEL_MM))
        for draw in range(draws):
            chance = Chance(2026, 100 * number + draw)
            image = whole_head(labels, chance)
            lowest = int(chance.numpy.integers(0, max(bounding_box(reference)[2].start - 5, 1)))
            affine = np.diag([LABEL_MM, LABEL_MM, LABEL_MM, 1.0])
            order = tuple(chance.numpy.permutation(3))
            affine[:3, :3] = affine[:3, :3][:, order]
            voxels, wanted = (np.transpose(v[:, :, lowest:], order)[::-1] for v in (image, reference))
            affine[:3, 3] -= affine[:3, 0] * (voxels.shape[0] - 1)
            affine[:3, 0] *= -1
            yield Case("held-out labels", f"{path.name[:15]} draw {draw + 1}", HostBrain(voxels, affine), wanted)


def host_cases(data: Path) -> Iterator[Case]:
    """Development scans. Those with a skull have no reference and only appear in the picture."""
    for path in [*sorted((data / "hosts").glob("*.nii.gz")), *sorted((data / "tumour3d").glob("*t1c.nii.gz"))]:
        host = HostBrain.read(path)
        reference = filled(largest_component(host.voxels > host.voxels.min()))
        is_stripped = np.count_nonzero(reference) * host.voxel_volume_mm3 < 2.3e6
        yield Case("development hosts", path.name.removesuffix(".nii.gz"), host, reference if is_stripped else None)


def score(case: Case, mask: np.ndarray, seconds: float) -> Score:
    assert case.reference is not None
    both = np.count_nonzero(mask & case.reference)
    found, wanted = np.count_nonzero(mask), np.count_nonzero(case.reference)
    distance = surface_distance_95_mm(mask, case.reference, case.host.spacing_mm)
    return Score(case.group, case.name, 2 * both / max(found + wanted, 1), distance, found / wanted, seconds)


def surface_distance_95_mm(first: np.ndarray, second: np.ndarray, spacing_mm: tuple[float, float, float]) -> float:
    """95th percentile of the distances from each surface to the other."""
    box = bounding_box(first | second)
    if box is None or not (first.any() and second.any()):
        return float("inf")
    first, second = (np.pad(m[box], 1) for m in (first, second))
    edges = [m & ~ndimage.binary_erosion(m) for m in (first, second)]
    distances = [
        ndimage.distance_transform_edt(~other, sampling=spacing_mm)[edge]
        for edge, other in (edges, edges[::-1])
    ]  # fmt: skip
    return float(np.percentile(np.concatenate(distances), 95))


def panels(case: Case, mask: np.ndarray, size: int = 240) -> np.ndarray:
    """Three planes through the middle of the mask with its outline in red, and the reference's in green."""
    box = bounding_box(mask) or tuple(slice(0, n) for n in mask.shape)
    image = np.clip(case.host.normalized(case.host.voxels), 0, 1)
    row = []
    for axis in range(3):
        place = (box[axis].start + box[axis].stop) // 2
        panel = np.repeat(np.rot90(np.take(image, place, axis))[..., None], 3, -1)
        for outline, colour in ((case.reference, (0, 1, 0)), (mask, (1, 0, 0))):
            if outline is not None:
                plane = np.rot90(np.take(outline, place, axis))
                panel[plane ^ ndimage.binary_erosion(plane)] = colour
        row.append(_fitted(panel, size))
    return np.concatenate(row, 1)


def _fitted(panel: np.ndarray, size: int) -> np.ndarray:
    from PIL import Image

    picture = Image.fromarray((panel * 255).astype(np.uint8))
    scale = size / max(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    out = np.zeros((size, size, 3), np.uint8)
    out[: picture.height, : picture.width] = np.asarray(picture)
    return out


def read_network(weights: Path) -> torch.nn.Module:
    """The averaged weights of a training run (its folder or checkpoint), or a safetensors file."""
    if weights.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(weights)
    else:
        state, _ = averaged_weights(weights if weights.is_dir() else weights.parent)
    network = build_network("brain")
    network.load_state_dict({name: value.float() for name, value in state.items()})
    return network.eval()


def evaluate(cases: Iterator[Case], network: torch.nn.Module) -> tuple[list[Score], list[np.ndarray]]:
    scores, rows = [], []
    for case in cases:
        try:
            found = find_brain(case.host, network, allow_foreground=False)
        except InputError as error:
            print(f"{case.name}: {error}")
            found = None
        mask = found.mask if found else np.zeros(case.host.shape, bool)
        rows.append(panels(case, mask))
        if case.reference is not None:
            scores.append(score(case, mask, found.seconds if found else float("nan")))
            print(_line(scores[-1]), flush=True)
        else:
            volume = np.count_nonzero(mask) * case.host.voxel_volume_mm3 / 1000
            seconds = found.seconds if found else float("nan")
            print(f"{case.group:18} {case.name:28} {volume:6.0f} mL {seconds:23.2f} s", flush=True)
    return scores, rows


def _line(s: Score) -> str:
    return f"{s.group:18} {s.name:28} {s.dice:6.3f} {s.surface_mm:8.1f} mm {s.volume_ratio:8.2f} {s.seconds:7.2f} s"


def print_summary(scores: list[Score]) -> None:
    for group in dict.fromkeys(s.group for s in scores):
        members = [s for s in scores if s.group == group]
        dice, surface, volume, seconds = np.array(
            [(s.dice, s.surface_mm, s.volume_ratio, s.seconds) for s in members]
        ).T
        print(
            f"{group}: Dice median {np.median(dice):.3f}, lowest {dice.min():.3f}; 95 % surface distance median"
            f" {np.median(surface):.1f} mm, highest {surface.max():.1f} mm; volume found / reference"
            f" {np.median(volume):.2f}; median {np.nanmedian(seconds):.2f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluate the brain network.")
    parser.add_argument("--data", type=Path, required=True, help="folder with synthseg_labels, hosts and tumour3d")
    parser.add_argument("--weights", type=Path, required=True, help="training run's folder, or a .safetensors file")
    parser.add_argument("--pictures", type=Path, help="where to write outlines over three planes (PNG)")
    parser.add_argument("--draws", type=int, default=DRAWS, help="contrasts per held-out label map")
    arguments = parser.parse_args()
    network = read_network(arguments.weights)
    print(f"{'group':18} {'case':28} {'Dice':>6} {'95 % surface':>11} {'volume':>8} {'time':>9}")
    scores, rows = evaluate(host_cases(arguments.data), network)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if arguments.draws:
        more_scores, more_rows = evaluate(label_cases(arguments.data, arguments.draws), network)
        scores, rows = scores + more_scores, rows + more_rows
    print_summary(scores)
    print(f"peak memory of the process while masking the development hosts: {peak_mb:.0f} MB")
    if arguments.pictures:
        from PIL import Image

        rows += [np.zeros_like(rows[0])] * (-len(rows) % 2)
        half = len(rows) // 2
        sheet = np.concatenate([np.concatenate(rows[:half]), np.concatenate(rows[half:])], 1)
        Image.fromarray(sheet).save(arguments.pictures)


if __name__ == "__main__":
    main()
