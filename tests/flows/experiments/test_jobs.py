"""The jobs of an experiment: their runners, an interrupt inside one, and a budget."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from aru.compute.jobs import Job
from aru.core.errors import InputError
from aru.core.progress import Progress, silent
from flows.experiments.jobs import Runner, do_in_worker
from flows.pipeline.workers import Work, workers


def count(path: Path, steps: int, progress: Progress) -> None:
    """Leave a file with the number of steps that were done."""
    for step in range(steps):
        path.write_text(str(step + 1))
        progress(step + 1, steps, "")


def test_without_the_extra_the_dask_runner_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'aru\[dask\]', or choose --runner threads"):
        Runner("dask").task_runner("toy")


def test_a_job_whose_workers_die_one_after_the_other_is_named() -> None:
    from distributed import KilledWorker

    from flows.experiments.cluster import Cluster

    def killed() -> None:
        raise KilledWorker("key", SimpleNamespace(address="tcp://host:1"), 3)

    future = SimpleNamespace(done=lambda: True, result=killed, cancel=lambda: None)
    client = SimpleNamespace(subscribe_topic=lambda *one: None, submit=lambda *call, **options: future)
    with pytest.raises(InputError, match="a large model: the worker that computed it died.*the last of them tcp://host:1"):
        Cluster(client, None).run(Job("", "a large model", "os:getpid"), silent)


def test_a_job_that_waits_on_a_cluster_without_workers_says_what_is_missing() -> None:
    from distributed import LocalCluster

    from flows.experiments.cluster import cluster

    def give_up(done: int, total: int, text: str) -> None:
        raise KeyboardInterrupt(text)

    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", host="127.0.0.1") as empty,
        cluster(1, empty.scheduler_address) as dask,
        pytest.raises(KeyboardInterrupt, match=f"no workers there: dask worker {empty.scheduler_address} --nthreads 1"),
    ):
        dask.run(Job("", "a model", "os:getpid"), give_up)


def test_an_interrupt_stops_a_job_at_its_next_step_and_its_worker_goes_on_to_the_next(tmp_path: Path) -> None:
    stopped, shown = Event(), []

    @contextmanager
    def board(label: str) -> Iterator[Progress]:
        def show(done: int, total: int, text: str) -> None:
            shown.append((label, done, total))
            if label == "first":
                stopped.set()  # Ctrl-C, while this step is shown

        yield show

    def work(label: str, steps: int) -> Work:
        return Work(label, f"{__name__}:count", (tmp_path / label, steps))

    with workers(1) as pool:
        with pytest.raises(KeyboardInterrupt):
            do_in_worker.fn("first", work("first", 1_000_000), pool, board, stopped)
        assert shown == [("first", 1, 1_000_000)] and int((tmp_path / "first").read_text()) < 1_000_000
        stopped.clear()
        do_in_worker.fn("second", work("second", 2), pool, board, stopped)
    assert shown[1:] == [("second", 1, 2), ("second", 2, 2)] and (tmp_path / "second").read_text() == "2"
