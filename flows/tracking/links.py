"""Addresses of the MLflow pages that show a flow, its models compared, and the registered model."""

import json
from pathlib import Path

from aru.core import names
from flows.tracking import runs, store
from flows.tracking.views import MODELS, OVERVIEW

LOCAL = "http://127.0.0.1:5000"
_MODE = "workflowType=machine_learning"  # MLflow 3 otherwise begins with its pages for language models


def links(root: Path, *, benchmark: str, run_id: str | None = None, address: str = LOCAL) -> dict[str, str]:
    """{what it shows: address}: experiment, run, compare, table, model; of the newest run where none is named.

    `address` is where `aru ui` serves; a remote server that MLFLOW_TRACKING_URI names takes its place. Empty where the
    benchmark has no experiment yet.
    """
    experiment = store.find_experiment(root, benchmark)
    if experiment is None:
        return {}
    base = f"{remote(root) or address}/#"
    number = experiment.experiment_id
    found = {"experiment": f"{base}/experiments/{number}/runs?viewStateShareKey={OVERVIEW}&{_MODE}"}
    if run_id := run_id or last_run(root, benchmark):
        found["run"] = f"{base}/experiments/{number}/runs/{run_id}?{_MODE}"
        found["compare"] = f"{base}/experiments/{number}/runs?viewStateShareKey={MODELS}&compareRunsMode=CHART&{_MODE}"
        found["table"] = f'{base}/compare-runs?runs={_model_runs(root, run_id)}&experiments=["{number}"]&{_MODE}'
    return found | {"model": f"{base}/models/aru-{benchmark}?{_MODE}"}


def models_filter(run_id: str) -> str:
    """The search that finds the models of a flow's run."""
    return f"tags.`{runs.PARENT}` = '{run_id}' AND tags.kind = 'model'"


def last_run(root: Path, benchmark: str) -> str | None:
    """The newest finished flow's run of a benchmark; None where there is none."""
    experiment = store.find_experiment(root, benchmark)
    if experiment is None:
        return None
    found = runs.flows(store.client(root), experiment.experiment_id, "attributes.status = 'FINISHED'")
    return found[0].info.run_id if found else None


def remote(root: Path) -> str | None:
    """The address of the user's own MLflow server; None where runs go to a database."""
    uri = store.tracking_uri(root)
    return uri.rstrip("/") if uri.startswith(("http://", "https://")) else None


def _model_runs(root: Path, run_id: str) -> str:
    client = store.client(root)
    models = {
        run.data.tags["model"]: run.info.run_id
        for run in runs.children(client, client.get_run(run_id))
        if "model" in run.data.tags
    }
    return json.dumps([models[model] for model in names.MODELS if model in models], separators=(",", ":"))
