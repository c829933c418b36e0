"""Asked against got on the sample brain, both bundles: loose bounds; `tumorsynth bench --placements 100` tells the
figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from TumorSynthLib import ConcentricSpheres, LesionSynthesizer
from TumorSynthLib.bench import control_rows, random_requests
from TumorSynthLib.painting import grey_values
from TumorSynthLib.sample import sample_brain
from TumorSynthLib.synthesis import LesionRequest


@pytest.fixture(scope="module")
def sample(synthesizer):
    host = sample_brain()
    return host, synthesizer.find_brain(host)


@pytest.mark.parametrize("bundle", ["default", "heterogeneous"])
def test_lesions_are_what_was_asked_for(bundle, sample):
    host, brain = sample
    rows = {row.what: row for row in control_rows(LesionSynthesizer.from_bundle(bundle), host, brain, 4, seed=11)}
    assert rows["volume error"].high < 1.0
    assert rows["centre of mass error"].median < 0.7
    assert rows["class fraction error"].high < 2.0
    assert rows["label inside the brain"].low == 100
    assert rows["painted change inside the brain"].low == 100
    assert rows["painted change inside the label"].median > 80


def test_the_sample_brain_is_found_whole(sample):
    host, brain = sample
    millilitres = brain.mask.sum() * host.voxel_volume_mm3 / 1000
    assert brain.method == "network" and 1150 < millilitres < 1700


def test_random_places_cover_sizes_and_structures(sample):
    requests = random_requests(sample[1], 5, seed=3)
    assert [r.spheres.structure for r in requests[:3]] == ["solid", "ring", "heterogeneous"]
    assert len({r.spheres.center_ras for r in requests}) == 5


@pytest.mark.parametrize("radii", [(15.6, 8.2, 6.2), (14, 11, 7), (15, 13, 11)])
def test_a_rings_core_lies_deep_and_whole_within_its_rim_large_or_small(synthesizer, sample, radii):
    """However irregular it is made: who shrinks the innermost sphere sees a small core, not crumbs."""
    host, brain = sample
    place = brain.nearest_inside(brain.center_ras + (28, -5, 22))[0]
    for seed in range(3):
        spheres = ConcentricSpheres(tuple(place), radii, structure="ring")
        lesion = synthesizer.paint(host, brain, LesionRequest(spheres, seed))
        values = spheres.ranked_values()[0]
        grey = grey_values(lesion.mask, lesion.score, spheres)
        core, rim = (lesion.mask & (grey == value) for value in (values[0], values[-1]))
        depth = ndimage.distance_transform_edt(lesion.mask)
        deepest = np.sort(depth[lesion.mask])[-core.sum() :]
        parts = np.bincount(ndimage.label(core)[0].ravel())[1:]
        assert depth[core].mean() > 0.85 * deepest.mean()
        assert parts.max() > 0.85 * core.sum()
        assert rim[lesion.mask & (depth <= 1.5)].mean() > 0.7
