"""The controls are what they say they are, and a study ranks a flawed set where it belongs among them."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import ndimage

from TumorSynthLib.errors import InputError
from TumorSynthLib.realism import study as study_module
from TumorSynthLib.realism import two_sample
from TumorSynthLib.realism.comparisons import COPIED_MARGIN, comparisons, copy_and_paste, real_halves
from TumorSynthLib.realism.healing import healed, with_base
from TumorSynthLib.realism.measures import CORE, MEASURES, SURROUNDINGS, TESTS, Side
from TumorSynthLib.realism.patches import LesionPatches
from TumorSynthLib.realism.report import FILES, write_report
from TumorSynthLib.realism.study import Study, study


def planted(count: int, seed: int, grain: float = 1.0, side: int = 48, with_place: bool = True) -> LesionPatches:
    """Lesions with texture on grainy ground, two of each patient, and the ground without them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    images, masks, places = [], [], []
    for _ in range(count):
        angle = np.arctan2(y, x)
        radius = rng.uniform(7, 10) * (1 + 0.1 * np.cos(3 * angle + rng.uniform(0, 6)))
        mask = np.hypot(x, y) < radius
        ground = 1 + 0.05 * ndimage.gaussian_filter(rng.standard_normal(mask.shape), 0.8) / 0.35
        texture = ndimage.gaussian_filter(rng.standard_normal(mask.shape), grain)
        share = ndimage.gaussian_filter(mask.astype(float), 0.7)
        images.append(ground * (1 - share) + share * (1.5 + 0.2 * texture / texture.std()))
        masks.append(mask)
        places.append(ground)
    names = tuple(f"{seed}-{row}" for row in range(count))
    base = np.stack(places) if with_place else None
    return LesionPatches(np.stack(images), np.stack(masks), 2 * (np.arange(count) // 2), names, base)


def near(mask: np.ndarray, pixels: int = 3) -> np.ndarray:
    return ndimage.binary_dilation(mask, iterations=pixels)


def test_a_pasted_lesion_is_another_patients_and_of_the_same_group():
    real = planted(40, 0)
    # A grey level of its own for each patient, so that whose lesion it is can be seen.
    level = 1.2 + 0.1 * (real.block // 2)
    image = np.where(real.mask, level[:, None, None], real.image)
    found = copy_and_paste(LesionPatches(image, real.mask, real.block, real.name, real.base), seed=1)
    group_of = {own: group for own, group in zip(real.block, found.real.block, strict=True)}
    place_of = {name: own for name, own in zip(real.name, real.block, strict=True)}
    assert len(found.made) >= 30 and len(np.unique(found.made.block)) >= 4
    for row, name in enumerate(found.made.name):
        core = ndimage.binary_erosion(found.made.mask[row], iterations=3)
        donor = 2 * round((float(np.median(found.made.image[row][core])) - 1.2) / 0.1)
        assert donor != place_of[name]
        assert group_of[donor] == group_of[place_of[name]] == found.made.block[row]


def test_a_pasted_lesions_own_mask_is_delivered_and_the_rest_of_the_place_is_untouched():
    real = planted(40, 0)
    made = copy_and_paste(real, seed=1).made
    assert made.base is not None
    for row in range(len(made)):
        untouched = ~near(made.mask[row], COPIED_MARGIN + 5)
        assert np.array_equal(made.image[row][untouched], made.base[row][untouched])
        assert made.image[row][made.mask[row]].mean() > 1.3
        overlap = real.mask[real.name.index(made.name[row])] & made.mask[row]
        assert overlap.sum() > 0.6 * made.mask[row].sum()


def test_a_pasted_lesion_brings_its_own_edge_along_and_is_levelled_to_its_place():
    """Every place half as bright again as the next: pasted as it was, a copy would lie in a halo of its own."""
    real = planted(40, 0)
    bright = np.where(real.block // 2 % 2, 0.5, 0.0)[:, None, None]
    lit = LesionPatches(real.image + bright, real.mask, real.block, real.name, real.base + bright)
    made = copy_and_paste(lit, seed=1).made
    contrasts = []
    for row in range(len(made)):
        margin = near(made.mask[row], 3) & ~near(made.mask[row], 2)
        place = np.median(made.base[row])
        assert abs(np.median(made.image[row][margin]) - place) < 0.2
        contrasts.append(made.image[row][ndimage.binary_erosion(made.mask[row], iterations=2)].mean() - place)
    # Lesions differ in contrast; a level brought along would add 0.5 to half of them, or take it away.
    assert np.mean(contrasts) == pytest.approx(0.5, abs=0.1) and np.std(contrasts) < 0.25


def test_controls_keep_outline_mean_and_surroundings():
    real = planted(40, 2)
    for control in comparisons(real, seed=3)[1:]:
        made = control.made
        assert np.array_equal(made.mask, real.mask) and np.array_equal(made.block, real.block)
        for row in range(len(made)):
            core = ndimage.binary_erosion(made.mask[row], iterations=2)
            assert made.image[row][core].mean() == pytest.approx(real.image[row][core].mean(), abs=0.12)
            outside = ~near(made.mask[row])
            assert np.array_equal(made.image[row][outside], made.base[row][outside])


def test_controls_are_the_same_again_and_others_with_another_seed():
    real = planted(40, 2)
    first, again, other = (comparisons(real, seed) for seed in (3, 3, 4))
    for one, two, three in zip(first, again, other, strict=True):
        assert np.array_equal(one.made.image, two.made.image)
        assert one.made.image.shape != three.made.image.shape or not np.array_equal(one.made.image, three.made.image)


def test_a_place_without_base_is_healed_from_its_surroundings():
    y, x = np.mgrid[:48, :48]
    grain = 0.05 * np.random.default_rng(0).standard_normal((48, 48))
    mask = np.hypot(y - 24, x - 20) < 9
    ground = 0.8 + 0.01 * x
    filled = healed(np.where(mask, 3.0, ground + grain).astype(np.float32), mask, np.random.default_rng(1))
    assert np.abs((filled - ground)[mask].mean()) < 0.02
    assert (filled - ground)[mask].std() == pytest.approx(0.05, rel=0.35)
    assert np.array_equal(filled[~near(mask)], (ground + grain).astype(np.float32)[~near(mask)])


def test_controls_work_in_three_dimensions_and_without_base():
    rng = np.random.default_rng(0)
    z, y, x = np.mgrid[:24, :24, :24] - 11.5
    mask = np.stack([(x**2 + y**2 + (z * s) ** 2) < 36 for s in rng.uniform(0.8, 1.2, 10)])
    image = 1 + 0.05 * rng.standard_normal(mask.shape) + 0.5 * mask
    real = LesionPatches(image, mask, 2 * np.arange(10))
    for control in comparisons(real):
        assert control.made.image.shape[1:] == (24, 24, 24)
        assert np.isfinite(control.made.image).all() and control.made.image[control.made.mask].mean() > 1.35
    assert with_base(real).base[real.mask].mean() == pytest.approx(1, abs=0.03)


def test_halves_share_no_patient_and_together_are_all():
    real = planted(30, 0)
    for one, other in real_halves(real, seed=2, splits=4):
        assert not set(real.block[one]) & set(real.block[other])
        assert sorted([*one, *other]) == list(range(30)) and abs(len(one) - len(other)) <= 4


def test_too_few_patients_are_refused():
    real = planted(6, 0)
    for make in (copy_and_paste, lambda lesions: list(real_halves(lesions))):
        with pytest.raises(InputError, match="patients"):
            make(real)


@pytest.fixture(scope="module")
def flawed() -> Study:
    """Synthetic lesions of the right outline and place, but too smooth; judged once over, which is enough to see it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_sample, "ROUNDS", 1)
        patch.setattr(two_sample, "TREES", 40)
        patch.setattr(study_module, "SPLITS", 1)
        return study(planted(40, 0), planted(40, 100, grain=2.2), seed=1, quick=True)


def test_lesions_of_the_same_kind_cannot_be_told():
    real, synthetic = Side(planted(40, 0)), Side(planted(40, 100))
    for measure in (each for each in MEASURES if each.names[0] in (CORE, SURROUNDINGS)):
        found = measure.take(real, synthetic, 1).figures[measure.names[0]]
        assert found.low <= 0.5 <= found.high


def test_a_flaw_is_caught_and_ranked_among_the_controls(flawed):
    core = {row.name: row.figures["core"] for row in flawed.rows}
    assert core["synthetic"].low > 0.5
    assert core["synthetic"].value > core["copy and paste"].value
    assert core["synthetic"].value > core["real of other patients"].value
    around = flawed.row("synthetic").figures["surroundings"]
    assert around.low <= 0.5 <= around.high


def test_every_row_has_every_measure_or_says_why_not(flawed):
    names = [name for measure in MEASURES for name in measure.names]
    assert len(flawed.rows) == 5
    for row in flawed.rows:
        assert list(row.figures) == names
        for found in row.figures.values():
            assert (found.value is None) == bool(found.why)
    assert "quick" in flawed.rows[0].figures["network"].why
    assert "volumes" in flawed.rows[0].figures["gradient ratio, difference"].why


class Page(HTMLParser):
    """What of a page comes from elsewhere, and its words."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_report_needs_no_other_file_and_holds_every_row_and_score(flawed, tmp_path):
    folder = write_report(flawed, tmp_path / "report")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    page = Page()
    page.feed((folder / "report.html").read_text("utf-8"))
    assert page.open == [] and len(page.sources) == 6  # areas, what tells (twice), and three sheets
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    words = " ".join(page.words)
    numbers = json.loads((folder / "report.json").read_text("utf-8"))
    for row in numbers["rows"]:
        assert row["name"] in words
        for name in TESTS[:3]:
            assert f"{row['figures'][name]['value']:.2f}" in words
    scores = numbers["rows"][0]["scores"]["all"]
    assert len(scores["made"]) == len(numbers["lesions"]["synthetic"]) == len(flawed.synthetic)
    assert "left out by --quick" in words


def test_an_older_report_is_replaced_only_when_asked_and_nothing_else_ever(flawed, tmp_path):
    folder = write_report(flawed, tmp_path / "report")
    with pytest.raises(InputError, match="overwrite"):
        write_report(flawed, folder)
    write_report(flawed, folder, overwrite=True)
    (folder / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="no report"):
        write_report(flawed, folder, overwrite=True)
    assert (folder / "mine.txt").read_text() == "kept" and len(list(tmp_path.iterdir())) == 1
