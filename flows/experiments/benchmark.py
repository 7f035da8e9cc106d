"""The comparison flow: methods x training seeds x unlearning seeds x forget draws, each cell cached by its content."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from aru.comparison.cell import open_store, task_job
from aru.comparison.choices import parse_choices
from aru.comparison.collect import records_of
from aru.comparison.draws import draws_of
from aru.comparison.estimate import estimate_seconds
from aru.comparison.parameter_sets import DEFAULT
from aru.comparison.plan import Plan, Task, make_plan
from aru.comparison.tuning import chosen_parameters
from aru.compute.device import make_compute
from aru.compute.jobs import Job
from aru.core.config import load_config
from aru.core.errors import InputError
from aru.nets.own_code import check_own_code
from aru.reporting.comparison.page import write_results
from flows.experiments.durations import format_duration
from flows.experiments.jobs import HERE, Runner, run_under_prefect
from flows.pipeline.cached_stages import Execution
from flows.pipeline.crashes import register_run
from flows.pipeline.progress import Board, make_board
from flows.pipeline.scheduling import run_stages
from flows.pipeline.unlearn import commit_task, slug
from flows.pipeline.workers import workers
from flows.project.discretion import disclosed, discreet
from flows.project.folder import find_project, project_lock
from flows.tracking import comparison_runs
from flows.tracking.store import preflight

_ONE_THREAD: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=1)


@dataclass(frozen=True)
class Request:
    """A comparison as `aru benchmark` takes it."""

    benchmark: str = "faces"
    methods: str = "all"
    protocols: tuple[str, ...] = ("official",)
    seeds: int = 3
    first_seed: int = 0
    draws: int = 1
    first_draw: int = 0
    unlearn_seeds: int = 1
    parameters: str = DEFAULT
    keep_weights: bool = False
    runner: Runner = HERE
    budget_seconds: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What a comparison leaves behind."""

    computed: int
    cached: int
    left: int
    run_id: str
    files: list[Path] = field(default_factory=list)


def compare(request: Request, *, root: Path = Path("."), quiet: bool = False) -> Comparison:
    """Bring about all cells of a comparison, the tables and the page, and track them in MLflow.

    Cells that are in the store are not computed again, whoever computed them; the flow may be stopped at any time.
    """
    runner = request.runner.task_runner(request.benchmark)
    root = find_project(root)
    preflight(root, request.benchmark)
    with disclosed(), project_lock(root), make_board(quiet=quiet) as board:
        prepare_flow(request.benchmark, root, board)
        return compare_flow.with_options(task_runner=runner)(request, root, board)


def plan_of(request: Request, root: Path) -> Plan:
    """The tasks of a request; everything that can be wrong with it is found here, before work starts."""
    config, work = load_config(root / "params.yaml", request.benchmark), root / "work" / request.benchmark
    tuned = chosen_parameters(root, request.benchmark, config, work, request.parameters, request.protocols)
    choices = parse_choices(request.methods, config, tuned)
    draws = [draw for protocol in request.protocols for draw in draws_of(protocol, request.draws, request.first_draw)]
    if any(draw.protocol == "tuning" for draw in draws):
        raise InputError("protocol 'tuning' is not for reports: `aru tune` uses it; choose official or clean")
    return make_plan(
        request.benchmark,
        config,
        work / "prepared",
        choices,
        draws,
        seeds=request.seeds,
        first_seed=request.first_seed,
        unlearn_seeds=request.unlearn_seeds,
        compute=make_compute(config.runtime),
        keep_weights=request.keep_weights,
    )


@flow(
    name="prepare",
    flow_run_name="prepare-{benchmark}",
    task_runner=_ONE_THREAD,
    persist_result=False,
    result_serializer="json",
    validate_parameters=False,
)
@discreet
def prepare_flow(benchmark: str, root: Path, board: Board) -> None:
    """The stage `prepare` alone, cached and recorded as in the main flow. Runs that were killed are marked as crashed.

    An imported original is no model of a comparison, a tuning or a pool: they need several, made alike. That is said first.
    """
    register_run(root)
    model = load_config(root / "params.yaml", benchmark).model
    check_own_code(model.name, model.code, root)
    if model.original:
        board.say(
            f"originals are trained here by the parameters of train; the imported one, {model.original}, is not among them"
        )
    with workers(1) as pool:
        execution = Execution(root, benchmark, board, pool, only=("prepare",))
        results: dict[str, Any] = {}
        run_stages(execution, results)
        commit_task(execution, list(results.values()))


