"""Jobs: calls that leave files, computed in processes, each as soon as the job that it depends on is done."""

import importlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aru.compute.processes import process_pool
from aru.compute.work_queue import Pending, run_queue
from aru.core.config import RuntimeConfig
from aru.core.progress import Progress, silent


@dataclass(frozen=True)
class JobFiles:
    """What a job reads and leaves, so that it can be computed where none of the project's files are.

    Paths are relative to the project's folder, with ``/``. inputs: files and folders that it reads, where they are there.
    own_code: the files of a network of the user's own. outputs: folders that it leaves, each whole, all of them or some.
    variant: what tells results apart that lie in the same folders. code: the modules of `aru` beside the job's own whose code
    decides about the results. runtime: the kind of arithmetic.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    runtime: RuntimeConfig
    own_code: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    variant: str = ""


@dataclass(frozen=True)
class Job:
    """A call of `function` (``"package.module:name"``) with `arguments` and a `progress`; what it makes, it leaves in files.

    It waits for the job whose key is `after`, where one of that key is to be done. work: the folder work/BENCHMARK of a
    project, the last of the arguments where it is given. files: what the job needs and makes there.
    """

    key: str
    label: str
    function: str
    arguments: tuple[Any, ...] = ()
    after: str | None = None
    work: Path | None = None
    files: JobFiles | None = None

    @property
    def module(self) -> str:
        """The module of the function."""
        return self.function.partition(":")[0]

    def do(self, progress: Progress = silent) -> None:
        """Make the call in this process."""
        work = () if self.work is None else (self.work,)
        name = self.function.partition(":")[2]
        getattr(importlib.import_module(self.module), name)(*self.arguments, *work, progress=progress)


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
        return run_jobs(jobs, lambda job: pool.submit(job.do), at_once=workers, done=done, budget_seconds=budget_seconds)
