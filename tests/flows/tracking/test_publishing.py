"""Publishing that fails half-way: no alias too early, no run left open, no second version, and retries that end."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from flows.project.discretion import Withheld, disclosed
from flows.tracking import main_runs as tracking
from flows.tracking import publishing, runs, store
from flows.tracking.publishing import Published
from tests.helpers import tracked

pytest_plugins = ["tests.helpers.tracking_fixtures"]
NAME = "aru-faces"
LOCKED = "(sqlite3.OperationalError) database is locked"


@pytest.fixture
def unregistered(tracked_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with its only version deleted: the next flow has to register the model."""
    store.client(tracked_project).delete_model_version(NAME, "1")
    monkeypatch.setattr(publishing, "track", publishing.track.fn)  # the task itself, without Prefect
    return tracked_project


def publish(root: Path) -> Published:
    with disclosed():
        return publishing.publish(root, "faces", tracked.results(root), "run")


def failing_once(monkeypatch: pytest.MonkeyPatch, method: str, error: BaseException, *, at: int = 1) -> None:
    """Let call number `at` of a method of MLflow's client raise."""
    sound: Callable[..., Any] = getattr(MlflowClient, method)
    calls = 0

    def fail(self: MlflowClient, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise error
        return sound(self, *arguments, **options)

    monkeypatch.setattr(MlflowClient, method, fail)


def newest_flow(root: Path) -> Any:
    experiment = store.experiment_id(root, "faces")
    return runs.flows(store.client(root), experiment)[0]


@pytest.mark.parametrize(
    "method",
    [
        "log_batch",  # the run's parameters
        "create_model_version",
        "update_model_version",
        "log_outputs",
        "set_registered_model_alias",
        "set_experiment_tag",  # the very end
    ],
)
def test_a_failure_at_any_step_is_made_good_by_the_next_flow(
    unregistered: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    failing_once(monkeypatch, method, MlflowException("the server is gone"))
    with pytest.raises(MlflowException, match="the server is gone"):
        publish(unregistered)
    client = store.client(unregistered)
    experiment = store.experiment_id(unregistered, "faces")
    assert runs.search(client, experiment, "attributes.status = 'RUNNING'") == []
    ended = method == "set_experiment_tag"  # all is recorded and registered by then, but the page does not show it
    assert newest_flow(unregistered).info.status == ("FINISHED" if ended else "FAILED")
    assert bool(client.get_registered_model(NAME).aliases) == ended

    done = publish(unregistered)
    assert (done.version, done.aliases, done.new) == ("2", ("candidate",), not ended)
    (version,) = client.search_model_versions(f"name = '{NAME}'")
    run = client.get_run(done.run_id)
    assert run.info.status == "FINISHED" and run.data.tags["model_version"] == "2" and run.data.tags["alias"] == "candidate"
    assert version.tags["flow_run"] == done.run_id and done.run_id in version.description
    logged = client.get_logged_model(version.source.removeprefix("models:/"))
    assert '"version": "2"' in logged.tags["mlflow.modelVersions"]


@pytest.mark.parametrize("error", [MlflowException("no such file"), KeyboardInterrupt()], ids=repr)
def test_a_store_that_cannot_end_the_run_does_not_hide_why_it_failed(
    unregistered: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def refuse(self: MlflowClient, *arguments: Any, **options: Any) -> None:
        raise MlflowException("cannot be ended")

    monkeypatch.setattr(tracking, "log_audit", lambda *arguments: _raise(error))
    with monkeypatch.context() as patch:
        patch.setattr(tracking, "log_stage", lambda *arguments: patch.setattr(MlflowClient, "set_terminated", refuse))
        patch.setattr(tracking, "log_models", lambda *arguments, **options: None)
        with pytest.raises(type(error)) as raised:
            publish(unregistered)
    assert raised.value is error and newest_flow(unregistered).info.status == "RUNNING"


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    "error, failures, tries",
    [
        (MlflowException(LOCKED), 2, 3),
        (MlflowException(LOCKED), 9, 4),  # as often as it retries, and no more
        (MlflowException("no such table: runs"), 9, 1),
    ],
)
def test_a_locked_database_is_tried_again_and_nothing_else_is(
    tracked_once: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch, error: Exception, failures: int, tries: int
) -> None:
    from prefect import flow

    tried: list[int] = []
    ended: list[str] = []

    def start(*arguments: Any, **options: Any) -> str:
        tried.append(len(tried))
        return "run"

    def log_audit(*arguments: Any) -> None:
        if len(tried) <= failures:
            raise error

    nothing = {name: lambda *arguments, **options: None for name in ("log_stage", "log_models", "log_artifacts")}
    stand_ins: dict[str, Callable[..., Any]] = nothing | {
        "start_run": start,
        "log_audit": log_audit,
        "register": lambda *arguments, **options: (NAME, "1"),
        "finish_run": lambda root, run_id: ended.append("finished"),
        "fail_run": lambda root, run_id: ended.append("failed"),
        "aliases": lambda *arguments: ("candidate",),
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(tracking, name, stand_in)

    @flow
    def at_the_end() -> Published:
        return publishing.track.with_options(retry_delay_seconds=0)(tracked_once, "faces", [], "run", "0" * 64)

    if failures < tries:
        assert at_the_end().aliases == ("candidate",)
    else:
        with pytest.raises(MlflowException, match=re.escape(str(error))), disclosed():
            at_the_end()
        with pytest.raises(Withheld):  # what Prefect records bears no words of the error
            at_the_end()
        del tried[tries:], ended[tries:]
    assert len(tried) == tries
    assert ended == ["failed"] * min(failures, tries) + ["finished"] * (failures < tries)
