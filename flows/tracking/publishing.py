"""From finished stages to MLflow: what is tracked, registered and said at the end of the main flow."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from aru.audit.audit_file import AuditRecord
from aru.core.config import load_config
from aru.core.files import read_json
from aru.methods.chosen import settings_of
from flows.project.discretion import discreet, original
from flows.project.plan import StageResult
from flows.tracking import gate
from flows.tracking import main_runs as tracking


@dataclass(frozen=True)
class Published:
    """The MLflow run and the registered model of a state, the audit's verdict; `new` where this flow run wrote them.

    aliases: of the version, as the registry holds them after the gate.
    """

    run_id: str
    model: str
    version: str
    verdict: str
    aliases: tuple[str, ...]
    new: bool


def state_digest(results: list[StageResult]) -> str:
    """One digest of all keys and outputs: two flow runs that share it made the same thing."""
    content = [[result.stage.address, result.key, result.outs] for result in results]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def publish(root: Path, benchmark: str, results: list[StageResult], name: str) -> Published:
    """Track and register this state, unless a finished MLflow run of the very same state is there.

    The version of a state that was published before goes through the gate again: another may have the alias since.
    """
    state = state_digest(results)
    tracking.ensure_store(root)
    run_id = tracking.find_run(root, benchmark=benchmark, state=state)
    known = tracking.registered(root, run_id) if run_id else None
    if run_id and known:
        audit = read_audit(root, benchmark)
        tracking.assign_alias(root, *known, config=load_config(root / "params.yaml", benchmark), audit=audit)
        return Published(run_id, *known, audit["verdict"], tracking.aliases(root, *known), new=False)
    return track(root, benchmark, results, name, state)


def _locked(task: Task[..., Any], run: TaskRun, state: State) -> bool:
    """SQLite under two writers passes; anything else is an error to be seen."""
    return "database is locked" in str(original(state.result(raise_on_failure=False)))


@task(
    name="track", task_run_name="mlflow", cache_policy=NO_CACHE, retries=3, retry_delay_seconds=5, retry_condition_fn=_locked
)
@discreet
def track(root: Path, benchmark: str, results: list[StageResult], name: str, state: str) -> Published:
    """One parent run with a child for each stage and model, the artifacts, and the registered model."""
    config = load_config(root / "params.yaml", benchmark)
    work = root / "work" / benchmark
    metrics, audit = read_json(work / "evaluation" / "metrics.json"), read_audit(root, benchmark)
    labels = {
        "state": state,
        "benchmark": benchmark,
        "protocol": config.data.protocol,
        "seed": str(config.runtime.seed),
        "method": config.method,
    }
    run_id = tracking.start_run(root, benchmark=benchmark, params=settings_of(config), run_name=name, tags=labels)
    try:
        for result in results:
            tracking.log_stage(root, run_id, result, work)
        tracking.log_models(root, run_id, metrics=metrics)
        tracking.log_audit(root, run_id, audit)
        tracking.log_artifacts(root, run_id, work)
        model, version = tracking.register(
            root, run_id, benchmark=benchmark, work=work, metrics=metrics, config=config, audit=audit
        )
        tracking.finish_run(root, run_id)
    except BaseException:
        tracking.fail_run(root, run_id)
        raise
    return Published(run_id, model, version, audit["verdict"], tracking.aliases(root, model, version), new=True)


def read_audit(root: Path, benchmark: str) -> AuditRecord:
    """The record that the stage `audit` wrote."""
    return read_json(root / "work" / benchmark / "audit" / "audit.json")


def release_status(root: Path, benchmark: str, published: Published) -> str:
    """Whether the version is the candidate, and if it is not, why, in one sentence."""
    held = f"alias {' and '.join(published.aliases)}" if published.aliases else "no alias"
    if gate.CANDIDATE in published.aliases:
        return f"audit {published.verdict}, {held}"
    release = load_config(root / "params.yaml", benchmark).audit.release
    why = gate.reason(read_audit(root, benchmark), release)
    return f"audit {published.verdict.upper()}, {held}, not {gate.CANDIDATE}: {why}"


def summary(root: Path, benchmark: str, published: Published) -> str:
    """The Markdown of the flow's artifact: the results table and where everything is."""
    work = root / "work" / benchmark
    table = (work / "report" / "results.md").read_text(encoding="utf-8")
    return (
        f"{table}\n\nModel `{published.model}` version {published.version}, {release_status(root, benchmark, published)}, "
        f"MLflow run `{published.run_id}`.\n"
    )
