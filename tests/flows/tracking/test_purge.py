"""Purging a version: nothing of it is left in MLflow's database and files, nor, where that is asked, in Prefect's."""

import runpy
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.nets.models import build, save_model
from flows.tracking import audit_runs, lineage, registry, runs, store
from flows.tracking import main_runs as tracking
from flows.tracking.production import mark_batch
from flows.tracking.purge import main, purge, purge_prefect, purge_unforgetful, unforgetful
from tests.helpers import tracked
from tests.helpers.flow_fixtures import run_flow
from tests.helpers.tracked import track

pytest_plugins = ["tests.helpers.tracking_fixtures"]
NAME = "aru-faces"


def another_state(root: Path) -> str:
    """A second version on other data, by another flow; returns its run."""
    manifest = tracked.manifest()
    manifest.loc[manifest["role"] == "retain", "digest"] = "e" * 32
    manifest.to_csv(root / "work/faces/prepared/manifest.csv", index=False)
    save_model(
        root / "work/faces/unlearned/model.safetensors",
        build(tracked.MODEL, tracked.OUTPUTS, seed=99),
        name=tracked.MODEL,
        outputs=tracked.OUTPUTS,
        resolution=tracked.SIDE,
    )
    return track(root, state="1" * 64)


def everything(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in (root / "mlruns").rglob("*") if path.is_file()}


def test_nothing_of_a_purged_version_is_left_and_all_of_another_is(tracked_project: Path) -> None:
    tracking.ensure_store(tracked_project)
    client = store.client(tracked_project)
    before = {name: item.digest for name, item in lineage.data_sets(tracked_project, "faces").items()}
    weights = file_md5(tracked_project / "work/faces/unlearned/model.safetensors")
    audit_runs.track(tracked_project, "faces", tracked.audit(), weights=weights)
    first = tracking.find_run(tracked_project, benchmark="faces", state="a" * 64)
    gone = {
        first,
        weights,
        client.get_model_version(NAME, "1").source.removeprefix("models:/"),
        *(run.info.run_id for run in runs.children(client, client.get_run(first))),
    }
    other = another_state(tracked_project)
    after = {item.digest for item in lineage.data_sets(tracked_project, "faces").values()}
    gone |= set(before.values()) - after
    assert before["retain"] in gone and before["forget"] not in gone
    soft = tracked.begin(tracked_project, state="2" * 64)
    client.delete_run(soft)
    kept = everything(tracked_project)
    assert all(any(word.encode() in content or word in name for name, content in kept.items()) for word in gone | {soft})

    purged = purge(tracked_project, NAME, "1")
    assert (purged.versions, purged.models, purged.runs) == (1, 1, 15)  # flow, 9 stages, 3 models, audit, deleted run
    left, gone = everything(tracked_project), gone | {soft}
    assert {word for word in gone for name, content in left.items() if word.encode() in content or word in name} == set()
    assert [str(version.version) for version in client.search_model_versions(f"name = '{NAME}'")] == ["2"]
    assert tracking.registered(tracked_project, other) == (NAME, "2") and registry.load_registered(tracked_project, NAME)
    assert len(runs.children(client, client.get_run(other))) == 12
    assert other in tracking.links(tracked_project, benchmark="faces")["run"]
    assert {use.flow_run for use in tracking.models_of_digest(tracked_project, before["forget"])} == {other}
    for version in ("1", "9"):
        with pytest.raises(InputError, match=rf"no version {version} of 'aru-faces' .* its versions are 2"):
            purge(tracked_project, NAME, version)


def test_the_only_version_can_be_purged_and_the_state_is_tracked_anew(tracked_project: Path) -> None:
    purge(tracked_project, NAME, "1")
    assert not list((tracked_project / "mlruns/artifacts/faces").rglob("*.*"))
    assert tracking.find_run(tracked_project, benchmark="faces", state="a" * 64) is None
    assert tracking.registered(tracked_project, track(tracked_project)) == (NAME, "2"), "a number is not given twice"


def test_tags_of_versions_that_were_deleted_in_mlflow_go_too(tracked_project: Path) -> None:
    def tags() -> int:
        with closing(sqlite3.connect(store.database(tracked_project))) as database:
            return database.execute("SELECT count(*) FROM model_version_tags").fetchone()[0]

    tracking.ensure_store(tracked_project)
    store.client(tracked_project).delete_model_version(NAME, "1")
    assert tags() >= 20, "MLflow keeps them"
    another_state(tracked_project)
    assert purge(tracked_project, NAME, "2").versions == 2
    assert tags() == 0


