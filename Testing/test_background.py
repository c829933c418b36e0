"""The background process gives the engine's own answers, the newest first, without running networks in vain."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from background_helpers import CALM, Asked, answer, ask, lesion, poll_until, whole
from phantoms import phantom
from TumorSynthLib import ConcentricSpheres, InputError, LesionRequest
from TumorSynthLib.background.process import SynthesisProcess
from TumorSynthLib.host import HostBrain
from TumorSynthLib.sample import SAMPLE_PLACE_RAS, sample_brain


@pytest.fixture(scope="module")
def warm():
    process = SynthesisProcess()
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def made_up():
    return phantom()


@pytest.fixture
def process(warm, made_up):
    """The warm process with the made-up brain as its host."""
    warm.use_host(*made_up)
    yield warm
    warm.cancel()
    assert warm.wait(60)


# -- the same answers


@pytest.mark.parametrize(
    "grid",
    [
        {},
        {"spacing_mm": (1.0, 1.3, 3.0), "angles_degrees": (15, 10, 5), "axes": (1, 0, 2), "flips": (1, -1, 1)},
        {"spacing_mm": (1.2, 1.2, 1.2), "dtype": np.float32},
    ],
    ids=["plain", "oblique", "float"],
)
def test_a_full_answer_is_the_engine_s_bit_for_bit(process, synthesizer, grid):
    host, brain = phantom(**grid)
    host = HostBrain(np.asfortranarray(host.voxels), host.affine)
    requests = (lesion(), lesion(-15, 9, seed=4, contrast=1.3, mass_effect=0.8))
    process.use_host(host, brain)
    patch = answer(process, *requests).patch
    case = synthesizer.synthesize_many(host, requests, brain_mask=brain)
    assert np.array_equal(whole(host.voxels, patch), case.image) and patch.image.dtype == host.voxels.dtype
    assert np.array_equal(whole(np.zeros(host.shape), replace(patch, image=patch.mask)), case.mask)
    assert np.array_equal(patch.intensity_map, case.intensity_map[patch.box])
    assert patch.lesions == case.lesions
    changing = ("seconds", "created")
    assert {k: v for k, v in patch.provenance.items() if k not in changing} == {
        k: v for k, v in case.provenance.items() if k not in changing
    }


def test_a_patch_holds_what_changed_and_hardly_more(process, made_up):
    patch = answer(process, lesion()).patch
    changed = (patch.image != made_up[0].voxels[patch.box]) | (patch.mask > 0)
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        touched = changed.any(others)
        assert touched[0] and touched[-1]


def test_the_sample_brain_s_mask_is_found_once_and_recognised_when_it_comes_back(warm, synthesizer):
    host = sample_brain()
    found = []
    warm.use_host(host)
    warm.find_brain(lambda mask, method: found.append((mask, method)))
    assert warm.wait(120)
    mask, method = found[0]
    assert method == "network" and np.array_equal(mask, synthesizer.find_brain(host).mask)

    request = LesionRequest(ConcentricSpheres(SAMPLE_PLACE_RAS, (9, 7, 4), structure="ring"), 1)
    warm.use_host(host, mask)
    patch = answer(warm, request).patch
    case = synthesizer.synthesize_many(host, [request])
    assert np.array_equal(whole(host.voxels, patch), case.image)
    assert patch.provenance["brain_mask"] == case.provenance["brain_mask"]


def test_no_lesions_are_an_empty_patch(process, made_up):
    patch = answer(process).patch
    assert patch.image.size == 0 and np.array_equal(whole(made_up[0].voxels, patch), made_up[0].voxels)


# -- previews


def test_a_preview_is_the_case_without_what_happens_around_the_moving_lesion(process, synthesizer, made_up):
    host, brain = made_up
    request = lesion(22, seed=11)
    patch = answer(process, request, quality="preview").patch
    calm = synthesizer.synthesize_many(host, [replace(request, appearance=CALM)], brain_mask=brain)
    assert np.array_equal(whole(host.voxels, patch), calm.image)
    assert np.array_equal(patch.mask, calm.mask[patch.box])
    assert patch.provenance is None and patch.quality == "preview"


def test_lesions_at_rest_keep_their_surroundings_while_another_is_dragged(process, synthesizer, made_up):
    host, brain = made_up
    moving, resting = lesion(25), lesion(-20, 8, seed=6, mass_effect=0.9, oedema=0.9)
    answer(process, moving, resting)
    moved = lesion(27)
    patch = answer(process, moved, resting, quality="preview").patch
    expected = synthesizer.synthesize_many(host, [replace(moved, appearance=CALM), resting], brain_mask=brain)
    assert np.array_equal(whole(host.voxels, patch), expected.image)


def test_only_the_dragged_lesion_is_painted_again(process):
    first, second, third = lesion(25, seed=21), lesion(-20, seed=22), lesion(0, seed=23)
    assert answer(process, first, second, third).patch.painted == 3
    assert answer(process, first, lesion(-21, seed=22), third, quality="preview").patch.painted == 1
    assert answer(process, first, lesion(-21, seed=22), third).patch.painted == 0
    assert answer(process, first, second, third).patch.painted == 0, "undo"


@pytest.mark.parametrize("change", [{"contrast": 1.5}, {"mass_effect": 0.9}, {"oedema": 0.0}, {"blend_width_mm": 4}])
def test_another_appearance_runs_no_network_and_a_preview_of_it_is_already_complete(process, change):
    answer(process, lesion(seed=31))
    other = lesion(seed=31, **change)
    preview = answer(process, other, quality="preview").patch
    full = answer(process, other).patch
    assert preview.painted == full.painted == 0
    assert preview.box == full.box and np.array_equal(preview.image, full.image)


# -- newest wins


def test_of_many_questions_at_once_the_last_is_answered_and_most_others_never(process):
    asked = [ask(process, lesion(20 + 0.1 * step, seed=41), quality="preview") for step in range(20)]
    assert process.wait(60)
    assert asked[-1].patch.lesions[0].center_ras[0] == 20 + 0.1 * 19
    assert sum(len(question.patches) for question in asked) <= 4
    assert {question.ticket.state for question in asked} <= {"done", "superseded"}


def test_whoever_drags_without_pause_sees_the_lesion_follow(process):
    asked: list[Asked] = []
    ends = time.monotonic() + 4
    while time.monotonic() < ends:
        asked.append(ask(process, lesion(20 + 0.02 * len(asked), seed=51), lesion(-20), quality="preview"))
        process.poll()
        time.sleep(0.01)
    shown = [question.patches[0].lesions[0].center_ras[0] for question in asked if question.patches]
    assert len(shown) >= 4 and shown == sorted(shown)


def test_a_full_answer_gives_way_to_a_new_drag(process):
    full = ask(process, *(lesion(x, 5, seed=61) for x in range(-30, 31, 10)))
    poll_until(process, lambda: process.progress[0].startswith("painting"))
    preview = ask(process, lesion(12, 5, seed=62), quality="preview")
    assert process.wait(60)
    assert full.ticket.state == "superseded" and not full.patches
    assert preview.patch.painted == 1


def test_hosts_do_not_take_each_other_s_turn(process, made_up):
    other, other_brain = phantom(spacing_mm=(2.0, 2.0, 2.0), seed=5)
    first = ask(process, lesion(seed=71))
    process.use_host(other, other_brain)
    second = ask(process, lesion(seed=71))
    assert process.wait(60)
    assert np.array_equal(first.patch.image.shape, second.patch.image.shape) is False
    assert first.patch.provenance["host"]["shape"] == list(made_up[0].shape)
    assert second.patch.provenance["host"]["shape"] == list(other.shape)


# -- refusals


def test_impossible_spheres_are_refused_in_the_engine_s_words(process, synthesizer, made_up):
    outside = lesion(200)
    error = answer(process, lesion(), outside).error
    with pytest.raises(InputError) as refusal:
        synthesizer.synthesize_many(made_up[0], [outside], brain_mask=made_up[1])
    assert (error.kind, error.message, error.details) == ("input", str(refusal.value), "")


def test_an_unknown_bundle_is_refused_and_the_next_question_answered(process):
    assert "bundle 'nowhere' is unknown" in answer(process, lesion(), bundle="nowhere").error.message
    assert answer(process, lesion(), bundle="heterogeneous").patch.provenance["bundle"]["name"] == "heterogeneous"


def test_a_mask_of_another_shape_is_refused_at_once(process, made_up):
    with pytest.raises(InputError, match="give one on its grid"):
        process.use_host(made_up[0], np.ones((5, 5, 5), bool))


# -- calling off


def test_cancelling_ends_work_within_two_seconds_and_nothing_comes_any_more(process):
    asked = ask(process, *(lesion(x, 5, seed=81, mass_effect=0.5) for x in range(-30, 31, 6)))
    poll_until(process, lambda: process.progress[0].startswith("painting"))
    process.cancel()
    assert asked.ticket.state == "cancelled"
    assert poll_until(process, lambda: process.state != "working") < 2
    assert process.wait(60)
    assert not asked.patches and not asked.errors
    assert answer(process, lesion()).patch.painted >= 0


def test_cancelling_the_search_for_the_brain_too(process):
    host = sample_brain()
    found = []
    process.use_host(host)
    process.find_brain(lambda *answer: found.append(answer))
    poll_until(process, lambda: process.progress[0] == "finding the brain")
    process.cancel()
    assert poll_until(process, lambda: process.state != "working") < 2
    assert process.wait(60) and process.state == "ready" and not found


def test_one_ticket_can_be_called_off_alone(process, made_up):
    other, other_brain = phantom(spacing_mm=(2.0, 2.0, 2.0), seed=6)
    kept = ask(process, lesion(seed=91))
    process.use_host(other, other_brain)
    dropped = ask(process, lesion(seed=92))
    dropped.ticket.cancel()
    assert process.wait(60)
    assert kept.patch and not dropped.patches


# -- the caller's time


def test_polling_takes_no_time_from_the_caller(process):
    """Processor time, so that a busy machine does not matter: a window that redraws 60 times a second has 16 ms."""
    slowest = 0.0
    asked = [ask(process, lesion(20 + step, 9, seed=101), quality="preview") for step in range(3)]
    asked.append(ask(process, lesion(22, 9, seed=101), lesion(-22, 9, seed=102)))
    while process.busy:
        began = time.thread_time()
        process.poll()
        slowest = max(slowest, time.thread_time() - began)
        time.sleep(0.002)
    assert asked[-1].patch and slowest < 0.010
