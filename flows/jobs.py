"""Many pieces of work under one flow: each a Prefect task, computed in a process of its own, as soon as it may begin."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from queue import Queue
from threading import Event
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from aru.errors import InputError
from aru.progress import Progress, silent
from flows.workers import Work, Workers, workers

RUNNERS = ("threads", "processes", "dask")


@dataclass(frozen=True)
class Job:
    """A piece of work under a key, which has to wait for the job whose key is `after`, where one of that key is given."""

    key: str
    work: Work
    after: str | None = None


def task_runner(name: str, count: int) -> TaskRunner:
    """Where tasks run: threads (each with a worker process of its own), Prefect's processes, or a Dask cluster."""
    if count < 1:
        raise InputError(f"{count} workers: at least one is needed")
    if name == "threads":
        return ThreadPoolTaskRunner(max_workers=count)
    if name == "processes":
        return ProcessPoolTaskRunner(max_workers=count)
    if name == "dask":
        try:
            from prefect_dask import DaskTaskRunner
        except ImportError:
            raise InputError("the Dask runner is an extra: pip install 'aru[dask]', or choose --runner threads") from None
        # A worker computes one thing at a time: initialisers and dropout share one generator a process.
        return DaskTaskRunner(cluster_kwargs={"n_workers": count, "threads_per_worker": 1, "dashboard_address": None})
    raise InputError(f"unknown runner {name!r}: the runners are {', '.join(RUNNERS)}")


@contextmanager
def computing(runner: str, count: int) -> Iterator[Workers | None]:
    """The processes that threads compute in; the other runners' tasks have processes of their own."""
    if runner != "threads":
        yield None
        return
    with workers(count) as pool:
        yield pool


@task(name="job", task_run_name="{label}", cache_policy=NO_CACHE)
def do_here(label: str, work: Work) -> None:
    """Do the work in the process of the task."""
    work.do(silent)


@task(name="job", task_run_name="{label}", cache_policy=NO_CACHE)
def do_in_worker(label: str, work: Work, pool: Workers, shown: Callable[[str], AbstractContextManager[Progress]],
                 stopped: Event) -> None:
    """Do the work in a worker process and show its progress."""
    def progress(done: int, total: int, text: str) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        show(done, total, text)

    with shown(label) as show:
        pool.run(work, progress)


def run_jobs(
    jobs: Sequence[Job],
    *,
    pool: Workers | None,
    at_once: int,
    shown: Callable[[str], AbstractContextManager[Progress]],
    done: Callable[[Job, int], None],
    budget_seconds: float | None = None,
) -> list[Job]:
    """Do the jobs in order, `at_once` at a time, and return those that were not begun when the budget was over.

    What is done stays done: after a failure the jobs that run are waited for, and then the failure is raised.
    """
    waiting, began, finished = list(jobs), time.monotonic(), 0
    unfinished = {job.key for job in jobs}
    running: dict[str, tuple[Job, PrefectFuture[Any]]] = {}
    ended: Queue[str] = Queue()
    failures: list[Exception] = []
    stopped = Event()
    try:
        while True:
            over = budget_seconds is not None and time.monotonic() - began > budget_seconds
            ready = [] if over or failures else [job for job in waiting if job.after not in unfinished]
            for job in ready[: at_once - len(running)]:
                waiting.remove(job)
                future = _submit(job, pool, shown, stopped)
                running[job.key] = job, future
                future.add_done_callback(lambda _, key=job.key: ended.put(key))
            if not running:
                break
            job, future = running.pop(ended.get())
            try:
                future.result()
            except Exception as error:
                failures.append(error)
                continue
            unfinished.discard(job.key)
            finished += 1
            done(job, finished)
    except BaseException:
        stopped.set()
        raise
    if failures:
        raise failures[0]
    return waiting


def _submit(job: Job, pool: Workers | None, shown: Callable[[str], AbstractContextManager[Progress]],
            stopped: Event) -> PrefectFuture[Any]:
    if pool is None:
        return do_here.submit(label=job.work.label, work=job.work)
    return do_in_worker.submit(label=job.work.label, work=job.work, pool=pool, shown=shown, stopped=stopped)
