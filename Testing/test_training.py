"""Training on tiny data: losses fall, an interrupted run goes on exactly, records tell what was planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("lightning.fabric")
import torch
from lightning.fabric import Fabric

from training import brain_task, map_task, mask_task, paint_task, procedural
from training.loop import Chance, LoopSettings, Task, averaged_weights, train
from training.presets import task_of
from training.records import classify, lesion_records, order_of, read_records
from training.slices import BLOCK, SliceSet, find_pairs, read_slices
from training_data import write_label_maps, write_own_data, write_table, write_volume
from TumorSynthLib.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = {"mask": 20, "map": 14, "paint": 128, "brain": 8}
# Exact resume is exact in single precision; the brain's cubes cannot be made smaller, so they go faster.
PRECISION = {"mask": "32-true", "map": "32-true", "paint": "32-true", "brain": "bf16-mixed"}
PRESETS = {
    "mask": mask_task.PRESETS,
    "map": map_task.PRESETS,
    "paint": paint_task.PRESETS,
    "brain": brain_task.PRESETS,
}
SMALL_CUBE, SMALL_RADIUS = 32, 9.0
EXAM_QUESTIONS = 3


@pytest.fixture(scope="module", autouse=True)
def small_cubes():
    """Half the cube's side: an eighth of the work, the same code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(procedural, "CUBE_SIZE", SMALL_CUBE)
        patch.setattr(procedural, "MAX_RADIUS_VOXELS", SMALL_RADIUS)
        patch.setattr(map_task, "MAX_RADIUS_VOXELS", SMALL_RADIUS)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_label_maps(write_own_data(tmp_path_factory.mktemp("data")))


def smoke_task(kind: str, data: Path) -> Task:
    """As the command line would build it, with fewer steps and smaller batches than the smoke preset's."""
    torch.manual_seed(1)
    preset = replace(PRESETS[kind]["smoke"], steps=STEPS[kind])
    if kind == "mask":
        return mask_task.MaskTask(data, data, preset)
    if kind == "map":
        return map_task.MapTask(data, data, preset)
    if kind == "paint":
        return paint_task.PaintTask(data, replace(preset, batch=4))
    return brain_task.BrainTask(data, preset)


def settings(kind: str, **others: float) -> LoopSettings:
    return LoopSettings(STEPS[kind], precision=PRECISION[kind], **others)


def exam(kind: str, data: Path, weights: dict[str, torch.Tensor] | None = None) -> dict[str, float]:
    """Mean losses for questions that no training step asks, with given weights or untrained ones."""
    fabric = Fabric(accelerator="cpu", devices=1, precision=PRECISION[kind])
    task = smoke_task(kind, data)
    name = next(iter(task.networks))
    untrained = task.networks[name].state_dict()
    asked = {k: v.clone() for k, v in (weights or untrained).items()}
    for other in task.networks:
        task.networks[other], task.optimizers[other] = fabric.setup(task.networks[other], task.optimizers[other])
    answers = []
    for question in range(EXAM_QUESTIONS):
        task.networks[name].module.load_state_dict(asked)
        answers.append(task.step(fabric, Chance(1234, question), 0.0))
    return {key: float(np.mean([answer[key] for answer in answers if key in answer])) for key in answers[0]}


@dataclass
class Run:
    folder: Path
    weights: dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory) -> Callable[[str], Run]:
    """Uninterrupted runs, each made once."""
    made: dict[str, Run] = {}

    def run(kind: str) -> Run:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            train(smoke_task(kind, data), settings(kind), folder, devices=1)
            made[kind] = Run(folder, averaged_weights(folder)[0])
        return made[kind]

    return run


def weighted(kind: str, losses: dict[str, float]) -> float:
    """The distances to the truth, weighted as the preset weights them; the adversary's opinion is none."""
    preset = PRESETS[kind]["smoke"]
    return sum(getattr(preset, name, 1.0) * value for name, value in losses.items())


