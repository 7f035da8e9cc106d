"""What a flow leaves in MLflow: a run of its own, and below it one for each stage and each model.

With store, runs, lineage, registry, gate and links this is all of MLflow; nobody else imports it.
"""

import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from aru.files import md5, read_json
from aru.results import read_costs
from aru.stages import FOLDERS
from flows import lineage, runs, store
from flows.audit_tags import audit_metrics, audit_tags
from flows.descriptions import flow_note, model_run_note, stage_note
from flows.figures import TRAINED_ON, model_figures
from flows.git import git_patch, git_state
from flows.lineage import models_of_digest
from flows.links import links
from flows.plan import StageResult
from flows.registry import aliases, let_through, load_registered, register, registered
from flows.runs import NOTE, Status
from flows.store import ensure_store

__all__ = ["aliases", "ensure_store", "find_run", "finish_run", "let_through", "links", "load_registered", "log_artifacts",
           "log_audit", "log_models", "log_stage", "models_of_digest", "register", "registered", "start_run"]

MODELS = ("original", "unlearned", "retrained")
ARTIFACTS = {"evaluation/metrics.json": None, "prepared/audit.json": None, "report/report.html": "report",
             "report/results.md": "report", "audit/audit.json": "audit", "audit/audit.html": "audit"}
"""Files of a benchmark's folder -> the folder among the run's artifacts. With the figures, this is all that is logged:
never an image, a noise, a prediction, or the weights of a model that saw the forgotten."""
REPLAY = ("params.yaml", "dvc.yaml", "dvc.lock")
_COSTS = ("seconds", "images", "images_per_second", "peak_memory_mib")


def start_run(root: Path, *, benchmark: str, params: Mapping[str, Any], run_name: str, tags: Mapping[str, str]) -> str:
    """Open a flow's run in the benchmark's experiment, with all parameters flattened with dots; returns its id.

    Runs that a killed flow left open are ended first.
    """
    client, experiment = store.client(root), store.experiment_id(root, benchmark)
    runs.end_abandoned(client, experiment)
    git = git_state(root)
    labels = {"kind": "flow", "benchmark": benchmark, **runs.process_tags(), **git,
              "mlflow.user": _user(), "mlflow.source.name": "aru run", "mlflow.source.git.commit": git["git_commit"]}
    run = client.create_run(experiment, run_name=run_name, tags=labels | dict(tags))
    runs.log(client, run, params=runs.flatten(params))
    return run.info.run_id


def log_stage(root: Path, run_id: str, result: StageResult, work: Path) -> None:
    """A child run for a stage: its key, whether it was cached, its outputs' digests, cost and training curves."""
    client, stage, folder = store.client(root), result.stage, Path(work) / FOLDERS[result.stage.name]
    tags = {"kind": "stage", "stage": stage.name, "key": result.key, "cached": str(result.cached).lower(),
            "source": result.source, NOTE: stage_note(result.cached, result.source)}
    tags |= {f"md5/{Path(path).name}": digest for path, digest in result.outs.items()}
    with runs.child_run(client, client.get_run(run_id), f"stage: {stage.name}", tags) as run:
        cost = read_json(folder / "cost.json") if (folder / "cost.json").is_file() else {}
        figures = {f"cost/{key}": cost.get(key) for key in _COSTS} | {"cost/seconds_in_this_flow": result.seconds}
        runs.log(client, run, params=_stage_params(stage.params),
                 metrics=runs.points(run, figures) + _curves(run, folder))


def log_models(root: Path, run_id: str, *, metrics: Mapping[str, Any]) -> None:
    """A child run for each model, all with the same keys, so that they can be compared.

    The unlearned model's figures stand under the flow's run as well, with the data sets and the page's text.
    """
    benchmark = metrics["benchmark"]
    client, work = store.client(root), Path(root) / "work" / benchmark
    flow, costs, data = client.get_run(run_id), read_costs(work), lineage.data_sets(root, benchmark)
    for model in MODELS:
        figures = model_figures(metrics, costs, model)
        tags = {"kind": "model", "model": model, "trained_on": TRAINED_ON[model],
                "weights_md5": md5(work / model / "model.safetensors"),
                NOTE: model_run_note(model, figures.get("cost/seconds"))}
        with runs.child_run(client, flow, model, tags) as run:
            client.log_inputs(run.info.run_id, lineage.inputs(data, lineage.USES[model]))
            runs.log(client, run, params={"model": model},
                     metrics=runs.points(run, figures, data=data) + _curves(run, work / model))
    client.log_inputs(run_id, lineage.inputs(data, {name: name for name in data}))
    runs.log(client, flow, metrics=runs.points(flow, model_figures(metrics, costs, "unlearned"), data=data))
    client.set_tag(run_id, NOTE, flow_note(metrics, costs, run_id=run_id, git=flow.data.tags))


def log_audit(root: Path, run_id: str, record: Mapping[str, Any]) -> None:
    """The audit's figures as `audit/NAME`, and its verdict and level as tags; the page is among the artifacts."""
    client = store.client(root)
    run = client.get_run(run_id)
    runs.log(client, run, metrics=runs.points(run, audit_metrics(record)))
    for name, value in audit_tags(record).items():
        client.set_tag(run_id, name, value)


def log_artifacts(root: Path, run_id: str, work: Path) -> None:
    """The report, its figures, the metrics and the audit; under `replay/` what is needed to run it again."""
    client = store.client(root)
    for name, folder in ARTIFACTS.items():
        client.log_artifact(run_id, str(Path(work) / name), folder)
    for figure in sorted((Path(work) / "report" / "figures").glob("*.png")):
        client.log_artifact(run_id, str(figure), "report/figures")
    for name in REPLAY:
        client.log_artifact(run_id, str(Path(root) / name), "replay")
    if patch := git_patch(root):
        client.log_text(run_id, patch, "replay/changes.patch")


def finish_run(root: Path, run_id: str, status: Status) -> None:
    """End a flow's run, and those below it that are still open."""
    runs.end(store.client(root), run_id, status)


def find_run(root: Path, *, benchmark: str, state: str) -> str | None:
    """The id of the newest finished run of this very state; None where there is none."""
    experiment = store.find_experiment(root, benchmark)
    if experiment is None:
        return None
    found = runs.search(store.client(root), experiment.experiment_id,
                        f"tags.kind = 'flow' AND attributes.status = 'FINISHED' AND tags.state = '{state}'")
    return found[0].info.run_id if found else None


def _curves(run: Run, folder: Path) -> list:
    path = folder / "history.json"
    return runs.curves(run, read_json(path)) if path.is_file() else []


def _stage_params(params: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The parameters that a stage depends on, without the benchmark's name in front."""
    flat = runs.flatten({name: value for values in params.values() for name, value in values.items()})
    return {name.partition(".")[2]: value for name, value in flat.items()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry
        return "unknown"
