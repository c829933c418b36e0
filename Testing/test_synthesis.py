"""The whole engine with the shipped weights: lesions obey, hosts stay as they were, seeds mean something."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from phantoms import phantom
from TumorSynthLib import Appearance, ConcentricSpheres, HostBrain, InputError, LesionRequest, LesionSynthesizer
from TumorSynthLib.errors import ResourceError

CENTER = (-24.0, -30.0, 38.0)
RADII = (11.0, 9.0, 6.0)
PLAIN = Appearance(mass_effect=0, oedema=0)


def centroid_error(case, number: int = 0) -> float:
    facts = case.lesions[number]
    return float(np.linalg.norm(np.subtract(facts.centroid_ras, facts.center_ras)))


def assert_untouched_outside_zone(case) -> None:
    assert case.image.dtype == case.host.voxels.dtype and case.image.shape == case.host.shape
    assert np.array_equal(case.image[~case.zone], case.host.voxels[~case.zone])
    assert (case.image[case.zone] != case.host.voxels[case.zone]).any()


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    angles=st.tuples(*[st.floats(-60, 60)] * 3),
    flips=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    axes=st.sampled_from(list(itertools.permutations(range(3)))),
    spacing=st.sampled_from([(1.5, 1.5, 1.5), (1.0, 1.2, 3.0), (2.0, 1.0, 1.6), (0.9, 0.9, 4.0), (1.4, 1.4, 6.0)]),
    dtype=st.sampled_from(["uint8", "int16", "uint16", "int32", "float32", "float64"]),
)
def test_on_any_grid_and_data_type_the_lesion_is_where_and_as_large_as_asked(
    synthesizer, angles, flips, axes, spacing, dtype
):
    host, brain = phantom(spacing, angles, flips, axes, dtype)
    before = host.checksum()
    case = synthesizer.synthesize(host, ConcentricSpheres(CENTER, RADII), 5, brain_mask=brain)
    facts = case.lesions[0]
    assert_untouched_outside_zone(case)
    assert host.checksum() == before
    assert centroid_error(case) < 1.0
    assert facts.volume_mm3 == pytest.approx(facts.volume_asked_mm3, rel=0.01, abs=host.voxel_volume_mm3)
    assert facts.share_in_brain == 1.0
    assert np.allclose(facts.class_fractions, facts.class_fractions_asked, atol=0.02)
    assert set(np.unique(case.mask)) == {0, 1}
    assert ((case.intensity_map > 0) == (case.mask > 0)).all()
    assert case.zone[case.mask > 0].mean() > 0.99


def test_a_host_of_third_millimetre_voxels(synthesizer):
    """A slab only, so that it stays small: the engine needs no more than the lesion's surroundings."""
    affine = np.diag([0.3, -0.3, 0.3, 1.0])
    rng = np.random.default_rng(0)
    host = HostBrain.from_array((500 + 20 * rng.standard_normal((120, 110, 100))).astype(np.int16), affine)
    brain = np.ones(host.shape, bool)
    center = host.ijk_to_ras(np.array([60.2, 54.7, 49.9]))
    case = synthesizer.synthesize(host, ConcentricSpheres(tuple(center), (4.0, 3.0, 2.0)), 1, brain_mask=brain)
    assert centroid_error(case) < 0.3
    assert case.lesions[0].volume_mm3 == pytest.approx(case.lesions[0].volume_asked_mm3, rel=0.005)


@pytest.mark.parametrize("offset_mm", [0.0, 3.0])
def test_between_thick_slices_small_lesions_are_as_welcome_as_on_them(synthesizer, offset_mm):
    host, brain = phantom((1.5, 1.5, 6.0))
    index = np.round(host.ras_to_ijk(np.array(CENTER)))
    center = host.ijk_to_ras(index) + (0, 0, offset_mm)
    case = synthesizer.synthesize(host, ConcentricSpheres(tuple(center), (3.5, 2.5, 1.5)), 1, brain_mask=brain)
    assert case.mask.any()


