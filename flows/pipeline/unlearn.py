"""The main flow: from an archive of faces to a measured, registered unlearned model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prefect.runtime.deployment
import prefect.runtime.flow_run
from prefect import Task, flow, tags, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Cancelled
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from aru.nets.own_code import check_own_code, use_project_code
from flows.pipeline.cached_stages import Execution
from flows.pipeline.crashes import register_run
from flows.pipeline.progress import make_board
from flows.pipeline.scheduling import run_stages
from flows.pipeline.workers import workers
from flows.project import versioning
from flows.project.discretion import discreet, original
from flows.project.folder import ProjectBusy, find_project, project_lock
from flows.project.params import PARAMS_FILE, bring_up_to_date, configured
from flows.project.plan import StageResult
from flows.project.stage_code import CODE_STAGE
from flows.servers.parents import end_with_parent
from flows.tracking import publishing, store
from flows.tracking.publishing import Published

_TASK_RUNNER: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=2)


@dataclass(frozen=True)
class Outcome:
    """What a flow run leaves behind."""

    benchmark: str
    results: list[StageResult]
    published: Published

    @property
    def computed(self) -> list[str]:
        """The names of the stages that had to be computed."""
        return [result.stage.name for result in self.results if result.source == "computed"]


def run_tags(root: Path, benchmark: str) -> tuple[str, ...]:
    """The tags of a run: benchmark, protocol, seed, method."""
    config = configured(root / PARAMS_FILE, benchmark)
    return benchmark, config.data.protocol, f"seed{config.runtime.seed}", config.method


@discreet
def _flow_run_name() -> str:
    parameters = prefect.runtime.flow_run.parameters
    return "-".join(run_tags(find_project(Path(parameters["root"])), parameters["benchmark"]))


@flow(
    name="unlearn",
    flow_run_name=_flow_run_name,
    task_runner=_TASK_RUNNER,
    persist_result=False,
    result_serializer="json",
)
@discreet
def unlearn(
    benchmark: str = "faces", refresh: tuple[str, ...] = (), root: Path = Path("."), quiet: bool = False
) -> Outcome | State:
    """Make, measure, version, track and register an unlearned model.

    1. Take the project's lock: one flow at a time; a deployment's run that finds it taken is cancelled. Runs that were killed
       are marked as crashed.
    2. Read the stages from dvc.yaml and run each as a cached task as soon as its inputs are there; the retrained
       reference is trained beside attack, mask and fine-tune. Two workers, one thread each.
    3. Record the finished stages in dvc.lock in one go, even where a later stage failed.
    4. Track the run in MLflow and register the model, unless this very state is tracked already.
    5. Leave a Markdown artifact with the results table.
    """
    root = find_project(root)
    use_project_code(root)
    end_with_parent()
    try:
        with project_lock(root), make_board(quiet=quiet) as board, workers(2) as pool:
            versioning.recover(root)
            register_run(root)
            for change in bring_up_to_date(root / PARAMS_FILE):
                board.say(f"{PARAMS_FILE}: {change.name}: {change.old} -> {change.new}")
            described = configured(root / PARAMS_FILE, benchmark).model
            check_own_code(described.name, described.code, root)
            store.preflight(root, benchmark)
            execution = Execution(root, benchmark, board, pool, refresh=refresh)
            results: dict[str, StageResult] = {}
            try:
                with tags(*run_tags(root, benchmark)):
                    run_stages(execution, results)
            except BaseException:
                commit_stages(execution, list(results.values()))
                raise
            ordered = [results[address] for address in execution.stages]
            commit_task(execution, ordered)
            published = publishing.publish(root, benchmark, ordered, "-".join(run_tags(root, benchmark)))
            create_markdown_artifact(
                publishing.summary(root, benchmark, published),
                key=f"results-{slug(benchmark)}",
                description=f"Results of {benchmark}",
            )
            return Outcome(benchmark, ordered, published)
    except ProjectBusy:  # which says what command is at work, and that may name people
        if prefect.runtime.deployment.id is None:
            raise
        return Cancelled(message="Not started: another run works in the project; wait until it ends")  # nothing has failed


def commit_stages(execution: Execution, results: list[StageResult]) -> list[str]:
    """Record in dvc.lock those finished stages that it does not have yet; returns their addresses.

    `dvc commit -f` asserts that outputs come from the inputs on disk, so a stage is left out, and named, where its
    inputs or outputs were changed by somebody else in the meantime.
    """
    sound = []
    for result in execution.unrecorded(results):
        if execution.intact(result):
            sound.append(result.stage.address)
        else:
            execution.board.say(f"{result.stage.address} is not recorded: its files changed while the flow ran")
    versioning.commit(execution.root, [*sound, CODE_STAGE] if execution.code_is_unrecorded() else sound)
    return sound


def _busy(task: Task[..., Any], run: TaskRun, state: State) -> bool:
    return isinstance(original(state.result(raise_on_failure=False)), versioning.VersioningBusy)


@task(
    name="commit",
    task_run_name="dvc commit",
    cache_policy=NO_CACHE,
    retries=5,
    retry_delay_seconds=3,
    retry_condition_fn=_busy,
)
@discreet
def commit_task(execution: Execution, results: list[StageResult]) -> list[str]:
    """`commit_stages` as a task; it waits while another DVC command holds the repository."""
    return commit_stages(execution, results)


def slug(name: str) -> str:
    """A name as Prefect's artifacts take it: lower-case letters, digits and dashes."""
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())
