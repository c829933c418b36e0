"""Asked against got, measured on delivered files: volume, place, class fractions and contrast of every lesion.

Of the record only what was asked is read. What came out is measured on the image, the mask and the intensity map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..blending import HEADROOM
from ..cube import cube_around, cube_voxel_mm
from ..errors import InputError
from ..grid import Box, Grid, canonical_axes, resample
from ..host import HostBrain
from ..lesion_lists import LesionPlan
from ..painting import ROOM_STEPS, white_matter_level
from ..replay import Recipe
from ..spheres import ConcentricSpheres
from .bare_hosts import BareHosts
from .delivered_cases import DeliveredCase, delivered_cases

# Farther from where it was asked for, a lesion beside the brain's border has drifted.
DRIFT_MM = 0.7
# Less of the spheres than this in the brain, and they meet its border.
WHOLLY_INSIDE = 0.99
SAME_VALUE = 1e-3
SPREAD_PERCENT = (50, 5, 95)
# A class is at least three voxels thick where a voxel's neighbours on all six sides are of it: then what is not of it
# lies farther away than this.
MIDDLE_VOXELS = 1.4
FEWEST_MIDDLE = 8


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class ObeyedLesion:
    """One lesion. Levels are those of its classes, darkest first, relative to white matter nearby; `level_error` is
    the largest difference between them in percent of white matter, `contrast_kept` the distance from the darkest to the
    brightest class as got over as asked. Edges are soft, so that a rim of one or two voxels cannot reach its level:
    `contrast_kept_where_thick` is the same by the middles of classes that are at least three voxels thick."""

    name: str
    volume_asked_mm3: float
    volume_mm3: float
    volume_error_percent: float
    centre_mm: float
    class_fraction_points: float
    levels_asked: tuple[float, ...]
    levels_got: tuple[float | None, ...]
    level_error_percent: float
    contrast_kept: float | None
    contrast_kept_where_thick: float | None
    meets_border: bool
    has_drifted_inwards: bool
    is_hidden_in_part: bool
    exceeds_data_type: bool


@dataclass(frozen=True)
class Obedience:
    """Medians and 5 to 95 % over all lesions that none of later ones hides in part.

    `centre_mm_inside` leaves out those that meet the brain's border, where they may drift inwards: `drifted` names
    those that did. `hidden` names lesions that later ones hide in part, `dimmed` those that are asked to be brighter
    than their host's data type can store.
    """

    volume_error_percent: Spread
    centre_mm: Spread
    centre_mm_inside: Spread | None
    class_fraction_points: Spread
    level_error_percent: Spread
    contrast_kept: Spread | None
    contrast_kept_where_thick: Spread | None
    drifted: tuple[str, ...]
    hidden: tuple[str, ...]
    dimmed: tuple[str, ...]
    cases: int
    lesions: tuple[ObeyedLesion, ...]


def obedience(case_folders: Path | str | Sequence[Path | str]) -> Obedience:
    """How far the cases in folders of cases, or in cohorts, hold what they were asked for.

    White matter is measured in a case's host where that is still there, else in the delivered image, in which oedema
    may have darkened it.
    """
    cases, hosts = delivered_cases(case_folders), BareHosts()
    lesions = tuple(lesion for case in cases for lesion in measured_lesions(case, hosts))
    counted = [lesion for lesion in lesions if not lesion.is_hidden_in_part]
    if not counted:
        raise InputError("every lesion is hidden in part by a later one: give cases with lesions that are whole")
    return Obedience(
        volume_error_percent=_spread([lesion.volume_error_percent for lesion in counted]),
        centre_mm=_spread([lesion.centre_mm for lesion in counted]),
        centre_mm_inside=_spread_if_any([lesion.centre_mm for lesion in counted if not lesion.meets_border]),
        class_fraction_points=_spread([lesion.class_fraction_points for lesion in counted]),
        level_error_percent=_spread([lesion.level_error_percent for lesion in counted]),
        contrast_kept=_spread_if_any([lesion.contrast_kept for lesion in counted]),
        contrast_kept_where_thick=_spread_if_any([lesion.contrast_kept_where_thick for lesion in counted]),
        drifted=tuple(lesion.name for lesion in lesions if lesion.has_drifted_inwards),
        hidden=tuple(lesion.name for lesion in lesions if lesion.is_hidden_in_part),
        dimmed=tuple(lesion.name for lesion in lesions if lesion.exceeds_data_type),
        cases=len(cases),
        lesions=lesions,
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(*np.percentile(values, SPREAD_PERCENT).tolist())


def _spread_if_any(values: Sequence[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return _spread(known) if known else None


def measured_lesions(case: DeliveredCase, hosts: BareHosts) -> list[ObeyedLesion]:
    recipe = Recipe.read(case.record)
    opened = _OpenCase.of(case, recipe, hosts)
    return [opened.lesion(number, plan) for number, plan in enumerate(recipe.plans, 1)]


@dataclass(frozen=True, eq=False)
class _OpenCase:
    """A case's volumes. `window` is the host's intensity window; `bare` the host without lesions, if it is there."""

    case: DeliveredCase
    image: HostBrain
    mask: np.ndarray
    grey: np.ndarray
    window: tuple[float, float]
    bare: np.ndarray
    brain: np.ndarray
    hidden_voxels: tuple[int, ...]
    boxes: list[Box | None]

    @classmethod
    def of(cls, case: DeliveredCase, recipe: Recipe, hosts: BareHosts) -> _OpenCase:
        image = HostBrain.read(case.image)
        mask, grey = (_volume_like(image, file) for file in (case.mask, case.intensity_map))
        bare, brain = hosts.bare_and_brain(recipe, image)
        try:
            low, high = (float(bound) for bound in recipe.record["host"]["intensity_window"])
            hidden = tuple(int(lesion["voxels_hidden_by_later"]) for lesion in recipe.record["lesions"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{case.record}: lacks {error}; give the file as TumorSynth wrote it") from None
        return cls(
            case, image, mask, grey, (low, high), bare, brain, hidden, ndimage.find_objects(mask.astype(np.int32))
        )

    def lesion(self, number: int, plan: LesionPlan) -> ObeyedLesion:
        spheres = plan.spheres
        box, inside = self._found(number)
        grid = self.image.grid.part(box)
        volume = float(np.count_nonzero(inside) * grid.voxel_volume_mm3)
        offset = grid.to_ras(np.argwhere(inside).mean(0)) - spheres.center_ras
        share, inwards = self._room(spheres)
        centre_mm, meets_border = float(np.linalg.norm(offset)), bool(share < WHOLLY_INSIDE)
        values, shares = spheres.classes()
        members = [np.abs(self.grey[box][inside] - value) < SAME_VALUE for value in values]
        if not np.any(members):
            raise InputError(
                f"{self.case.intensity_map}: lesion {number} has none of the grey values asked for"
                f" ({', '.join(f'{value:g}' for value in values)}); give the files as TumorSynth wrote them"
            )
        white_matter = self._white_matter(spheres)
        level = self._normalized(self.image.voxels[box][inside]) / white_matter
        asked = _levels_asked(plan, values)
        got = _medians(level, members)
        middles = [self._middle(inside, member, spheres) for member in members]
        thick = _medians(level, [m if np.count_nonzero(m) >= FEWEST_MIDDLE else np.zeros_like(m) for m in middles])
        return ObeyedLesion(
            name=f"{self.case.name} lesion {number}",
            volume_asked_mm3=spheres.volume_mm3,
            volume_mm3=volume,
            volume_error_percent=100 * abs(volume / spheres.volume_mm3 - 1),
            centre_mm=centre_mm,
            class_fraction_points=100 * float(max(abs(m.mean() - s) for m, s in zip(members, shares, strict=True))),
            levels_asked=tuple(asked.tolist()),
            levels_got=tuple(got),
            level_error_percent=100 * float(max(abs(g - a) for g, a in zip(got, asked, strict=True) if g is not None)),
            contrast_kept=_contrast_kept(got, asked),
            contrast_kept_where_thick=_contrast_kept(thick, asked),
            meets_border=meets_border,
            has_drifted_inwards=bool(meets_border and centre_mm > DRIFT_MM and offset @ inwards > 0),
            is_hidden_in_part=self.hidden_voxels[number - 1] > 0,
            exceeds_data_type=bool(asked.max() > HEADROOM * self._brightest() / white_matter),
        )

    def _middle(self, inside: np.ndarray, member: np.ndarray, spheres: ConcentricSpheres) -> np.ndarray:
        """Which of a class's voxels lie in its middle, by voxels of the image or, where coarser, of the painter."""
        placed = np.zeros(tuple(length + 2 for length in inside.shape), bool)
        own = placed[(slice(1, -1),) * 3]
        own[inside] = member
        voxel_mm = self.image.grid.voxel_mm
        depth_mm = ndimage.distance_transform_edt(placed, sampling=voxel_mm)[(slice(1, -1),) * 3]
        unit = max(cube_voxel_mm(spheres.outer_radius_mm), float(voxel_mm.max()))
        return depth_mm[inside] >= MIDDLE_VOXELS * unit - SAME_VALUE

    def _found(self, number: int) -> tuple[Box, np.ndarray]:
        box = self.boxes[number - 1] if number <= len(self.boxes) else None
        if box is None:
            raise InputError(
                f"{self.case.mask}: no voxel is numbered {number}, a lesion that {self.case.record.name} lists;"
                " give the files as TumorSynth wrote them"
            )
        return box, self.mask[box] == number

    def _normalized(self, values: np.ndarray) -> np.ndarray:
        low, high = self.window
        return (np.asarray(values, np.float64) - low) / (high - low)

    def _brightest(self) -> float:
        """What the data type can store, on the host's 0..1 scale."""
        dtype = self.image.voxels.dtype
        return float(self._normalized(np.array(np.iinfo(dtype).max))) if dtype.kind in "iu" else np.inf

    def _room(self, spheres: ConcentricSpheres) -> tuple[float, np.ndarray]:
        """The outermost sphere's share in the brain, and which way from its centre that part lies. Counted on a fine
        lattice of its own, as small spheres have few voxels of the image."""
        center, radius = np.array(spheres.center_ras), spheres.outer_radius_mm
        grid = self.image.grid
        affine = np.eye(4)
        affine[:3, :3] = canonical_axes(grid.affine) * radius / ROOM_STEPS
        affine[:3, 3] = center - affine[:3, :3] @ np.full(3, ROOM_STEPS)
        lattice = Grid(affine, (2 * ROOM_STEPS + 1,) * 3)
        box = grid.box(center, radius * np.sqrt(3) + float(grid.voxel_mm.max()))
        in_brain = resample(self.brain[box], grid.part(box), lattice, nearest=True) > 0.5
        ball = lattice.squared_distance_mm2(center) <= radius**2
        inside = np.argwhere(ball & in_brain)
        inwards = lattice.to_ras(inside.mean(0)) - center if len(inside) else np.zeros(3)
        return len(inside) / np.count_nonzero(ball), inwards

    def _white_matter(self, spheres: ConcentricSpheres) -> float:
        """White matter's level near the lesion, as the painter measures it, lesions left out."""
        grid = self.image.grid
        cube = cube_around(grid, np.array(spheres.center_ras), spheres.outer_radius_mm)
        box = grid.box_covering(cube, np.ones(cube.shape, bool))
        nearby = grid.part(box)
        tissue = self.brain[box] if self.bare is not self.image.voxels else self.brain[box] & (self.mask[box] == 0)
        values = resample(self._normalized(self.bare[box]).astype(np.float32), nearby, cube)
        return white_matter_level(values, resample(tissue, nearby, cube) > 0.5, cube, spheres)


def _volume_like(image: HostBrain, file: Path) -> np.ndarray:
    from ..volume_files import read_volume

    stored = read_volume(file)
    if not image.same_grid(stored.voxels.shape, stored.affine):
        raise InputError(f"{file}: lies on another grid than {image.source}; give both as TumorSynth wrote them")
    return stored.voxels


def _medians(level: np.ndarray, members: Sequence[np.ndarray]) -> list[float | None]:
    return [float(np.median(level[member])) if member.any() else None for member in members]


def _levels_asked(plan: LesionPlan, values: np.ndarray) -> np.ndarray:
    level = np.asarray(plan.spheres.resolved_structure.level_of(values), float)
    return np.maximum(1 + plan.appearance.contrast * (level - 1), 0)


def _contrast_kept(got: Sequence[float | None], asked: np.ndarray) -> float | None:
    darkest, brightest = got[0], got[-1]
    if darkest is None or brightest is None or asked[-1] - asked[0] < SAME_VALUE:
        return None
    return float((brightest - darkest) / (asked[-1] - asked[0]))
