"""What a recipe leads to: 2,000 lesions against it, and chance that hangs on nothing but its address."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, stats

from cases import brain_host, brain_of
from TumorSynthLib.cohorts import Recipe
from TumorSynthLib.cohorts.planning import plan_case
from TumorSynthLib.cohorts.terrain import LATTICE_MM, survey
from TumorSynthLib.errors import InputError
from TumorSynthLib.grid import Grid
from TumorSynthLib.host import HostBrain
from TumorSynthLib.sample import SAMPLE_BRAIN, sample_brain

HALF_LATTICE_MM = LATTICE_MM / 2


@pytest.fixture(scope="module")
def egg(tmp_path_factory):
    return brain_host(tmp_path_factory.mktemp("egg") / "egg.nii.gz")


@pytest.fixture(scope="module")
def egg_terrain(egg):
    return surveyed(egg)


def surveyed(host, brain=None, keep_out=(), probability=None, points=None):
    brain = brain_of(host) if brain is None else brain
    return survey(host, brain, keep_out=list(keep_out), probability=probability, points=points)


@pytest.fixture(scope="module")
def sample(synthesizer):
    """The sample brain, its brain mask and its terrain."""
    host = sample_brain()
    brain = synthesizer.find_brain(host)
    return host, brain.mask, surveyed(host, brain.mask)


def plans(recipe, terrain, voxel_mm3=1.0, records=()):
    return [plan_case(recipe, case, terrain, voxel_mm3, records) for case in range(1, recipe.cases + 1)]


def lesions_of(found):
    return [lesion for plan in found for lesion in plan.lesions]


@pytest.fixture(scope="module")
def two_thousand(sample):
    """The usual recipe, until at least 2,000 lesions are planned."""
    recipe = Recipe(hosts=SAMPLE_BRAIN, cases=700, seed=11, border=1, between=4)
    found = plans(recipe, sample[2])
    assert len(lesions_of(found)) > 2000
    return found


# -- against the recipe


def test_every_lesion_lies_in_the_brain_and_keeps_its_distance_from_the_border(two_thousand, sample):
    host, brain, _ = sample
    depth = ndimage.distance_transform_edt(brain, sampling=host.spacing_mm)
    for lesion in lesions_of(two_thousand):
        index = tuple(np.round(host.ras_to_ijk(np.array(lesion.spheres.center_ras))).astype(int))
        assert brain[index]
        # The border is known to half a voxel of the host, and of the lattice that places are drawn on.
        assert depth[index] >= lesion.spheres.outer_radius_mm + 1 - HALF_LATTICE_MM - 1


def test_lesions_of_a_case_keep_their_distance_from_each_other(two_thousand):
    for plan in two_thousand:
        spheres = [lesion.spheres for lesion in plan.lesions]
        for number, one in enumerate(spheres):
            for other in spheres[:number]:
                away = np.linalg.norm(np.subtract(one.center_ras, other.center_ras))
                assert away >= one.outer_radius_mm + other.outer_radius_mm + 4 - 0.01


def test_sizes_follow_the_published_distribution(two_thousand):
    diameters = np.array([2 * lesion.spheres.outer_radius_mm for lesion in lesions_of(two_thousand)])
    variance = np.log1p((3.7 / 4.3) ** 2)
    whole = stats.lognorm(np.sqrt(variance), scale=4.3 * np.exp(-variance / 2))
    below = whole.cdf(2)
    expected = lambda d: (whole.cdf(d) - below) / (whole.cdf(60) - below)  # noqa: E731
    assert diameters.min() >= 2 and diameters.max() <= 60
    assert stats.kstest(diameters, expected).pvalue > 0.01


def test_counts_structures_and_places_have_their_shares(two_thousand):
    counts = np.bincount([len(plan.lesions) for plan in two_thousand], minlength=6)[1:]
    assert stats.chisquare(counts).pvalue > 0.01
    found = lesions_of(two_thousand)
    by_junction = np.mean([lesion.placed_by == "junction" for lesion in found])
    assert by_junction == pytest.approx(0.64, abs=0.035)
    large = [x.spheres.structure for x in found if x.spheres.outer_radius_mm >= 3]
    assert np.mean([name == "ring" for name in large]) == pytest.approx(0.35, abs=0.06)
    assert not any(x.spheres.structure == "ring" for x in found if x.spheres.outer_radius_mm < 3)


def test_junction_lesions_lie_where_grey_and_white_matter_meet(two_thousand, sample):
    """Seen by the image itself: near the junction its values differ more than elsewhere in the brain's tissue."""
    host, brain, _ = sample
    values = ndimage.gaussian_filter(host.normalized(host.voxels), 1.0)
    spread = ndimage.generic_gradient_magnitude(values, ndimage.sobel)

    def median_at(way):
        places = [x.spheres.center_ras for x in lesions_of(two_thousand) if x.placed_by == way]
        index = np.round(host.ras_to_ijk(np.array(places))).astype(int)
        return np.median(spread[tuple(index.T)])

    assert median_at("junction") > 1.25 * median_at("brain")


