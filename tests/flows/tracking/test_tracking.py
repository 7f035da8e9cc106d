"""What a flow leaves in MLflow: runs, figures, data sets, artifacts; what it never leaves there."""

import json
import multiprocessing
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import mlflow
import pytest
from mlflow.entities import Run

from aru.core.errors import InputError
from aru.core.files import file_md5
from flows.project.digests import folder_md5
from flows.tracking import lineage, registry, runs, store
from flows.tracking import main_runs as tracking
from tests.helpers import tracked
from tests.helpers.stores import make_with_others, path_of
from tests.helpers.tracked import begin, track

pytest_plugins = ["tests.helpers.tracking_fixtures"]
ODD = "a b#c%d%20e 한글"
LOGGED = {
    "metrics.json",
    "audit.json",
    "report/report.html",
    "report/results.md",
    "report/figures/roc.png",
    "audit/audit.json",
    "audit/audit.html",
    "replay/params.yaml",
    "replay/dvc.yaml",
    "replay/dvc.lock",
}
OF_THE_MODEL = {
    "MLmodel",
    "conda.yaml",
    "python_env.yaml",
    "requirements.txt",
    "input_example.json",
    "serving_input_example.json",
    "data/model.pt2",
    "extra_files/model.safetensors",
}


def flow_of(root: Path) -> Run:
    return store.client(root).get_run(tracking.find_run(root, benchmark="faces", state="a" * 64))


def children_of(root: Path) -> dict[str, Run]:
    return {run.info.run_name: run for run in runs.children(store.client(root), flow_of(root))}


def test_flow_has_all_parameters_and_the_unlearned_models_figures(tracked_once: Path) -> None:
    flow = flow_of(tracked_once)
    assert flow.info.run_name == "aaaaaaa-faces-official-seed0"
    assert flow.info.status == "FINISHED"
    assert flow.data.params["attack.steps"] == "10"
    assert flow.data.params["train.milestones"] == "[10, 20]"
    assert flow.data.params["data.forget.subjects"] == "null"
    assert flow.data.params == runs.flatten(tracked.config().model_dump(mode="json"))
    assert flow.data.metrics["test/accuracy"] == tracked.metrics()["models"]["unlearned"]["test/accuracy"]
    assert "| unlearned |" in flow.data.tags["mlflow.note.content"]
    assert f"git checkout {flow.data.tags['git_commit']}" in flow.data.tags["mlflow.note.content"]


def test_there_is_a_finished_child_for_every_stage_and_model(tracked_once: Path) -> None:
    children = children_of(tracked_once)
    assert set(children) == {"original", "unlearned", "retrained", *(f"stage: {name}" for name in tracked.STAGES)}
    assert {run.info.status for run in children.values()} == {"FINISHED"}


def test_models_have_the_same_keys_so_that_they_compare(tracked_once: Path) -> None:
    children = children_of(tracked_once)
    keys = {model: set(children[model].data.metrics) for model in tracked.FIGURES}
    assert keys["original"] == keys["unlearned"] == keys["retrained"]
    sections = {key.partition("/")[0] for key in keys["unlearned"]}
    assert sections == {"train", "forget", "retain", "test", "unseen", "mia", "mia_matched", "gap", "cost", "nomus"}
    for model, figures in tracked.metrics()["models"].items():
        logged = children[model].data.metrics
        assert {key: logged[key] for key in figures} == figures
    gap = children["original"].data.metrics["gap/test/accuracy"]
    assert gap == pytest.approx(tracked.FIGURES["original"][0] - tracked.FIGURES["retrained"][0])
    assert children["retrained"].data.metrics["gap/nomus"] == 0


def test_costs_of_a_model_are_those_of_its_own_stages(tracked_once: Path) -> None:
    metrics = children_of(tracked_once)["unlearned"].data.metrics
    assert metrics["cost/seconds"] == 30, "attack, mask and finetune at ten seconds each"
    assert metrics["cost/share_of_retraining"] == 3


@pytest.mark.parametrize("name", ["stage: train", "original"])
def test_training_curves_have_a_step_an_epoch(tracked_once: Path, name: str) -> None:
    run = children_of(tracked_once)[name]
    history = store.client(tracked_once).get_metric_history(run.info.run_id, "train/loss")
    assert sorted((point.step, point.value) for point in history) == [(1, 2.0), (2, 1.0), (3, pytest.approx(2 / 3))]


def test_a_stage_says_whether_it_was_cached_and_what_it_made(tracked_once: Path) -> None:
    children = children_of(tracked_once)
    train, attack = children["stage: train"].data, children["stage: attack"].data
    assert (train.tags["cached"], train.tags["source"]) == ("false", "computed")
    assert (attack.tags["cached"], attack.tags["source"]) == ("true", "dvc.lock")
    weights = tracked_once / "work" / "faces" / "original" / "model.safetensors"
    assert train.tags["md5/model.safetensors"] == file_md5(weights)
    assert train.params == {"data.task": "age", "train.epochs": "3", "train.milestones": "[1, 2]"}
    assert train.metrics["cost/peak_memory_mib"] == 100


def test_data_sets_carry_dvcs_digests(tracked_once: Path) -> None:
    digests = {item.dataset.name: item.dataset.digest for item in flow_of(tracked_once).inputs.dataset_inputs}
    prepared = tracked_once / "work" / "faces" / "prepared"
    assert digests["archive"] == file_md5(tracked_once / "data" / "faces.zip")
    assert digests["manifest"] == file_md5(prepared / "manifest.csv")
    assert digests["images"] == file_md5(prepared / "images.npy")
    rows = tracked.manifest().query("role == 'forget'")
    assert digests["forget"] == folder_md5(dict(zip(rows["path"], rows["digest"], strict=True)))
    assert len(digests) == 7 and len(set(digests.values())) == 7


def test_data_sets_say_how_many_images_and_people(tracked_once: Path) -> None:
    forget = lineage.data_sets(tracked_once, "faces")["forget"]
    assert json.loads(forget.profile) == {"images": 4, "photos": 4, "people": 2}


def test_a_set_digest_changes_with_its_own_images_only(tracked_project: Path) -> None:
    before = {name: item.digest for name, item in lineage.data_sets(tracked_project, "faces").items()}
    path = tracked_project / "work" / "faces" / "prepared" / "manifest.csv"
    manifest = tracked.manifest()
    manifest.loc[manifest["role"] == "test", "digest"] = "f" * 32
    manifest.to_csv(path, index=False)
    after = {name: item.digest for name, item in lineage.data_sets(tracked_project, "faces").items()}
    assert {name for name in before if before[name] != after[name]} == {"manifest", "test"}


@pytest.mark.parametrize(
    "data, expected",
    [
        ("forget", {("original", "trained on"), ("unlearned", "unlearned"), ("retrained", "measured on")}),
        ("retain", {("original", "trained on"), ("unlearned", "trained on"), ("retrained", "trained on")}),
        ("unseen", {("original", "measured on"), ("unlearned", "measured on"), ("retrained", "measured on")}),
        ("archive", {("original", "source"), ("unlearned", "source"), ("retrained", "source")}),
    ],
)
def test_from_data_forward_to_every_model_that_saw_it(tracked_once: Path, data: str, expected: set) -> None:
    digest = lineage.data_sets(tracked_once, "faces")[data].digest
    found = tracking.models_of_digest(tracked_once, digest)
    assert {(item.model, item.context) for item in found} == expected
    assert {item.flow_run for item in found} == {flow_of(tracked_once).info.run_id}
    assert [item.version for item in found if item.model == "unlearned"] == ["1"]


def test_unknown_data_was_seen_by_no_model(tracked_once: Path) -> None:
    assert tracking.models_of_digest(tracked_once, "0" * 32) == []
    with pytest.raises(InputError, match="not a digest"):
        tracking.models_of_digest(tracked_once, "forget' OR 1")


