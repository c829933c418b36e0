"""A study folder: made whole or not at all, from lesions that are chosen, blinded, named and ordered by one seed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from .. import __version__, provenance
from ..errors import InputError, ResourceError
from . import alike, matching
from .audit import check_blinding
from .blinding import Presentation, blinded, level_time_stamps, write_case_image, write_case_mask
from .checksums import file_checksum
from .lesions import SMALLEST_MM, Lesion, all_lesions, nothing_in
from .matching import Chosen, choose
from .orders import opaque_name, reading_order, synthetic_is_left
from .plan_checks import check_plan
from .protocol import CASES, PROTOCOL, BlindingCheck, CaseFile, Protocol, Reader
from .sources import Source, nothing_sources, real_sources, synthetic_sources
from .statistics.planning import exact_power
from .tasks import LEFT, RIGHT, SYNTHETIC, task_named
from .truth import KEY_FOLDER, MASKS, TRUTH, CaseTruth, Shown, TruthKey, key_record
from .wording import points

Report = Callable[[str, float], None]
# Lesions are measured before they are chosen; beyond so many scans a kind, a random part of a large cohort is enough.
MOST_SCANS_A_CASE = 4
FEWEST_SCANS_LOOKED_AT = 100
ENOUGH_POWER = 0.8


@dataclass(frozen=True)
class StudyPlan:
    """What a study leader chooses. `readers` takes names to years of experience (None if nobody says)."""

    real: Sequence[Path]
    synthetic: Sequence[Path]
    cases: int
    ratio: float = 0.5
    repeats: float = 0.15
    match: tuple[str, ...] = ()
    seed: int = 0
    readers: Mapping[str, float | None] = field(default_factory=lambda: {"reader1": None})
    task: str = "confidence"
    window: float = 2000.0
    level: float = 1000.0
    training_cases: int = 0
    margin: float = 0.1
    alpha: float = 0.05
    ratio_disclosed: bool = False
    going_back: bool = False
    instructions: str = ""
    presentation: Presentation = Presentation()
    tissue_values: tuple[float, ...] = ()
    smallest_mm: float = SMALLEST_MM
    nothing: Sequence[Path] = ()


@dataclass(frozen=True)
class MadeStudy:
    """A study as it was written, and what its leader should think about before anybody reads."""

    folder: Path
    protocol: Protocol
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Item:
    """One case to be: one lesion, or a pair of a real and a synthetic one."""

    lesions: tuple[Lesion, ...]
    training: bool = False
    showings: int = 1


def create_study(folder: str | Path, plan: StudyPlan, progress: Report = lambda stage, share: None) -> MadeStudy:
    """Writes a study folder: protocol, blinded cases and truth key, the blinding checked."""
    folder = Path(folder)
    check_plan(plan)
    _check_folder(folder)
    chosen, training, nothing = _choose(plan, progress)
    random = np.random.default_rng([plan.seed, 1])
    items = _with_repeats(_items(plan, chosen, nothing), plan, random) + _items(plan, training, [], training=True)
    with _draft_beside(folder) as draft:
        protocol, warnings = _write(draft, items, plan, chosen, progress)
        with _disk_errors(folder):
            os.rename(draft, folder)
    return MadeStudy(folder, protocol, warnings)


def _check_folder(folder: Path) -> None:
    if folder.exists():
        raise InputError(f"{folder}: exists already; choose another name for the study (nothing is ever replaced)")
    if not folder.absolute().parent.is_dir():
        raise InputError(f"{folder}: the folder {folder.parent} does not exist; create it first")


# -- which lesions


def _choose(plan: StudyPlan, progress: Report) -> tuple[Chosen, Chosen, list[Lesion]]:
    """The cases, the training cases, and the places without a lesion."""
    random = np.random.default_rng([plan.seed, 0])
    sources = [_some_of(found, plan, random) for found in (real_sources(plan.real), synthetic_sources(plan.synthetic))]
    values = plan.tissue_values or None
    real = all_lesions(sources[0], values, plan.smallest_mm, progress, "looking for real lesions")
    synthetic = all_lesions(sources[1], None, plan.smallest_mm, progress, "looking for synthetic lesions")
    chosen = choose(real, synthetic, counts_of(plan), plan.match, random)
    taken = {lesion.name for lesion in (*chosen.real, *chosen.synthetic)}
    rest = [[lesion for lesion in pool if lesion.name not in taken] for pool in (real, synthetic)]
    half = plan.training_cases // 2
    pairs = task_named(plan.task).images_per_case == 2
    wanted = (plan.training_cases,) * 2 if pairs else (plan.training_cases - half, half)
    training = choose(rest[0], rest[1], wanted, (), random)
    nothing = [nothing_in(source, random) for source in nothing_sources(plan.nothing)]
    return chosen, training, nothing


def counts_of(plan: StudyPlan) -> tuple[int, int]:
    """Real and synthetic lesions among the cases."""
    if task_named(plan.task).images_per_case == 2:
        return plan.cases, plan.cases
    synthetic = round(plan.cases * plan.ratio)
    return plan.cases - synthetic, synthetic


def _some_of(sources: list[Source], plan: StudyPlan, random: np.random.Generator) -> list[Source]:
    most = max(FEWEST_SCANS_LOOKED_AT, MOST_SCANS_A_CASE * (plan.cases + plan.training_cases))
    return [sources[place] for place in random.permutation(len(sources))[:most]]


def _items(plan: StudyPlan, chosen: Chosen, nothing: Sequence[Lesion], training: bool = False) -> list[_Item]:
    if task_named(plan.task).images_per_case == 2:
        return [_Item(pair, training) for pair in chosen.pairs]
    return [_Item((lesion,), training) for lesion in (*chosen.real, *chosen.synthetic, *nothing)]


def _with_repeats(items: list[_Item], plan: StudyPlan, random: np.random.Generator) -> list[_Item]:
    """Shows a share of the cases twice, of each origin alike."""
    groups: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        groups.setdefault(item.lesions[0].origin, []).append(place)
    again: set[int] = set()
    for places in groups.values():
        again |= {places[at] for at in random.permutation(len(places))[: round(plan.repeats * len(places))]}
    return [replace(item, showings=2) if place in again else item for place, item in enumerate(items)]


# -- writing


def _write(
    draft: Path, items: list[_Item], plan: StudyPlan, chosen: Chosen, progress: Report
) -> tuple[Protocol, tuple[str, ...]]:
    for name in (CASES, f"{KEY_FOLDER}/{MASKS}"):
        (draft / name).mkdir(parents=True)
    truth, files = _write_cases(draft, items, plan, progress)
    protocol = _protocol(truth, files, plan, chosen)
    progress("checking the blinding", 0.9)
    check = check_blinding(draft, protocol, truth, plan.seed)
    warnings = (*alike.warnings_on_scans(chosen), *matching.imbalance(chosen), *_warning_of(check), *_too_few(plan))
    key_checksum = _write_key(draft, TruthKey(truth, warnings), plan)
    protocol = replace(protocol, blinding_check=check, key_checksum=key_checksum).with_seal()
    _write_json(draft / PROTOCOL, protocol.as_record())
    for path in sorted(draft.rglob("*")):
        if path.is_file():
            path.chmod(0o444)
    (draft / KEY_FOLDER).chmod(0o700)
    return protocol, warnings


def _write_cases(
    draft: Path, items: list[_Item], plan: StudyPlan, progress: Report
) -> tuple[dict[str, CaseTruth], dict[str, tuple[CaseFile, ...]]]:
    """Every case's images and masks. They are kept under their final names only once all are made, and in that order,
    so that neither the order of writing nor a place on the disk follows the origin."""
    made: dict[str, tuple[CaseTruth, list[Path]]] = {}
    with tempfile.TemporaryDirectory(dir=draft, prefix=".making-") as making:
        for number, item in enumerate(items):
            progress("blinding the cases", number / len(items))
            made |= _make_case(item, plan, Path(making), number)
        truth, files = {}, {}
        for name, (entry, images) in sorted(made.items()):
            truth[name] = entry
            files[name] = tuple(
                _placed(image, draft / CASES, name, place, images) for place, image in enumerate(images)
            )
        for entry in truth.values():
            for shown in entry.images:
                target = draft / KEY_FOLDER / MASKS / shown.mask
                if not target.exists():
                    with _disk_errors(target):
                        shutil.copy2(Path(making) / shown.mask, target)
    level_time_stamps(draft / CASES)
    return truth, files


def _make_case(item: _Item, plan: StudyPlan, making: Path, number: int) -> dict[str, tuple[CaseTruth, list[Path]]]:
    values = plan.tissue_values or None
    try:
        volumes = [blinded(lesion, plan.presentation, plan.seed, values) for lesion in item.lesions]
    except InputError as error:
        raise InputError(f"{item.lesions[0].source.image}: {error}") from error
    contents = [volume.checksum() for volume in volumes]
    pairs = list(zip(item.lesions, volumes, strict=True))
    if len(pairs) == 2:
        pairs.sort(key=lambda pair: pair[0].origin != SYNTHETIC)
        if not synthetic_is_left(plan.seed, pairs[0][1].checksum(), pairs[1][1].checksum()):
            pairs.reverse()
    names = [opaque_name(plan.seed, contents, showing) for showing in range(item.showings)]
    images, shown = [], []
    for place, (lesion, volume) in enumerate(pairs):
        image = making / f"{number}_{place}.nii"
        mask = f"{names[0]}_{place}.nii.gz"
        write_case_image(image, volume)
        write_case_mask(making / mask, volume)
        images.append(image)
        shown.append(Shown.of(lesion, mask))
    return {
        name: (CaseTruth(tuple(shown), names[0] if showing else None, item.training), images)
        for showing, name in enumerate(names)
    }


def _placed(image: Path, folder: Path, name: str, place: int, images: Sequence[Path]) -> CaseFile:
    side = f"_{(LEFT, RIGHT)[place]}" if len(images) == 2 else ""
    target = folder / f"{name}{side}.nii"
    with _disk_errors(target):
        shutil.copyfile(image, target)
        level_time_stamps(target)
    return CaseFile(target.name, file_checksum(target), target.stat().st_size)


def _write_key(draft: Path, key: TruthKey, plan: StudyPlan) -> str:
    """The salt keeps the key's checksum, which the protocol shows, from being guessed at."""
    contents = "".join(file_checksum(path) for path in sorted((draft / KEY_FOLDER / MASKS).iterdir()))
    salt = hashlib.sha256(f"{plan.seed}|{contents}".encode()).hexdigest()
    sources = {"real": [str(path) for path in plan.real], "synthetic": [str(path) for path in plan.synthetic]}
    record = key_record(key, salt, {"sources": sources})
    _write_json(draft / KEY_FOLDER / TRUTH, record)
    return record["checksum"]


