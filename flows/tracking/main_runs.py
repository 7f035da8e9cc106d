"""What a flow leaves in MLflow: a run of its own, and below it one for each stage and each model.

With store, runs, lineage, registry, gate and links this is all of MLflow; nobody else imports it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Run

from aru.audit.audit_file import AuditRecord
from aru.core.files import file_md5, json_text, read_json
from aru.core.folders import FOLDERS
from aru.core.names import MODELS, ORIGINAL, RETRAINED, UNLEARNED
from aru.reporting.run.results import read_costs
from aru.train.history import ModelHistory
from flows.project.git import git_patch
from flows.project.plan import StageResult
from flows.project.pseudonyms import load_pseudonyms
from flows.tracking import audit_runs, lineage, runs, store
from flows.tracking.command_runs import open_experiment, source_tags
from flows.tracking.descriptions import flow_note, model_run_note, stage_note
from flows.tracking.lineage import models_of_digest
from flows.tracking.links import links
from flows.tracking.metric_keys import TRAINED_ON, imported_tags, model_figures
from flows.tracking.model_runs import begin_run, finish, log_model_run, log_verdict
from flows.tracking.registry import aliases, assign_alias, load_registered, register, registered
from flows.tracking.runs import NOTE
from flows.tracking.store import ensure_store

__all__ = [
    "aliases",
    "assign_alias",
    "ensure_store",
    "fail_run",
    "find_run",
    "finish_run",
    "links",
    "load_registered",
    "log_artifacts",
    "log_audit",
    "log_models",
    "log_stage",
    "models_of_digest",
    "register",
    "registered",
    "start_run",
]

ARTIFACTS = {
    "evaluation/metrics.json": "",
    "prepared/audit.json": "",
    "report/report.html": "report",
    "report/results.md": "report",
}
"""Files of a benchmark's folder -> the folder among the run's artifacts. With the figures and the audit's page, this is all
that is logged: never an image, a noise, a prediction, or the weights of a model that saw the forgotten."""
REPLAY = ("params.yaml", "dvc.yaml", "dvc.lock")
_COSTS = ("seconds", "images", "images_per_second", "peak_memory_mib")


def start_run(root: Path, *, benchmark: str, params: Mapping[str, Any], run_name: str, tags: Mapping[str, str]) -> str:
    """Open a flow's run in the benchmark's experiment, with all parameters flattened with dots; returns its id.

    `tags` has the digest `state`: its first digits begin the run's name, which the runs table cuts short,
    so that no two states share one.

    Runs that a killed flow left open are ended first.
    """
    client, experiment = open_experiment(root, benchmark)
    shown = load_pseudonyms(root, benchmark).content(params)
    labels = {"benchmark": benchmark, **source_tags(root, "aru run"), **tags}
    return begin_run(client, experiment, params=shown, run_name=run_name, tags=labels)


def log_stage(root: Path, run_id: str, result: StageResult, work: Path) -> None:
    """A child run for a stage: its key, whether it was cached, its outputs' digests, cost and training curves."""
    client, stage, folder = store.client(root), result.stage, Path(work) / FOLDERS[result.stage.name]
    params = load_pseudonyms(root, Path(work).name).content(stage.params)
    tags = {
        "kind": "stage",
        "stage": stage.name,
        "key": result.key,
        "cached": str(result.cached).lower(),
        "source": result.source,
        NOTE: stage_note(result.cached, result.source),
    }
    tags |= {f"md5/{Path(path).name}": digest for path, digest in result.outs.items()}
    with runs.child_run(client, client.get_run(run_id), f"stage: {stage.name}", tags) as run:
        cost = read_json(folder / "cost.json") if (folder / "cost.json").is_file() else {}
        figures = {f"cost/{key}": cost.get(key) for key in _COSTS} | {"cost/seconds_in_this_flow": result.seconds}
        runs.log(client, run, params=_stage_params(params), metrics=runs.points(run, figures) + _curves(run, folder))


