"""Is a cohort still what it was made as? Checksums of all files, and a few cases made again from the recipe alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .case_writing import voxel_checksums
from .chance import Purpose, stream
from .files import read_json, sha256_of
from .hosts import read_table
from .layout import CHECKSUMS, FAILURES, CohortPaths, case_name
from .recipe import Recipe
from .studio import Studio, one_thread

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Verification:
    """`faults` are lines for people; none means that everything is as it was made."""

    cases: int
    files: int
    remade: tuple[int, ...]
    faults: tuple[str, ...]


def verify_cohort(
    folder: str | Path, *, remake: int = 3, seed: int = 0, progress: Progress | None = None
) -> Verification:
    """Reads every file, and makes `remake` cases (chosen by `seed`) again: hosts must be where the recipe says."""
    paths = CohortPaths(Path(folder).absolute())
    tell = progress or (lambda stage, share: None)
    recipe = Recipe.of(read_json(paths.recipe), paths.root)
    there = list(paths.cases())
    faults, files = _check_files(paths, tell)
    faults += _missing(paths, recipe, there)
    chosen = sorted(stream(seed, Purpose.VERIFICATION, 0).permutation(there)[:remake].tolist())
    studio = Studio(paths.root)
    for number, case in enumerate(chosen):
        tell(f"making {case_name(case)} again", number / len(chosen))
        faults += _remade(studio, paths, case)
    tell("done", 1.0)
    return Verification(len(there), files, tuple(chosen), tuple(faults))


def _check_files(paths: CohortPaths, tell: Progress) -> tuple[list[str], int]:
    listed = _listed(paths)
    faults = []
    for number, (name, checksum) in enumerate(listed.items()):
        tell("comparing checksums", number / len(listed))
        file = paths.root / name
        if not file.is_file():
            faults.append(f"{name}: is missing")
        elif sha256_of(file) != checksum:
            faults.append(f"{name}: was changed since it was made")
    for case in paths.cases():
        names = {file.relative_to(paths.root).as_posix() for file in paths.case(case).rglob("*") if file.is_file()}
        faults += [f"{name}: is not of this cohort" for name in sorted(names - set(listed))]
    return faults, len(listed)


def _listed(paths: CohortPaths) -> dict[str, str]:
    file = paths.root / CHECKSUMS
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return {name: checksum for checksum, name in (line.split("  ", 1) for line in lines)}
    except FileNotFoundError:
        raise InputError(f"{paths.root}: is unfinished, without {CHECKSUMS}; finish it with --resume") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: changed or damaged; write it anew with --resume") from error


def _missing(paths: CohortPaths, recipe: Recipe, there: list[int]) -> list[str]:
    failed = {row.get("participant_id") for row in read_table(paths.root / FAILURES)}
    missing = [case_name(case) for case in range(1, recipe.cases + 1) if case not in set(there)]
    return [f"{name}: is missing{' (see failures.tsv)' if name in failed else ''}" for name in missing]


def _remade(studio: Studio, paths: CohortPaths, case: int) -> list[str]:
    name = case_name(case)
    try:
        record = read_json(paths.sidecar(case))
        with one_thread():
            if studio.recipe.host_of(case) not in studio.fresh:
                studio.prepare(studio.recipe.host_of(case), save=False)
            again = voxel_checksums(studio.synthesize(studio.plan(case)))
    except InputError as error:
        return [f"{name}: cannot be made again ({error})"]
    different = [kind for kind, checksum in again.items() if record.get("outputs", {}).get(kind) != checksum]
    if not different:
        return []
    here = studio.describe_machine(*(studio.machine[key] for key in ("device", "precision")))
    changed = [key for key in here if here[key] != studio.machine.get(key)]
    why = f"; changed since: {', '.join(changed)}" if changed else ""
    return [f"{name}: made again has other voxels in {', '.join(different)}{why}"]