def test_fluid_gets_no_lesion(sample):
    """The lateral ventricles of the sample brain are dark, and lesions are drawn in tissue."""
    host, _, terrain = sample
    found = lesions_of(plans(Recipe(hosts=SAMPLE_BRAIN, cases=150, seed=2, placement="brain", sizes=4), terrain))
    index = np.round(host.ras_to_ijk(np.array([x.spheres.center_ras for x in found]))).astype(int)
    smooth = ndimage.gaussian_filter(host.normalized(host.voxels), 1.0)
    white = np.percentile(smooth[sample[1]], 65)
    assert np.mean(smooth[tuple(index.T)] < 0.35 * white) < 0.01


def test_spheres_are_nested_and_settings_lie_in_their_ranges(two_thousand):
    for lesion in lesions_of(two_thousand):
        outer, middle, core = lesion.spheres.radii_mm
        assert 0.74 <= middle / outer <= 0.93 and 0.44 <= core / outer <= 0.71
        assert 0.7 <= lesion.appearance.contrast <= 1.3 and 0.2 <= lesion.appearance.mass_effect <= 0.8


# -- other ways of placing


def test_lesions_keep_out_of_what_is_marked(egg, tmp_path):
    marked = np.zeros(egg.shape, np.uint8)
    marked[40:] = 1  # the right half
    egg.write_volume(tmp_path / "right.nii.gz", marked)
    recipe = Recipe(hosts=egg, cases=60, placement="brain", sizes="4:10", keep_out=tmp_path / "right.nii.gz",
                    keep_out_distance=5)  # fmt: skip
    border = egg.ijk_to_ras(np.array([39.5, 0, 0]))[0]
    for lesion in lesions_of(plans(recipe, surveyed(egg, keep_out=[tmp_path / "right.nii.gz"]), 8.0)):
        assert lesion.spheres.center_ras[0] + lesion.spheres.outer_radius_mm <= border - 5 + 1e-6 + HALF_LATTICE_MM


def test_a_probability_map_on_another_grid_says_how_likely_a_place_is(egg, tmp_path):
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = -80
    voxels = np.zeros((41, 41, 41), np.float32)
    voxels[20:] = 1.0
    voxels[:20] = 0.25
    HostBrain.from_array(voxels, affine).write_volume(tmp_path / "map.nii.gz", voxels)
    recipe = Recipe(hosts=egg, cases=800, lesions_per_case=1, placement="map", map=tmp_path / "map.nii.gz", sizes=4)
    found = lesions_of(plans(recipe, surveyed(egg, probability=tmp_path / "map.nii.gz"), 8.0))
    right = np.mean([lesion.spheres.center_ras[0] > -2 for lesion in found])
    assert right == pytest.approx(0.8, abs=0.05)


def test_listed_points_are_taken_as_they_are_each_once(egg, tmp_path):
    points = [(-20, 10, 5), (20, 10, 5), (0, -40, 10)]
    rows = "\n".join(",".join(map(str, point)) for point in points)
    (tmp_path / "points.csv").write_text(f"R,A,S\n{rows}\n")
    table = tmp_path / "points.csv"
    recipe = Recipe(hosts=egg, cases=30, lesions_per_case=3, placement="points", points=table, sizes=6)
    for plan in plans(recipe, surveyed(egg, points=table), 8.0):
        assert sorted(lesion.spheres.center_ras for lesion in plan.lesions) == sorted(points)


