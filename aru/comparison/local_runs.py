"""Running tasks in processes of this machine, without any server: each as soon as its original is there."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path

from aru.comparison.cell import run_task
from aru.comparison.plan import Task
from aru.compute.processes import process_pool
from aru.compute.work_queue import run_queue
from aru.core.config import Config


def run_tasks(
    tasks: Iterable[Task],
    config: Config,
    work: Path,
    *,
    workers: int = 2,
    budget_seconds: float | None = None,
    done: Callable[[Task, int, int], None] = lambda task, number, total: None,
) -> list[Task]:
    """Compute tasks in order, in processes, and return those that were not begun because `budget_seconds` were over."""
    waiting, finished = list(tasks), 0
    total, began = len(waiting), time.monotonic()
    pending = {task.key for task in waiting}

    def ready() -> Task | None:
        task = next((task for task in waiting if task.original not in pending), None)
        if task is not None:
            waiting.remove(task)
        return task

    def settle(task: Task, future: Future) -> None:
        nonlocal finished
        future.result()
        pending.discard(task.key)
        finished += 1
        done(task, finished, total)

    with process_pool(workers) as pool:
        run_queue(
            ready,
            lambda task: pool.submit(run_task, task, config, work),
            settle,
            at_once=workers,
            over=lambda: budget_seconds is not None and time.monotonic() - began > budget_seconds,
        )
    return waiting