def test_what_a_failed_flow_left_of_the_same_weights_goes_too(tracked_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client, work = store.client(tracked_project), tracked_project / "work/faces"
    client.delete_model_version(NAME, "1")

    def refuse(*arguments: object, **options: object) -> None:
        raise MlflowException("the server is gone")

    failed = tracked.begin(tracked_project, state="3" * 64)
    with monkeypatch.context() as patch, pytest.raises(MlflowException, match="is gone"):
        patch.setattr(MlflowClient, "create_model_version", refuse)
        tracking.log_models(tracked_project, failed, metrics=tracked.metrics())
        register = {"metrics": tracked.metrics(), "config": tracked.config(), "audit": tracked.audit()}
        tracking.register(tracked_project, failed, benchmark="faces", work=work, **register)
    tracking.fail_run(tracked_project, failed)
    experiment = store.experiment_id(tracked_project, "faces")
    (orphan,) = client.search_logged_models([experiment], filter_string=f"source_run_id = '{failed}'")
    track(tracked_project, state="4" * 64)
    other = another_state(tracked_project)

    purge(tracked_project, NAME, "2")
    left = everything(tracked_project)
    for word in (failed, orphan.model_id, "3" * 64):
        assert not [name for name, content in left.items() if word.encode() in content or word in name]
    assert tracking.registered(tracked_project, other) == (NAME, "3") and registry.load_registered(tracked_project, NAME)
    assert [run.info.run_id for run in runs.flows(client, experiment)] == [other]


def test_two_versions_of_the_same_weights_are_purged_one_by_one(tracked_project: Path) -> None:
    client = store.client(tracked_project)
    first = client.get_model_version(NAME, "1")
    source = (tracked_project / "mlruns/artifacts/elsewhere").as_uri()
    client.create_model_version(NAME, source=source, tags={"weights_md5": first.tags["weights_md5"]})
    assert purge(tracked_project, NAME, "2").models == 1, "the source that it names, and not the other version's model"
    assert registry.load_registered(tracked_project, NAME, "1")


def test_a_database_in_use_is_one_sentence_and_nothing_is_purged(
    tracked_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tracked_project)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: connect(path, **({"timeout": 0.1} | options)))
    with closing(connect(store.database(tracked_project))) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM tags").fetchone()
        assert main([NAME, "1"]) == 2
    assert "mlflow.db is in use (database is locked): stop `aru ui`" in capsys.readouterr().err
    assert registry.load_registered(tracked_project, NAME, "1") and runs.flows(
        store.client(tracked_project), store.experiment_id(tracked_project, "faces")
    )


def test_the_files_go_though_the_database_cannot_be_written_anew(
    tracked_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tracked_project)

    class Full(sqlite3.Connection):
        def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
            if statement == "VACUUM":
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(statement, *values)

    connect = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda path, **options: connect(path, factory=Full, **options))
        assert main([NAME, "1"]) == 2
    said = capsys.readouterr().err
    assert "could not be written anew (database or disk is full)" in said
    assert not list((tracked_project / "mlruns/artifacts/faces").rglob("*.*"))
    command = said.partition("`python ")[2].partition("`")[0]
    assert subprocess.run(f"{sys.executable} {command}", shell=True, check=False).returncode == 0


def test_files_that_cannot_be_removed_are_named(
    tracked_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tracked_project)
    run = tracking.find_run(tracked_project, benchmark="faces", state="a" * 64)
    remove = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", lambda path, **options: None if path.name == run else remove(path, **options))
    assert main([NAME, "1"]) == 2
    assert f"remove by hand {tracked_project.resolve()}/mlruns/artifacts/faces/{run}\n" in capsys.readouterr().err
    assert {path.name for path in (tracked_project / "mlruns/artifacts/faces").iterdir()} == {"models", run}


def test_the_command_says_what_is_gone_of_a_benchmark_whose_experiment_was_deleted(
    tracked_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tracked_project)
    (tracked_project / ".prefect").mkdir(exist_ok=True)
    (tracked_project / ".prefect/prefect.db").write_text("flow runs")
    client = store.client(tracked_project)
    client.delete_experiment(store.experiment_id(tracked_project, "faces"))
    assert main([NAME, "1", "--prefect"]) == 0
    assert capsys.readouterr().out.startswith("gone, with their files: 1 versions, 1 logged models, 13 runs, ")
    assert client.search_model_versions(f"name = '{NAME}'") == [] and not (tracked_project / ".prefect").exists()


def test_bad_input_of_both_commands_is_a_sentence_and_code_2(tracked_project, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tracked_project)
    assert main([NAME, "17"]) == 2
    assert "error: no version 17 of 'aru-faces'" in capsys.readouterr().err
    monkeypatch.chdir("/")
    monkeypatch.setattr(sys, "argv", ["pseudonyms.py", "a.md"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("flows.project.pseudonyms", run_name="__main__")
    assert ended.value.code == 2 and "error: no dvc.yaml" in capsys.readouterr().err


def test_another_store_is_not_purged(tracked_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org/")
    with pytest.raises(InputError, match="names another store"):
        purge(tracked_project, NAME, "1")


def test_prefects_records_go_and_the_stages_stay_cached(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(project / "dvc.yaml", project / ".prefect" / "prefect.db")
    monkeypatch.setattr("flows.tracking.purge.running_api", lambda root: "http://127.0.0.1:4200/api")
    with pytest.raises(InputError, match="a Prefect server is in use"):
        purge_prefect(project)
    assert (project / ".prefect" / "prefect.db").is_file()
    monkeypatch.setattr("flows.tracking.purge.running_api", lambda root: None)
    purge_prefect(project)
    assert not (project / ".prefect").exists()
    assert set(run_flow(project).values()) == {"dvc.lock"}


def test_versions_that_have_not_forgotten_a_batch_go_with_all_else_of_the_experiment(tracked_project: Path) -> None:
    other = another_state(tracked_project)
    mark_batch(tracked_project, NAME, "2", 1)
    client, before = store.client(tracked_project), everything(tracked_project)
    kept = {run.info.run_id for run in runs.children(client, client.get_run(other))} | {other}
    (tracked_project / "mlruns/artifacts/faces/models/m-nobody").mkdir()
    found = unforgetful(tracked_project, NAME, 1)
    assert everything(tracked_project) == before
    purged = purge_unforgetful(tracked_project, NAME, 1)
    assert (purged.versions, purged.models, purged.runs) == (1, 1, 13) and found == 1 + 1 + 13 + 1
    left = client.search_runs([store.experiment_id(tracked_project, "faces")], max_results=1000)
    assert {run.info.run_id for run in left} == kept and registry.load_registered(tracked_project, NAME, "2")
    assert unforgetful(tracked_project, NAME, 1) == 0 and purge_unforgetful(tracked_project, NAME, 1).runs == 0
    assert unforgetful(tracked_project, NAME, 2) == found - 1, "of a later batch that version, too"