def test_where_no_room_is_left_the_case_is_refused_in_one_line(egg, egg_terrain):
    recipe = Recipe(hosts=egg, cases=1, lesions_per_case=8, sizes=70, placement="brain")
    with pytest.raises(InputError, match="no place is left in the brain for lesion . of 8"):
        plan_case(recipe, 1, egg_terrain, 8.0)


def test_a_size_that_no_voxel_shows_is_refused(egg, egg_terrain):
    recipe = Recipe(hosts=egg, cases=1, sizes=0.6)
    with pytest.raises(InputError, match="hardly any is as large as one voxel"):
        plan_case(recipe, 1, egg_terrain, 8.0)


# -- chance


def test_a_case_is_the_same_whatever_was_planned_before_it(egg, egg_terrain):
    recipe = Recipe(hosts=egg, cases=20, seed=5)
    in_order = plans(recipe, egg_terrain, 8.0)
    backwards = [plan_case(recipe, case, egg_terrain, 8.0) for case in range(20, 0, -1)][::-1]
    alone = plan_case(recipe.with_cases(999), 17, surveyed(egg), 8.0)
    assert in_order == backwards and alone == in_order[16]


def test_cases_seeds_and_lesions_have_chances_of_their_own(egg, egg_terrain):
    found = [plan_case(Recipe(hosts=egg, cases=9, seed=seed), case, egg_terrain, 8.0) for seed in (1, 2)
             for case in range(1, 10)]  # fmt: skip
    places = [lesion.spheres.center_ras for lesion in lesions_of(found)]
    seeds = [lesion.seed for lesion in lesions_of(found)]
    assert len(set(places)) == len(places) and len(set(seeds)) == len(seeds)


def test_drawing_one_thing_otherwise_leaves_the_others_as_they_were(egg, egg_terrain):
    recipes = [Recipe(hosts=egg, cases=9, sizes=6, contrast=contrast) for contrast in (1, "0.8:1.2")]
    one, other = (plan_case(recipe, 4, egg_terrain, 8.0) for recipe in recipes)
    assert [x.spheres for x in one.lesions] == [x.spheres for x in other.lesions]
    assert [x.seed for x in one.lesions] == [x.seed for x in other.lesions]
    assert one.lesions[0].appearance != other.lesions[0].appearance


def test_a_brain_mask_that_differs_by_some_voxels_leaves_lesions_where_they_were(egg, egg_terrain):
    """As another processor may find it: nearly all places are the same, and the others not worse."""
    brain = brain_of(egg)
    rng = np.random.default_rng(1)
    edge = brain ^ ndimage.binary_erosion(brain)
    other = brain & ~(edge & (rng.uniform(size=brain.shape) < 0.02))
    other[: np.argwhere(brain)[:, 0].min() + 1] = False  # the mask's box shrinks, too
    recipe = Recipe(hosts=egg, cases=60, seed=8, placement="brain")
    one, two = (lesions_of(plans(recipe, terrain, 8.0)) for terrain in (egg_terrain, surveyed(egg, other)))
    same = [a.spheres == b.spheres for a, b in zip(one, two, strict=True)]
    assert np.mean(same) > 0.9


def test_a_survey_is_the_same_on_a_turned_grid(egg):
    """Axes flipped and reordered, the same brain: the same depths, within what the lattice's own origin may shift."""
    turned = HostBrain.from_array(egg.voxels.transpose(2, 0, 1)[::-1], _turned(egg))
    one, other = surveyed(egg), surveyed(turned)
    assert len(one.index) == len(other.index)
    assert np.sort(one.depth_mm)[::-1][:100] == pytest.approx(np.sort(other.depth_mm)[::-1][:100], abs=1e-3)


def _turned(host):
    flip = np.eye(4)
    flip[0, 0], flip[0, 3] = -1, host.shape[2] - 1
    order = np.eye(4)[:, [2, 0, 1, 3]]
    return host.affine @ order @ flip


def test_the_lattice_lies_where_the_brain_is(egg, egg_terrain):
    inside = egg.ras_to_ijk(egg_terrain.places_ras)
    index = np.clip(np.round(inside).astype(int), 0, np.array(egg.shape) - 1)
    assert brain_of(egg)[tuple(index.T)].mean() > 0.99
    volume = len(egg_terrain.index) * LATTICE_MM**3
    assert volume == pytest.approx(brain_of(egg).sum() * Grid(egg.affine, egg.shape).voxel_volume_mm3, rel=0.02)
