"""Lesions are cut out the same whatever file, grid or orientation they come in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reading_studies import write_cohort
from TumorSynthLib.case_files import PROVENANCE
from TumorSynthLib.errors import InputError
from TumorSynthLib.grid import Grid
from TumorSynthLib.host import HostBrain
from TumorSynthLib.realism.alike import CALIPER, matched, through_the_same_noise
from TumorSynthLib.realism.archives import read_archive, write_archive
from TumorSynthLib.realism.patches import LesionPatches
from TumorSynthLib.realism.sources import read_patches
from volumes import oblique_affine

CENTERS = ((-14.0, 6.0, 4.0), (18.0, -12.0, -8.0))
RADII = (8.0, 6.0)


def world(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A smooth head with two unlike lesions, given at any points in millimetres: image and labels."""
    inside = ((points / (52, 60, 48)) ** 2).sum(-1) < 1
    image = np.where(inside, 900 + 80 * np.sin(points @ (0.11, 0.07, -0.09)), 0)
    labels = np.zeros(points.shape[:-1], np.uint8)
    for number, (center, radius) in enumerate(zip(CENTERS, RADII, strict=True), 1):
        away = points - center
        lesion = (away**2).sum(-1) < radius**2
        labels[lesion] = number
        image[lesion] = 1400 + 15 * away[lesion] @ (1.0, 2.0, -1.5)
    return image, labels


def pair(folder: Path, name: str, affine: np.ndarray, shape: tuple[int, int, int], labelled: bool = False) -> Path:
    folder.mkdir(exist_ok=True)
    middle = affine.copy()
    middle[:3, 3] = -middle[:3, :3] @ ((np.array(shape) - 1) / 2)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    image, labels = world(Grid(middle, shape).to_ras(index))
    host = HostBrain.from_array(image.astype(np.float32), middle)
    host.write_volume(folder / f"{name}.nii.gz", host.voxels)
    host.write_volume(folder / f"{name}_mask.nii.gz", labels if labelled else (labels > 0).astype(np.uint8))
    return folder


