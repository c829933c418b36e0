"""Asked against got on the sample brain, both bundles: loose bounds; `tumorsynth bench --placements 100` tells the
figures."""

from __future__ import annotations

import pytest

from TumorSynthLib import LesionSynthesizer
from TumorSynthLib.bench import control_rows, random_requests
from TumorSynthLib.sample import sample_brain


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