def test_at_the_brains_border_nothing_outside_the_brain_changes(synthesizer, head):
    host, brain = head
    depth = ndimage.distance_transform_edt(brain, sampling=host.spacing_mm)
    for number, index in enumerate(np.argwhere((depth > 4) & (depth < 6))[::40_000]):
        spheres = ConcentricSpheres(tuple(host.ijk_to_ras(index)), (8.0, 6.0, 4.0))
        case = synthesizer.synthesize(
            host, spheres, number, brain_mask=brain, appearance=Appearance(blend_width_mm=5, mass_effect=1, oedema=1)
        )
        assert not case.zone[~brain].any()
        extent = np.ptp(host.ijk_to_ras(np.argwhere(case.mask)), axis=0).max()
        assert extent < 4 * 8.0, "not squeezed flat along the border"


def test_no_halo_of_untouched_tissue_between_lesion_and_oedema(synthesizer, head):
    host, brain = head
    appearance = Appearance(oedema=1, mass_effect=0)
    spheres = ConcentricSpheres(CENTER, (12, 10, 8), structure="ring")
    case = synthesizer.synthesize(host, spheres, 4, appearance=appearance, brain_mask=brain)
    away = ndimage.distance_transform_edt(case.mask == 0, sampling=host.spacing_mm)
    change = case.image / host.voxels.clip(1).astype(float)
    close, further = (np.median(change[(away > low) & (away < low + 1.2)]) for low in (1.6, 3.0))
    assert further < 0.85 and abs(close - further) < 0.08


@pytest.fixture(scope="module")
def head():
    return phantom((1.2, 1.2, 1.2))


def test_same_seed_same_bytes_and_other_seed_other_lesion(synthesizer, head):
    host, brain = head
    first, again, other = (
        synthesizer.synthesize(host, ConcentricSpheres(CENTER, RADII), seed, brain_mask=brain) for seed in (3, 3, 4)
    )
    assert first.image.tobytes() == again.image.tobytes()
    assert first.mask.tobytes() == again.mask.tobytes()
    overlap = 2 * ((first.mask > 0) & (other.mask > 0)).sum() / ((first.mask > 0).sum() + (other.mask > 0).sum())
    assert 0.6 < overlap < 0.97
    assert centroid_error(other) < 1.0


@pytest.mark.parametrize("radius", [2.0, 5.0, 18.0, 25.0, 32.0])
def test_lesions_of_4_to_64_mm_hold_size_and_place(synthesizer, head, radius):
    host, brain = head
    spheres = ConcentricSpheres((2.0, -12.0, 14.0), (radius, radius * 0.8, radius * 0.5))
    case = synthesizer.synthesize(host, spheres, 2, brain_mask=brain)
    facts = case.lesions[0]
    assert facts.volume_mm3 == pytest.approx(facts.volume_asked_mm3, rel=0.01, abs=host.voxel_volume_mm3)
    assert centroid_error(case) < 1.0
    assert_untouched_outside_zone(case)


def shells(case) -> tuple[float, float, float]:
    """Mean intensity of rim, core, and surroundings."""
    mask = case.mask == 1
    depth = ndimage.distance_transform_edt(mask, sampling=case.host.spacing_mm)
    away = ndimage.distance_transform_edt(~mask, sampling=case.host.spacing_mm)
    rim = mask & (depth > 0.8) & (depth < 0.25 * depth.max())
    core = mask & (depth > 0.65 * depth.max())
    return tuple(float(case.image[where].mean()) for where in (rim, core, (away > 3) & (away < 8)))


def test_each_structure_looks_like_what_it_says(synthesizer, head):
    host, brain = head
    made = {
        name: synthesizer.synthesize(
            host, ConcentricSpheres(CENTER, (14, 12, 9.5), structure=name), 1, appearance=PLAIN, brain_mask=brain
        )
        for name in ("solid", "ring", "heterogeneous")
    }
    rim, core, around = shells(made["solid"])
    assert core > rim > around
    rim, core, around = shells(made["ring"])
    assert rim > 1.15 * around > 1.15 * core
    clumps = [ndimage.label(made[name].intensity_map == 1.0)[1] for name in ("heterogeneous", "solid")]
    rim, core, around = shells(made["heterogeneous"])
    assert clumps[0] > clumps[1] or abs(rim - core) < 0.2 * around