def test_figures_of_a_set_point_to_its_data(tracked_once: Path) -> None:
    client = store.client(tracked_once)
    model_id = client.get_model_version("aru-faces", "1").source.removeprefix("models:/")
    points = {point.key: point for point in client.get_logged_model(model_id).metrics}
    assert points["forget/accuracy"].dataset_digest == lineage.data_sets(tracked_once, "faces")["forget"].digest
    assert points["nomus"].dataset_digest is None


def test_nothing_is_logged_but_what_may_be(tracked_once: Path) -> None:
    artifacts = tracked_once / "mlruns" / "artifacts" / "faces"
    run_id = flow_of(tracked_once).info.run_id
    model_id = store.client(tracked_once).get_model_version("aru-faces", "1").source.removeprefix("models:/")
    expected = {f"{run_id}/artifacts/{name}" for name in LOGGED}
    expected |= {f"models/{model_id}/artifacts/{name}" for name in OF_THE_MODEL}
    assert {path.relative_to(artifacts).as_posix() for path in artifacts.rglob("*") if path.is_file()} == expected


def test_no_logged_file_holds_personal_data(tracked_once: Path) -> None:
    work = tracked_once / "work" / "faces"
    personal = {
        file_md5(path)
        for pattern in ("*.npy", "noise/*", "original/*.safetensors", "evaluation/*.safetensors", "*.jpg")
        for path in work.rglob(pattern)
    }
    assert len(personal) >= 5
    logged = {file_md5(path) for path in (tracked_once / "mlruns" / "artifacts").rglob("*") if path.is_file()}
    assert not personal & logged


def test_what_is_needed_to_replay_is_logged(tracked_project: Path) -> None:
    (tracked_project / "params.yaml").write_text((tracked_project / "params.yaml").read_text().replace("3}", "4}"))
    (tracked_project / "dvc.yaml").write_text("stages: {} # changed\n")
    run_id = begin(tracked_project)
    tracking.log_artifacts(tracked_project, run_id, tracked_project / "work" / "faces")
    folder = Path(store.client(tracked_project).download_artifacts(run_id, "replay"))
    for name in ("params.yaml", "dvc.yaml", "dvc.lock"):
        assert (folder / name).read_bytes() == (tracked_project / name).read_bytes()
    patch = (folder / "changes.patch").read_text()
    assert "+stages: {} # changed" in patch and "-stages: {}" in patch
    assert '"epochs": 4' in (folder / "params.yaml").read_text() and "epochs" not in patch, "it is kept once, whole"


def test_git_state_ignores_what_the_flow_itself_writes(tracked_project: Path) -> None:
    from flows.project.git import git_patch, git_state

    clean = git_state(tracked_project)
    assert clean["git_dirty"] == "false" and len(clean["git_commit"]) == 40
    (tracked_project / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    assert git_state(tracked_project) == clean
    assert git_patch(tracked_project) == ""
    (tracked_project / "dvc.yaml").write_text("stages:\n")
    assert git_state(tracked_project) == clean | {"git_dirty": "true", "git_changes": "dvc.yaml"}


def test_git_state_outside_a_repository(tmp_path: Path) -> None:
    from flows.project.git import git_patch, git_state

    assert git_state(tmp_path)["git_commit"] == "none"
    assert git_patch(tmp_path) == ""


def test_a_state_is_found_again_and_another_is_not(tracked_once: Path) -> None:
    run_id = tracking.find_run(tracked_once, benchmark="faces", state="a" * 64)
    assert tracking.registered(tracked_once, run_id) == ("aru-faces", "1")
    assert tracking.find_run(tracked_once, benchmark="faces", state="b" * 64) is None
    assert tracking.find_run(tracked_once, benchmark="mufac", state="a" * 64) is None


def test_a_run_that_failed_is_not_found(tracked_project: Path) -> None:
    tracking.ensure_store(tracked_project)
    run_id = begin(tracked_project, state="c" * 64)
    tracking.fail_run(tracked_project, run_id)
    assert tracking.find_run(tracked_project, benchmark="faces", state="c" * 64) is None


def test_a_failure_leaves_no_run_open(tracked_project: Path) -> None:
    tracking.ensure_store(tracked_project)
    run_id = begin(tracked_project, state="d" * 64)
    metrics = tracked.metrics()
    metrics["models"]["unlearned"]["nomus"] = float("nan")
    with pytest.raises(InputError, match="nomus is nan"):
        tracking.log_models(tracked_project, run_id, metrics=metrics)
    client = store.client(tracked_project)
    ended = {run.info.run_name: run.info.status for run in runs.children(client, client.get_run(run_id))}
    assert ended == {"original": "FINISHED", "unlearned": "FAILED"}
    tracking.fail_run(tracked_project, run_id)
    assert client.get_run(run_id).info.status == "FAILED"


INIT_STARTED = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]


