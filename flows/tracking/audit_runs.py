"""What an audit by itself leaves in MLflow: a run of its own, with figures, verdict and page under `audit/`."""

from pathlib import Path

from mlflow import MlflowClient

from aru.audit.audit_file import AuditRecord
from aru.core.files import json_text
from aru.reporting.audit.page import audit_page
from flows.project.pseudonyms import load_pseudonyms
from flows.tracking import runs
from flows.tracking.audit_tags import audit_metrics, audit_tags
from flows.tracking.command_runs import command_run, open_experiment
from flows.tracking.runs import NOTE


def track(root: Path, benchmark: str, record: AuditRecord, *, weights: str) -> str:
    """Log an audit into the benchmark's experiment; returns the run's id."""
    client, experiment = open_experiment(root, benchmark)
    tags = {
        "kind": "audit",
        "benchmark": benchmark,
        "model": record["model"],
        "weights_md5": weights,
        NOTE: _note(record),
        **audit_tags(record),
    }
    name = f"audit of {record['model']}, {record['level']}"
    with command_run(root, client, experiment, command="aru audit", name=name, tags=tags) as run:
        params = {"level": record["level"], "thresholds_version": str(record["thresholds_version"])}
        runs.log(client, run, params=params, metrics=runs.points(run, audit_metrics(record)))
        log_pages(client, run.info.run_id, load_pseudonyms(root, benchmark).content(record))
    return run.info.run_id


def log_pages(client: MlflowClient, run_id: str, record: AuditRecord) -> None:
    """audit.json and audit.html of a record, in which people have pseudonyms by now."""
    client.log_text(run_id, json_text(record), "audit/audit.json")
    client.log_text(run_id, audit_page(record), "audit/audit.html")


def _note(record: AuditRecord) -> str:
    rows = [f"| {row['name']} | {row['figure']:.3f} | {row['verdict']} |" for row in record["criteria"] if row["verdict"]]
    left = [row["name"] for row in record["criteria"] if not row["verdict"]]
    lines = [
        f"**{record['verdict']}** at the level {record['level']}. Intervals, limits and power: `audit/audit.html`.",
        "",
        "| criterion | figure | verdict |",
        "|---|---:|---|",
        *rows,
    ]
    return "\n".join(lines + (["", f"Not tested: {', '.join(left)}."] if left else []))
