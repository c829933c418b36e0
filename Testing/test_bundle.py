"""Bundles: what is made from runs is what is loaded, and what has been touched is refused."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from TumorSynthLib import bundle as bundle_module
from TumorSynthLib.bundle import MANIFEST, WEIGHTS_FOLDER, Bundle, list_bundles
from TumorSynthLib.errors import InputError
from TumorSynthLib.networks import NETWORKS, build_network

MOST_BYTES_TOGETHER = 15_000_000
TRANSPOSED = "transposed convolution"


# ---- made in tests -------------------------------------------------------------------------------------------------


def write_run(folder: Path, kind: str, seed: int, upsampling: str | None = None, steps_done: int = 60) -> Path:
    """A run folder as `training.train` leaves it, without the training."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    weights = build_network(kind, upsampling or "upsampling+convolution").state_dict()
    state = {"step": steps_done, "seconds": 12.34, "average": weights, "losses": {"l1": 0.125}}
    torch.save({"networks": {}, "optimizers": {}, **state}, folder / "checkpoint.ckpt")
    preset = {"steps": 60, "fraction": 1.0} | ({"upsampling": upsampling} if upsampling else {})
    facts = {"network": kind, "preset_name": "smoke", "preset": preset, "steps": 60, "seed": seed}
    facts |= {"precision": "32-true", "threads": 1, "torch": "2", "machine": "test"}
    (folder / "run.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Path:
    """Runs, data and a weights folder with the two bundles, made through the real command."""
    pytest.importorskip("lightning.fabric")
    root = tmp_path_factory.mktemp("workshop")
    for seed, kind in enumerate(NETWORKS):
        write_run(root / "runs" / kind, kind, seed)
    write_run(root / "runs" / "map_transposed", "map", 9, TRANSPOSED, steps_done=20)
    labels = root / "data" / "synthseg_labels"
    labels.mkdir(parents=True)
    for number in range(6):
        (labels / f"head{number}.nii.gz").write_bytes(bytes([number]))
    (root / "data" / "cheng_t1c_2d.npz").write_bytes(b"slices")
    assert make(root, "default") == 0
    assert make(root, "heterogeneous", "--map", root / "runs/map_transposed", "--share", "default") == 0
    return root


def make(root: Path, name: str, *options: object, out: Path | None = None) -> int:
    from training.make_bundle import main

    runs = [word for kind in NETWORKS for word in (f"--{kind}", root / "runs" / kind)] if not options else []
    words = [name, *runs, *options, "--data", root / "data", "--out", out or root / "weights"]
    return main([str(word) for word in words])


@pytest.fixture
def weights(workshop, tmp_path, monkeypatch) -> Path:
    """A copy of the two bundles, to be spoilt."""
    folder = tmp_path / "weights"
    shutil.copytree(workshop / "weights", folder)
    monkeypatch.setattr(bundle_module, "WEIGHTS_FOLDER", folder)
    return folder


def edit(bundle: Path, change) -> None:
    file = bundle / MANIFEST
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


def refusal(action) -> str:
    with pytest.raises(InputError) as raised:
        action()
    assert "\n" not in str(raised.value)
    return str(raised.value)


# ---- loading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, kind", [("default", k) for k in NETWORKS] + [("heterogeneous", "map")])
def test_loaded_network_answers_as_the_trained_one(name, kind, workshop, weights):
    bundle = Bundle.find(name)
    run = workshop / "runs" / ("map_transposed" if name == "heterogeneous" else kind)
    original = build_network(kind, bundle.manifest["networks"][kind]["upsampling"]).eval()
    original.load_state_dict(torch.load(run / "checkpoint.ckpt", weights_only=True)["average"])
    spec = NETWORKS[kind]
    shown = torch.rand(1, spec.channels_in, *(32,) * spec.dimensions, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, answer = original(shown), bundle.load(kind, "cpu")(shown)
    # Half precision keeps eleven binary digits of each weight.
    assert (answer - expected).abs().max() < 0.01 * expected.abs().max()


def test_loaded_network_is_for_inference_and_costs_no_one_their_seed(weights):
    before = torch.get_rng_state()
    network = Bundle.find("default").load("paint", torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in network.parameters())


def test_loading_unpickles_nothing(weights, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("a bundle was unpickled")

    for module, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, name, forbidden)
    for kind in NETWORKS:
        Bundle.find("default").load(kind)


def test_bundles_are_found_by_name_and_by_folder(weights, tmp_path):
    (weights / ".default.part").mkdir()
    (weights / ".default.part" / MANIFEST).write_text("{}")
    assert list_bundles() == ["default", "heterogeneous"]
    assert Bundle.find(weights / "default") == Bundle.find("default")
    assert Bundle.find("default").upsampling == "upsampling+convolution"
    assert Bundle.find("heterogeneous").upsampling == TRANSPOSED
    assert Bundle.find("heterogeneous").checksum != Bundle.find("default").checksum


# ---- refusing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETWORKS)
def test_one_changed_byte_is_refused(kind, weights):
    file = weights / "default" / f"{kind}.safetensors"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    bundle = Bundle.find("default")
    for action in (bundle.verify, lambda: bundle.load(kind)):
        message = refusal(action)
        assert f"{kind}.safetensors has been changed or damaged: reinstall" in message


def test_truncated_and_missing_files_are_refused(weights):
    file = weights / "default" / "paint.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    assert "paint.safetensors has been changed or damaged" in refusal(Bundle.find("default").verify)
    file.unlink()
    assert "paint.safetensors is missing" in refusal(lambda: Bundle.find("heterogeneous").load("paint"))


def test_unknown_names_are_told_the_known_ones(weights, tmp_path, monkeypatch):
    assert "choose one of default, heterogeneous" in refusal(lambda: Bundle.find("defualt"))
    assert "has no manifest.json" in refusal(lambda: Bundle.find(tmp_path))
    assert "network 'brian' is unknown" in refusal(lambda: Bundle.find("default").load("brian"))
    monkeypatch.setattr(bundle_module, "WEIGHTS_FOLDER", tmp_path / "nowhere")
    assert list_bundles() == []
    assert "none is installed" in refusal(lambda: Bundle.find("default"))


@pytest.mark.parametrize("written", ["../../mask.safetensors", "{absolute}", "link.safetensors"])
def test_files_outside_the_weights_folder_are_refused(written, weights, tmp_path):
    outside = tmp_path / "mask.safetensors"
    shutil.copy(weights / "default" / "mask.safetensors", outside)
    (weights / "default" / "link.safetensors").symlink_to(outside)
    file = written.format(absolute=outside)
    edit(weights / "default", lambda manifest: manifest["networks"]["mask"].update(file=file))
    bundle = Bundle.find("default")
    for action in (bundle.verify, lambda: bundle.load("mask")):
        assert "outside the weights folder" in refusal(action)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format=2), "format 2"),
        (lambda m: m.pop("name"), "'name'"),
        (lambda m: m["networks"].pop("brain"), "'networks' must hold mask, map, paint, brain"),
        (lambda m: m["networks"].update(map=[]), "'map' is not an object"),
        (lambda m: m["networks"]["map"].pop("file"), "'map' names no file"),
        (lambda m: m["networks"]["map"].update(sha256="abc"), "'map' has no sha256"),
        (lambda m: m["networks"]["map"].update(upsampling="nearest"), "'map' has upsampling 'nearest'"),
    ],
)
def test_malformed_manifests_are_refused(change, message, weights):
    edit(weights / "default", change)
    assert message in refusal(lambda: Bundle.find("default"))


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe\x00"])
def test_manifests_that_are_no_objects_are_refused(content, weights):
    (weights / "default" / MANIFEST).write_bytes(content)
    assert MANIFEST in refusal(lambda: Bundle.find("default"))


