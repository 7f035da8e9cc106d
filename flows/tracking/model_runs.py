"""What a flow and `log_unlearned` write alike: the run of an unlearning, its models' runs below it, and the verdict."""

import getpass
from collections.abc import Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, Run

from aru.audit.audit_file import AuditRecord
from aru.train.history import ModelHistory
from flows.tracking import lineage, runs
from flows.tracking.audit_tags import audit_metrics, audit_tags
from flows.tracking.links import models_filter
from flows.tracking.views import models_tag, overview_tag

_STATE_DIGITS = 7


def begin_run(
    client: MlflowClient, experiment: str, *, params: Mapping[str, Any], run_name: str, tags: Mapping[str, str]
) -> str:
    """Open a run of an unlearning, with its parameters flattened with dots; returns its id.

    `tags` has the digest `state`: its first digits begin the run's name.
    """
    labels = {"kind": "flow", runs.NUMBER: runs.next_number(client, experiment), "mlflow.user": _user()}
    run = client.create_run(experiment, run_name=f"{tags['state'][:_STATE_DIGITS]}-{run_name}", tags=labels | dict(tags))
    try:
        runs.log(client, run, params=runs.flatten(params))
    except BaseException:
        runs.end_failed(client, run.info.run_id)
        raise
    return run.info.run_id


def log_model_run(
    client: MlflowClient,
    parent: Run,
    model: str,
    figures: Mapping[str, float],
    *,
    tags: Mapping[str, str],
    data: Mapping[str, Dataset] | None = None,
    history: ModelHistory | None = None,
) -> None:
    """A run for one model below the run of its unlearning. data: data sets by name; history: as in history.json."""
    with runs.child_run(client, parent, model, {"kind": "model", "model": model, **tags}) as run:
        if data:
            client.log_inputs(
                run.info.run_id, lineage.inputs(dict(data), lineage.uses(model, imported="original_file" in tags))
            )
        curves = runs.curves(run, history) if history else []
        runs.log(client, run, params={"model": model}, metrics=runs.points(run, figures, data=data) + curves)


def log_verdict(client: MlflowClient, run_id: str, record: AuditRecord) -> None:
    """The audit's figures as `audit/NAME`, and its verdict and level as tags."""
    run = client.get_run(run_id)
    runs.log(client, run, metrics=runs.points(run, audit_metrics(record)))
    for name, value in audit_tags(record).items():
        client.set_tag(run_id, name, value)


def finish(client: MlflowClient, run_id: str) -> None:
    """End a run that went well, and those below it that are still open; the experiment's views then show it."""
    runs.end(client, run_id, "FINISHED")
    experiment = client.get_run(run_id).info.experiment_id
    for key, value in (overview_tag() | models_tag(models_filter(run_id))).items():
        client.set_experiment_tag(experiment, key, value)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry
        return "unknown"