@flow(
    name="benchmark",
    flow_run_name="benchmark-{request.benchmark}",
    persist_result=False,
    result_serializer="json",
    validate_parameters=False,
)
@discreet
def compare_flow(request: Request, root: Path, board: Board) -> Comparison:
    """Compute what is missing, then tables, page and MLflow's runs from everything that is there.

    The plan is made here: Prefect keeps a flow's parameters and refuses more than 512 KiB of them.
    """
    register_run(root)
    plan = plan_of(request, root)
    config, work = load_config(root / "params.yaml", request.benchmark), root / "work" / request.benchmark
    store = open_store(work)
    missing = plan.missing(store)
    left: list[Job] = []
    if missing:
        left = _compute(request, plan, missing, root, board)
    for sentence in plan.left_out:
        board.say(sentence)
    records = records_of(plan.cells, config, work)
    if not records:
        raise InputError(
            f"the budget was over before any of {len(plan.cells)} cells was done: allow more than {request.budget_seconds} s"
        )
    run_id, links = comparison_runs.track(root, request.benchmark, records, _described(request))
    folder = work / "comparison" / "results"
    files = write_results(records, folder, links=links, title=f"Unlearning methods compared on {request.benchmark}")
    comparison_runs.log_results(root, run_id, files)
    create_markdown_artifact(
        (folder / "results.md").read_text(encoding="utf-8"),
        key=f"comparison-{slug(request.benchmark)}",
        description=f"Methods on {request.benchmark}",
    )
    return Comparison(len(missing) - len(left), len(plan.tasks) - len(missing), len(left), run_id, files)


def describe_plan(request: Request, *, root: Path = Path("."), quiet: bool = False) -> str:
    """What a request would compute, and about how long that would take."""
    root = find_project(root)
    with disclosed(), project_lock(root), make_board(quiet=quiet) as board:
        prepare_flow(request.benchmark, root, board)
        plan = plan_of(request, root)
        config, work = load_config(root / "params.yaml", request.benchmark), root / "work" / request.benchmark
        store = open_store(work)
        missing = plan.missing(store)
        expected = estimate_seconds(missing, config, work, store, make_compute(config.runtime))
    lines = [f"{expected[task.key]:8.0f} s  {task.label}" for task in missing]
    return "\n".join([*lines, *plan.left_out, _sum_up(plan, missing, expected, request)])


def _sum_up(plan: Plan, missing: list[Task], expected: Mapping[str, float], request: Request) -> str:
    return (
        f"{len(plan.tasks)} models, {len(plan.tasks) - len(missing)} cached, {len(missing)} to compute: about "
        f"{format_duration(sum(expected.values()) / request.runner.workers)} with {request.runner.workers} workers"
    )


def _compute(request: Request, plan: Plan, missing: list[Task], root: Path, board: Board) -> list[Job]:
    config, work = load_config(root / "params.yaml", request.benchmark), root / "work" / request.benchmark
    store = open_store(work)
    expected = estimate_seconds(missing, config, work, store, make_compute(config.runtime))
    board.say(_sum_up(plan, missing, expected, request))
    jobs = [task_job(task, config, work) for task in missing]
    began, ahead = time.monotonic(), dict(expected)

    def done(job: Job, number: int) -> None:
        ahead.pop(job.key)
        before, rest = sum(expected.values()) - sum(ahead.values()), sum(ahead.values())
        if before > 0:  # a method whose records say that it takes no time tells nothing about the pace
            rest *= (time.monotonic() - began) / before
        record = store.record(job.key)
        failed = f", failed: {record['failed']}" if "failed" in record else ""
        spent = f"{record['seconds']:.0f} s{failed}"
        board.say(f"{number:>4} of {len(jobs)}  {job.label}: {spent}; about {format_duration(rest)} left")

    with request.runner.computing(root, request.benchmark) as pool:
        return run_under_prefect(
            jobs,
            pool=pool,
            at_once=request.runner.workers,
            shown=board.stage,
            done=done,
            budget_seconds=request.budget_seconds,
        )


def _described(request: Request) -> dict[str, Any]:
    """A request as it is tracked: which cluster and store its cells went through is the affair of this machine."""
    return {**vars(request), "runner": request.runner.name, "workers": request.runner.workers}
