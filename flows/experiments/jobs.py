"""Many pieces of work under one flow: each a Prefect task, computed in a process of its own, as soon as it may begin."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from aru.compute.jobs import Job, run_jobs
from aru.compute.object_store import ObjectStore, check_store_url
from aru.compute.remote_jobs import RemoteJobs
from aru.core.errors import InputError
from aru.core.progress import Progress, silent
from flows.experiments.cluster import check_dask, cluster
from flows.pipeline.workers import workers
from flows.project.discretion import discreet
from flows.project.used_stores import remember_store

RUNNERS = ("threads", "processes", "dask")


class Doable(Protocol):
    """A piece of work: a `Job`, or a `flows.pipeline.workers.Work`."""

    def do(self, progress: Progress) -> None:
        """Do it in this process."""


class Processes(Protocol):
    """Processes elsewhere that do pieces of work: `flows.pipeline.workers.Workers`, or a `Cluster` of Dask."""

    def run(self, work: Any, progress: Progress) -> None:
        """Do one there; what it raises is raised here, and what `progress` raises stops it."""


@dataclass(frozen=True)
class Runner:
    """Where the jobs of a flow are computed, `workers` at once.

    threads: each has a worker process of its own; processes: Prefect's; dask: a Dask cluster. address: of a cluster that is
    there already, such as ``tcp://host:8786``; without it one of this machine is made for as long as the flow runs. store: the
    URL through which the files of jobs travel; without it the cluster's workers need this project at the same path, on a disk
    that they share.
    """

    name: str = "threads"
    workers: int = 2
    address: str | None = None
    store: str | None = None

    def __post_init__(self) -> None:
        if self.name not in RUNNERS:
            raise InputError(f"unknown runner {self.name!r}: the runners are {', '.join(RUNNERS)}")
        if self.workers < 1:
            raise InputError(f"{self.workers} workers: at least one is needed")
        for option, value in (("--address", self.address), ("--store", self.store)):
            if value is not None and self.name != "dask":
                raise InputError(f"{option} {value} is for --runner dask, not {self.name!r}")
        if self.store is not None:
            check_store_url(self.store)

    def task_runner(self, benchmark: str) -> TaskRunner[Any]:
        """What Prefect runs the tasks by. Raises InputError where the cluster or the store cannot be reached."""
        if self.name == "processes":
            return ProcessPoolTaskRunner(max_workers=self.workers)
        if self.name == "dask":
            check_dask()
        if self.address is not None:
            check_address(self.address)
        if self.store is not None:
            ObjectStore(self.store, benchmark).check()
        return ThreadPoolTaskRunner(max_workers=self.workers)

    @contextmanager
    def computing(self, root: Path, benchmark: str) -> Iterator[Processes | None]:
        """The processes that threads compute in; Prefect's processes compute themselves.

        What goes to a store is personal data: where that is stays on record in the project.
        """
        if self.name == "threads":
            with workers(self.workers) as pool:
                yield pool
        elif self.name == "dask":
            remote = None
            if self.store is not None:
                store = ObjectStore(self.store, benchmark)
                remember_store(root, store.url, benchmark)
                remote = RemoteJobs(root, store)
            with cluster(self.workers, self.address, remote) as dask:
                yield dask
        else:
            yield None


HERE = Runner()
"""Two worker processes of this machine."""


def check_address(address: str) -> None:
    """Raise InputError unless a Dask scheduler can be reached there."""
    host, _, port = address.partition("://")[2].rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise InputError(f"--address {address!r}: write it as tcp://HOST:PORT, the address that dask-scheduler prints")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError as error:
        raise InputError(
            f"--address {address}: nobody answers there ({error}): start a scheduler (`dask scheduler`) "
            "and its workers (`dask worker --nthreads 1`), or leave the option out"
        ) from None


@task(name="job", task_run_name="{label}", cache_policy=NO_CACHE)
@discreet
def do_here(label: str, work: Doable) -> None:
    """Do the work in the process of the task."""
    work.do(silent)


@task(name="job", task_run_name="{label}", cache_policy=NO_CACHE)
@discreet
def do_in_worker(
    label: str, work: Doable, pool: Processes, shown: Callable[[str], AbstractContextManager[Progress]], stopped: Event
) -> None:
    """Do the work in a worker process and show its progress."""

    def progress(done: int, total: int, text: str) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        show(done, total, text)

    with shown(label) as show:
        pool.run(work, progress)


def run_under_prefect(
    jobs: Sequence[Job],
    *,
    pool: Processes | None,
    at_once: int,
    shown: Callable[[str], AbstractContextManager[Progress]],
    done: Callable[[Job, int], None],
    budget_seconds: float | None = None,
) -> list[Job]:
    """`aru.compute.jobs.run_jobs` with each job a Prefect task."""
    stopped = Event()
    return run_jobs(
        jobs,
        lambda job: submit(job, pool, shown, stopped),
        at_once=at_once,
        done=done,
        budget_seconds=budget_seconds,
        stop=stopped.set,
    )


def submit(
    job: Job, pool: Processes | None, shown: Callable[[str], AbstractContextManager[Progress]], stopped: Event
) -> PrefectFuture[Any]:
    """Start a job as a Prefect task: in a process of `pool`, or without one in the process of the task."""
    if pool is None:
        return do_here.submit(label=job.label, work=job)
    return do_in_worker.submit(label=job.label, work=job, pool=pool, shown=shown, stopped=stopped)
