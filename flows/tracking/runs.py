"""MLflow's runs in small steps: open, fill in batches, close, find. Every call names its run.

MLflow's active run is one per thread, and a stray call without a run makes a new one: neither is used here.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal

from mlflow import MlflowClient
from mlflow.entities import Dataset, Metric, Param, Run
from mlflow.exceptions import MlflowException

from aru.core.errors import InputError
from aru.train.history import ModelHistory
from flows.project.process_identity import ProcessIdentity, is_alive, this_process

NOTE = "mlflow.note.content"
PARENT = "mlflow.parentRunId"
NUMBER = "flow_number"
Status = Literal["FINISHED", "FAILED", "KILLED"]

_LONGEST_PARAM = 6000
_BATCH, _METRIC_BATCH = 100, 1000
_PAGE = 1000


@contextmanager
def child_run(client: MlflowClient, parent: Run, name: str, tags: Mapping[str, str]) -> Iterator[Run]:
    """A run below `parent`, with its benchmark, protocol and seed; ended however the block ends."""
    shared = {
        key: parent.data.tags[key]
        for key in ("benchmark", "protocol", "seed", "mlflow.user", "mlflow.source.name", "mlflow.source.git.commit")
        if key in parent.data.tags
    }
    run = client.create_run(parent.info.experiment_id, run_name=name, tags=shared | {PARENT: parent.info.run_id, **tags})
    try:
        yield run
    except BaseException:
        end_failed(client, run.info.run_id)
        raise
    client.set_terminated(run.info.run_id, "FINISHED")


def log(client: MlflowClient, run: Run, *, metrics: Sequence[Metric] = (), params: Mapping[str, str] | None = None) -> None:
    """Write metrics and parameters in as few calls as MLflow takes: one by one they need 20 ms each."""
    entries = [Param(key, value) for key, value in (params or {}).items()]
    for start in range(0, len(entries), _BATCH):
        client.log_batch(run.info.run_id, params=entries[start : start + _BATCH])
    for start in range(0, len(metrics), _METRIC_BATCH):
        client.log_batch(run.info.run_id, metrics=metrics[start : start + _METRIC_BATCH])


def points(
    run: Run,
    values: Mapping[str, Any],
    *,
    step: int = 0,
    data: Mapping[str, Dataset] | None = None,
    model_id: str | None = None,
) -> list[Metric]:
    """Metrics of one step; figures of a set (``forget/accuracy``) carry its data set, where `data` has it.

    The time is the run's start, so that the same point written twice, the second time for a model, stays one point.
    """
    found = []
    for key, value in values.items():
        if value is None:
            continue
        if not math.isfinite(value):
            raise InputError(
                f"{key} is {value}, no figure: nothing is recorded or registered; run the stage that wrote it "
                "again, and look at its parameters where it comes out the same"
            )
        source = (data or {}).get(key.partition("/")[0])
        found.append(
            Metric(
                key,
                float(value),
                run.info.start_time,
                step,
                model_id=model_id,
                dataset_name=source.name if source else None,
                dataset_digest=source.digest if source else None,
            )
        )
    return found


def curves(run: Run, history: ModelHistory) -> list[Metric]:
    """The rows of history.json as ``train/loss``, ``train/accuracy``, ``train/lr``; a step is an epoch."""
    return [
        point
        for row in history["epochs"]
        for point in points(run, {f"train/{key}": value for key, value in row.items() if key != "epoch"}, step=row["epoch"])
    ]


def search(client: MlflowClient, experiment: str, query: str) -> list[Run]:
    """All runs of an experiment that a query finds, newest first."""
    return _search(client, [experiment], query)


def search_all(client: MlflowClient, query: str) -> list[Run]:
    """All runs of all experiments that a query finds, newest first."""
    return _search(client, [one.experiment_id for one in client.search_experiments()], query)


def _search(client: MlflowClient, experiments: list[str], query: str) -> list[Run]:
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs(
            experiments, query, max_results=_PAGE, page_token=token, order_by=["attributes.start_time DESC"]
        )
        found += page
        token = page.token
        if not token:
            return found


def flows(client: MlflowClient, experiment: str, query: str = "") -> list[Run]:
    """The flows' runs that a further condition finds, newest first.

    By the numbers that flows are given, one after another under the project's lock, and not by their times: a clock that
    was ahead once would keep its run the newest until the time is reached.
    """
    found = search(client, experiment, f"tags.kind = 'flow'{query and f' AND {query}'}")
    return sorted(found, key=number, reverse=True)


def next_number(client: MlflowClient, experiment: str) -> str:
    """The number of the next flow's run."""
    newest = flows(client, experiment)
    return str(number(newest[0]) + 1 if newest else 1)


def children(client: MlflowClient, run: Run) -> list[Run]:
    """The runs below a run."""
    return search(client, run.info.experiment_id, f"tags.`{PARENT}` = '{run.info.run_id}'")


def end(client: MlflowClient, run_id: str, status: Status) -> None:
    """End a run and those below it that are still open."""
    run = client.get_run(run_id)
    for each in (*children(client, run), run):
        if each.info.status == "RUNNING":
            client.set_terminated(each.info.run_id, status)


def end_failed(client: MlflowClient, run_id: str) -> None:
    """End a run and those below it as FAILED while an error is under way, which must not give way to one of the store: a run
    that the store cannot end now is ended by the next flow (`end_abandoned`)."""
    with suppress(MlflowException):
        end(client, run_id, "FAILED")


def end_abandoned(client: MlflowClient, experiment: str) -> list[str]:
    """End the flows' runs that a killed process of this machine left open; returns their ids."""
    left = [run.info.run_id for run in search(client, experiment, "attributes.status = 'RUNNING'") if _is_left(run.data.tags)]
    for run_id in left:
        end(client, run_id, "KILLED")
    return left


def process_tags() -> dict[str, str]:
    """Which process of which machine writes a run: so a later one can tell that it was killed."""
    return {name: str(value) for name, value in this_process()._asdict().items()}


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """{"attack": {"steps": 10}} -> {"attack.steps": "10"}; lists and None as JSON writes them.

    A value longer than MLflow takes is cut; the whole of it is in params.yaml, which is logged too.
    """
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[f"{prefix}{name}"] = text if len(text) <= _LONGEST_PARAM else f"{text[: _LONGEST_PARAM - 3]}..."
    return flat


def number(run: Run) -> int:
    """0 for a run from before flows were numbered."""
    return int(run.data.tags.get(NUMBER, 0))


def _is_left(tags: Mapping[str, str]) -> bool:
    """Whether a run was begun by a process of this machine that is gone; of another machine's nothing is known here."""
    try:
        process = ProcessIdentity(tags["host"], tags["boot"], int(tags["pid"]), int(tags["started"]))
    except (KeyError, ValueError):  # a run below another one, or one that somebody else keeps here
        return False
    return process.host == this_process().host and not is_alive(process)
