"""Jobs: calls that leave files, computed in processes, each as soon as the job that it depends on is done."""

import importlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aru.compute.processes import process_pool
from aru.compute.work_queue import Pending, run_queue
from aru.core.progress import Progress, silent


@dataclass(frozen=True)
class Job:
    """A call of `function` (``"package.module:name"``) with `arguments` and a `progress`; what it makes, it leaves in files.

    It waits for the job whose key is `after`, where one of that key is to be done.
    """

    key: str
    label: str
    function: str
    arguments: tuple[Any, ...] = ()
    after: str | None = None

    def run(self, progress: Progress = silent) -> None:
        """Make the call in this process."""
        module, _, name = self.function.partition(":")
        getattr(importlib.import_module(module), name)(*self.arguments, progress=progress)


def ignore(job: Job, number: int) -> None:
    """Report nothing."""


def run_jobs(
    jobs: Iterable[Job],
    submit: Callable[[Job], Pending],
    *,
    at_once: int,
    done: Callable[[Job, int], None] = ignore,
    budget_seconds: float | None = None,
    stop: Callable[[], None] = lambda: None,
) -> list[Job]:
    """Run jobs in order, `at_once` at a time, and return those that were not begun within `budget_seconds`.

    submit: starts a job elsewhere and returns its future. done: called in this thread after each job, with how many are done.
    stop: called on an interrupt. After a failure no job is started; those that run are waited for, then the failure is raised.
    """
    waiting, began, finished = list(jobs), time.monotonic(), 0
    unfinished = {job.key for job in waiting}

    def ready() -> Job | None:
        job = next((job for job in waiting if job.after not in unfinished), None)
        if job is not None:
            waiting.remove(job)
        return job

    def settle(job: Job, future: Any) -> None:
        nonlocal finished
        future.result()
        unfinished.discard(job.key)
        finished += 1
        done(job, finished)

    run_queue(
        ready,
        submit,
        settle,
        at_once=at_once,
        stop=stop,
        over=lambda: budget_seconds is not None and time.monotonic() - began >= budget_seconds,
    )
    return waiting


def run_locally(
    jobs: Iterable[Job],
    *,
    workers: int = 2,
    preload: Sequence[str] = (),
    budget_seconds: float | None = None,
    done: Callable[[Job, int], None] = ignore,
) -> list[Job]:
    """`run_jobs` in processes of this machine, which import the modules `preload` once for all."""
    with process_pool(workers, preload) as pool:
        return run_jobs(jobs, lambda job: pool.submit(job.run), at_once=workers, done=done, budget_seconds=budget_seconds)