def test_weights_of_another_network_are_refused(weights):
    edit(weights / "default", lambda m: m["networks"]["map"].update(upsampling=TRANSPOSED))
    assert "does not fit the map network (transposed convolution)" in refusal(
        lambda: Bundle.find("default").load("map")
    )
    edit(weights / "default", lambda m: m["networks"].update(paint=m["networks"]["mask"]))
    assert "does not fit the paint network" in refusal(lambda: Bundle.find("default").load("paint"))


# ---- making --------------------------------------------------------------------------------------------------------


def test_shared_files_are_referred_to_not_copied(weights):
    manifest = Bundle.find("heterogeneous").manifest
    assert [p.name for p in (weights / "heterogeneous").glob("*.safetensors")] == ["map.safetensors"]
    for kind in ("mask", "paint", "brain"):
        assert manifest["networks"][kind]["file"] == f"../default/{kind}.safetensors"
    Bundle.find("heterogeneous").verify()


def test_making_a_sharing_bundle_again_keeps_what_is_its_own(workshop, weights):
    own = (weights / "heterogeneous" / "map.safetensors").read_bytes()
    assert make(workshop, "heterogeneous", "--share", "default", out=weights) == 0
    assert (weights / "heterogeneous" / "map.safetensors").read_bytes() == own


