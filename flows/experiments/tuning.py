"""The tuning flow: every method's trials in turn, methods side by side, each trial a Prefect task in a worker process."""

import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture

from aru.comparison.choices import nested
from aru.comparison.plan import Task
from aru.comparison.spaces import tunable
from aru.comparison.trials import Setting, caps_of, missing_base, run_trial, trial_tasks
from aru.compute.work_queue import work_off
from aru.core.config import Config, load_config
from flows.experiments.benchmark import prepare_flow
from flows.experiments.durations import format_duration
from flows.experiments.jobs import Job, computing, do_in_worker, run_jobs, task_runner
from flows.experiments.plain_tuning import check, finish, line, target_of
from flows.experiments.search import Search
from flows.pipeline.crashes import register_run
from flows.pipeline.progress import Board, make_board
from flows.pipeline.workers import Work, Workers
from flows.project.discretion import disclosed, discreet
from flows.project.folder import find_project, project_lock
from flows.tracking import tuning_runs
from flows.tracking.store import preflight


@dataclass(frozen=True)
class Tuned:
    """What tuning leaves behind: the frozen file, MLflow's run, and the methods that still have trials to do."""

    target: Path
    run_id: str
    unfinished: list[str]


def tune(
    setting: Setting,
    methods: str,
    *,
    root: Path = Path("."),
    workers: int = 2,
    budget_seconds: float | None = None,
    quiet: bool = False,
) -> Tuned:
    """Tune the methods of a comma-separated list; what was computed before, by whomever, is not computed again."""
    runner = task_runner("threads", workers)
    root = find_project(root)
    preflight(root, setting.benchmark)
    config = load_config(root / "params.yaml", setting.benchmark)
    names, left_out = tunable(methods, config)
    with disclosed(), project_lock(root), make_board(quiet=quiet) as board:
        prepare_flow(setting.benchmark, root, board)
        check(setting, config, root / "work" / setting.benchmark, target_of(root, setting.benchmark))
        for sentence in left_out:
            board.say(sentence)
        return tune_flow.with_options(task_runner=runner)(setting, names, root, board, workers, budget_seconds)


@flow(
    name="tune",
    flow_run_name="tune-{setting.benchmark}",
    persist_result=False,
    result_serializer="json",
    validate_parameters=False,
)
@discreet
def tune_flow(
    setting: Setting, methods: list[str], root: Path, board: Board, at_once: int, budget_seconds: float | None
) -> Tuned:
    """Originals and one retraining for its cost; then the trials; then the frozen file, the curves and MLflow's runs."""
    register_run(root)
    config = load_config(root / "params.yaml", setting.benchmark)
    work, target = root / "work" / setting.benchmark, target_of(root, setting.benchmark)
    deadline = None if budget_seconds is None else time.monotonic() + budget_seconds
    searches = {name: Search(name, setting, config) for name in methods}
    with computing("threads", at_once) as pool:
        assert pool is not None  # threads have workers
        base = missing_base(setting, config, work)
        jobs = [Job(task.key, Work(task.label, "aru.comparison.cell:run_task", (task, config, work))) for task in base]
        left = run_jobs(
            jobs,
            pool=pool,
            at_once=at_once,
            shown=board.stage,
            budget_seconds=budget_seconds,
            done=lambda job, number: board.say(f"{job.work.label}: done"),
        )
        if not left:
            _Trials(setting, config, work, board, pool, deadline).run(list(searches.values()), at_once)
    found = {name: search.trials for name, search in searches.items()}
    unfinished = finish(setting, config, work, found, target)
    run_id = tuning_runs.track(root, setting, found, target=target, folder=work / "comparison")
    return Tuned(target, run_id, unfinished)


_Running = tuple[Search, list[Task]]


class _Trials:
    """Several searches at once, each with one trial at a time: a search learns from every trial before the next."""

    def __init__(
        self, setting: Setting, config: Config, work: Path, board: Board, pool: Workers, deadline: float | None
    ) -> None:
        self.setting, self.config, self.work, self.board, self.pool = setting, config, work, board, pool
        self.deadline, self.caps = deadline, caps_of(setting, config, work)
        self._stopped = Event()
        for draw, seconds in self.caps.items():
            board.say(f"cap on tuning draw {draw.number}: {format_duration(seconds)} of CPU time")

    def run(self, searches: list[Search], at_once: int) -> None:
        """Until all have their trials or the time is over; trials that run are waited for."""
        waiting = list(searches)

        def settle(running: _Running, future: PrefectFuture[Any]) -> None:
            future.result()
            search, tasks = running
            # The worker has left its results in the store: nothing is computed here.
            trial = search.tell(run_trial(tasks, self.caps, self.config, self.work))
            self.board.say(line(search.method, len(search.trials) - 1, self.setting, trial))
            if not search.done:
                waiting.insert(0, search)

        work_off(
            lambda: self._ask(waiting.pop(0)) if waiting else None,
            self._begin,
            settle,
            at_once=at_once,
            over=self._over,
            stop=self._stopped.set,
        )

    def _ask(self, search: Search) -> _Running:
        parameters = nested(search.ask())
        return search, trial_tasks(
            self.setting, self.config, self.work / "prepared", search.method, parameters, len(search.trials)
        )

    def _begin(self, running: _Running) -> PrefectFuture[Any]:
        search, tasks = running
        work = Work(
            f"{search.method} {len(search.trials)}",
            "aru.comparison.trials:run_trial",
            (tasks, self.caps, self.config, self.work),
        )
        return do_in_worker.submit(label=work.label, work=work, pool=self.pool, shown=self.board.stage, stopped=self._stopped)

    def _over(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline
