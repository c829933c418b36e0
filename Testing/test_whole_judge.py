"""The judge that learns from training patients: chance where there is nothing to find, a planted flaw found."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from realism_lesions import lesions
from training import judge_wholes
from training.discriminators import StatisticsDiscriminator
from TumorSynthLib.realism.archives import write_archive
from TumorSynthLib.realism.patches import LesionPatches

pytestmark = pytest.mark.usefixtures("one_thread")

COUNT, STEPS = 60, 120


def smoothed(patches: LesionPatches) -> LesionPatches:
    smooth = gaussian_filter(patches.image, (0, 1, 1))
    return LesionPatches(np.where(patches.mask, smooth, patches.image), patches.mask, patches.block)


def area(flaw, blur: float = 0.0) -> float:
    trained, asked = ((lesions(COUNT, seed=s), flaw(lesions(COUNT, seed=s + 1))) for s in (0, 2))
    return judge_wholes.area_of(judge_wholes.learned(trained, blur, STEPS), asked, blur).auc


def test_lesions_of_one_kind_are_not_told_apart():
    assert 0.3 < area(lambda patches: patches) < 0.7


def test_grain_that_is_missing_is_found_unless_it_is_hidden():
    assert area(smoothed) > 0.9
    assert area(smoothed, blur=4.0) < 0.8


def test_command_judges_sets_and_copies(tmp_path, monkeypatch, capsys):
    for name, seed in (("train", 0), ("asked", 2)):
        folder = tmp_path / name
        folder.mkdir()
        write_archive(folder / "real.npz", lesions(COUNT, seed=seed))
        write_archive(folder / "synthetic.npz", smoothed(lesions(COUNT, seed=seed + 1)))
    for more in ([], ["--copies"]):
        given = ["judge_wholes", str(tmp_path / "train"), str(tmp_path / "asked"), "--steps", "4", *more]
        monkeypatch.setattr(sys, "argv", given)
        judge_wholes.main()
        assert "area" in capsys.readouterr().out
    for trained, more, wrong in (("none", [], "none"), ("train", ["--steps", "0"], "one step or more")):
        given = ["judge_wholes", str(tmp_path / trained), str(tmp_path / "asked"), *more]
        monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit):
            judge_wholes.main()
        assert wrong in capsys.readouterr().err


def test_scores_depend_on_what_is_in_and_near_the_lesion_only():
    torch.manual_seed(0)
    judge = StatisticsDiscriminator().eval()
    image, mask = torch.rand(2, 1, 64, 64), torch.zeros(2, 1, 64, 64)
    mask[:, :, 24:40, 24:40] = 1
    scores = judge(image, 0 * mask, mask)
    far, near = image.clone(), image.clone()
    far[:, :, :, :4], near[:, :, 30:34, 30:34] = 0, 0
    assert torch.allclose(judge(far, 0 * mask, mask), scores, atol=1e-6)
    assert not torch.allclose(judge(near, 0 * mask, mask), scores, atol=1e-3)
