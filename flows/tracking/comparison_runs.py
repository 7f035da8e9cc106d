"""What a comparison leaves in MLflow: one run with the request, and below it one for each cell, with the same keys."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from aru.comparison.parameter_sets import setting_name
from flows.tracking import runs, store
from flows.tracking.command_runs import command_run, find_finished, open_experiment
from flows.tracking.links import LOCAL, remote
from flows.tracking.runs import NOTE

_COSTS = ("seconds", "cpu_seconds")


def track(
    root: Path, benchmark: str, records: Sequence[Mapping[str, Any]], request: Mapping[str, Any]
) -> tuple[str, dict[str, str]]:
    """Log the cells, unless these very results are tracked; returns the run's id and {record key: page of its run}."""
    client, experiment = open_experiment(root, benchmark)
    state = _state(records)
    run = find_finished(client, experiment, kind="benchmark", state=state)
    if run is None:
        run = _log(client, root, experiment, benchmark, records, request, state)
    base = f"{remote(root) or LOCAL}/#/experiments/{experiment}/runs"
    return run.info.run_id, {child.data.tags["cell"]: f"{base}/{child.info.run_id}" for child in runs.children(client, run)}


def log_results(root: Path, run_id: str, files: Sequence[Path]) -> None:
    """The page, the tables and the records: aggregate figures alone, never an answer to an image."""
    for path in files:
        store.client(root).log_artifact(run_id, str(path), "results/figures" if path.parent.name == "figures" else "results")


def _log(
    client: MlflowClient,
    root: Path,
    experiment: str,
    benchmark: str,
    records: Sequence[Mapping[str, Any]],
    request: Mapping[str, Any],
    state: str,
) -> Run:
    tags = {"kind": "benchmark", "benchmark": benchmark, "state": state, NOTE: _note(records)}
    name = f"comparison of {len({record['method'] for record in records})} methods"
    with command_run(root, client, experiment, command="aru benchmark", name=name, tags=tags) as run:
        runs.log(client, run, params=runs.flatten({name: _plain(value) for name, value in request.items()}))
        for record in records:
            _log_cell(client, run, record)
    return run


def _log_cell(client: MlflowClient, parent: Run, record: Mapping[str, Any]) -> None:
    tags = {
        "kind": "cell",
        "cell": record["key"],
        "method": record["method"],
        "variant": record["variant"],
        "protocol": record["protocol"],
        "draw": str(record["draw"]),
        "seed": str(record["train_seed"]),
        "unlearn_seed": str(record["unlearn_seed"]),
    }
    if "failed" in record:
        tags["failed"] = record["failed"]
    setting = setting_name(record["method"], record["variant"])
    name = f"{setting}, {record['protocol']} draw {record['draw']}, seed {record['unlearn_seed']}"
    with runs.child_run(client, parent, name, tags) as run:
        figures = dict(record.get("figures", {})) | {f"cost/{key}": record[key] for key in _COSTS}
        runs.log(
            client,
            run,
            params=runs.flatten({"method": record["method"], **record["config"]}),
            metrics=runs.points(run, figures),
        )


def _state(records: Sequence[Mapping[str, Any]]) -> str:
    """A digest of which results these are; the time that they took is not part of it."""
    content = sorted(
        ((record["key"], record["method"], record["variant"], record.get("figures", {})) for record in records),
        key=lambda row: row[:3],  # rows of one key have the same figures
    )
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _note(records: Sequence[Mapping[str, Any]]) -> str:
    failed = sorted({record["method"] for record in records if "failed" in record})
    text = (
        f"{len(records)} models of {len({record['method'] for record in records})} methods, one run each below this "
        "one, all with the same metric keys. `results/results.html` has the tables with intervals and the command of "
        "every row."
    )
    return text + (f"\n\nDid not converge at least once: {', '.join(failed)}." if failed else "")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
