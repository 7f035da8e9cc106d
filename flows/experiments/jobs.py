"""Many pieces of work under one flow: each a Prefect task, computed in a process of its own, as soon as it may begin."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Event
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from aru.compute.jobs import Job, run_jobs
from aru.core.errors import InputError
from aru.core.progress import Progress, silent
from flows.pipeline.workers import Work, Workers, workers
from flows.project.discretion import discreet

RUNNERS = ("threads", "processes", "dask")


def task_runner(name: str, count: int, dask_address: str | None = None) -> TaskRunner[Any]:
    """Where tasks run: threads (each with a worker process of its own), Prefect's processes, or a Dask cluster.

    dask_address: a cluster that is there already, such as ``tcp://host:8786``; without it one of this machine is made for as
    long as the flow runs. Its workers need this project at the same path, on a disk that they share.
    """
    if count < 1:
        raise InputError(f"{count} workers: at least one is needed")
    if dask_address is not None:
        if name != "dask":
            raise InputError(f"--dask-address {dask_address} is for --runner dask, not {name!r}")
        check_dask_address(dask_address)
    if name == "threads":
        return ThreadPoolTaskRunner(max_workers=count)
    if name == "processes":
        return ProcessPoolTaskRunner(max_workers=count)
    if name == "dask":
        try:
            from prefect_dask import DaskTaskRunner
        except ImportError:
            raise InputError("the Dask runner is an extra: pip install 'aru[dask]', or choose --runner threads") from None
        if dask_address is not None:
            return DaskTaskRunner(address=dask_address)
        # A worker computes one thing at a time: initialisers and dropout share one generator a process.
        return DaskTaskRunner(cluster_kwargs={"n_workers": count, "threads_per_worker": 1, "dashboard_address": None})
    raise InputError(f"unknown runner {name!r}: the runners are {', '.join(RUNNERS)}")


def check_dask_address(address: str) -> None:
    """Raise InputError unless a Dask scheduler can be reached there."""
    host, _, port = address.partition("://")[2].rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise InputError(f"--dask-address {address!r}: write it as tcp://HOST:PORT, the address that dask-scheduler prints")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError as error:
        raise InputError(
            f"--dask-address {address}: nobody answers there ({error}): start a scheduler (`dask scheduler`) "
            "and its workers (`dask worker --nthreads 1`), or leave the option out"
        ) from None


@contextmanager
def computing(runner: str, count: int) -> Iterator[Workers | None]:
    """The processes that threads compute in; the other runners' tasks have processes of their own."""
    if runner != "threads":
        yield None
        return
    with workers(count) as pool:
        yield pool


@task(name="job", task_run_name="{label}", cache_policy=NO_CACHE)
@discreet
def do_here(label: str, work: Work) -> None:
    """Do the work in the process of the task."""
    work.do(silent)


@task(name="job", task_run_name="{label}", cache_policy=NO_CACHE)
@discreet
def do_in_worker(
    label: str, work: Work, pool: Workers, shown: Callable[[str], AbstractContextManager[Progress]], stopped: Event
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
    pool: Workers | None,
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
    job: Job, pool: Workers | None, shown: Callable[[str], AbstractContextManager[Progress]], stopped: Event
) -> PrefectFuture[Any]:
    """Start a job as a Prefect task: in a process of `pool`, or without one in the process of the task."""
    work = Work(job.label, job.function, job.arguments)
    if pool is None:
        return do_here.submit(label=job.label, work=work)
    return do_in_worker.submit(label=job.label, work=work, pool=pool, shown=shown, stopped=stopped)
