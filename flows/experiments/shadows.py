"""The flow that builds a pool of shadow models: each a Prefect task in a worker process, cached by its content.

Shadow models are personal data: they stay in the work folder, and nothing of them goes to MLflow or DVC.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_table_artifact

from aru.compute.jobs import Job
from aru.core.config import load_config
from aru.shadows.build import COLUMNS, Build, PoolRequest, table
from flows.experiments.benchmark import prepare_flow
from flows.experiments.durations import format_duration
from flows.experiments.jobs import HERE, Processes, Runner, run_under_prefect
from flows.pipeline.crashes import register_run
from flows.pipeline.progress import Board, make_board
from flows.pipeline.unlearn import slug
from flows.project.discretion import disclosed, discreet
from flows.project.folder import find_project, project_lock


@dataclass(frozen=True)
class Pool:
    """What a flow run leaves behind: how many models it trained and unlearned, were there, and are left for the next."""

    trained: int
    unlearned: int
    cached: int
    left: int


def build_pool(
    benchmark: str,
    request: PoolRequest,
    *,
    root: Path = Path("."),
    runner: Runner = HERE,
    drop_weights: bool = False,
    budget_seconds: float | None = None,
    quiet: bool = False,
) -> Pool:
    """Build a pool and unlearn requests from its models; a stopped build goes on where it was."""
    task_runner = runner.task_runner(benchmark)
    root = find_project(root)
    load_config(root / "params.yaml", benchmark)
    with disclosed(), project_lock(root), make_board(quiet=quiet) as board:
        prepare_flow(benchmark, root, board)
        build_flow = shadows_flow.with_options(task_runner=task_runner)
        return build_flow(benchmark, request, root, board, runner, drop_weights, budget_seconds)


@flow(
    name="shadows",
    flow_run_name="shadows-{benchmark}",
    persist_result=False,
    result_serializer="json",
    validate_parameters=False,
)
@discreet
def shadows_flow(
    benchmark: str,
    request: PoolRequest,
    root: Path,
    board: Board,
    runner: Runner,
    drop_weights: bool,
    budget_seconds: float | None,
) -> Pool:
    """Train what is missing or stale; unlearn the shadows that saw the people of a request; drop weights."""
    register_run(root)
    end = None if budget_seconds is None else time.monotonic() + budget_seconds
    build = Build(request, load_config(root / "params.yaml", benchmark), root / "work" / benchmark)
    trainings = build.trainings()
    board.say(
        f"{len(build.shadows)} shadow models, {len(trainings)} to train"
        + (f": about {format_duration(build.seconds() / runner.workers)} with {runner.workers} workers" if trainings else "")
    )
    with runner.computing(root, benchmark) as pool:
        untrained = _run(trainings, board, pool, runner.workers, end)
        unlearnings = [] if untrained else build.unlearnings()
        kept = _run(unlearnings, board, pool, runner.workers, end)
    if drop_weights:
        board.say(build.drop_weights())
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in table(build.entries())]
    create_table_artifact(rows, key=f"shadows-{slug(benchmark)}", description=f"Shadow models of {benchmark}")
    return Pool(len(trainings) - untrained, len(unlearnings) - kept, len(build.shadows) - len(trainings), untrained + kept)


def _run(jobs: Sequence[Job], board: Board, pool: Processes | None, at_once: int, end: float | None) -> int:
    """Run the jobs in worker processes; returns how many were not begun in time."""
    began = time.monotonic()

    def done(job: Job, number: int) -> None:
        rest = (time.monotonic() - began) / number * (len(jobs) - number)
        board.say(f"{number:>4} of {len(jobs)}  {job.label}; about {format_duration(rest)} left")

    return len(
        run_under_prefect(
            jobs, pool=pool, at_once=at_once, shown=board.stage, done=done, budget_seconds=None if end is None else end - began
        )
    )
