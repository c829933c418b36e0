"""Nothing is lost: runs that are killed, workers that die, full and read-only disks, two runs at once."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from cases import ROOT, Answer
from cohort_cases import lasting, options, two_hosts
from test_case_files import small_disk
from TumorSynthLib.cohorts import verify_cohort

KILLS = 20
PATHS = os.pathsep.join((str(ROOT), str(ROOT / "Testing")))


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    return two_hosts(tmp_path_factory.mktemp("hosts"))


class Zygote:
    """Runs of the command line that start at once and can be killed."""

    def __init__(self, log: Path) -> None:
        self._log = log
        environment = {**os.environ, "PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "cohort_zygote"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def begin(self, *arguments: object) -> int:
        words = [str(argument) for argument in (self._log, *arguments)]
        print(json.dumps(words), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def end(self) -> Answer:
        code = int(self._process.stdout.readline())
        said = self._log.read_text() if self._log.exists() else ""  # one killed at birth says nothing
        assert "Traceback" not in said
        return Answer(code, "", said)

    def run(self, *arguments: object) -> Answer:
        self.begin(*arguments)
        return self.end()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=60)


@pytest.fixture(scope="module")
def zygote(tmp_path_factory):
    born = Zygote(tmp_path_factory.mktemp("zygote") / "stderr")
    yield born
    born.close()


@pytest.fixture(scope="module")
def whole(zygote, hosts, tmp_path_factory):
    """The cohort as an undisturbed run makes it, and how long that took."""
    folder = tmp_path_factory.mktemp("whole") / "cohort"
    zygote.begin("cohort", hosts.table, "-o", folder, *options())
    began = time.perf_counter()
    assert zygote.end().code == 0
    return folder, time.perf_counter() - began


def begin(*arguments: object, **more) -> subprocess.Popen:
    command = [sys.executable, "-m", "TumorSynthLib", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": PATHS, "COLUMNS": "100"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **more)


def wait_for(sign, process: subprocess.Popen, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not sign():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers_of(process: subprocess.Popen) -> list[int]:
    import psutil

    found = []
    for child in psutil.Process(process.pid).children():
        with suppress(psutil.Error):  # it ended meanwhile
            found += [child.pid] if "TumorSynthLib.cohorts.worker" in child.cmdline() else []
    return found


def cases_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("sub-*"))


# -- kill -9


def test_a_run_that_is_killed_at_any_moment_is_resumed_to_the_same_cohort(zygote, hosts, whole, tmp_path):
    """Twenty kills at random moments, each run going on from where the one before was killed."""
    chance, kills, stages, number, longest = random.Random(7), 0, set(), 0, 0.7 * whole[1]
    while kills < KILLS:
        folder = tmp_path / f"cohort{number}"
        process = zygote.begin("cohort", hosts.table, "-o", folder, *options(), "--resume")
        time.sleep(chance.uniform(0, longest))
        with suppress(ProcessLookupError):  # it was quicker
            os.kill(process, signal.SIGKILL)
        code = zygote.end().code
        for case in cases_in(folder):
            assert len(list((case / "anat").iterdir())) == 5, "a case is there whole or not at all"
        stages.add(len(cases_in(folder)))
        kills += code == -signal.SIGKILL
        longest *= 0.8 if code == 0 else 1  # quicker than the first run led to expect
        if code == 0 or kills == KILLS:
            assert zygote.run("cohort", hosts.table, "-o", folder, *options(), "--resume").code == 0
            assert lasting(folder) == lasting(whole[0])
            assert not list((folder / ".tumorsynth" / "drafts").iterdir())
            number += 1
    assert len(stages) > 1, "kills came before and after cases were finished"


def test_workers_and_runs_that_are_killed_cost_only_time(zygote, hosts, whole, tmp_path):
    """First a worker, whose task another takes; then the run itself, with which its workers end; the next run takes
    the lock over."""
    import psutil

    folder = tmp_path / "cohort"
    run = begin("cohort", hosts.table, "-o", folder, *options(), "--workers", 2)
    wait_for(lambda: (folder / ".tumorsynth" / "machine.json").exists(), run)
    os.kill(workers_of(run)[0], signal.SIGKILL)
    wait_for(lambda: cases_in(folder), run)
    workers = workers_of(run)
    assert len(workers) == 2
    run.kill()
    run.communicate()
    again = zygote.run("cohort", "-o", folder, "--resume")
    assert again.code == 0, again.err
    assert f"note: the run of process {run.pid}" in again.err and "taken over" in again.err
    assert not any(psutil.pid_exists(worker) for worker in workers)
    assert lasting(folder) == lasting(whole[0])


DEADLY = """
import os
from TumorSynthLib.cohorts import tasks
carry_out = tasks.carry_out
def deadly(studio, task):
    if task.kind == "make" and task.number == 2:
        os.kill(os.getpid(), 9)
    return carry_out(studio, task)