@pytest.mark.parametrize("kind", ["mask", "map", "paint", "brain"])
def test_smoke_preset_lowers_its_loss(kind, data, runs):
    before, after = exam(kind, data), exam(kind, data, runs(kind).weights)
    assert before.keys() == after.keys() and not {"adversarial", "discriminator"} & before.keys()
    assert weighted(kind, after) < 0.92 * weighted(kind, before), (before, after)


class Interrupted(Exception):
    """Stands for a machine that is switched off."""


@pytest.mark.parametrize("kind", ["paint", "map"])
def test_resumed_run_ends_with_the_very_same_weights(kind, data, runs, tmp_path):
    interrupted = smoke_task(kind, data)
    original, asked = interrupted.step, []

    def step(*arguments):
        if len(asked) == STEPS[kind] // 2:
            raise Interrupted
        asked.append(arguments)
        return original(*arguments)

    interrupted.step = step
    with pytest.raises(Interrupted):
        train(interrupted, settings(kind, checkpoint_every_s=0.0), tmp_path, devices=1)
    assert averaged_weights(tmp_path)[1]["step"] == STEPS[kind] // 2

    resumed = smoke_task(kind, data)
    for network in resumed.networks.values():  # nothing may survive but what the checkpoint holds
        for parameter in network.parameters():
            parameter.data.zero_()
    resumed.sheet = lambda network, chance: np.zeros((4, 4))
    train(resumed, settings(kind), tmp_path, devices=1)

    weights, whole = averaged_weights(tmp_path)[0], runs(kind).weights
    assert all(torch.equal(weights[name], whole[name]) for name in whole)
    ends = [torch.load(f / "checkpoint.ckpt", weights_only=True)["networks"] for f in (tmp_path, runs(kind).folder)]
    for name, state in ends[1].items():
        assert all(torch.equal(ends[0][name][key], state[key]) for key in state)


def test_run_leaves_a_picture_and_a_log(runs):
    folder = runs("paint").folder
    assert (folder / f"sheet_{STEPS['paint']:06d}.png").is_file()
    assert list((folder / "tensorboard").iterdir())
    assert averaged_weights(folder)[1]["step"] == STEPS["paint"]


# ---- records -------------------------------------------------------------------------------------------------------


def planted(levels: tuple[float, float, float], size: int = 96) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """A disc of three equally thick rings, outermost first, in tissue of 100; and the share of each ring."""
    y, x = np.indices((size, size)) - size / 2
    distance = np.hypot(y, x)
    picture = np.random.default_rng(0).normal(100, 2, (size, size))
    for radius, level in zip((30, 20, 10), levels, strict=True):
        inside = distance < radius
        picture[inside] = level + np.random.default_rng(1).normal(0, 2, inside.sum())
    return picture.astype(np.float32), distance < 30, [5 / 9, 3 / 9, 1 / 9]


@pytest.mark.parametrize(("levels", "sign"), [((180, 120, 40), -1), ((40, 120, 180), 1)])
def test_records_of_a_planted_lesion(levels, sign):
    image, mask, shares = planted(levels)
    records = lesion_records(SliceSet(image[None], mask[None], np.zeros(1, int), np.ones(1), False))
    assert np.allclose(records.shell_fractions[0], shares, atol=0.05)
    assert np.sign(records.order[0]) == sign and abs(records.order[0]) > 0.8
    assert np.allclose(records.levels[0], np.sort(levels) / 100, atol=0.06)
    # Volume match: spheres of these radii hold what the rings hold.
    assert records.sphere_radius[0] == pytest.approx(30, abs=0.5)
    inner = 1 - np.cumsum(records.shell_fractions[0])[:-1]
    assert np.allclose(records.sphere_radius[0] * np.sqrt(inner), [20, 10], atol=1.0)


def test_classes_of_noise_have_no_order():
    _, mask, _ = planted((1, 2, 3))
    image = np.random.default_rng(0).normal(100, 10, mask.shape).astype(np.float32)
    classes = classify(image, mask)
    assert set(np.unique(classes[mask])) == {1, 2, 3} and not classes[~mask].any()
    assert abs(order_of(classes, mask)) < 0.2


# ---- whose slices are whose ----------------------------------------------------------------------------------------