def test_given_runs_that_equal_the_shared_ones_are_shared_too(workshop, weights):
    runs = [word for kind in NETWORKS for word in (f"--{kind}", workshop / "runs" / kind)]
    assert make(workshop, "twin", *runs, "--share", "default", out=weights) == 0
    assert not list((weights / "twin").glob("*.safetensors"))
    assert Bundle.find("twin").checksum == Bundle.find("default").checksum


def test_replacing_shared_files_tells_which_bundles_to_make_again(workshop, weights, tmp_path, capsys):
    other = write_run(tmp_path / "paint", "paint", seed=77)
    assert make(workshop, "default", "--paint", other, out=weights) == 0
    assert "bundle 'heterogeneous' shares files that have changed" in capsys.readouterr().err
    assert "paint.safetensors has been changed" in refusal(Bundle.find("heterogeneous").verify)
    map_run = workshop / "runs/map_transposed"
    assert make(workshop, "heterogeneous", "--map", map_run, "--share", "default", out=weights) == 0
    Bundle.find("heterogeneous").verify()


def test_manifest_and_card_tell_how_each_network_came_to_be(workshop, weights):
    manifest, card = Bundle.find("default").manifest, (weights / "default" / "MODEL_CARD.md").read_text()
    entry = manifest["networks"]["map"]
    assert entry["parameters"] == sum(p.numel() for p in build_network("map").parameters())
    assert entry["bytes"] == (weights / "default" / entry["file"]).stat().st_size < 2.2 * entry["parameters"]
    run = entry["run"]
    assert (run["steps_done"], run["seconds"], run["losses"], run["seed"]) == (60, 12.3, {"l1": 0.125}, 1)
    assert {"version", "commit", "uncommitted_changes"} <= set(run["code"])
    assert [d["name"] for d in entry["data"]] == ["cheng_t1c_2d", "synthseg_labels", "procedural lesions"]
    for fact in ("figshare 1512427", "CC BY 4.0", "BBillot/SynthSeg", "Apache-2.0", "US 12,394,187 B2", "Not for"):
        assert fact in card
    assert "python -m training.train paint --preset smoke" in card
    for text in (card, json.dumps(manifest)):
        assert str(workshop) not in text


def test_a_run_that_went_on_under_other_settings_says_so_in_its_card(tmp_path):
    pytest.importorskip("lightning.fabric")
    from training.make_bundle import network_from_run
    from training.model_card import model_card
    from training.paint_task import PaintPreset
    from training.stages import continued

    run = write_run(tmp_path / "run", "paint", 4, steps_done=40)
    code = {"version": "1", "commit": "0123456789", "uncommitted_changes": False}
    facts = json.loads((run / "run.json").read_text()) | {"changes": [], "code": code}
    facts |= {"preset": asdict(PaintPreset(steps=60)), "start": {"file": "a.safetensors"}, "remark": "Seen."}
    (run / "run.json").write_text(json.dumps(facts))
    assert "earlier" not in continued(tmp_path / "new", facts) | continued(run, facts)
    later = facts | {"steps": 90, "changes": ["l1=0.5"], "start": None}
    del later["remark"]
    told = continued(run, later)
    assert told["start"] == {"file": "a.safetensors"} and told["remark"] == "Seen."
    (run / "run.json").write_text(json.dumps(told))
    assert continued(run, later) == told
    assert len(continued(run, later | {"changes": []})["earlier"]) == 1  # not a step was made in between
    assert continued(run, facts | {"steps": 40, "changes": ["l1=3"]}) == told  # nothing is left to train
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cheng_t1c_2d.npz").write_bytes(b"slices")
    entry = network_from_run("paint", run, tmp_path / "data").entry
    card = model_card({"name": "x", "description": "y", "licence": "z", "networks": {"paint": entry}}, [])
    assert "paint ran in 2 stages" in card and "- paint: Seen." in card
    assert "to step 40 with `--preset smoke --steps 60 --seed 4 --precision 32-true`, code of commit 0123456\n" in card