tasks.carry_out = deadly
"""


def test_a_case_that_kills_every_worker_is_given_up_and_the_rest_is_made(hosts, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(DEADLY)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{PATHS}"}
    command = [sys.executable, "-m", "TumorSynthLib", "cohort", hosts.table, "-o", tmp_path / "cohort", *options()]
    done = subprocess.run([*map(str, command), "--workers", "2"], env=environment, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert [case.name for case in cases_in(tmp_path / "cohort")] == ["sub-00001", "sub-00003"]
    with (tmp_path / "cohort" / "failures.tsv").open() as stream:
        (failure,) = csv.DictReader(stream, delimiter="\t")
    assert failure["participant_id"] == "sub-00002" and "its worker died 2 times" in failure["reason"]


# -- two at once, and interruptions


def test_a_second_run_in_the_same_folder_is_refused_and_the_first_goes_on(zygote, hosts, whole, here, tmp_path):
    folder = tmp_path / "cohort"
    process = zygote.begin("cohort", hosts.table, "-o", folder, *options(cases=1))
    while not (folder / "recipe.json").exists():
        time.sleep(0.01)
    os.kill(process, signal.SIGSTOP)  # so that it is surely still at work
    try:
        for flag in ("--resume", "--overwrite"):
            answer = here("cohort", hosts.table, "-o", folder, *options(), flag)
            assert answer.code == 2 and answer.err.count("\n") == 1
            assert f"process {process}" in answer.err and "is at work in this folder" in answer.err
    finally:
        os.kill(process, signal.SIGCONT)
    assert zygote.end().code == 0
    first = [name for name in lasting(whole[0]) if name.startswith("sub-00001")]
    assert [lasting(folder)[name] for name in first] == [lasting(whole[0])[name] for name in first]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_says_how_to_go_on_and_leaves_whole_cases_and_tables(zygote, hosts, tmp_path, number, code):
    folder = tmp_path / "cohort"
    process = zygote.begin("cohort", hosts.table, "-o", folder, *options(cases=50))
    while not cases_in(folder):
        time.sleep(0.02)
    os.kill(process, number)
    answer = zygote.end()
    assert answer.code == code
    assert "--resume" in answer.err
    assert not list((folder / ".tumorsynth" / "drafts").iterdir())
    listed = (folder / "participants.tsv").read_text().splitlines()[1:]
    assert [line.split("\t")[0] for line in listed] == [case.name for case in cases_in(folder)]


# -- disks


def size_of(folder: Path) -> int:
    return sum(-(-file.stat().st_size // 4096) * 4096 for file in folder.rglob("*") if file.is_file())


def test_a_full_disk_stops_the_run_in_one_line_and_resume_goes_on_when_there_is_room(zygote, hosts, whole, tmp_path):
    of_case = size_of(cases_in(whole[0])[0])
    largest_draft = 52 * 60 * 48 * 4  # the intensity map before it is compressed
    size = size_of(whole[0] / ".tumorsynth") + largest_draft + 2 * of_case
    with small_disk(tmp_path / "disk", size // 1024) as limit:
        if limit is not None:
            pytest.skip("no file system may be mounted here")
        folder = tmp_path / "disk" / "cohort"
        answer = zygote.run("cohort", hosts.table, "-o", folder, *options(cases=5))
        assert answer.code == 2
        error = answer.err.splitlines()[-1]
        assert error.startswith("error: ") and "cannot be written" in error and "--resume" in error
        assert 0 < len(cases_in(folder)) < 5
        assert all(len(list((case / "anat").iterdir())) == 5 for case in cases_in(folder))
        subprocess.run(["mount", "-o", "remount,size=100m", str(tmp_path / "disk")], check=True)
        assert zygote.run("cohort", "-o", folder, "--resume").code == 0
        made, before = lasting(folder), lasting(whole[0])
        assert all(made[name] == before[name] for name in before if name.startswith("sub-"))
        assert verify_cohort(folder, remake=0).faults == ()


def test_a_disk_that_may_not_be_written_is_one_line(hosts, here, tmp_path):
    with small_disk(tmp_path / "disk", 1000) as limit:
        if limit is not None:
            pytest.skip("no file system may be mounted here")
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        answer = here("cohort", hosts.table, "-o", tmp_path / "disk" / "cohort", *options())
    assert answer.code == 2 and answer.err.count("\n") == 1
    assert "cannot be written (Read-only file system)" in answer.err


def test_a_folder_without_permission_is_one_line(hosts, here):
    answer = here("cohort", hosts.table, "-o", "/proc/cohort", *options())
    assert answer.code == 2 and answer.err.count("\n") == 1 and "/proc/cohort: cannot be written" in answer.err
