"""Purging a version: nothing of it is left in MLflow's database and files, nor, where that is asked, in Prefect's."""

import runpy
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.nets.models import build, save_model
from flows.tracking import audit_runs, lineage, registry, runs, store
from flows.tracking import main_runs as tracking
from flows.tracking.purge import main, purge, purge_prefect
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
