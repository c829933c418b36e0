"""Opening a cohort's folder: new, to go on with, or to replace; never by mistake, and never two at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..host import HostBrain
from .files import read_json, write_json, writing
from .layout import OURS, SOURCES, CohortPaths, case_name, case_number
from .lock import run_lock
from .recipe import Recipe

Note = Callable[[str], None]
# What decides the voxels beside the recipe; a difference in anything else recorded may change a last digit.
_MUST_AGREE = ("device", "precision", "bundles")


@dataclass(frozen=True)
class Cohort:
    """A cohort's folder and recipe while a run holds its lock."""

    paths: CohortPaths
    recipe: Recipe
    lock_descriptor: int
    note: Note = field(repr=False)

    @property
    def digest(self) -> str:
        return self.recipe.checksum()

    def settle_machine(self, here: dict[str, Any]) -> dict[str, Any]:
        """What the cohort is made with: recorded at its beginning, and the same for every case after that."""
        if not self.paths.machine.exists():
            write_json(self.paths.machine, here)
            return here
        recorded = read_json(self.paths.machine)
        for key in _MUST_AGREE:
            if recorded.get(key) != here.get(key):
                raise InputError(
                    f"{self.paths.root}: was begun with {key} {_shown(recorded.get(key))}, not {_shown(here.get(key))}:"
                    " go on with the same, or begin anew with --overwrite"
                )
        others = [key for key in here if key not in _MUST_AGREE and recorded.get(key) != here[key]]
        if others:
            self.note(f"{', '.join(others)} changed since this cohort was begun; new cases may differ in a last digit")
        return recorded

    def recorded_machine(self) -> dict[str, Any]:
        return read_json(self.paths.machine) if self.paths.machine.exists() else {}

    def done_cases(self) -> set[int]:
        """Cases that are there and whole; what is not is removed, to be made again."""
        done = set()
        for case in list(self.paths.cases()):
            fault = fault_of_case(self.paths, case, self.digest)
            if fault is None:
                done.add(case)
                continue
            self.note(f"{case_name(case)} {fault}; it is made again")
            with writing(self.paths.root):
                shutil.rmtree(self.paths.case(case))
        return done


def fault_of_case(paths: CohortPaths, case: int, digest: str) -> str | None:
    """What is wrong with a case on disk at first sight; its checksums are looked at by `verify`."""
    try:
        record = read_json(paths.sidecar(case))
        folder = paths.sidecar(case).parent
        if record["cohort"]["recipe"] != digest:
            return "belongs to another recipe"
        sizes = {name: facts["bytes"] for name, facts in record["files"].items()}
        there = {name: (folder / name).stat().st_size for name in sizes if (folder / name).is_file()}
    except (InputError, KeyError, TypeError, AttributeError):
        return "has no readable sidecar"
    return None if sizes == there else "lacks files, or parts of them"


@contextmanager
def opened(
    root: Path, recipe: Recipe | None, *, resume: bool = False, overwrite: bool = False, note: Note
) -> Iterator[Cohort]:
    """Holds the folder for one run. Without a recipe, `resume` goes on with the folder's own."""
    root = Path(root).absolute()
    paths = CohortPaths(root)
    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other: go on, or begin anew")
    _check_root(paths, recipe, resume, overwrite)
    is_new = not root.exists()
    with ExitStack() as stack:
        with writing(root):
            paths.drafts.mkdir(parents=True, exist_ok=True)
            descriptor = stack.enter_context(run_lock(paths.lock, note))
        _check_root(paths, recipe, resume, overwrite)  # another run may have been quicker
        try:
            settled = _settle_recipe(paths, recipe, resume, overwrite)
            clear_drafts(paths)
            yield Cohort(paths, settled, descriptor, note)
        except InputError:
            if not resume:
                _remove_if_nothing_was_made(paths, is_new)
            raise


def _check_root(paths: CohortPaths, recipe: Recipe | None, resume: bool, overwrite: bool) -> None:
    root = paths.root
    if not root.exists():
        if recipe is None:
            raise InputError(f"{root}: no such folder, so there is nothing to resume; give hosts, or a --recipe")
        if not root.parent.is_dir():
            raise InputError(f"{root}: the folder {root.parent} does not exist; create it first")
        return
    if not root.is_dir():
        raise InputError(f"{root}: a file, not a folder; give the name of a folder for the cohort")
    names = [path.name for path in root.iterdir() if path != paths.state]
    foreign = [name for name in names if name not in OURS and case_number(name) is None]
    if names and not paths.state.is_dir():
        raise InputError(f"{root}: holds other files than a cohort ({_few(names)}); choose another folder")
    if names and not (resume or overwrite):
        raise InputError(
            f"{root}: exists already; add --resume to go on with it or --overwrite to replace it, or choose another"
            " name"
        )
    if recipe is None and not paths.recipe.exists():
        raise InputError(f"{root}: holds no cohort to resume; give hosts, or a --recipe")
    if overwrite and foreign:
        raise InputError(
            f"{root}: holds other files than a cohort ({_few(foreign)}); move them away before --overwrite"
        )
    for entry in recipe.hosts if recipe else ():
        inside = isinstance(entry.image, Path) and entry.image.is_relative_to(root.resolve())
        if inside and not (resume and entry.image.is_relative_to(root.resolve() / SOURCES)):
            raise InputError(f"{root}: holds the host {entry.image}; choose another folder for the cohort")


