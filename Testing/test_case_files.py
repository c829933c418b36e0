"""A case on disk: whole or not at all, and nothing else is touched."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from cases import ROOT, brain_host, case_by_hand
from TumorSynthLib import case_files
from TumorSynthLib.case_files import FILES, check_folder, write_case
from TumorSynthLib.errors import InputError, ResourceError
from TumorSynthLib.host import HostBrain


@pytest.fixture(scope="module")
def case():
    return case_by_hand()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# -- what is written


def test_a_case_is_four_files_that_hold_its_arrays(tmp_path, case):
    written = write_case(case, tmp_path / "case")
    assert sorted(path.name for path in (tmp_path / "case").iterdir()) == sorted(FILES)
    image = HostBrain.read(tmp_path / "case" / "image.nii.gz")
    assert image.voxels.dtype == case.host.voxels.dtype
    assert np.array_equal(image.voxels, case.image)
    assert image.same_grid(case.host.shape, case.host.affine)
    assert np.array_equal(nibabel.load(tmp_path / "case" / "lesion_mask.nii.gz").dataobj, case.mask)
    assert np.array_equal(nibabel.load(tmp_path / "case" / "intensity_map.nii.gz").dataobj, case.intensity_map)
    assert json.loads((tmp_path / "case" / "provenance.json").read_text()) == written.provenance
    assert written.files["image"] == tmp_path / "case" / "image.nii.gz"
    assert list(tmp_path.iterdir()) == [tmp_path / "case"]


def test_every_volume_says_that_it_is_synthetic(tmp_path, case):
    write_case(case, tmp_path / "case")
    for name in FILES[:3]:
        assert nibabel.load(tmp_path / "case" / name).header["descrip"].tobytes().startswith(b"SYNTHETIC")
    assert json.loads((tmp_path / "case" / "provenance.json").read_text())["synthetic"] is True


def test_the_recorded_checksums_are_those_of_the_voxels_in_the_files(tmp_path, case):
    record = write_case(case, tmp_path / "case").provenance
    assert set(record["outputs"]) == set(FILES[:3])
    for name, checksum in record["outputs"].items():
        data = gzip.decompress((tmp_path / "case" / name).read_bytes())[352:]
        assert hashlib.sha256(data).hexdigest() == checksum


def test_the_host_s_rescale_is_kept(tmp_path, case):
    host = HostBrain(case.host.voxels, case.host.affine, slope=0.5, intercept=-3.0)
    write_case(replace(case, host=host), tmp_path / "case")
    written = HostBrain.read(tmp_path / "case" / "image.nii.gz")
    assert (written.slope, written.intercept) == (0.5, -3.0)
    assert HostBrain.read(tmp_path / "case" / "intensity_map.nii.gz").slope == 1.0


def test_the_same_case_gives_the_same_bytes(tmp_path, case):
    write_case(case, tmp_path / "one")
    write_case(case, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_folder_gets_the_permissions_that_the_person_s_folders_get(tmp_path, case):
    before = os.umask(0o027)
    try:
        write_case(case, tmp_path / "case")
    finally:
        os.umask(before)
    assert (tmp_path / "case").stat().st_mode & 0o777 == 0o750


# -- what is in the way


def _nothing(folder):
    pass


def _file(folder):
    folder.write_text("not a folder")


def _empty(folder):
    folder.mkdir()


def _notes(folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")


def _case(folder):
    write_case(case_by_hand(seed=1), folder)


def _case_with_notes(folder):
    _case(folder)
    (folder / "notes.txt").write_text("mine")


def _foreign_provenance(folder):
    folder.mkdir()
    (folder / "provenance.json").write_text('{"tool": {"name": "another"}}')


def _broken_link(folder):
    folder.symlink_to(folder.with_name("gone"))


REFUSED = {
    "an empty folder": (_empty, False, "--overwrite"),
    "a case": (_case, False, "--overwrite"),
    "a file": (_file, False, "not a folder"),
    "a file, to be overwritten": (_file, True, "not a folder"),
    "a folder of something else, to be overwritten": (_notes, True, "not a case"),
    "a case with notes, to be overwritten": (_case_with_notes, True, "notes.txt"),
    "another program's folder, to be overwritten": (_foreign_provenance, True, "not a provenance file"),
    "a link that leads nowhere": (_broken_link, True, "leads nowhere"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_in_the_way_is_refused_and_stays(tmp_path, case, name):
    make, overwrite, says = REFUSED[name]
    make(tmp_path / "out")
    before = contents(tmp_path)
    with pytest.raises(InputError, match="out") as error:
        write_case(case, tmp_path / "out", overwrite)
    assert says in str(error.value)
    assert contents(tmp_path) == before


def _case_with_picture(folder):
    _case(folder)
    (folder / "picture.png").write_bytes(b"of the older case")


@pytest.mark.parametrize("make", [_nothing, _empty, _case, _case_with_picture])
def test_overwrite_replaces_nothing_an_empty_folder_or_a_case(tmp_path, case, make):
    make(tmp_path / "out")
    write_case(case, tmp_path / "out", overwrite=True)
    assert np.array_equal(HostBrain.read(tmp_path / "out" / "image.nii.gz").voxels, case.image)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_a_link_to_a_case_stays_a_link(tmp_path, case):
    _case(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    write_case(case, tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert np.array_equal(HostBrain.read(tmp_path / "real" / "image.nii.gz").voxels, case.image)


def test_the_folder_may_be_the_one_we_stand_in(tmp_path, case, monkeypatch):
    _empty(tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    write_case(case, ".", overwrite=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)


def test_an_input_inside_the_folder_is_not_replaced(tmp_path):
    _case(tmp_path / "out")
    with pytest.raises(InputError, match=r"out: holds the input .*image\.nii\.gz"):
        check_folder(tmp_path / "out", True, (None, tmp_path / "out" / "image.nii.gz"))


def test_a_parent_that_does_not_exist_is_named(tmp_path, case):
    with pytest.raises(InputError, match="nowhere does not exist"):
        write_case(case, tmp_path / "nowhere" / "out")
    assert not list(tmp_path.iterdir())


# -- what goes wrong half-way


def test_a_folder_that_cannot_be_written_is_refused_at_once():
    with pytest.raises(ResourceError, match="/proc/case: cannot be written"):
        check_folder("/proc/case")


def test_a_failure_leaves_the_older_case_as_it_was(tmp_path, case):
    _case(tmp_path / "out")
    before = contents(tmp_path)
    unwritable = replace(case, provenance={**case.provenance, "seconds": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        write_case(unwritable, tmp_path / "out", overwrite=True)
    assert contents(tmp_path) == before
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_an_interruption_while_folders_are_exchanged_leaves_the_older_case(tmp_path, case, monkeypatch):
    _case(tmp_path / "out")
    before = contents(tmp_path)
    rename = os.rename

    def rename_once(source, target):
        monkeypatch.setattr(case_files.os, "rename", interrupted)
        rename(source, target)

    def interrupted(source, target):
        monkeypatch.setattr(case_files.os, "rename", rename)
        raise KeyboardInterrupt

    monkeypatch.setattr(case_files.os, "rename", rename_once)
    with pytest.raises(KeyboardInterrupt):
        write_case(case, tmp_path / "out", overwrite=True)
    assert contents(tmp_path) == before
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


WRITE_IN_CHILD = """
import sys
from cases import case_by_hand
from TumorSynthLib.case_files import write_case
from TumorSynthLib.errors import ResourceError
try:
    write_case(case_by_hand(seed=5), sys.argv[1], overwrite=True)