def _protocol(
    truth: Mapping[str, CaseTruth],
    files: Mapping[str, tuple[CaseFile, ...]],
    plan: StudyPlan,
    chosen: Chosen,
) -> Protocol:
    """Without the blinding check and the seal, which come last."""
    training = {name: _told(entry) for name, entry in truth.items() if entry.training}
    repeats = {name: entry.repeat_of for name, entry in truth.items() if entry.repeat_of}
    firsts = [name for name, entry in truth.items() if not entry.training and not entry.repeat_of]
    readers = tuple(
        Reader(name, reading_order(name, plan.seed, list(training), firsts, repeats), years)
        for name, years in plan.readers.items()
    )
    bundles = {_bundle(lesion) for lesion in chosen.synthetic} - {None}
    return Protocol(
        task=plan.task,
        instructions=plan.instructions or default_instructions(plan),
        readers=readers,
        cases=dict(files),
        training=training,
        seed=plan.seed,
        case_count=len(firsts),
        repeat_count=len(repeats),
        ratio=plan.ratio,
        ratio_disclosed=plan.ratio_disclosed,
        matched_on=tuple(plan.match),
        margin=plan.margin,
        alpha=plan.alpha,
        going_back=plan.going_back,
        window=plan.window,
        level=plan.level,
        presentation=asdict(plan.presentation),
        blinding_check=BlindingCheck(None, None, None, note="not yet"),
        software={"TumorSynth": __version__, "commit": provenance.code_commit()},
        bundles=dict(sorted(bundles)),  # type: ignore[arg-type]
        key_checksum="",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def default_instructions(plan: StudyPlan) -> str:
    text = task_named(plan.task).instructions
    if plan.ratio_disclosed and task_named(plan.task).images_per_case == 1:
        text += f" {100 * plan.ratio:.0f} of 100 lesions are synthetic."
    if plan.training_cases:
        text += f" The first {plan.training_cases} cases are for training: after these alone you are told the truth."
    return text


def _told(entry: CaseTruth) -> str:
    """The right answer to a training case."""
    if len(entry.images) == 2:
        return LEFT if entry.images[0].origin == SYNTHETIC else RIGHT
    return entry.origin


def _bundle(lesion: Lesion) -> tuple[str, str] | None:
    if lesion.source.provenance is None:
        return None
    bundle = provenance.read(lesion.source.provenance)["bundle"]
    return str(bundle["name"]), str(bundle["checksum"])


def _warning_of(check: BlindingCheck) -> list[str]:
    if check.auc is None:
        return [f"the blinding check could not be made: {check.note}"]
    if not check.tells_origin:
        return []
    strongest = max(check.by_group, key=lambda group: check.by_group[group])
    return [
        f"what surrounds the lesions tells their origin (AUC {check.auc:.2f}, most by the {strongest}): readers may use"
        " it, and the study would not be about the lesions; use hosts from the data set of the real lesions"
    ]


def _too_few(plan: StudyPlan) -> list[str]:
    """Better heard before the reading than in the report."""
    power = float(exact_power(np.array(plan.cases), plan.margin, plan.alpha))
    if power >= ENOUGH_POWER or task_named(plan.task).needs_point:
        return []
    return [
        f"{plan.cases} cases give one reader who guesses a chance of {100 * power:.0f} % to show that accuracy lies"
        f" within {points(plan.margin)}; see how many it takes: tumorsynth reading plan --margin {plan.margin:g}"
    ]


def _write_json(path: Path, record: Mapping[str, object]) -> None:
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    with _disk_errors(path), path.open("w", encoding="utf-8") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def _draft_beside(folder: Path) -> Iterator[Path]:
    """A folder on the same disk that becomes the study by being renamed, or is gone at the end."""
    with _disk_errors(folder):
        draft = Path(tempfile.mkdtemp(prefix=".tumorsynth-", dir=folder.absolute().parent))
        draft.chmod(0o755)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _disk_errors(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ResourceError(
            f"{place}: cannot be written ({reason}); choose a writable folder with enough free space"
        ) from error
