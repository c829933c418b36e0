"""A cohort on a Dask cluster: a scheduler and workers in processes of their own, one killed midway."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cases import ROOT, assert_refused, tumorsynth
from cohort_cases import lasting, options, small, two_hosts
from TumorSynthLib.cohorts import make_cohort

Client = pytest.importorskip("distributed").Client


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    return two_hosts(tmp_path_factory.mktemp("hosts"))


def start(log: Path, *arguments: object) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with log.open("w") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)], stdout=stream, stderr=stream, env=environment, cwd=log.parent
        )


def await_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def cluster(tmp_path):
    """A scheduler on the loopback interface and two workers, as `dask scheduler` and `dask worker` start them."""
    told = tmp_path / "scheduler.json"
    scheduler = start(
        tmp_path / "scheduler.log", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", 0,
        "--no-dashboard", "--scheduler-file", told,
    )  # fmt: skip
    processes = [scheduler]
    try:
        deadline = time.monotonic() + 120
        while not told.exists():
            assert scheduler.poll() is None and time.monotonic() < deadline, (tmp_path / "scheduler.log").read_text()
            time.sleep(0.05)
        time.sleep(0.2)
        address = json.loads(told.read_text())["address"]
        options = ("--nthreads", 1, "--no-dashboard", "--no-nanny")
        workers = [
            start(tmp_path / f"worker{n}.log", "distributed.cli.dask_worker", address, *options) for n in range(2)
        ]
        processes += workers
        yield address, workers
    finally:
        for process in processes[::-1]:
            process.kill()
            process.wait()


@pytest.mark.parametrize("having_finished", [1, 6], ids=["midway", "with cases it finished"])
def test_a_cohort_of_a_cluster_that_loses_a_worker_is_the_same(having_finished, cluster, hosts, tmp_path):
    """Also where it dies before its answers are fetched: what they told is then found out again by the other."""
    address, workers = cluster
    make_cohort(small(hosts, cases=6), tmp_path / "alone")
    folder = tmp_path / "cohort"

    def kill_one(event) -> None:
        if event.stage != "making cases" or event.done != 1 or workers[0].poll() is not None:
            return
        with Client(address, set_as_default=False) as onlooker:
            await_until(lambda: sum(map(len, onlooker.has_what().values())) >= having_finished)
            workers[0].send_signal(signal.SIGKILL)
            workers[0].wait()
            await_until(lambda: len(onlooker.nthreads()) == 1)

    summary = make_cohort(small(hosts, cases=6), folder, scheduler=address, progress=kill_one)
    assert workers[0].poll() == -signal.SIGKILL and workers[1].poll() is None
    assert (summary.made, summary.failures) == (6, ())
    assert lasting(folder) == lasting(tmp_path / "alone")


def test_an_address_where_no_scheduler_answers_is_refused(hosts, tmp_path, monkeypatch, here):
    monkeypatch.setattr("TumorSynthLib.cohorts.dask_crew.CONNECT_SECONDS", 2)
    arguments = ("cohort", hosts.table, "-o", tmp_path / "cohort", *options(), "--scheduler", "tcp://127.0.0.1:9")
    answer = here(*arguments)
    assert answer.code == 2 and "no Dask scheduler answers there" in answer.err.splitlines()[-1]
    assert not (tmp_path / "cohort").exists()


def test_workers_and_a_scheduler_exclude_each_other(hosts, tmp_path):
    assert_refused(
        tumorsynth("cohort", hosts.table, "-o", tmp_path / "c", *options(), "--scheduler", "tcp://x:1", "--workers", 2),
        "--workers and --scheduler exclude each other",
    )
