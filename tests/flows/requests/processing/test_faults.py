"""Faults amid a batch: each request ends in a state that says what happened, nothing is released, the next run goes on."""

import errno
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from aru.core import files
from aru.core.config import load_config
from aru.core.errors import InputError
from flows.project.folder import ProjectBusy, project_lock
from flows.requests.ledger.ledger import LedgerUnavailable, open_ledger
from flows.requests.ledger.queries import batch_history, list_batches, released_batches
from flows.requests.ledger.states import Action, State
from flows.requests.ledger.verification import verify_ledger
from flows.requests.processing import carrying_out
from flows.tracking import production as production_module
from flows.tracking.production import RELEASED, in_production, promote
from flows.tracking.store import StoreUnavailable, client
from tests.helpers import batches
from tests.helpers.batches import NAME, Project
from tests.helpers.killing import killed_at

pytest_plugins = ["tests.helpers.tracking_fixtures", "tests.helpers.batch_fixtures"]
FULL = OSError(errno.ENOSPC, "No space left on device")
DOWN = MlflowException("(sqlite3.OperationalError) database is locked", error_code=TEMPORARILY_UNAVAILABLE)


@pytest.fixture
def project(batch_project: Project) -> Project:
    return batch_project


def raising(error: BaseException) -> Callable[..., None]:
    def broken(*arguments: object, **options: object) -> None:
        raise error

    return broken


def full_for(name: str) -> Callable[[object, object], None]:
    """`os.replace` on a disk that is full when a file of this name is to be moved in."""
    move = os.replace

    def replacing(source: object, target: object) -> None:
        if Path(str(target)).name == name:
            raise FULL
        move(source, target)  # type: ignore[arg-type]

    return replacing


def goes_on(project: Project, *requests: str) -> None:
    """The next run ends in one release of all of them, and everything on record fits together."""
    project.verdicts = ["pass"] * 3
    project.carry_out()
    assert {project.state(request) for request in requests} == {State.FULFILLED}
    found = in_production(project.root, NAME)
    assert found is not None and found.batch == 1 and list_batches(project.ledger)[0].model_after == found.version
    assert verify_ledger(project.ledger).faults == []
    assert project.carry_out() is None


@pytest.mark.parametrize(
    ("owner", "name", "error", "kind"),
    [
        pytest.param(batches, "suppress_requests", FULL, "OSError", id="disk full: suppression list"),
        pytest.param(files.os, "replace", "params.yaml", "OSError", id="disk full: params.yaml"),
        pytest.param(files.os, "replace", "escalation-faces.json", "OSError", id="disk full: note of the step"),
        pytest.param(Project, "run", FULL, "OSError", id="disk full: main flow"),
        pytest.param(Project, "run", httpx.ConnectError("refused"), "ConnectError", id="Prefect's API down"),
        pytest.param(Project, "run", httpx.ReadTimeout("killed"), "ReadTimeout", id="Prefect's API killed at work"),
        pytest.param(MlflowClient, "get_model_version_by_alias", DOWN, "StoreUnavailable", id="MLflow down"),
        pytest.param(MlflowClient, "set_model_version_tag", DOWN, "MlflowException", id="MLflow down: marking"),
        pytest.param(MlflowClient, "set_registered_model_alias", DOWN, "MlflowException", id="MLflow down: release"),
        pytest.param(MlflowClient, "get_logged_model", DOWN, "MlflowException", id="MLflow down: files of the version"),
    ],
)
def test_fault_ends_in_error_and_the_next_run_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, error: BaseException | str, kind: str
) -> None:
    request, before = project.ask(0), in_production(project.root, NAME)
    project.verdicts = ["pass"]
    with monkeypatch.context() as patch, pytest.raises(Exception) as raised:
        patch.setattr(owner, name, full_for(error) if isinstance(error, str) else raising(error))
        project.carry_out()
    assert type(raised.value).__name__ == kind
    assert project.state(request) == State.ERROR and in_production(project.root, NAME) == before
    last = batch_history(project.ledger, "B-000001")[-1]
    assert (last.action, last.data["kind"]) == (Action.FAIL, kind)
    load_config(project.root / "params.yaml", "faces")  # whole, as it was or as it was to be
    assert verify_ledger(project.ledger).faults == []
    goes_on(project, request)


