"""Mask fidelity and obedience on planted cases: perfect ones pass, each planted fault is found by its own figure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from cohort_cases import small, two_hosts
from phantoms import phantom
from TumorSynthLib import provenance
from TumorSynthLib.case_files import IMAGE, INTENSITY_MAP, MASK, write_case
from TumorSynthLib.cohorts import make_cohort
from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain
from TumorSynthLib.parameters import Appearance
from TumorSynthLib.realism.mask_fidelity import dice_of, mask_fidelity
from TumorSynthLib.realism.obedience import Obedience, obedience
from TumorSynthLib.realism.patches import LesionPatches
from TumorSynthLib.realism.segmenter import build_segmenter, load_segmenter, segmented
from TumorSynthLib.spheres import ConcentricSpheres
from TumorSynthLib.synthesis import LesionRequest

pytestmark = pytest.mark.usefixtures("one_thread")


# -- mask fidelity


class BrightPlaces(torch.nn.Module):
    """Marks what is clearly brighter than white matter: a segmenter that is right about these planted lesions."""

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(shown, 3, 1, 1, count_include_pad=False) - 0.35


def planted(count: int = 24, contrast: float = 0.8, off_by: int = 0, seed: int = 0, side: int = 64) -> LesionPatches:
    """Discs in soft texture, four a patient; their masks may lie `off_by` pixels beside them."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    center = side / 2 + rng.uniform(-8, 8, (count, 2, 1, 1))
    away = np.hypot(rows - center[:, 0], columns - center[:, 1])
    mask = away < rng.uniform(6, 12, (count, 1, 1))
    texture = ndimage.gaussian_filter(rng.standard_normal((count, side, side)), (0, 3, 3))
    image = 0.9 + 0.05 * texture / texture.std() + contrast * ndimage.gaussian_filter(mask.astype(float), (0, 0.7, 0.7))
    return LesionPatches(image, np.roll(mask, off_by, 2), np.arange(count) // 4)


def test_a_perfect_outline_has_dice_one():
    patches = planted()
    perfect = replace(patches, image=1 + patches.mask.astype(np.float32), mask=patches.mask)
    eroded = replace(perfect, mask=segmented(perfect.image, BrightPlaces()))
    assert (dice_of(eroded, BrightPlaces()) == 1).all()


def test_alike_lesions_have_no_gap():
    found = mask_fidelity(planted(seed=1), planted(seed=2), network=BrightPlaces())
    assert found.dice_real > 0.93 and found.dice_synthetic > 0.93
    assert found.is_paired and found.low <= 0 <= found.high and abs(found.gap) < 0.02
    assert found.missed_real == found.missed_synthetic == 0
    assert (found.lesions_real, found.lesions_synthetic) == (24, 24)


def test_invisible_lesions_are_missed():
    found = mask_fidelity(planted(), planted(contrast=0.0), network=BrightPlaces())
    assert found.missed_synthetic == 1 and found.missed_real == 0
    assert found.median_synthetic < 0.1 and found.gap > 0.8 and found.low > 0.8


@pytest.mark.parametrize("count", [24, 20])
def test_masks_three_pixels_off_show_in_the_gap(count):
    found = mask_fidelity(planted(), planted(count, off_by=3), network=BrightPlaces())
    assert found.is_paired == (count == 24)
    assert 0.1 < found.low <= found.gap <= found.high < 0.4


def test_blocks_widen_the_interval():
    """Lesions of one patient tell less than as many patients: all of a block fail here together."""
    half_missed = planted()
    image = np.where((half_missed.block % 2)[:, None, None] == 0, half_missed.image, planted(contrast=0).image)
    bad = replace(half_missed, image=image, mask=half_missed.mask)
    together = mask_fidelity(planted(), bad, network=BrightPlaces())
    apart = replace(bad, block=np.arange(24), mask=bad.mask)
    alone = mask_fidelity(replace(planted(), block=np.arange(24)), apart, network=BrightPlaces())
    assert together.gap == pytest.approx(alone.gap)
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
    one = mask_fidelity(
        replace(planted(), block=np.zeros(24)), replace(bad, block=np.zeros(24)), network=BrightPlaces()
    )
    assert (one.low, one.high) == (-1.0, 1.0)


def test_the_same_seed_gives_the_same_interval():
    first, again = (mask_fidelity(planted(), planted(off_by=2), 5, BrightPlaces()) for _ in range(2))
    assert first == again != mask_fidelity(planted(), planted(off_by=2), 6, BrightPlaces())


def test_caps_of_a_3d_lesion_are_left_out():
    patches = planted(count=2)
    stack = np.repeat(patches.image[:, None], 5, 1)
    mask = np.repeat(patches.mask[:, None], 5, 1)
    mask[:, 0] = mask[:, 4] = False
    mask[:, 0, 2, 2:6] = True  # four pixels of dark tissue
    volume = LesionPatches(stack, mask, patches.block)
    assert dice_of(volume, BrightPlaces()) == pytest.approx(dice_of(patches, BrightPlaces()))
    tiny = np.zeros_like(mask)
    tiny[:, 2, 2, 2:6] = True  # smaller than a cap everywhere: its largest slice counts
    assert (dice_of(LesionPatches(stack, tiny, patches.block), BrightPlaces()) == 0).all()


# -- the segmenter


def test_the_segmenter_is_small_and_takes_any_size():
    network = build_segmenter().eval()
    assert sum(p.numel() for p in network.parameters()) <= 500_000
    found = segmented(np.ones((3, 50, 71), np.float32), network)
    assert found.shape == (3, 50, 71) and found.dtype == bool


def test_the_shipped_segmenter_finds_lesions_wherever_they_lie_and_nothing_else():
    visible, healthy = planted(contrast=0.9), planted(contrast=0.0)
    assert np.median(dice_of(visible)) > 0.7
    far = replace(visible, image=np.roll(visible.image, 18, 2), mask=np.roll(visible.mask, 18, 2))
    assert np.median(dice_of(far)) > 0.6
    # Textures of no brain: some is taken for a lesion, far less than a lesion is.
    assert segmented(healthy.image).mean() < 0.4 * segmented(visible.image).mean()


def test_weights_of_another_kind_are_refused(tmp_path):
    file = tmp_path / "segmenter.safetensors"
    with pytest.raises(InputError, match="cannot be read"):
        load_segmenter(file)
    file.write_bytes(b"no weights")
    with pytest.raises(InputError, match="does not hold the segmenter's weights"):
        load_segmenter(file)


def test_training_lowers_its_loss(tmp_path):
    pytest.importorskip("lightning.fabric")
    from training.loop import LoopSettings, averaged_weights, train
    from training.segment_task import PRESETS, SegmentTask
    from training_data import write_own_data

    data = write_own_data(tmp_path / "data", patients=2)
    preset = replace(PRESETS["smoke"], steps=45, batch=4)
    task = SegmentTask(data, preset)
    patches = planted_in(task)
    before = dice_of(patches, task.networks["segment"].eval()).mean()
    task.networks["segment"].train()
    losses = train(task, LoopSettings(preset.steps, precision="32-true", ema=0.9), tmp_path / "run", devices=1)
    network = build_segmenter().eval()
    network.load_state_dict(averaged_weights(tmp_path / "run")[0])
    after = dice_of(patches, network).mean()
    assert after > max(before, 0.5), (before, after, losses)


def planted_in(task) -> LesionPatches:
    """The tiny set's own patients that no step sees, in the middle of their patches."""
    shown = task.shown.plain(torch.arange(len(task.shown)))
    return LesionPatches(shown.image[:, 0].numpy(), shown.classes[:, 0].numpy() > 0, np.zeros(len(shown.image)))


# -- asked vs got


@dataclass(frozen=True)
class Made:
    """A case that the engine made, and its host."""

    case: Path
    host: Path

    def changed(self, folder: Path, **changes: Callable[[np.ndarray], np.ndarray]) -> Obedience:
        """The same case with faults planted in its delivered files, measured."""
        copy = folder / "case"
        shutil.copytree(self.case, copy)
        for name, change in changes.items():
            file = copy / {"image": IMAGE, "mask": MASK, "grey": INTENSITY_MAP}[name]
            stored = HostBrain.read(file)
            stored.write_volume(file, change(stored.voxels.copy()).astype(stored.voxels.dtype))
        return obedience(copy)


CENTER_RAS, RADII_MM = (30.0, -5.0, 30.0), (10.0, 8.0, 5.0)


@pytest.fixture(scope="module")
def made(synthesizer, tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    return make(synthesizer, folder, [LesionRequest(ConcentricSpheres(CENTER_RAS, RADII_MM, structure="ring"), 3)])


def make(synthesizer, folder: Path, requests: list[LesionRequest]) -> Made:
    host, brain = phantom(spacing_mm=(1.5, 1.5, 1.5))
    host.write_volume(folder / "host.nii.gz", host.voxels)
    host = HostBrain.read(folder / "host.nii.gz")
    quiet = [replace(request, appearance=Appearance(mass_effect=0, oedema=0)) for request in requests]
    host.write_volume(folder / "brain.nii.gz", brain.astype(np.uint8))
    case = synthesizer.synthesize_many(host, quiet, brain_mask=brain)
    record = provenance.with_brain_file(case.provenance, folder / "brain.nii.gz")
    return Made(write_case(replace(case, provenance=record), folder / "case").folder, folder / "host.nii.gz")


@pytest.fixture(scope="module")
def asked_for(made) -> Obedience:
    return obedience(made.case)


def test_the_engine_obeys(asked_for):
    assert asked_for.cases == len(asked_for.lesions) == 1
    assert asked_for.volume_error_percent.high < 1
    assert asked_for.centre_mm.high < 0.7 and asked_for.centre_mm_inside == asked_for.centre_mm
    assert asked_for.class_fraction_points.high < 1
    assert 0.5 < asked_for.contrast_kept.median < 1.5
    assert asked_for.drifted == asked_for.hidden == ()


def test_levels_are_those_of_the_image(made, asked_for, tmp_path):
    """Against the definition, computed by itself: medians over each class, relative to the phantom's white matter."""
    host, image = HostBrain.read(made.host), HostBrain.read(made.case / IMAGE)
    grey = HostBrain.read(made.case / INTENSITY_MAP).voxels
    low, high = host.intensity_window
    white_matter = (np.percentile(host.voxels[host.voxels > 0.4 * host.voxels.max()], 65) - low) / (high - low)
    for value, got in zip((0.5, 0.75, 1.0), asked_for.lesions[0].levels_got, strict=True):
        inside = np.abs(grey - value) < 1e-3
        assert got == pytest.approx(np.median((image.voxels[inside] - low) / (high - low)) / white_matter, rel=0.05)


def test_a_volume_off_by_a_tenth_is_found(made, asked_for, tmp_path):
    def shrunk(mask: np.ndarray) -> np.ndarray:
        depth = ndimage.distance_transform_edt(mask)
        rim = np.argsort(np.where(mask > 0, depth, np.inf), axis=None, kind="stable")
        mask.reshape(-1)[rim[: round(0.1 * mask.sum())]] = 0
        return mask

    found = made.changed(tmp_path, mask=lambda mask: shrunk(np.ascontiguousarray(mask)))
    assert found.volume_error_percent.median == pytest.approx(10, abs=1)


def test_a_mask_moved_by_three_millimetres_is_found(made, asked_for, tmp_path):
    found = made.changed(tmp_path, mask=lambda mask: np.roll(mask, 2, 0))
    assert found.centre_mm.median == pytest.approx(3, abs=asked_for.centre_mm.median + 0.05)
    assert found.volume_error_percent == asked_for.volume_error_percent
    assert found.drifted == ()  # far from the brain's border nothing excuses it


def test_swapped_classes_are_found(made, asked_for, tmp_path):
    def swapped(grey: np.ndarray) -> np.ndarray:
        return np.where(np.abs(grey - 0.5) < 1e-3, 1.0, np.where(np.abs(grey - 1) < 1e-3, 0.5, grey))

    found = made.changed(tmp_path, grey=swapped)
    _, shares = ConcentricSpheres(CENTER_RAS, RADII_MM, structure="ring").classes()
    assert found.class_fraction_points.median == pytest.approx(100 * abs(shares[0] - shares[2]), abs=1)
    assert found.contrast_kept.median == pytest.approx(-asked_for.contrast_kept.median)


def test_a_halved_contrast_is_found(made, asked_for, tmp_path):
    inside = HostBrain.read(made.case / MASK).voxels > 0
    levels = asked_for.lesions[0]
    host = HostBrain.read(made.host)
    white_matter = np.percentile(host.voxels[host.voxels > 0.4 * host.voxels.max()], 65)

    found = made.changed(tmp_path, image=lambda v: np.where(inside, white_matter + (v - white_matter) / 2.0, v))
    assert found.contrast_kept.median == pytest.approx(levels.contrast_kept / 2, rel=0.02)
    assert found.level_error_percent.median > asked_for.level_error_percent.median + 5
    assert found.volume_error_percent == asked_for.volume_error_percent


def test_soft_edges_are_told_from_lost_contrast(made, asked_for, tmp_path):
    """Levels as asked, then blurred: thin shells fade, and only the middles of thick ones are held to their level."""
    host, mask = HostBrain.read(made.host), HostBrain.read(made.case / MASK).voxels > 0
    low, high = host.intensity_window
    white_matter = np.percentile(host.voxels[host.voxels > 0.4 * host.voxels.max()], 65) - low
    depth = ndimage.distance_transform_edt(mask)
    grey = np.select([~mask, depth <= 3, depth <= 4], [0, 1.0, 0.75], 0.5)
    asked = dict(zip((0.5, 0.75, 1.0), asked_for.lesions[0].levels_asked, strict=True))
    levels = sum(level * (grey == value) for value, level in asked.items()) + ~mask
    image = low + white_matter * ndimage.gaussian_filter(levels, 0.8)
    found = made.changed(tmp_path, image=lambda _: image, grey=lambda _: grey)
    assert found.contrast_kept.median < found.contrast_kept_where_thick.median - 0.03
    assert found.contrast_kept_where_thick.median == pytest.approx(1, abs=0.12)


def test_without_its_host_the_image_itself_tells_white_matter(made, asked_for, tmp_path):
    case = shutil.copytree(made.case, tmp_path / "case")
    record = json.loads((case / "provenance.json").read_text())
    record["host"]["file"] = record["brain_mask"]["file"] = str(tmp_path / "gone.nii.gz")
    (case / "provenance.json").write_text(json.dumps(record))
    found = obedience(case)
    assert found.lesions[0].levels_got == pytest.approx(asked_for.lesions[0].levels_got, rel=0.03)


def test_lesions_at_the_border_and_under_others_are_named_apart(synthesizer, tmp_path):
    at_border = ConcentricSpheres((5 + 57.0, -10.0, 15.0), (8.0, 6.0, 3.0), structure="solid")
    covered = ConcentricSpheres((-25.0, -30.0, 15.0), (8.0, 6.0, 3.0), structure="solid")
    covering = replace(covered, center_ras=(-25.0, -22.0, 15.0))
    requests = [LesionRequest(spheres, seed) for seed, spheres in enumerate((at_border, covered, covering))]
    several = make(synthesizer, tmp_path, requests)

    def pulled_in(mask: np.ndarray) -> np.ndarray:
        own = np.where(mask == 1, mask, 0)
        moved = np.roll(own, -3 if HostBrain.read(several.host).affine[0, 0] > 0 else 3, 0)
        return np.where(moved > 0, moved, np.where(mask == 1, 0, mask))

    (tmp_path / "in").mkdir()
    found = several.changed(tmp_path / "in", mask=pulled_in)
    assert found.drifted == ("case lesion 1",) and found.hidden == ("case lesion 2",)
    assert found.lesions[0].meets_border and found.centre_mm.high > 2
    assert found.centre_mm_inside.high < 0.7, "neither the drifted nor the hidden lesion counts here"


def test_a_cohort_is_measured_case_by_case(tmp_path):
    make_cohort(small(two_hosts(tmp_path), cases=2), tmp_path / "cohort")
    found = obedience(tmp_path / "cohort")
    assert found.cases == 2 and {lesion.name.split()[0] for lesion in found.lesions} == {"sub-00001", "sub-00002"}
    assert found.volume_error_percent.median < 4  # some thirty voxels each


def test_what_is_missing_is_named(made, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        obedience(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no case"):
        obedience(tmp_path)
    with pytest.raises(InputError, match="no place was given"):
        obedience([])
    case = shutil.copytree(made.case, tmp_path / "case")
    (case / INTENSITY_MAP).unlink()
    with pytest.raises(InputError, match=f"lacks {INTENSITY_MAP}"):
        obedience(tmp_path)


def test_files_that_do_not_belong_together_are_refused(made, tmp_path):
    for name, change, says in (
        ("mask", np.zeros_like, "no voxel is numbered 1"),
        ("grey", lambda grey: grey * 0.1, "none of the grey values"),
    ):
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=says):
            made.changed(tmp_path / name, **{name: change})