def test_free_values_may_run_any_way(synthesizer, head):
    host, brain = head
    spheres = ConcentricSpheres(CENTER, (14, 11, 7, 4), values=(0.4, 1.0, 0.7, 0.2))
    case = synthesizer.synthesize(host, spheres, 1, appearance=PLAIN, brain_mask=brain)
    depth = ndimage.distance_transform_edt(case.mask)
    found = [float(depth[case.intensity_map == np.float32(v)].mean()) for v in (0.4, 1.0, 0.7, 0.2)]
    assert found == sorted(found)
    assert np.allclose(case.lesions[0].class_fractions, case.lesions[0].class_fractions_asked, atol=0.01)


def test_the_same_value_in_two_shells_is_one_class(synthesizer, head):
    host, brain = head
    spheres = ConcentricSpheres(CENTER, (14, 11, 7), values=(1.0, 0.4, 1.0))
    case = synthesizer.synthesize(host, spheres, 1, appearance=PLAIN, brain_mask=brain)
    depth = ndimage.distance_transform_edt(case.mask)
    bright, dark = depth[case.intensity_map == 1.0], depth[case.intensity_map == np.float32(0.4)]
    assert bright.min() < dark.mean() < bright.max()
    assert np.allclose(case.lesions[0].class_fractions, case.lesions[0].class_fractions_asked, atol=0.01)


def test_contrast_above_one_stands_out_more_and_below_one_less(synthesizer, head):
    host, brain = head
    means = []
    for contrast in (0.0, 0.5, 1.0, 1.5):
        appearance = Appearance(mass_effect=0, oedema=0, contrast=contrast)
        case = synthesizer.synthesize(
            host, ConcentricSpheres(CENTER, RADII), 1, appearance=appearance, brain_mask=brain
        )
        means.append(float(case.image[case.mask == 1].mean()))
    assert means == sorted(means) and means[3] - means[1] > 0.3 * means[0]


def test_without_mass_effect_and_oedema_the_zone_hugs_the_lesion(synthesizer, head):
    host, brain = head
    case = synthesizer.synthesize(host, ConcentricSpheres(CENTER, RADII), 1, appearance=PLAIN, brain_mask=brain)
    away = ndimage.distance_transform_edt(case.mask == 0, sampling=host.spacing_mm)
    assert away[case.zone].max() < 4.0
    moved = synthesizer.synthesize(host, ConcentricSpheres(CENTER, RADII), 1, brain_mask=brain)
    assert moved.zone.sum() > 2 * case.zone.sum()
    assert not moved.zone[~brain & (moved.mask == 0) & (away > 5)].any()


def test_several_lesions_are_numbered_in_order_and_the_later_takes_what_overlaps(synthesizer, head):
    host, brain = head
    first = LesionRequest(ConcentricSpheres(CENTER, RADII), 1)
    second = LesionRequest(ConcentricSpheres((-15.0, -30.0, 38.0), (8.0, 6.0, 4.0), structure="ring"), 2)
    far = LesionRequest(ConcentricSpheres((30.0, 10.0, 15.0), (6.0, 5.0, 3.0)), 3)
    told = []
    case = synthesizer.synthesize_many(
        host, [first, second, far], brain_mask=brain, progress=lambda what, share: told.append(share)
    )
    assert set(np.unique(case.mask)) == {0, 1, 2, 3}
    assert case.lesions[0].voxels_hidden_by_later > 0 == case.lesions[1].voxels_hidden_by_later
    assert (case.mask == 2).sum() * host.voxel_volume_mm3 == pytest.approx(case.lesions[1].volume_mm3)
    assert_untouched_outside_zone(case)
    assert told == sorted(told) and told[-1] == 1.0
    alone = synthesizer.synthesize_many(host, [far], brain_mask=brain)
    assert np.array_equal(alone.mask == 1, case.mask == 3), "a lesion does not depend on its neighbours"