def log_models(root: Path, run_id: str, *, metrics: Mapping[str, Any]) -> None:
    """A child run for each model, all with the same keys, so that they can be compared.

    The unlearned model's figures stand under the flow's run as well, with the data sets and the page's text.
    """
    benchmark = metrics["benchmark"]
    client, work = store.client(root), Path(root) / "work" / benchmark
    flow, costs, data = client.get_run(run_id), read_costs(work), lineage.data_sets(root, benchmark)
    method = flow.data.tags["method"]
    imported = read_json(work / "original" / "history.json").get("imported")
    for model in (name for name in MODELS if name in metrics["models"]):
        figures = model_figures(metrics, costs, model)
        tags = {
            "trained_on": "not known here: imported" if imported and model == ORIGINAL else TRAINED_ON[model],
            "weights_md5": file_md5(work / model / "model.safetensors"),
            NOTE: model_run_note(model, figures.get("cost/seconds"), method, imported if model == ORIGINAL else None),
        }
        tags |= {"method": method} if model == UNLEARNED else {}
        tags |= imported_tags(imported) if imported and model != RETRAINED else {}
        log_model_run(client, flow, model, figures, tags=tags, data=data, history=_history(work / model))
    client.log_inputs(run_id, lineage.inputs(data, {name: name for name in data}))
    runs.log(client, flow, metrics=runs.points(flow, model_figures(metrics, costs, "unlearned"), data=data))
    client.set_tag(run_id, NOTE, flow_note(metrics, costs, run_id=run_id, tags=flow.data.tags, imported=imported))
    for key, value in imported_tags(imported).items() if imported else ():
        client.set_tag(run_id, key, value)


def log_audit(root: Path, run_id: str, record: AuditRecord) -> None:
    """The audit's figures as `audit/NAME`, and its verdict and level as tags; the page is among the artifacts."""
    log_verdict(store.client(root), run_id, record)


def log_artifacts(root: Path, run_id: str, work: Path) -> None:
    """The report, its figures, the metrics and the audit; under `replay/` what is needed to run it again.

    People and photos bear pseudonyms in all of it; the files in `work/` keep the names.
    """
    client, names = store.client(root), load_pseudonyms(root, Path(work).name)
    for name, folder in ARTIFACTS.items():
        path = Path(work) / name
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            text = json_text(names.content(read_json(path)))
        client.log_text(run_id, names.text(text), str(Path(folder) / path.name))
    audit_runs.log_pages(client, run_id, names.content(read_json(Path(work) / "audit" / "audit.json")))
    for figure in sorted((Path(work) / "report" / "figures").glob("*.png")):
        client.log_artifact(run_id, str(figure), "report/figures")
    for name in REPLAY:
        client.log_text(run_id, names.yaml((Path(root) / name).read_text(encoding="utf-8")), f"replay/{name}")
    if patch := git_patch(root):
        client.log_text(run_id, patch, "replay/changes.patch")


def finish_run(root: Path, run_id: str) -> None:
    """End a flow's run that went well, and those below it that are still open; the experiment's views then show it."""
    finish(store.client(root), run_id)


def fail_run(root: Path, run_id: str) -> None:
    """End a flow's run that failed, while its error is under way."""
    runs.end_failed(store.client(root), run_id)


def find_run(root: Path, *, benchmark: str, state: str) -> str | None:
    """The id of the newest finished run of this very state that has its artifacts; None where there is none.

    Runs that a killed flow left open are ended first. A run whose files were deleted is not taken for one: the state is then
    tracked again.
    """
    experiment = store.find_experiment(root, benchmark)
    if experiment is None:
        return None
    client, number = store.client(root), experiment.experiment_id
    runs.end_abandoned(client, number)
    found = runs.flows(client, number, f"attributes.status = 'FINISHED' AND tags.state = '{state}'")
    return next((run.info.run_id for run in found if _has_artifacts(run)), None)


def _has_artifacts(run: Run) -> bool:
    """Whether what was logged of a run is still there; of a server's own store it is taken for granted."""
    folder = store.local_path(run.info.artifact_uri)
    names = [str(Path(place) / Path(name).name) for name, place in ARTIFACTS.items()]
    names += [f"replay/{name}" for name in REPLAY] + ["audit/audit.json", "audit/audit.html"]
    return folder is None or all((folder / name).is_file() for name in names)


def _curves(run: Run, folder: Path) -> list[Metric]:
    history = _history(folder)
    return runs.curves(run, history) if history else []


def _history(folder: Path) -> ModelHistory | None:
    path = folder / "history.json"
    if not path.is_file():
        return None
    history: ModelHistory = read_json(path)
    return history


def _stage_params(params: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The parameters that a stage depends on, without the benchmark's name in front."""
    flat = runs.flatten({name: value for values in params.values() for name, value in values.items()})
    return {name.partition(".")[2]: value for name, value in flat.items()}
