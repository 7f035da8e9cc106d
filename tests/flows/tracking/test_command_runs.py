"""The runs of audits, comparisons and tunings: how they end, and what happens where two processes are first at once."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from flows.tracking import runs, store
from flows.tracking.command_runs import command_run, find_finished, open_experiment

pytest_plugins = ["tests.helpers.tracking_fixtures"]


@pytest.fixture
def root(empty_store: Path, tmp_path: Path) -> Path:
    shutil.copytree(empty_store / "mlruns", tmp_path / "mlruns")
    return tmp_path


@pytest.mark.parametrize("error", [None, ValueError("bad"), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
def test_a_run_and_all_below_it_end_with_the_block(root: Path, error: BaseException | None) -> None:
    client, experiment = open_experiment(root, "faces")
    tags = {"kind": "audit", "benchmark": "faces", "state": "s"}

    def write() -> None:
        with command_run(root, client, experiment, command="aru audit", name="one", tags=tags) as run:
            client.create_run(experiment, run_name="below", tags={runs.PARENT: run.info.run_id})
            if error is not None:
                raise error

    if error is None:
        write()
    else:
        with pytest.raises(type(error)):
            write()
    status = "FINISHED" if error is None else "FAILED"
    found = client.search_runs([experiment])
    assert {run.info.run_name: run.info.status for run in found} == {"one": status, "below": status}
    one = next(run for run in found if run.info.run_name == "one")
    assert one.data.tags["mlflow.source.name"] == "aru audit" and one.data.tags["mlflow.source.git.commit"]
    known = find_finished(client, experiment, kind="audit", state="s")
    assert (known is None) == (error is not None), "a failed run is not taken for the results"
    assert find_finished(client, experiment, kind="tuning", state="s") is None


def test_an_experiment_that_another_process_made_meanwhile_is_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = MlflowClient.create_experiment

    def late(self: MlflowClient, name: str, **options: object) -> str:
        create(self, name, **options)
        raise MlflowException("Experiment already exists")

    monkeypatch.setattr(MlflowClient, "create_experiment", late)
    assert store.find_experiment(root, "other") is None
    assert store.experiment_id(root, "other") == store.client(root).get_experiment_by_name("aru-other").experiment_id


def test_an_experiment_that_cannot_be_made_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: MlflowClient, name: str, **options: object) -> str:
        raise MlflowException("no space")

    monkeypatch.setattr(MlflowClient, "create_experiment", refuse)
    with pytest.raises(MlflowException, match="no space"):
        store.experiment_id(root, "other")
