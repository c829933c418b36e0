"""What the painter promises whatever it has learnt, what it is judged by, and how its lesions are put on trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightning.fabric")
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from scipy import ndimage

from training.loop import Chance, LoopSettings, averaged_weights, train
from training.losses import FocalFrequency, SlicedTexture
from training.paint_patches import Patches, dilated, holes_elsewhere, lesion_holes
from training.presets import task_of
from training.realism_sets import write_sets
from training.records import read_records
from training.repainting import painting_of, repainted
from training.slices import BLOCK, SliceSet
from training.starting import begin_with
from training_data import write_own_data
from TumorSynthLib import blending
from TumorSynthLib.bundle import Bundle
from TumorSynthLib.calibration import matte_of_volume
from TumorSynthLib.errors import InputError
from TumorSynthLib.grain import UNEVEN_BELOW_VOXELS, UNEVENNESS, as_delivered
from TumorSynthLib.networks import MATTE_SOFTNESS_VOXELS, blurred, build_network, paint
from TumorSynthLib.painting import HOLE_MARGIN_VOXELS
from TumorSynthLib.realism.archives import read_archive


class Answering(torch.nn.Module):
    """A painter that has learnt nothing but one answer."""

    def __init__(self, lesion: float, matte: float, tissue: float) -> None:
        super().__init__()
        answer = torch.tensor([lesion, matte, tissue]).view(1, 3, 1, 1)
        self.answer = torch.nn.Parameter(answer, requires_grad=False)

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        return self.answer.expand(len(shown), 3, *shown.shape[2:])


def disc(radius: float, size: int = 48) -> torch.Tensor:
    axis = torch.arange(size) - (size - 1) / 2
    return ((axis[:, None] ** 2 + axis**2) <= radius**2).float()[None, None]


def texture(seed: int, sigma: float = 1.0) -> torch.Tensor:
    noise = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, 1, 48, 48)).astype(np.float32))
    soft = blurred(noise, sigma)
    return 0.1 * soft / soft.std()


def painted(network: torch.nn.Module, mask: torch.Tensor, margin: int = 3):
    hole, level = dilated(mask, margin), torch.full_like(mask, 1.5)
    return paint(network, torch.ones_like(mask), hole, level, mask, blurred(mask, MATTE_SOFTNESS_VOXELS), mask * 0)


@settings(max_examples=25, deadline=None)
@given(matte=st.floats(-50, 50), radius=st.floats(5, 15))
def test_the_visible_edge_stays_within_a_voxel_of_the_label_whatever_the_painter_says(matte, radius):
    mask = disc(radius)
    shown = painted(Answering(0, matte, 0), mask).matte[0, 0].numpy()
    inside = mask[0, 0].numpy() > 0
    away, deep = ndimage.distance_transform_edt(~inside), ndimage.distance_transform_edt(inside)
    assert (shown[away > 1.5] < 0.5).all() and (shown[deep > 1.5] > 0.5).all()
    assert (shown[away > 3] == 0).all() and (shown[deep > 3.2] == 1).all()


def test_where_no_lesion_is_asked_for_none_shows_and_nothing_outside_the_hole_changes():
    mask, image = disc(0), texture(1) + 1
    hole = disc(8)
    made = paint(Answering(0.3, 9.0, -0.2), image, hole, mask + 1, mask, mask, mask)
    assert (made.matte == 0).all()
    assert torch.equal(made.tissue * (1 - hole), image * (1 - hole))
    assert torch.allclose(made.tissue[hole > 0], torch.tensor(0.8))


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0, 4.0])
def test_a_seam_is_as_wide_as_asked_and_keeps_its_middle(width):
    mask = disc(12)[0, 0].numpy() > 0
    stack = np.repeat(mask[None], 9, 0)
    matte = np.repeat(painted(Answering(0, 0, 0), disc(12)).matte[0].numpy(), 9, 0)
    share = blending.seam(matte, stack, 1.0, width)[4]
    assert share.sum() == pytest.approx(mask.sum(), rel=0.04)
    row = share[24, 24:]
    slope = np.interp([0.8, 0.2], row[::-1], np.arange(row.size)[::-1])
    assert np.ptp(slope) == pytest.approx(width, abs=0.3 + 0.25 * width)


def test_the_seam_as_painted_is_the_painters_matte_and_none_is_the_label():
    mask = disc(12)[0].numpy() > 0
    matte = painted(Answering(0, 0.7, 0), disc(12)).matte[0].numpy()
    assert np.array_equal(blending.seam(matte, mask, 1.0, blending.edge_width(matte)), matte)
    assert np.array_equal(blending.seam(matte, mask, 1.0, 0.0), mask.astype(np.float32))


@settings(max_examples=25, deadline=None)
@given(matte=st.floats(-3, 3), radius=st.floats(5, 15))
def test_as_much_of_a_lesion_shows_as_its_label_has(matte, radius):
    mask = disc(radius)
    shown = painted(Answering(0, matte, 0), mask).matte.numpy()
    made = matte_of_volume(shown, float(mask.sum()))
    assert made.sum() == pytest.approx(float(mask.sum()), rel=0.01)
    assert ((made == 0) | (made == 1))[(shown == 0) | (shown == 1)].all() and made.min() >= 0 and made.max() <= 1


class Frayed(torch.nn.Module):
    """A painter whose matte may differ from pixel to pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.edge = torch.nn.Parameter(0.4 * texture(3) / texture(3).std())

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.zeros_like(self.edge), self.edge, torch.zeros_like(self.edge)], 1)


def test_training_shows_edges_as_the_engine_finishes_them_and_teaches_what_can_still_be_chosen():
    mask = disc(12)
    painter, hole, still = Frayed(), dilated(mask, 3), torch.zeros_like(mask)
    matte = painting_of(painter, still + 1, hole, still + 1.5, mask, still).matte
    assert float(matte.detach().sum()) == pytest.approx(float(mask.sum()), rel=0.03)
    half = torch.zeros_like(mask)
    half[..., :24] = 1
    (whole,) = torch.autograd.grad(matte.sum(), painter.edge, retain_graph=True)
    (part,) = torch.autograd.grad((matte * half).sum(), painter.edge, retain_graph=True)
    step = 1e-2 * part / part.abs().max()
    with torch.no_grad():
        painter.edge += step
        moved = painting_of(painter, still + 1, hole, still + 1.5, mask, still).matte
    got, foretold = float(((moved - matte.detach()) * half).sum()), float((part * step).sum())
    assert float(whole.abs().sum()) < 0.01 * float(part.abs().sum())
    assert got == pytest.approx(foretold, rel=0.15) and got > 0


def test_a_painter_learns_from_what_it_paints_and_not_from_what_is_delivered():
    mask, noise = disc(14), torch.zeros(1, 1, 48, 48)
    image = level = 1.5 + texture(2)
    seen = painting_of(Answering(0, 0, 0), image, dilated(mask, HOLE_MARGIN_VOXELS), level, mask, noise).lesion
    assert torch.allclose(seen, level)


def test_what_is_delivered_is_sharper_and_its_texture_uneven_about_the_same_shade():
    lesion, none = 1.5 + texture(2, 0.7), torch.zeros(1, 1, 48, 48)
    even = as_delivered(lesion, none)
    finest, as_painted = ((image - blurred(image, 0.6)).std() for image in (even, lesion))
    assert 1.05 < float(finest / as_painted) < 1.25
    halves = none.clone()
    halves[..., :24], halves[..., 24:] = 1, -1
    uneven = as_delivered(lesion, halves)
    strength = (uneven - blurred(lesion, UNEVEN_BELOW_VOXELS))[0, 0]
    assert float(strength[:, :18].std() / strength[:, 30:].std()) == pytest.approx(np.exp(2 * UNEVENNESS), rel=0.15)
    assert torch.allclose(blurred(uneven, 8.0), blurred(lesion, 8.0), atol=0.01)


@pytest.mark.parametrize("shade", [-0.1, 0.1])
def test_a_trial_paints_each_class_at_the_level_that_it_has_in_the_patch(shade):
    """Whatever the painter thinks of it: this one answers too dark, or too bright."""
    mask, rim = disc(16), disc(16) - disc(9)
    classes = (mask + 2 * rim).long()
    level = 1 + 0.1 * mask + 0.5 * rim
    base = torch.full_like(mask, 0.9)
    delivered = repainted(Answering(shade, 0, 0), Patches(base, classes, level), base, Chance(1, 0))
    for part, asked in ((rim, 1.6), (disc(9), 1.1)):
        assert float(delivered[part > 0].mean()) == pytest.approx(asked, abs=0.02)