def test_ledger_locked_amid_a_batch(project: Project) -> None:
    request, usual = project.ask(0), project.ledger
    path = str(usual.engine.url.database)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    with closing(open_ledger(f"sqlite:///{path}", usual.key, wait=0.2)) as impatient, closing(other):
        locking = replace(project, ledger=impatient, verdicts=["pass"])
        run = locking.run

        def run_and_lock(root: Path, benchmark: str) -> batches.Ran:
            other.execute("BEGIN IMMEDIATE")
            return run(root, benchmark)

        locking.run = run_and_lock  # type: ignore[method-assign]
        with pytest.raises(LedgerUnavailable, match="is locked by another process"):
            locking.carry_out()
        assert project.state(request) == State.IN_PROGRESS and in_production(project.root, NAME) is None
        other.rollback()
    goes_on(project, request)


def test_disk_of_the_ledger_full_amid_a_batch(project: Project) -> None:
    """The database may not grow: SQLite's own answer to a disk without room."""
    request, full = project.ask(0), threading.Event()
    engine, run = project.ledger.engine, project.run

    def limit(connection: sqlite3.Connection, *rest: object) -> None:
        if full.is_set():
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")
        else:
            connection.execute("PRAGMA max_page_count = 4294967294")

    def run_and_fill(root: Path, benchmark: str) -> batches.Ran:
        full.set()
        return run(root, benchmark)

    sa.event.listen(engine, "checkout", limit)
    project.verdicts, project.run = ["pass"], run_and_fill  # type: ignore[method-assign]
    with pytest.raises(LedgerUnavailable, match="its disk is full"):
        for _ in range(20):  # what fits into the last page does
            project.carry_out()
            project.verdicts.append("fail")
    project.run = run  # type: ignore[method-assign]
    full.clear()
    assert in_production(project.root, NAME) is None and project.state(request) in (State.IN_PROGRESS, State.ERROR)
    goes_on(project, request)


def test_two_runs_never_work_at_once(project: Project) -> None:
    request, held, end = project.ask(0), threading.Event(), threading.Event()

    def hold() -> None:
        with project_lock(project.root):
            held.set()
            end.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(30)
    try:
        with pytest.raises(ProjectBusy):
            project.carry_out()
    finally:
        end.set()
        other.join()
    assert project.state(request) == State.APPROVED and list_batches(project.ledger) == []
    goes_on(project, request)


@pytest.mark.parametrize("place", ["run", "escalate"])
@pytest.mark.parametrize("after", [False, True])
def test_failed_gate_never_releases_wherever_the_run_is_killed(project: Project, place: str, after: bool) -> None:
    project.set_policy(escalation=[{"set": {"finetune.epochs": 9}}])
    request = project.ask(0)
    project.verdicts = ["fail"] * 8
    owner = next(owner for owner in (project, carrying_out.batching) if hasattr(owner, place))
    with killed_at(owner, place, after=after):
        project.carry_out()
    for _ in range(3):
        project.carry_out()
    assert project.state(request) == State.ESCALATED and in_production(project.root, NAME) is None
    assert released_batches(project.ledger, "faces") == 0
    for version in client(project.root).search_model_versions(f"name = '{NAME}'"):
        if version.tags["audit.verdict"] != "pass":
            with pytest.raises(InputError, match="is not released"):
                promote(project.root, NAME, str(version.version), release="pass")


