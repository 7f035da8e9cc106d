"""MLflow's database and files: faults are said before the work, and what was deleted by hand is not taken for there."""

import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from aru.core.errors import InputError
from aru.core.files import file_md5, read_json
from flows.servers.database import check_database
from flows.tracking import lineage, registry, store
from flows.tracking import main_runs as tracking
from flows.tracking.links import last_run
from tests.helpers import tracked
from tests.helpers.flow_fixtures import run_flow
from tests.helpers.project import outputs
from tests.helpers.stores import path_of
from tests.helpers.tracked import track

pytest_plugins = ["tests.helpers.tracking_fixtures"]
NAME = "aru-faces"


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwritten(path: Path) -> None:
    path.write_text("no database at all, " * 100)


def somebody_elses(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE notes (text)")


def schema(path: Path, version: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = ?", (version,))


def older(path: Path) -> None:
    schema(path, "451aebb31d03")  # "add metric step", of MLflow 1.0


def newer(path: Path) -> None:
    schema(path, "ffffffffffff")


FAULTS = {
    empty: "is empty",
    truncated: "is damaged",
    overwritten: "is damaged",
    somebody_elses: "is no database of MLflow's",
    older: "older MLflow.*mlflow db upgrade",
    newer: "probably a newer one",
}


@pytest.fixture
def database(empty_store: Path, tmp_path: Path) -> Path:
    shutil.copytree(empty_store / "mlruns", tmp_path / "mlruns")
    return store.database(tmp_path)


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda spoil: spoil.__name__)
def test_a_database_that_cannot_be_used_is_one_sentence(database: Path, spoil) -> None:
    root = database.parents[1]
    check_database(database)
    spoil(database)
    for use in (
        lambda: store.preflight(root, "faces"),
        lambda: tracking.ensure_store(root),
        lambda: registry.names(root),
        lambda: registry.load_registered(root, NAME),
    ):
        with pytest.raises(InputError, match=FAULTS[spoil]) as refused:
            use()
        assert "mlflow.db" in str(refused.value) and "\n" not in str(refused.value)


def test_a_database_that_cannot_be_written_is_one_sentence(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda path, **options: connect(f"{Path(path).as_uri()}?mode=ro", uri=True, **options)
    )
    with pytest.raises(InputError, match="cannot be written .*readonly"):
        store.preflight(database.parents[1], "faces")


def test_a_database_that_somebody_writes_to_is_in_order(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        check_database(database)


def test_a_server_that_does_not_answer_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    with pytest.raises(InputError, match="cannot be used: start its server") as refused:
        store.preflight(tmp_path, "faces")
    assert "secret" not in str(refused.value)


def test_places_that_mlflow_cannot_take_are_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="question mark in its path"):
        store.preflight(tmp_path / "why?", "faces")
    store.preflight(tmp_path / "a%20b", "faces")
    monkeypatch.setattr(store, "_PACKAGE", "/a%20b/.venv/lib/mlflow")
    for use in (lambda: store.preflight(tmp_path, "faces"), lambda: store.ensure_store(tmp_path)):
        with pytest.raises(InputError, match="a%20b.* path with a percent sign: make the environment elsewhere"):
            use()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:elsewhere")
    store.ensure_store(tmp_path)


def test_the_database_is_looked_at_before_the_stages(project: Path) -> None:
    before = outputs(project)
    (project / "mlruns").mkdir()
    empty(store.database(project))
    with pytest.raises(InputError, match="mlflow.db is empty"):
        run_flow(project, refresh=("all",), stage=lambda *arguments: pytest.fail("a stage began"))
    assert outputs(project) == before


def test_a_deleted_experiment_is_not_restored_without_a_word(tracked_project: Path) -> None:
    tracking.ensure_store(tracked_project)
    store.preflight(tracked_project, "faces")
    client, number = store.client(tracked_project), store.experiment_id(tracked_project, "faces")
    client.delete_experiment(number)
    for use in (store.preflight, store.experiment_id):
        with pytest.raises(InputError, match=rf"aru-faces was deleted.*restore -x {number}.*gc --experiment-ids {number}"):
            use(tracked_project, "faces")
    assert tracking.find_run(tracked_project, benchmark="faces", state="a" * 64) is None
    assert tracking.links(tracked_project, benchmark="faces") == {}
    assert client.get_experiment(number).lifecycle_stage == "deleted"


def spoilt_weights(folder: Path) -> None:
    (folder / registry.WEIGHTS).write_bytes(b"damaged")


@pytest.mark.parametrize(
    "spoil",
    [lambda folder: shutil.rmtree(folder), lambda folder: (folder / "data/model.pt2").unlink(), spoilt_weights],
    ids=["no folder", "no export", "damaged weights"],
)
def test_a_models_files_that_are_gone_are_noticed_and_written_again(tracked_project: Path, spoil) -> None:
    tracking.ensure_store(tracked_project)
    client = store.client(tracked_project)
    run_id = tracking.find_run(tracked_project, benchmark="faces", state="a" * 64)
    spoil(path_of(client.get_model_version_download_uri(NAME, "1")))
    assert tracking.registered(tracked_project, run_id) is None, "the state is not taken for registered"
    again = track(tracked_project)
    assert tracking.registered(tracked_project, again) == (NAME, "1")
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 1
    folder = path_of(client.get_model_version_download_uri(NAME, "1"))
    assert file_md5(folder / registry.WEIGHTS) == client.get_model_version(NAME, "1").tags["weights_md5"]
    assert registry.load_registered(tracked_project, NAME)


def test_a_version_whose_model_was_deleted_makes_place_for_a_new_one(tracked_project: Path) -> None:
    tracking.ensure_store(tracked_project)
    client = store.client(tracked_project)
    client.delete_logged_model(client.get_model_version(NAME, "1").source.removeprefix("models:/"))
    assert tracking.registered(tracked_project, track(tracked_project)) == (NAME, "2")
    assert registry.load_registered(tracked_project, NAME)


@pytest.mark.parametrize("name", ["report/report.html", "replay/dvc.lock"])
def test_a_run_whose_artifacts_are_gone_is_not_found(tracked_project: Path, name: str) -> None:
    tracking.ensure_store(tracked_project)
    run_id = tracking.find_run(tracked_project, benchmark="faces", state="a" * 64)
    (path_of(store.client(tracked_project).get_run(run_id).info.artifact_uri) / name).unlink()
    assert tracking.find_run(tracked_project, benchmark="faces", state="a" * 64) is None


class Answer(Exception):
    """What Prefect's client raises, as far as it is looked at."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Server error '{status}'")
        self.response = SimpleNamespace(status_code=status)


@pytest.mark.parametrize(
    "error, log, said",
    [
        (Answer(500), "sqlite3.OperationalError: database or disk is full", "the disk is full, free some space"),
        (Answer(503), "sqlite3.DatabaseError: database disk image is malformed", "is damaged"),
        (
            RuntimeError("Prefect did not start; the end of"),
            "CommandError: Can't locate revision identified by 'x'",
            "is of another release of Prefect",
        ),
        (Answer(404), "sqlite3.OperationalError: database or disk is full", None),
        (Answer(500), "an error of its own", None),
        (ValueError("of ours"), "database or disk is full", None),
    ],
)
def test_a_fault_of_prefects_database_is_one_sentence(tmp_path: Path, error: Exception, log: str, said: str | None) -> None:
    from flows.cli.context import database_faults_explained

    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect" / "flow.log").write_text(f"Traceback\n{log}\n")
    with pytest.raises(type(error) if said is None else InputError, match=said), database_faults_explained(tmp_path):
        raise error


def test_a_full_disk_under_prefect_is_one_sentence_though_its_log_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.cli.context import database_faults_explained

    (tmp_path / ".prefect").mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=4096))
    with pytest.raises(InputError, match="the disk is full"), database_faults_explained(tmp_path):
        raise RuntimeError("Unable to acquire concurrency slots: 500 Internal Server Error")
    with pytest.raises(RuntimeError, match="of ours"), database_faults_explained(tmp_path):
        raise RuntimeError("of ours")


@pytest.mark.parametrize("files", ["no weights", "another kind of source"])
def test_a_version_that_aru_did_not_register_is_one_sentence(tracked_project: Path, files: str) -> None:
    tracking.ensure_store(tracked_project)
    client = store.client(tracked_project)
    if files == "no weights":
        (path_of(client.get_model_version_download_uri(NAME, "1")) / registry.WEIGHTS).unlink()
        version = "1"
    else:
        run_id = client.get_model_version(NAME, "1").run_id
        with registry.global_uri(store.tracking_uri(tracked_project)):
            version = str(client.create_model_version(NAME, source=f"runs:/{run_id}/report", run_id=run_id).version)
    with pytest.raises(InputError, match=rf"version {version} of aru-faces has no extra_files/model.safetensors.*weights"):
        registry.load_registered(tracked_project, NAME, version)


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), float("-inf")])
def test_a_figure_that_is_not_finite_is_neither_recorded_nor_let_through(tracked_project: Path, figure: float) -> None:
    tracking.ensure_store(tracked_project)
    run_id = tracked.begin(tracked_project)
    metrics = tracked.metrics()
    metrics["models"]["unlearned"]["test/accuracy"] = figure
    with pytest.raises(InputError, match=f"test/accuracy is {figure}"):
        tracking.log_models(tracked_project, run_id, metrics=metrics)
    path = tracked_project / "work/faces/evaluation/metrics.json"
    path.write_text(json.dumps(metrics))
    with pytest.raises(InputError, match="is not finite"):
        read_json(path)


def test_a_clock_that_was_ahead_does_not_keep_its_run_the_newest(tracked_project: Path) -> None:
    tracking.ensure_store(tracked_project)
    client = store.client(tracked_project)
    ahead = tracking.find_run(tracked_project, benchmark="faces", state="a" * 64)
    with closing(sqlite3.connect(store.database(tracked_project))) as database, database:
        database.execute("UPDATE runs SET start_time = start_time + 864000000 WHERE run_uuid = ?", (ahead,))
    assert client.get_run(ahead).info.start_time > time.time() * 1000 + 8e8
    later = track(tracked_project, state="b" * 64)
    assert last_run(tracked_project, "faces") == later
    assert [client.get_run(run_id).data.tags["flow_number"] for run_id in (ahead, later)] == ["1", "2"]
    digest = lineage.data_sets(tracked_project, "faces")["forget"].digest
    assert tracking.models_of_digest(tracked_project, digest)[0].flow_run == later
    assert tracking.find_run(tracked_project, benchmark="faces", state="a" * 64) == ahead
