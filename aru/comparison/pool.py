"""Running tasks in processes of this machine, without any server: each as soon as its original is there."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

from aru.comparison.plan import Task
from aru.comparison.work import run_task
from aru.config import Config
from aru.processes import process_pool


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
    waiting, total, finished = list(tasks), 0, 0
    total, began = len(waiting), time.monotonic()
    pending = {task.key for task in waiting}
    running: dict[Future, Task] = {}
    with process_pool(workers) as pool:
        while waiting or running:
            over = budget_seconds is not None and time.monotonic() - began > budget_seconds
            ready = [task for task in waiting if task.original not in pending]
            for task in [] if over else ready[: workers - len(running)]:
                waiting.remove(task)
                running[pool.submit(run_task, task, config, work)] = task
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                future.result()
                pending.discard(task.key)
                finished += 1
                done(task, finished, total)
    return waiting