@pytest.mark.parametrize(
    "tags, expected",
    [
        ({"pid": "999999999"}, "KILLED"),
        ({"pid": "1"}, "KILLED"),
        ({"boot": "before"}, "KILLED"),
        ({"pid": "1", "started": INIT_STARTED}, "RUNNING"),
        ({"pid": "999999999", "host": "elsewhere"}, "RUNNING"),
    ],
)
def test_runs_of_a_killed_flow_are_ended_by_the_next(tracked_project: Path, tags: dict, expected: str) -> None:
    tracking.ensure_store(tracked_project)
    client, killed = store.client(tracked_project), begin(tracked_project)
    for key, value in tags.items():
        client.set_tag(killed, key, value)
    child = client.create_run(client.get_run(killed).info.experiment_id, tags={runs.PARENT: killed}).info.run_id
    assert tracking.find_run(tracked_project, benchmark="faces", state="a" * 64), "a cached state ends them, too"
    assert {client.get_run(run_id).info.status for run_id in (killed, child)} == {expected}


def test_no_global_state_is_left_behind(tracked_once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mlflow.active_run() is None
    assert not mlflow.is_tracking_uri_set()


def test_a_users_own_server_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org/")
    assert store.tracking_uri(tmp_path) == "https://mlflow.example.org/"
    tracking.ensure_store(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_several_processes_make_the_store_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=make_with_others, args=(tmp_path, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert store.find_experiment(tmp_path, "faces").lifecycle_stage == "active"
    assert sorted(path.name for path in (tmp_path / "mlruns").iterdir()) == [".store.lock", "mlflow.db"]


def test_a_store_that_was_not_finished_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(uri: str, artifacts: str) -> None:
        Path(uri.removeprefix("sqlite:///")).write_text("half a database")
        raise KeyboardInterrupt

    monkeypatch.setattr("mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tracking.ensure_store(tmp_path)
    assert [path.name for path in (tmp_path / "mlruns").iterdir()] == [".store.lock"]


@pytest.mark.parametrize("second", ["second", ODD])
def test_a_moved_project_keeps_its_models_and_artifacts(tracked_once: Path, tmp_path: Path, second: str) -> None:
    shutil.copytree(tracked_once, tmp_path / "first")
    moved = Path(shutil.move(tmp_path / "first", tmp_path / second))
    tracking.ensure_store(moved)
    client, run = store.client(moved), flow_of(moved)
    assert path_of(run.info.artifact_uri).is_relative_to(moved)
    assert path_of(client.get_model_version_download_uri("aru-faces", "1")).is_relative_to(moved)
    assert Path(client.download_artifacts(run.info.run_id, "metrics.json")).is_file()
    assert registry.load_registered(moved, "aru-faces", "1")
    tracking.log_artifacts(moved, begin(moved), moved / "work" / "faces")
    assert [path.name for path in tmp_path.iterdir()] == [second], "nothing is written beside the project"


def test_a_project_registers_in_a_folder_whose_name_is_no_uri(empty_store: Path, tmp_path: Path) -> None:
    root = tmp_path / ODD
    shutil.copytree(empty_store / "mlruns", root / "mlruns")
    run_id = track(tracked.make(root))
    client = store.client(root)
    assert (root / "mlruns/artifacts/faces" / run_id / "artifacts/report/report.html").is_file()
    assert "<h1>" in Path(client.download_artifacts(run_id, "audit/audit.html")).read_text()
    assert registry.load_registered(root, "aru-faces") and tracking.registered(root, run_id) == ("aru-faces", "1")
    assert [path.name for path in tmp_path.iterdir()] == [ODD], "nothing is written beside the project"


def test_a_store_from_when_paths_were_kept_as_they_are_is_brought_along(tracked_project: Path) -> None:
    tracking.ensure_store(tracked_project)
    places = {
        "experiments": "artifact_location",
        "runs": "artifact_uri",
        "logged_models": "artifact_location",
        "model_versions": "storage_location",
    }
    with closing(sqlite3.connect(store.database(tracked_project))) as database, database:
        for table, column in places.items():
            database.execute(f"UPDATE {table} SET {column} = replace({column}, 'file://', '')")
    tracking.ensure_store(tracked_project)
    assert flow_of(tracked_project).info.artifact_uri.startswith(tracked_project.as_uri())
    assert registry.load_registered(tracked_project, "aru-faces")


def test_a_question_mark_in_the_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="question mark in its path"):
        tracking.ensure_store(tmp_path / "really?")


def test_links_lead_to_the_newest_run(tracked_once: Path) -> None:
    found = tracking.links(tracked_once, benchmark="faces", address="http://127.0.0.1:1")
    children = children_of(tracked_once)
    ids = [children[model].info.run_id for model in ("original", "unlearned", "retrained")]
    assert flow_of(tracked_once).info.run_id in found["run"]
    assert f"runs={json.dumps(ids, separators=(',', ':'))}" in found["table"]
    address = urlparse(found["compare"].replace("/#", ""))
    shown, experiment = parse_qs(address.query), address.path.split("/")[2]
    client = store.client(tracked_once)
    tag = client.get_experiment(experiment).tags[f"mlflow.sharedViewState.{shown['viewStateShareKey'][0]}"]
    state = json.loads(json.loads(tag)["state"])
    compared = runs.search(client, experiment, state["searchFilter"])
    assert {run.info.run_id for run in compared} == set(ids) and shown["compareRunsMode"] == ["CHART"]
    charts = {chart["metricKey"] for chart in state["compareRunCharts"] if "metricKey" in chart}
    assert {"test/accuracy", "mia/forgetting_score", "mia_matched/auc", "cost/seconds"} <= charts
    assert all(charts <= run.data.metrics.keys() for run in compared)
    assert found["model"].startswith("http://127.0.0.1:1/#/models/aru-faces")
    assert tracking.links(tracked_once, benchmark="mufac") == {}


def test_a_long_parameter_is_cut_not_refused() -> None:
    flat = runs.flatten({"data": {"forget": {"subjects": [f"S{number:05d}" for number in range(2000)]}}})
    assert len(flat["data.forget.subjects"]) == 6000
    assert flat["data.forget.subjects"].endswith("...")


def test_a_second_flow_has_its_own_run_and_no_second_model(tracked_project: Path) -> None:
    first = tracking.find_run(tracked_project, benchmark="faces", state="a" * 64)
    second = track(tracked_project, state="e" * 64)
    assert second != first
    assert tracking.registered(tracked_project, second) == ("aru-faces", "1")
    assert len(store.client(tracked_project).search_model_versions("name = 'aru-faces'")) == 1
    version = store.client(tracked_project).get_model_version("aru-faces", "1")
    assert version.tags["measured_again_by"] == second
    assert version.run_id == first