except ResourceError as error:
    print(error)
"""


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[int | None]:
    """A file system that is soon full; where none may be mounted, the limit on a file's size to give to a child."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    is_root = os.geteuid() == 0
    mounted = is_root and subprocess.run(["mount", *options], capture_output=True).returncode == 0
    try:
        yield None if mounted else kilobytes * 1024
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kilobytes", [100, 1100])
def test_a_full_disk_is_one_clear_line_and_leaves_nothing(tmp_path, kilobytes):
    with small_disk(tmp_path / "disk", kilobytes) as limit:

        def limit_files():
            if limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        target = tmp_path / "disk" / "case"
        child = subprocess.run(
            [sys.executable, "-c", WRITE_IN_CHILD, str(target)],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'Testing'}"},
            capture_output=True,
            text=True,
            preexec_fn=limit_files,
        )
        assert child.returncode == 0, child.stderr
        assert child.stderr == ""
        assert child.stdout.count("\n") == 1
        assert child.stdout.startswith(str(target))
        assert "cannot be written" in child.stdout
        assert not list((tmp_path / "disk").iterdir())


def test_the_host_is_never_changed(tmp_path):
    host = brain_host(tmp_path / "host.nii.gz")
    before = (tmp_path / "host.nii.gz").read_bytes()
    write_case(case_by_hand(host), tmp_path / "out")
    assert (tmp_path / "host.nii.gz").read_bytes() == before
