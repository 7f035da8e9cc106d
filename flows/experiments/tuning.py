"""The tuning flow: every method's trials in turn, methods side by side, each trial a Prefect task in a worker process."""

import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from prefect import flow

from aru.comparison.cell import task_job
from aru.comparison.spaces import tunable
from aru.comparison.trials import Setting, caps_of, missing_base, tuning_draws
from aru.comparison.tuning import tuned_file
from aru.core.config import Config, load_config
from flows.experiments.benchmark import prepare_flow
from flows.experiments.durations import format_duration
from flows.experiments.jobs import HERE, Processes, Runner, run_under_prefect, submit
from flows.experiments.search import Search
from flows.experiments.tuning_steps import check_frozen, format_trial, run_searches, write_tuning
from flows.pipeline.crashes import register_run
from flows.pipeline.progress import Board, make_board
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
    runner: Runner = HERE,
    budget_seconds: float | None = None,
    quiet: bool = False,
) -> Tuned:
    """Tune the methods of a comma-separated list; what was computed before, by whomever, is not computed again."""
    task_runner = runner.task_runner(setting.benchmark)
    root = find_project(root)
    preflight(root, setting.benchmark)
    config = load_config(root / "params.yaml", setting.benchmark)
    names, left_out = tunable(methods, config)
    with disclosed(), project_lock(root), make_board(quiet=quiet) as board:
        prepare_flow(setting.benchmark, root, board)
        check_frozen(setting, config, root / "work" / setting.benchmark, tuned_file(root, setting.benchmark, config))
        again = tuning_draws(setting, config, root / "work" / setting.benchmark / "prepared")[1]
        for sentence in (*left_out, *again):
            board.say(sentence)
        return tune_flow.with_options(task_runner=task_runner)(setting, names, root, board, runner, budget_seconds)


@flow(
    name="tune",
    flow_run_name="tune-{setting.benchmark}",
    persist_result=False,
    result_serializer="json",
    validate_parameters=False,
)
@discreet
def tune_flow(
    setting: Setting, methods: list[str], root: Path, board: Board, runner: Runner, budget_seconds: float | None
) -> Tuned:
    """Originals and one retraining for its cost; then the trials; then the frozen file, the curves and MLflow's runs."""
    register_run(root)
    config = load_config(root / "params.yaml", setting.benchmark)
    work, target = root / "work" / setting.benchmark, tuned_file(root, setting.benchmark, config)
    deadline = None if budget_seconds is None else time.monotonic() + budget_seconds
    searches = [Search(name, setting, config) for name in methods]
    with runner.computing(root, setting.benchmark) as pool:
        base = missing_base(setting, config, work)
        left = run_under_prefect(
            [task_job(task, config, work) for task in base],
            pool=pool,
            at_once=runner.workers,
            shown=board.stage,
            budget_seconds=budget_seconds,
            done=lambda job, number: board.say(f"{job.label}: done"),
        )
        if not left:
            _run_searches(searches, setting, config, work, board, pool, runner.workers, deadline)
    unfinished = write_tuning(setting, config, work, searches, target)
    found = {search.method: search.trials for search in searches}
    run_id = tuning_runs.track(root, setting, found, target=target, folder=work / "comparison")
    return Tuned(target, run_id, unfinished)


def _run_searches(
    searches: list[Search],
    setting: Setting,
    config: Config,
    work: Path,
    board: Board,
    pool: Processes | None,
    at_once: int,
    deadline: float | None,
) -> None:
    """Each trial as a Prefect task that shows its progress and computes in a worker process."""
    caps, stopped = caps_of(setting, config, work), Event()
    for draw, seconds in caps.items():
        board.say(f"cap on tuning draw {draw.number}: {format_duration(seconds)} of CPU time")

    run_searches(
        searches,
        caps,
        config,
        work,
        submit=lambda job: submit(job, pool, board.stage, stopped),
        at_once=at_once,
        on_trial=lambda search, trial: board.say(format_trial(search, trial)),
        over=lambda: deadline is not None and time.monotonic() > deadline,
        stop=stopped.set,
    )