def test_texture_is_judged_by_what_it_is_made_of_not_by_where_it_lies():
    mask, judge = disc(14), SlicedTexture()

    def score(change: Callable[[torch.Tensor], torch.Tensor]) -> float:
        """Of another patch of the same kind, changed."""
        rounds = [judge(change(texture(100 + k)), texture(k), mask, dilated(mask, 3), Chance(1, k)) for k in range(12)]
        return float(torch.stack(rounds).mean())

    alike = score(lambda x: x)
    assert float(judge(texture(1), texture(1), mask, mask, Chance(1, 0))) == 0
    for change in (lambda x: blurred(x, 1.0), lambda x: x + 0.05, lambda x: 1.3 * x, lambda x: 0.7 * x):
        assert score(change) > 1.1 * alike


def test_the_focal_loss_looks_most_at_the_frequency_that_is_worst():
    real, judge = texture(4), FocalFrequency()
    wave = 0.05 * torch.cos(torch.arange(48.0) * 2 * torch.pi * 6 / 48).expand(1, 1, 48, 48)
    spread = texture(5, 0.5)
    spread = spread * (wave.square().mean().sqrt() / spread.square().mean().sqrt())
    assert judge(real, real) == 0
    assert judge(real + wave, real) > 1.5 * judge(real + spread, real)


def test_holes_hold_the_lesion_with_a_margin_and_those_elsewhere_spare_it():
    mask = torch.cat([disc(5), disc(9)])
    hole = lesion_holes(mask, Chance(1, 2))
    assert (hole >= dilated(mask, 2)).all() and (hole <= dilated(mask, 4)).all()
    elsewhere = holes_elsewhere(mask, hole, Chance(1, 2), 1.0)
    assert elsewhere.sum() > 0 and not (elsewhere * hole).any()


def test_a_painter_of_one_answer_begins_as_one_of_three(tmp_path):
    from safetensors.torch import save_file

    network, before = build_network("paint"), build_network("paint").state_dict()
    earlier = {name: value[:1].clone() if value.shape[0] == 3 else value.clone() for name, value in before.items()}
    save_file(earlier, tmp_path / "paint.safetensors")
    begin_with(network, tmp_path / "paint.safetensors")
    mask = disc(8)
    made = painted(network, mask)
    assert torch.allclose(made.lesion[mask > 0], made.tissue[mask > 0] + 0.5, atol=1e-5)
    assert torch.equal(made.matte, painted(Answering(0, 0, 0), mask).matte)


@pytest.mark.parametrize("network", ["mask", "brain"])
def test_a_run_does_not_begin_with_another_kind_of_network(network):
    with pytest.raises(InputError, match="another kind|other sizes"):
        begin_with(build_network("paint"), Bundle.find("default").file_of(network))


@pytest.mark.parametrize(
    "change, said", [("slice=0", "no such setting.*sliced"), ("sliced=much", "like 1.0"), ("noise", "like True")]
)
def test_a_change_that_the_preset_does_not_have_is_refused(tmp_path, change, said):
    data = write_own_data(tmp_path)
    with pytest.raises(InputError, match=said):
        task_of("paint", data, "smoke", [change])


def test_a_change_changes_that_setting_only(tmp_path):
    plain, changed = (task_of("paint", write_own_data(tmp_path), "smoke", c).preset for c in ([], ["sliced=0"]))  # type: ignore[attr-defined]
    assert (plain.sliced, changed.sliced) == (1.0, 0.0)
    assert changed.texture == plain.texture


def test_patients_of_development_and_untouched_ones_are_apart_from_each_other_and_from_training():
    index = np.arange(3000)
    blank = np.zeros((3000, 1, 1))
    slices = SliceSet(blank, blank, index, np.ones(3000), is_contiguous=True)
    parts = {name: index[slices.rows(name)] for name in ("train", "development", "untouched")}
    assert len(parts["development"]) == len(parts["untouched"]) == 264
    for name, other in (("train", "development"), ("train", "untouched"), ("development", "untouched")):
        nearest = np.abs(parts[name][:, None] - parts[other]).min()
        assert nearest > 12, (name, other)