def test_partial_run_says_how_far_it_got(weights):
    assert Bundle.find("heterogeneous").manifest["networks"]["map"]["run"]["steps_done"] == 20
    card = (weights / "heterogeneous" / "MODEL_CARD.md").read_text()
    assert "20 of 60" in card and "stopped after step 20" in card


def test_same_runs_make_the_same_bytes(workshop, tmp_path):
    assert make(workshop, "default", out=tmp_path) == 0
    first, second = workshop / "weights/default", tmp_path / "default"
    assert sorted(p.name for p in first.iterdir()) == sorted(p.name for p in second.iterdir())
    assert all(p.read_bytes() == (second / p.name).read_bytes() for p in first.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--map", "{runs}/map"], "--mask is missing"),
        (["--map", "{runs}/paint", "--share", "default"], "this run trained the paint network"),
        (["--map", "{runs}/none", "--share", "default"], "run.json is missing"),
        (["--map", "{unfinished}", "--share", "default"], "no checkpoint.ckpt yet"),
        (["--map", "{failed}", "--share", "default"], "not finite in half precision"),
        (["--share", "other"], "there is no other bundle of that name"),
        (["--share", "default", "--evaluation", "{bad}"], 'must be a list of {"what"'),
    ],
)
def test_mistakes_leave_nothing_behind(options, message, workshop, weights, tmp_path, capsys):
    shutil.copytree(workshop / "runs/map", tmp_path / "unfinished")
    (tmp_path / "unfinished/checkpoint.ckpt").unlink()
    failed = write_run(tmp_path / "failed", "map", 3)
    content = torch.load(failed / "checkpoint.ckpt", weights_only=True)
    next(iter(content["average"].values())).fill_(1e9)
    torch.save(content, failed / "checkpoint.ckpt")
    (tmp_path / "bad.json").write_text('[{"what": "Dice", "figure": 0.9}]')
    places = {"runs": workshop / "runs", "unfinished": tmp_path / "unfinished", "failed": failed}
    words = [word.format(**places, bad=tmp_path / "bad.json") for word in options]
    assert make(workshop, "new", *words, out=weights) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert sorted(p.name for p in weights.iterdir()) == ["default", "heterogeneous"]


def test_failure_to_write_keeps_the_bundle_there_was(workshop, weights, monkeypatch, capsys):
    from training import make_bundle

    def full(*_):
        raise OSError(28, "No space left on device")

    before = Bundle.find("default").checksum
    monkeypatch.setattr(make_bundle, "_write_file", full)
    assert make(workshop, "default", out=weights) == 2
    assert "No space left" in capsys.readouterr().err
    assert Bundle.find("default").checksum == before
    assert sorted(p.name for p in weights.iterdir()) == ["default", "heterogeneous"]


def test_figures_stay_with_the_weights_they_were_measured_on(workshop, weights, tmp_path, capsys):
    figures = [{"what": "Dice", "figure": "0.97 (p5 0.95)", "how": "python -m training.evaluate_brain"}]
    file = tmp_path / "figures.json"
    file.write_text(json.dumps(figures))
    card, kept = weights / "default" / "MODEL_CARD.md", weights / "default" / "evaluation.json"
    assert make(workshop, "default", "--evaluation", file, out=weights) == 0
    assert "0.97 (p5 0.95)" in card.read_text() and json.loads(kept.read_text()) == figures
    assert make(workshop, "default", out=weights) == 0
    assert "0.97 (p5 0.95)" in card.read_text()
    other = write_run(tmp_path / "paint", "paint", seed=78)
    assert make(workshop, "default", "--paint", other, out=weights) == 0
    assert "belong to other weights" in capsys.readouterr().err
    assert "0.97" not in card.read_text() and not kept.exists()


# ---- what is shipped -----------------------------------------------------------------------------------------------


def test_shipped_bundles_are_whole_and_small():
    assert {"default", "heterogeneous"} <= set(list_bundles()), f"no bundles in {WEIGHTS_FOLDER}"
    for name in list_bundles():
        bundle = Bundle.find(name)
        bundle.verify()
        for kind in NETWORKS:
            assert all(np.isfinite(p.numpy()).all() for p in bundle.load(kind).parameters())
        assert (bundle.folder / "MODEL_CARD.md").is_file()
    together = sum(p.stat().st_size for p in WEIGHTS_FOLDER.rglob("*") if p.is_file())
    assert together < MOST_BYTES_TOGETHER