def _settle_recipe(paths: CohortPaths, recipe: Recipe | None, resume: bool, overwrite: bool) -> Recipe:
    stored = Recipe.of(read_json(paths.recipe), paths.root) if resume and paths.recipe.exists() else None
    if recipe is None:
        assert stored is not None
        return stored
    if overwrite:
        _remove_all_but_state(paths)
    recipe = _with_images_on_disk(paths, recipe)
    if stored is not None:
        _check_same(paths, stored, recipe)
    write_json(paths.recipe, recipe.as_dict())
    return recipe


def _check_same(paths: CohortPaths, stored: Recipe, now: Recipe) -> None:
    before, after = stored.as_dict(), now.as_dict()
    for key in {**before, **after}:
        if key != "cases" and before.get(key) != after.get(key):
            raise InputError(
                f"{paths.root}: was begun with {key} {_shown(before.get(key))}, not {_shown(after.get(key))}:"
                " go on with the same recipe (--resume needs no other option), or begin anew with --overwrite"
            )
    if now.cases < stored.cases:
        raise InputError(f"{paths.root}: was begun for {stored.cases} cases, not {now.cases}: ask for as many, or more")


def _with_images_on_disk(paths: CohortPaths, recipe: Recipe) -> Recipe:
    """Images from memory are kept beside the cases: cases can then be made again, and by other processes."""
    entries = []
    for number, entry in enumerate(recipe.hosts):
        if isinstance(entry.image, HostBrain):
            image = entry.image
            mask = None if entry.brain_mask is None else np.asarray(entry.brain_mask)
            if mask is not None and mask.shape != image.shape:
                raise InputError(f"brain mask of {mask.shape} voxels for a host of {image.shape}: give one on its grid")
            files = {"image": _kept(paths.source(number, "T1w"), image, image.voxels)}
            if mask is not None:
                files["brain_mask"] = _kept(paths.source(number, "brain"), image, (mask != 0).astype(np.uint8))
            entry = replace(entry, **files)
        entries.append(entry)
    return recipe.with_hosts(tuple(entries))


def _kept(path: Path, host: HostBrain, voxels: np.ndarray) -> Path:
    if path.exists():
        there = HostBrain.read(path)
        if not (there.same_grid(host.shape, host.affine) and np.array_equal(there.voxels, voxels)):
            raise InputError(f"{path}: not the image given now: go on with the same, or begin anew with --overwrite")
        return path.resolve()
    with writing(path):
        path.parent.mkdir(exist_ok=True)
        host.write_volume(path, voxels, "host of a cohort by TumorSynth", keep_scale=path.name.endswith("_T1w.nii.gz"))
    return path.resolve()


def clear_drafts(paths: CohortPaths) -> None:
    with writing(paths.root):
        for draft in paths.drafts.iterdir():
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink()
        for draft in paths.root.glob(".*.draft"):
            draft.unlink()


def _remove_all_but_state(paths: CohortPaths) -> None:
    """The recipe goes first: a run cut short in here leaves nothing that could be taken for a whole cohort."""
    with writing(paths.root):
        paths.recipe.unlink(missing_ok=True)
        for path in [*paths.root.iterdir(), *paths.state.iterdir()]:
            if path in (paths.state, paths.lock):
                continue
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        paths.drafts.mkdir(exist_ok=True)


def _remove_if_nothing_was_made(paths: CohortPaths, is_new: bool) -> None:
    """A run that was refused leaves no trace. Called with the lock held."""
    with suppress(OSError):
        if any(True for _ in paths.cases()):
            return
        _remove_all_but_state(paths)
        shutil.rmtree(paths.state)
        if is_new:
            paths.root.rmdir()


def _few(names: list[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")


def _shown(value: Any) -> str:
    text = str(value) if value is not None else "nothing"
    return text if len(text) <= 120 else text[:117] + "..."
