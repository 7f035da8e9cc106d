"""The run that stands for one command (an audit, a comparison, a tuning), with the tags that all of them have."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from aru.stages.code_record import INSTALLED, code_source, installed_code
from flows.project.git import git_state
from flows.tracking import runs, store


def open_experiment(root: Path, benchmark: str) -> tuple[MlflowClient, str]:
    """A client of the store and the benchmark's experiment, both made where needed; runs of killed processes are ended."""
    store.ensure_store(root)
    client, experiment = store.client(root), store.experiment_id(root, benchmark)
    runs.end_abandoned(client, experiment)
    return client, experiment


def find_finished(client: MlflowClient, experiment: str, *, kind: str, state: str) -> Run | None:
    """The newest finished run of a kind whose results have the digest `state`; None where there is none."""
    query = f"tags.kind = '{kind}' AND attributes.status = 'FINISHED' AND tags.state = '{state}'"
    return next(iter(runs.search(client, experiment, query)), None)


def source_tags(root: Path, command: str) -> dict[str, str]:
    """The command, the git commit, the installed code where the project has none of its own, and the process that writes."""
    git = git_state(root)
    return {
        **git,
        **code_tags(root),
        "mlflow.source.name": command,
        "mlflow.source.git.commit": git["git_commit"],
        **runs.process_tags(),
    }


def code_tags(root: Path) -> dict[str, str]:
    """Version and digest of the installed `aru`, as code.json has them; nothing in a clone, whose commit says it."""
    if code_source(root) != INSTALLED:
        return {}
    installed = json.loads(installed_code())
    return {"aru_version": installed["version"], "aru_sha256": installed["sha256"]}


@contextmanager
def command_run(
    root: Path, client: MlflowClient, experiment: str, *, command: str, name: str, tags: Mapping[str, str]
) -> Iterator[Run]:
    """A run for the length of a block: FINISHED after it, FAILED, with all below it, where the block raises."""
    run = client.create_run(experiment, run_name=name, tags=source_tags(root, command) | dict(tags))
    try:
        yield run
    except BaseException:
        runs.end_failed(client, run.info.run_id)
        raise
    runs.end(client, run.info.run_id, "FINISHED")