def slice_set(count: int = 3000) -> SliceSet:
    index = np.arange(count)
    blank = np.zeros((count, 1, 1))
    return SliceSet(blank, blank > 0, index, np.ones(count), is_contiguous=True)


def own_set(patients: int, slices_each: int = 4) -> SliceSet:
    index = np.repeat(np.arange(patients) * BLOCK, slices_each)
    blank = np.zeros((len(index), 1, 1))
    return SliceSet(blank, blank > 0, index, np.ones(len(index)), is_contiguous=False)


@pytest.mark.parametrize("slices", [slice_set(), own_set(2), own_set(7), own_set(40)], ids=len)
@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 1.0])
def test_training_and_validation_share_no_patient_block(slices, fraction):
    blocks = slices.index // BLOCK
    trained, shown = (set(blocks[slices.rows(p, fraction)]) for p in ("train", "validation"))
    assert trained and shown and not trained & shown


def test_neighbours_of_validation_patients_are_left_out():
    slices = slice_set()
    trained, shown = slices.index[slices.rows("train")], slices.index[slices.rows("validation")]
    assert np.abs(trained[:, None] - shown[None]).min() > 10


@pytest.mark.parametrize("slices", [slice_set(), own_set(40)], ids=["2D set", "own set"])
def test_fractions_nest_and_are_as_large_as_they_say(slices):
    rows = [set(slices.rows("train", fraction)) for fraction in (0.1, 0.3, 0.5, 1.0)]
    assert rows[0] < rows[1] < rows[2] < rows[3]
    shares = [len(part) / len(rows[3]) for part in rows]
    assert shares == pytest.approx([0.1, 0.3, 0.5, 1.0], abs=0.07)


# ---- bring your own data -------------------------------------------------------------------------------------------


def test_folder_and_table_give_the_same_slices(data):
    folder, table = read_slices(data), read_slices(write_table(data))
    assert np.array_equal(folder.image, table.image) and np.array_equal(folder.mask, table.mask)
    assert len(np.unique(folder.index // BLOCK)) == 3
    records = read_records(data)
    assert len(records) > 10 and np.median(records.order) < -0.9  # the planted rims are bright


@pytest.mark.parametrize("kind", ["mask", "map", "paint", "brain"])
def test_every_task_takes_a_table(kind, data):
    assert task_of(kind, write_table(data), "smoke").networks


def test_bad_own_data_is_refused_in_one_line(data, tmp_path):
    good = SimpleNamespace(image=data / "patient0.nii.gz", mask=data / "patient0_mask.nii.gz")
    write_volume(tmp_path / "small_mask.nii.gz", np.ones((9, 9, 9), np.uint8))
    write_volume(tmp_path / "none_mask.nii.gz", np.zeros((40, 40, 40), np.uint8))
    (tmp_path / "text.nii.gz").write_text("not an image")
    tables = {
        "no column mask": "image,outline\na,b\n",
        "gone.nii.gz is missing": f"image,mask\n{good.image},gone.nii.gz\n" * 2,
        "line 3 needs both": f"image,mask\n{good.image},{good.mask}\n{good.image},\n",
        "two are the least": f"image,mask\n{good.image},{good.mask}\n",
        "not on the grid": f"image,mask\n{good.image},small_mask.nii.gz\n{good.image},{good.mask}\n",
        "no slice has a lesion": f"image,mask\n{good.image},none_mask.nii.gz\n{good.image},none_mask.nii.gz\n",
        "cannot be read": f"image,mask\ntext.nii.gz,{good.mask}\n{good.image},{good.mask}\n",
    }
    for number, (message, content) in enumerate(tables.items()):
        table = tmp_path / f"{number}.csv"
        table.write_text(content)
        with pytest.raises(InputError, match=message) as refusal:
            read_slices(table)
        assert "\n" not in str(refusal.value)
    with pytest.raises(InputError, match="no such file"):
        find_pairs(tmp_path / "nowhere")


def test_unknown_preset_names_the_known_ones(data):
    with pytest.raises(InputError, match="'fast' is unknown: choose one of default"):
        task_of("paint", data, "fast")