def test_rollback_never_brings_a_released_request_back_though_mlflow_lost_its_tags(project: Project) -> None:
    project.ask(0)
    project.verdicts = ["pass", "pass"]
    first = project.carry_out()
    second_request = project.ask(1)
    second = project.carry_out()
    assert first is not None and second is not None and (first.version, second.version) == ("2", "3")
    mlflow = client(project.root)
    for version in ("2", "3"):
        mlflow.delete_model_version_tag(NAME, version, RELEASED)
    mlflow.delete_registered_model_alias(NAME, production_module.PRODUCTION)
    for version in ("1", "2"):
        with pytest.raises(InputError, match="it would bring people back"):
            promote(project.root, NAME, version, release="pass", batches=released_batches(project.ledger, "faces"))
    third = project.ask(2)
    with pytest.raises(InputError, match="2 batches of faces were released, and the model in production has forgotten 0"):
        project.carry_out()
    assert project.state(third) == State.ERROR and len(project.runs) == 2, "nothing is made from the first model"
    promote(project.root, NAME, "3", release="pass", batches=released_batches(project.ledger, "faces"))
    project.verdicts = ["pass"]
    project.carry_out()
    assert {project.state(second_request), project.state(third)} == {State.FULFILLED}


@pytest.mark.parametrize("place", ["run", "promote", "certify_at_fulfilment"])
def test_sigkill_of_the_process_ends_in_one_release(project: Project, place: str) -> None:
    """A process of its own is killed by the kernel: no `finally` runs, no lock is given back by Python."""
    request = project.ask(0)
    project.verdicts = ["pass"] * 2
    url, key = str(project.ledger.engine.url), project.ledger.key
    project.ledger.engine.dispose()
    child = os.fork()
    if child == 0:
        owner = next(one for one in (project, carrying_out, batches) if hasattr(one, place))
        step = getattr(owner, place)

        def deadly(*arguments: object, **options: object) -> None:
            step(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(owner, place, deadly)
        try:
            project.ledger = open_ledger(url, key)
            project.carry_out()
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    goes_on(project, request)


def test_store_that_does_not_answer_is_not_an_empty_one(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_production(project.root, NAME) is None
    monkeypatch.setattr(MlflowClient, "get_model_version_by_alias", raising(DOWN))
    with pytest.raises(StoreUnavailable, match="did not answer"):
        in_production(project.root, NAME)


def test_version_that_went_into_production_meanwhile_ends_the_run(project: Project) -> None:
    request = project.ask(0)
    with killed_at(project, "suppress"):
        project.carry_out()
    promote(project.root, NAME, "1", release="pass")
    project.verdicts = ["pass"]
    with pytest.raises(InputError, match="another version went into production while B-000001 was at work"):
        project.carry_out()
    assert project.state(request) == State.ERROR and project.runs == []
    goes_on(project, request)
    assert list_batches(project.ledger)[0].model_before == "1"


def refused_because_of_another_version(project: Project, request: str) -> None:
    """The run ends without a release; the next one begins again, from the other version."""
    with pytest.raises(InputError, match="another version went into production while B-000001 was at work"):
        project.carry_out()
    found = in_production(project.root, NAME)
    assert found is not None and found.version == "1" and project.state(request) == State.ERROR
    assert list(project.root.glob("certificates/*.json")) == []
    goes_on(project, request)
    assert list_batches(project.ledger)[0].model_before == "1"


def test_version_that_goes_into_production_amid_the_main_flow_is_not_replaced(project: Project) -> None:
    request, run = project.ask(0), project.run

    def run_and_promote(root: Path, benchmark: str) -> batches.Ran:
        done = run(root, benchmark)
        promote(root, NAME, "1", release="pass")
        return done

    project.verdicts, project.run = ["pass"], run_and_promote  # type: ignore[method-assign]
    refused_because_of_another_version(project, request)


def test_version_that_goes_into_production_before_the_release_is_not_replaced(project: Project) -> None:
    request, project.verdicts = project.ask(0), ["pass"]
    with killed_at(carrying_out, "promote"):
        project.carry_out()
    assert project.state(request) == State.VERIFIED
    promote(project.root, NAME, "1", release="pass")
    refused_because_of_another_version(project, request)