def test_each_of_ones_own_patients_is_in_one_part_only():
    patient = np.repeat(np.arange(20), 3)
    blank = np.zeros((60, 1, 1))
    slices = SliceSet(blank, blank, patient * BLOCK, np.ones(60), is_contiguous=False)
    parts = [set(patient[slices.rows(name)]) for name in ("train", "development", "untouched")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 20


def test_real_and_repainted_lesions_differ_in_the_lesion_alone(tmp_path):
    records = read_records(write_own_data(tmp_path))
    write_sets(records, Bundle.find("default").load("paint"), tmp_path / "sets", seed=1)
    real, made = (read_archive(tmp_path / "sets" / f"{name}.npz") for name in ("real", "synthetic"))
    assert np.array_equal(real.mask, made.mask) and np.array_equal(real.block, made.block)
    assert np.array_equal(real.base, made.base)
    near = np.stack([ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=3) for mask in real.mask])
    assert np.array_equal(real.image[~near], made.image[~near])
    assert np.abs(real.image - made.image)[real.mask].mean() > 0.01
    assert np.abs(real.image - real.base)[real.mask].mean() > 0.01


def apart(network: torch.nn.Module, other: torch.nn.Module, data: Path) -> tuple[float, float]:
    """How differently two painters paint lesions, and the tissue beside them."""
    patches = task_of("paint", data, "smoke").patches.plain(torch.arange(16))
    mask, level = patches.mask, patches.level
    hole, noise = dilated(mask, HOLE_MARGIN_VOXELS), Chance(1, 0).normal(*mask.shape)
    with torch.no_grad():
        ones, others = (painting_of(each, patches.image, hole, level, mask, noise) for each in (network, other))
    beside = ones.beside * (mask == 0)
    lesion, tissue = ((ones[part] - others[part]).abs() for part in (0, 2))
    return float((lesion * mask).sum() / mask.sum()), float((tissue * beside).sum() / beside.sum())


def taught(data: Path, folder: Path, steps: int, *changes: str) -> torch.nn.Module:
    """The bundled painter after some more steps."""
    bundled = Bundle.find("default")
    task = task_of("paint", data, "smoke", ["warm_up=0.0", "learning_rate=3e-4", "batch=4", *changes])
    begin_with(task.networks["painter"], bundled.file_of("paint"))
    train(task, LoopSettings(steps, precision="32-true", ema=0.5), folder, devices=1)
    painter = bundled.load("paint")
    painter.load_state_dict(averaged_weights(folder)[0])
    return painter


def test_a_painter_told_to_keep_its_lesions_learns_the_tissue_beside_them(tmp_path, one_thread):
    bundled, data = Bundle.find("default"), write_own_data(tmp_path / "data")
    painter = bundled.load("paint")
    free = apart(taught(data, tmp_path / "free", 30), painter, data)
    held = apart(taught(data, tmp_path / "held", 30, f"kept={bundled.file_of('paint')}"), painter, data)
    assert held[0] < 0.3 * free[0], (held, free)
    assert held[1] > 2 * held[0], (held, free)


def test_two_painters_become_one(tmp_path, one_thread):
    bundled, data, file = Bundle.find("default"), write_own_data(tmp_path / "data"), tmp_path / "other.safetensors"
    painter, other = bundled.load("paint"), taught(data, tmp_path / "other", 20)
    save_file({name: value.contiguous() for name, value in other.state_dict().items()}, file)
    asked = f"kept={bundled.file_of('paint')}", f"strands_of={file}"
    joined = taught(data, tmp_path / "joined", 100, *asked, "learning_rate=1e-3")
    before, lesion, tissue = apart(other, painter, data), apart(joined, painter, data)[0], apart(joined, other, data)[1]
    assert lesion < 0.5 * before[0], (lesion, before)
    assert tissue < 0.7 * before[1], (tissue, before)


def test_a_file_without_weights_is_refused_in_one_line(tmp_path):
    file = tmp_path / "notes.safetensors"
    file.write_text("not weights")
    with pytest.raises(InputError, match=r"--start .*notes\.safetensors holds no weights"):
        begin_with(build_network("paint"), file)


def test_a_painter_to_be_kept_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"--change kept=nowhere\.safetensors: no such file"):
        task_of("paint", write_own_data(tmp_path), "smoke", ["kept=nowhere.safetensors"])


def test_tissue_of_one_painter_wants_the_lesions_of_another(tmp_path):
    with pytest.raises(InputError, match="kept= must say whose lesions"):
        task_of("paint", write_own_data(tmp_path), "smoke", [f"strands_of={Bundle.find('default').file_of('paint')}"])