ISOTROPIC = (np.diag([1.0, 1, 1, 1]), (112, 128, 104))
GRIDS = {
    "flipped": (oblique_affine((1, 1, 1), (0, 0, 0), (-1, 1, -1)), (112, 128, 104)),
    "permuted": (oblique_affine((1, 1, 1), (0, 0, 0), axes=(2, 0, 1)), (104, 112, 128)),
    "fine": (oblique_affine((0.5, 0.8, 0.7), (0, 0, 0)), (224, 160, 148)),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> LesionPatches:
    return read_patches(pair(tmp_path_factory.mktemp("plain"), "a", *ISOTROPIC), 3, size=48)


def apart(one: LesionPatches, other: LesionPatches) -> tuple[float, float]:
    """How unlike images and outlines are; lesions in the order of their size."""
    rows, others = np.argsort(one.size), np.argsort(other.size)
    difference = np.abs(one.image[rows] - other.image[others]).mean()
    both, either = (one.mask[rows] & other.mask[others]).sum(), (one.mask[rows] | other.mask[others]).sum()
    return float(difference), float(1 - both / either)


@pytest.mark.parametrize("name", GRIDS)
def test_a_lesion_is_cut_out_the_same_from_any_grid(tmp_path, plain, name):
    found = read_patches(pair(tmp_path / name, "b", *GRIDS[name]), 3, size=48)
    assert len(found) == len(plain) == 2
    image, outline = apart(found, plain)
    assert image < (0.02 if name == "fine" else 1e-3)
    assert outline < (0.08 if name == "fine" else 1e-6)


def test_an_oblique_scan_gives_lesions_of_the_same_size_and_level(tmp_path, plain):
    affine = oblique_affine((1, 1, 1.5), (12, -9, 20))
    found = read_patches(pair(tmp_path / "oblique", "b", affine, (128, 140, 90)), 3, size=48)
    assert np.allclose(np.sort(found.size), np.sort(plain.size), rtol=0.06)
    levels = [[p.image[row][p.mask[row]].mean() for row in np.argsort(p.size)] for p in (found, plain)]
    assert np.allclose(*levels, rtol=0.04)


def test_white_matter_is_one_and_air_is_zero(plain):
    far = plain.image[0][:, :, -1]
    assert np.median(far[far > 0.3]) == pytest.approx(1, abs=0.12)
    assert plain.image.min() >= -1e-6
    volumes = [4 / 3 * np.pi * r**3 for r in RADII]
    assert np.allclose(np.sort(plain.size), np.sort(volumes), rtol=0.06)


def test_a_slice_is_the_largest_of_its_lesion_and_several_are_slices_of_the_same_block(tmp_path):
    folder = pair(tmp_path / "scans", "a", *ISOTROPIC)
    one, three = read_patches(folder, 2, size=48), read_patches(folder, 2, slices_per_lesion=3, size=48)
    assert one.image.shape == (2, 48, 48) and len(three) == 6
    assert np.allclose(np.sort(one.size), np.sort([np.pi * r**2 for r in RADII]), rtol=0.06)
    assert len(np.unique(three.block)) == 1 and len(set(three.name)) == 6


def test_a_lesion_larger_than_the_window_is_scaled_to_fit(tmp_path):
    found = read_patches(pair(tmp_path / "scans", "a", *ISOTROPIC), 2, size=28)
    largest = found.mask[int(found.size.argmax())]
    assert np.ptp(np.nonzero(largest), axis=1).max() <= 8


def test_a_table_names_patients_and_they_are_blocks(tmp_path):
    folder = pair(pair(tmp_path / "scans", "a", *ISOTROPIC), "b", *ISOTROPIC)
    table = folder / "table.csv"
    table.write_text("image,mask,patient\na.nii.gz,a_mask.nii.gz,anna\nb.nii.gz,b_mask.nii.gz,björn\n", "utf-8")
    found = read_patches(table, 2, size=48)
    assert len(found) == 4 and len(np.unique(found.block)) == 2


def test_cases_bring_the_place_without_the_lesion_where_the_host_is_still_there(tmp_path):
    cohort = write_cohort(tmp_path / "cohort", 2)
    assert read_patches(cohort, 2).base is None
    for record in [*cohort.rglob(PROVENANCE), *cohort.rglob("*T1w.json")]:
        content = json.loads(record.read_text())
        lesion = HostBrain.read(next(f for f in record.parent.iterdir() if "image" in f.name or "T1w.nii" in f.name))
        mask = HostBrain.read(next(f for f in record.parent.iterdir() if "mask" in f.name or "dseg" in f.name))
        before = np.where(mask.voxels > 0, lesion.voxels - 500, lesion.voxels)
        file = tmp_path / f"{record.parent.name}.nii"
        lesion.write_volume(file, before)
        content["host"] |= {"file": str(file), "checksum": HostBrain.read(file).checksum()}
        record.write_text(json.dumps(content))
    found = read_patches(cohort, 2)
    assert found.base is not None
    difference = found.image - found.base
    assert all(difference[row][found.mask[row]].mean() > 0.3 for row in range(len(found)))
    assert np.abs(difference[:, :4]).max() < 1e-6


def textures(count: int, seed: int, radius: tuple[float, float] = (4, 9)) -> LesionPatches:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :40] - 19.5
    mask = np.stack([x**2 + y**2 < rng.uniform(*radius) ** 2 for _ in range(count)])
    image = 1 + 0.1 * rng.standard_normal(mask.shape) + 0.4 * mask
    return LesionPatches(image, mask, np.arange(count) // 2, tuple(f"{seed}-{n}" for n in range(count)))


def test_an_archive_is_read_as_it_was_written(tmp_path):
    before = textures(6, 0)
    write_archive(tmp_path / "set.npz", before)
    after = read_patches(tmp_path / "set.npz")
    for name in ("image", "mask", "block", "name"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    np.savez(tmp_path / "scanner.npz", image=(before.image * 50).clip(0, 255).astype(np.uint8), mask=before.mask,
             block=before.block, white_matter=np.full(6, 50.0))  # fmt: skip
    assert np.allclose(read_archive(tmp_path / "scanner.npz").image, before.image.clip(0), atol=0.021)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"image": np.ones((2, 8, 8))}, "no mask and no block"),
        ({"image": np.ones((2, 8, 8)), "mask": np.ones((2, 8, 8)), "block": np.arange(3)}, "block numbers"),
        ({"image": np.ones((2, 8, 8)), "mask": np.zeros((2, 8, 8)), "block": np.arange(2)}, "empty mask"),
        ({"image": np.ones((2, 4, 8, 8)), "mask": np.ones((2, 4, 8, 8)), "block": np.arange(2)}, "--dimensions"),
        ({"image": np.ones((1, 8, 8)), "mask": np.ones((1, 8, 8)), "block": np.arange(1), "white_matter": np.zeros(1)},
         "white_matter"),
    ],
)  # fmt: skip
def test_a_wrong_archive_is_refused_by_its_name(tmp_path, content, says):
    np.savez(tmp_path / "set.npz", **content)
    with pytest.raises(InputError, match=says) as error:
        read_patches(tmp_path / "set.npz")
    assert "set.npz" in str(error.value) and "\n" not in str(error.value)


def test_what_is_no_source_is_refused(tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 nothing")
    (tmp_path / "empty").mkdir()
    for place in ("broken.npz", "absent.npz", "empty", "absent"):
        with pytest.raises(InputError, match=place) as error:
            read_patches(tmp_path / place)
        assert "--real" not in str(error.value)


def test_pairs_are_alike_in_size_and_none_is_used_twice():
    real, synthetic = textures(40, 1), textures(60, 2, (3, 20))
    pairs = matched(real, synthetic, seed=3)
    ratio = pairs.real.size / pairs.synthetic.size
    assert (np.abs(np.log(ratio)) <= np.log(CALIPER)).all()
    assert len(set(pairs.real.name)) == len(pairs.real) == len(set(pairs.synthetic.name))
    assert pairs.real_left_out == 40 - len(pairs.real) and pairs.synthetic_left_out == 60 - len(pairs.real)
    assert str(pairs.synthetic_left_out) in str(pairs)
    with pytest.raises(InputError, match="as large"):
        matched(textures(4, 1, (3, 4)), textures(4, 1, (15, 18)))


def test_numbers_do_not_tell_in_how_many_levels_they_were_stored():
    fine = textures(30, 5)
    coarse = LesionPatches(np.rint(fine.image * 90) / 90, fine.mask, fine.block)
    assert len(np.unique(coarse.image)) < 300 < len(np.unique(fine.image))
    one, other = through_the_same_noise(fine, coarse)
    counts = [
        np.bincount(np.rint(each.image[~each.mask] * 100).astype(int), minlength=160)[60:140] for each in (one, other)
    ]
    combed = np.bincount(np.rint(coarse.image[~coarse.mask] * 100).astype(int), minlength=160)[60:140]
    assert np.abs(np.diff(combed, 2)).mean() > 3 * np.abs(np.diff(counts[1], 2)).mean()
    assert np.abs(counts[0] - counts[1]).mean() < 0.15 * counts[0].mean()