def test_finishing_again_equals_making_anew(synthesizer, head):
    host, mask = head
    spheres, bold = ConcentricSpheres(CENTER, RADII), Appearance(contrast=1.4, smoothing_mm=0.8, mass_effect=0.6)
    brain = synthesizer.brain_from(host, mask)
    painted = synthesizer.paint(host, brain, LesionRequest(spheres, 9))
    synthesizer.finish(host, brain, [painted], [Appearance()])
    finished = synthesizer.finish(host, brain, [painted], [bold])
    bolder = synthesizer.finish(host, brain, [painted], [replace(bold, contrast=1.6)])
    again = synthesizer.finish(host, brain, [painted], [bold])
    assert finished.image.tobytes() == again.image.tobytes() != bolder.image.tobytes()
    anew = synthesizer.synthesize(host, spheres, 9, appearance=bold, brain_mask=mask)
    assert finished.image.tobytes() == anew.image.tobytes()


@pytest.mark.parametrize(
    ("center", "radii", "says"),
    [
        ((400, 0, 0), RADII, r"outside the image: \d+\.\d mm from the brain, the nearest place inside is"),
        ((-70, -10, 15), RADII, r"outside the brain: \d+\.\d mm"),
        (CENTER, (0.3, 0.1), "smaller than a voxel"),
        ((5, -10, 71.5), (30, 20, 10), "lies in the brain: move it inwards, or choose a radius of at most"),
    ],
)
def test_places_and_sizes_that_cannot_be_are_refused_with_what_would_be_right(synthesizer, head, center, radii, says):
    host, brain = head
    with pytest.raises(InputError, match=says):
        synthesizer.synthesize(host, ConcentricSpheres(center, radii), brain_mask=brain)


def test_the_nearest_place_inside_is_accepted(synthesizer, head):
    host, brain = head
    with pytest.raises(InputError) as refusal:
        synthesizer.synthesize(host, ConcentricSpheres((-59, -10, 15), (3, 2)), brain_mask=brain)
    place = tuple(float(x) for x in str(refusal.value).rsplit("is ", 1)[1].split())
    case = synthesizer.synthesize(host, ConcentricSpheres(place, (3, 2)), brain_mask=brain)
    assert case.mask.any()


def test_a_refused_radius_names_one_that_is_accepted(synthesizer, head):
    host, brain = head
    center = (5, -10, 71.5)
    with pytest.raises(InputError) as refusal:
        synthesizer.synthesize(host, ConcentricSpheres(center, (30, 20)), brain_mask=brain)
    radius = float(str(refusal.value).split("at most ")[1].split()[0]) - 0.1
    assert synthesizer.synthesize(host, ConcentricSpheres(center, (radius, radius / 2)), brain_mask=brain).mask.any()


def test_devices_and_precisions_that_are_not_there_are_refused():
    with pytest.raises(InputError, match="choose one of auto, cpu, cuda, mps"):
        LesionSynthesizer.from_bundle(device="abacus")
    with pytest.raises(InputError, match="float32"):
        LesionSynthesizer.from_bundle(precision="double")
    import torch

    if not torch.backends.mps.is_available():
        with pytest.raises(ResourceError, match="it has .*cpu"):
            LesionSynthesizer.from_bundle(device="mps")


@pytest.mark.parametrize("stored", [(slice(None, None, -1), (0, 1, 2)), (slice(None), (2, 0, 1))])
def test_a_scan_stored_in_another_order_of_axes_gets_the_same_lesion(synthesizer, stored):
    """Slicer turns left-handed files round when it loads them."""
    step, order = stored
    host, brain = phantom(spacing_mm=(1.5, 1.5, 2.0))
    turned = host.voxels[:, :, step].transpose(order)
    affine = host.affine.copy()
    if step.step:
        affine[:3, 3] += affine[:3, 2] * (host.shape[2] - 1)
        affine[:3, 2] *= -1
    affine = affine[:, [*order, 3]]
    other = HostBrain.from_array(turned, affine)
    spheres = ConcentricSpheres((30, 10, 25), (10, 8, 5), structure="ring")
    appearance = Appearance(mass_effect=0.8, oedema=0.6)
    first = synthesizer.synthesize(host, spheres, 3, appearance=appearance, brain_mask=brain)
    mask = brain[:, :, step].transpose(order)
    second = synthesizer.synthesize(other, spheres, 3, appearance=appearance, brain_mask=mask)
    np.testing.assert_array_equal(second.mask, first.mask[:, :, step].transpose(order))
    assert (second.image != first.image[:, :, step].transpose(order)).mean() < 1e-5
