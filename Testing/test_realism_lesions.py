"""Slices of many lesions for an audit: what is cut out, and that an interrupted run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cohort_cases import two_hosts
from training.realism_lesions import cut, make_archive, recipe_for
from TumorSynthLib.cohorts.recipe import Recipe
from TumorSynthLib.errors import InputError
from TumorSynthLib.grid import box_of
from TumorSynthLib.host import HostBrain
from TumorSynthLib.realism.archives import read_archive


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Recipe:
    """Lesions in a brain small enough for tests, its mask given."""
    hosts = two_hosts(tmp_path_factory.mktemp("hosts"))
    return recipe_for("default", [], "10:16", seed=3).with_hosts(hosts.entries[:1])


def test_an_interrupted_run_goes_on_and_ends_in_the_same_archive(recipe, tmp_path):
    whole = make_archive(recipe, 2, tmp_path / "whole.npz", part=1)
    assert [file.name for file in tmp_path.iterdir()] == ["whole.npz"]
    out = tmp_path / "again.npz"
    _leave_behind(recipe, out)
    again = make_archive(recipe, 2, out, part=1)
    assert np.array_equal(again.image, whole.image) and again.name == whole.name
    read = read_archive(out)
    assert read.image.shape == (2, 64, 64) and np.array_equal(read.mask, whole.mask)
    assert not (read.image == read.base).all((1, 2)).any()


def _leave_behind(recipe: Recipe, out: Path) -> None:
    """As a run that was stopped while it wrote its second part does."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        written = []

        def write(file: Path, patches: object) -> None:
            if written:
                raise KeyboardInterrupt
            written.append(file)
            _really_write(file, patches)

        from training import realism_lesions

        _really_write = realism_lesions.write_archive
        patch.setattr(realism_lesions, "write_archive", write)
        make_archive(recipe, 2, out, part=1)


def test_the_largest_axial_slice_is_cut_out_relative_to_white_matter():
    """Whatever way the scan's axes run."""
    voxels = np.full((40, 50, 60), 100.0, np.float32)
    place = np.indices(voxels.shape)
    lesion = ((place[0] - 20) ** 2 + (place[2] - 30) ** 2 < 36) & (abs(place[1] - 25) < 6 - abs(place[2] - 30) / 2)
    voxels[0, 0, 0] = 0
    host = HostBrain.from_array(voxels, np.array([[0, 0, 1.0, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]))
    image = voxels.copy()
    image[lesion] = 150
    white = float(host.normalized(np.array([100.0], np.float32))[0])
    patch = cut(host, image, lesion, host.grid, white, block=7, name="one")
    area = lesion.sum((0, 2))
    assert patch is not None and patch.size[0] == area.max()
    assert patch.base[0][24:40, 24:40] == pytest.approx(1.0)
    assert patch.image[0][patch.mask[0]] == pytest.approx(1.5, rel=0.02)
    assert all(abs((side.start + side.stop) / 2 - 32) <= 1 for side in box_of(patch.mask[0]))
    assert patch.name == ("one",) and patch.block[0] == 7


def test_a_tiny_lesion_is_left_out():
    host = HostBrain.from_array(np.arange(8000, dtype=np.float32).reshape(20, 20, 20), np.eye(4))
    tiny = np.zeros(host.shape, bool)
    tiny[9:12, 9:12, 9:12] = True
    assert cut(host, host.voxels, tiny, host.grid, 1.0, 0, "tiny") is None


def test_no_lesion_is_refused(recipe, tmp_path):
    with pytest.raises(InputError, match="at least one"):
        make_archive(recipe, 0, tmp_path / "none.npz")
