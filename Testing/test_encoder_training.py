"""The judges' encoder: it learns from views alone, becomes a file with a card, and serves as a loss."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightning.fabric")
import torch

from training.encoder_loss import EncoderPerceptual
from training.encoder_task import PRESETS, EncoderTask, vicreg
from training.loop import Chance, LoopSettings, train
from training.make_judge import main, make_judge
from training_data import write_own_data
from TumorSynthLib.errors import InputError
from TumorSynthLib.realism import encoder
from TumorSynthLib.realism.patches import LesionPatches

pytestmark = pytest.mark.usefixtures("one_thread")

PRESET = replace(PRESETS["smoke"], steps=12, batch=8, projected=32)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_own_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("runs") / "encoder"
    train(EncoderTask(data, PRESET), LoopSettings(PRESET.steps, precision="32-true"), folder, devices=1)
    facts = {"network": "encoder", "preset_name": "smoke", "preset": asdict(PRESET), "steps": PRESET.steps, "seed": 1}
    machine = {"precision": "32-true", "threads": 1, "torch": torch.__version__, "machine": "any", "code": None}
    (folder / "run.json").write_text(json.dumps(facts | machine))
    return folder


def test_views_differ_and_none_is_interpolated(data):
    task = EncoderTask(data, PRESET)
    rows = torch.arange(6)
    (image, weight), (other, _) = (task._view(rows, Chance(1, step)) for step in (0, 1))
    assert image.shape == weight.shape == (6, 1, encoder.SIDE, encoder.SIDE)
    assert not torch.equal(image, other)
    assert (weight.flatten(1).sum(1) > 0).any()
    windows, masks = task._turned_windows(rows, Chance(1, 0))
    for row, (window, mask) in enumerate(zip(windows, masks, strict=True)):
        assert torch.isin(window, task.patches.image[row]).all()
        assert mask.any()


def test_a_spoilt_view_is_as_blurred_and_noisy_as_it_says_and_only_near_the_lesion(data):
    task = EncoderTask(data, PRESET)
    rows = torch.zeros(40, dtype=torch.long)
    spoilt, near, amounts = task._spoilt_view(rows, Chance(1, 3))
    plain, _ = task._view(rows, Chance(1, 3))
    changed = (spoilt - plain).abs()
    assert float(changed[near == 0].max()) == 0
    untouched = amounts.sum(1) == 0
    assert 0 < untouched.sum() < 40
    assert float(changed[untouched].max()) == 0
    assert all(changed[row].max() > 0 for row in torch.nonzero(~untouched)[:, 0] if near[row].any())


def test_vicreg_is_nothing_for_views_that_agree_vary_and_do_not_repeat_each_other():
    signs = torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1]]).T * 2
    assert {k: float(v) for k, v in vicreg(signs, signs).items()} == {"agree": 0, "vary": 0, "decorrelate": 0}
    collapsed = vicreg(torch.zeros(4, 2), torch.zeros(4, 2))
    assert float(collapsed["vary"]) > 0.9
    repeated = signs[:, :1].repeat(1, 2)
    assert float(vicreg(repeated, repeated)["decorrelate"]) > 1
    assert float(vicreg(signs, -signs)["agree"]) > 1


def test_features_of_two_views_come_together_while_lesions_stay_apart(data, run):
    losses = torch.load(run / "checkpoint.ckpt", weights_only=True)["losses"]
    assert set(losses) == {"agree", "vary", "decorrelate", "spoilt"}
    assert losses["vary"] < 0.95
    assert next(run.glob("sheet_*.png")).stat().st_size > 0


def test_a_run_becomes_a_judge_with_a_card(data, run, tmp_path, monkeypatch):
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps([{"what": "planted figure", "figure": "0.5", "how": "by hand"}]))
    file = make_judge("encoder", run, data, tmp_path / "judges", figures)
    card = file.with_suffix(".md").read_text()
    for told in ("planted figure", "VICReg", "training.train encoder", "training.make_judge encoder", "Apache-2.0"):
        assert told in card
    assert file.stat().st_size < 1e6
    assert {p.name for p in file.parent.iterdir()} == {"encoder.safetensors", "encoder.md"}
    monkeypatch.setattr(encoder, "JUDGES_FOLDER", file.parent)
    mask = np.zeros((2, 64, 64), bool)
    mask[:, 20:40, 20:40] = True
    image = np.random.default_rng(0).normal(1, 0.1, mask.shape)
    assert encoder.encoded(LesionPatches(image, mask, np.arange(2))).shape == (2, encoder.FEATURES)


def test_what_is_no_judge_is_refused_and_nothing_written(data, run, tmp_path, capsys):
    with pytest.raises(InputError, match="unknown"):
        make_judge("painter", run, data, tmp_path)
    assert main(["segmenter", "--run", str(run), "--data", str(data), "--out", str(tmp_path)]) == 2
    assert "error: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_perceptual_loss_is_nothing_for_the_same_grows_with_blur_and_has_a_gradient():
    torch.manual_seed(0)
    loss = EncoderPerceptual(encoder.build_encoder())
    real = torch.randn(3, 1, 32, 32) * 0.2
    near, far = (torch.nn.functional.avg_pool2d(real, size, 1, size // 2) for size in (3, 7))
    assert float(loss(real, real)) == 0
    assert 0 < float(loss(0.5 * (real + near), real)) < float(loss(far, real))
    made = near.clone().requires_grad_()
    loss(made, real).backward()
    assert float(made.grad.abs().sum()) > 0
    assert not any(parameter.requires_grad for parameter in loss.parameters())
