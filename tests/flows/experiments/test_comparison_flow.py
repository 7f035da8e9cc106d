"""The comparison flow: what it computes, finds again and leaves in MLflow, on each of its runners."""

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aru.comparison.cell import open_store
from aru.core.errors import InputError
from flows.tracking import comparison_runs, runs, store
from tests.helpers.compared import made_record, made_records
from tests.helpers.plans import compute_all, plan_of

if TYPE_CHECKING:
    from flows.experiments.benchmark import Request

pytest_plugins = ["tests.helpers.tracking_fixtures", "tests.helpers.tuning_fixtures"]


@pytest.fixture
def project(tuning_project: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small benchmark with an empty MLflow store, whose archive is prepared already."""
    from flows.experiments import benchmark

    shutil.copytree(empty_store / "mlruns", tuning_project / "mlruns")
    monkeypatch.setattr(benchmark, "prepare_flow", lambda *arguments: None)
    return tuning_project


def test_every_cell_has_a_run_with_the_same_keys_and_the_same_results_are_tracked_once(empty_store, tmp_path):
    shutil.copytree(empty_store / "mlruns", tmp_path / "mlruns")
    failed = {name: value for name, value in made_record("neggrad").items() if name != "figures"} | {"failed": "it diverged"}
    records = [*made_records(seeds=2, methods=("nothing", "retrain", "aru")), failed]
    run_id, links = comparison_runs.track(tmp_path, "faces", records, {"methods": "aru", "protocols": ("official",)})
    assert comparison_runs.track(tmp_path, "faces", records, {})[0] == run_id
    slower = [record | {"seconds": 9.0, "cpu_seconds": 9.0} for record in records]
    assert comparison_runs.track(tmp_path, "faces", slower, {})[0] == run_id
    client = store.client(tmp_path)
    children = {child.data.tags["cell"]: child for child in runs.children(client, client.get_run(run_id))}
    assert set(children) == set(links) == {record["key"] for record in records}
    ours = next(record for record in records if record["method"] == "aru")
    metrics = children[ours["key"]].data.metrics
    assert metrics["nomus"] == ours["figures"]["nomus"] and metrics["cost/cpu_seconds"] == ours["cpu_seconds"]
    assert children[failed["key"]].data.tags["failed"] == "it diverged"
    assert all(address.startswith("http://127.0.0.1:5000/#/") for address in links.values())
    changed = [record | {"figures": {"nomus": 0.0}} if "figures" in record else record for record in records]
    assert comparison_runs.track(tmp_path, "faces", changed, {})[0] != run_id


def test_what_prefect_keeps_of_the_largest_request_stays_small(tmp_path):
    from flows.experiments.benchmark import Request, compare_flow
    from flows.pipeline.progress import make_board

    request = Request("faces", "all,ablation", ("official", "clean"), seeds=5, draws=3, unlearn_seeds=3)
    given = {"request": request, "root": tmp_path, "board": make_board(quiet=False)}
    assert compare_flow.parameters.properties.keys() == given.keys()
    assert len(json.dumps(compare_flow.serialize_parameters(given))) < 2_000, "Prefect refuses 524,288 bytes"


def test_a_comparison_computes_what_is_missing_and_leaves_tables_page_and_runs(project, prefect_server, monkeypatch):
    from flows.experiments.benchmark import Request, compare, describe_plan
    from flows.pipeline.workers import Workers

    monkeypatch.setattr(Workers, "run", lambda self, work, progress: work.do(progress))
    request = Request("toy", "ssd,neggrad{lr=1e30}", seeds=1, workers=1)
    assert "5 models, 0 cached, 5 to compute" in describe_plan(request, root=project, quiet=True)
    done = compare(request, root=project, quiet=True)
    assert (done.computed, done.cached, done.left) == (5, 0, 0)
    page = (project / "work/toy/comparison/results/results.html").read_text()
    assert "aru benchmark --benchmark toy --methods ssd" in page and "/runs/" in page
    records = json.loads((project / "work/toy/comparison/results/records.json").read_text())
    assert {record["method"] for record in records} == {"nothing", "retrain", "ssd", "neggrad"}
    assert "failed" in next(record for record in records if record["method"] == "neggrad")
    logged = {item.path for item in store.client(project).list_artifacts(done.run_id, "results")}
    assert {"results/results.html", "results/results.md", "results/records.json"} <= logged
    again = compare(request, root=project, quiet=True)
    assert (again.computed, again.cached, again.run_id) == (0, 5, done.run_id)


def test_a_budget_that_is_over_says_so_and_the_next_run_goes_on(project, prefect_server, monkeypatch):
    from flows.experiments.benchmark import Request, compare
    from flows.pipeline.workers import Workers

    monkeypatch.setattr(Workers, "run", lambda self, work, progress: work.do(progress))
    with pytest.raises(InputError, match="the budget was over"):
        compare(Request("toy", "ssd", seeds=1, workers=1, budget_seconds=1e-9), root=project, quiet=True)
    assert compare(Request("toy", "ssd", seeds=1, workers=1), root=project, quiet=True).left == 0


@pytest.fixture(scope="module")
def computed_plainly(tuning_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of cells of a comparison that was computed in this process, without Prefect."""
    root = Path(shutil.copytree(tuning_once, tmp_path_factory.mktemp("plain") / "project"))
    compute_all(root, plan_of(root, "ssd"))
    return open_store(root / "work" / "toy").folder


def assert_the_same(project: Path, request: "Request", computed_plainly: Path) -> None:
    """A comparison that nothing of is there yet answers in the bytes of one without Prefect."""
    from flows.experiments.benchmark import compare

    assert compare(request, root=project, quiet=True).computed == 4
    kept = open_store(project / "work" / "toy")
    records = {record["method"]: record["key"] for record in map(kept.record, kept.keys()) if record["protocol"] == "official"}
    for key in (records["ssd"], records["retrain"]):
        name = f"{key[:2]}/{key}/logits.safetensors"
        assert (kept.folder / name).read_bytes() == (computed_plainly / name).read_bytes()


def test_a_worker_process_makes_the_same(project, prefect_server, computed_plainly):
    from flows.experiments.benchmark import Request

    assert_the_same(project, Request("toy", "ssd", seeds=1, runner="threads", workers=1), computed_plainly)


def test_a_cluster_that_is_there_already_makes_the_same(project, prefect_server, computed_plainly):
    from distributed import LocalCluster

    from flows.experiments.benchmark import Request

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as cluster:  # a worker in this process, where all is imported
        request = Request("toy", "ssd", seeds=1, runner="dask", workers=1, dask_address=cluster.scheduler_address)
        assert_the_same(project, request, computed_plainly)


@pytest.mark.parametrize("runner", ["processes", "dask"])
def test_other_runners_tasks_have_a_process_of_their_own(prefect_server, tmp_path, runner):
    from prefect import flow

    from flows.experiments.jobs import do_here, task_runner
    from flows.pipeline.workers import Work

    @flow(task_runner=task_runner(runner, 1))
    def elsewhere() -> None:
        do_here.submit("who does it", Work("", "tests.helpers.process_id:write", (tmp_path / "pid",))).result()

    elsewhere()
    assert int((tmp_path / "pid").read_text()) != os.getpid()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"methods": "sdd"}, "did you mean 'ssd'"),
        ({"protocols": ("tuning",)}, "not for reports"),
        ({"protocols": ("private",)}, "unknown protocol"),
        ({"runner": "ray"}, "unknown runner 'ray'"),
        ({"dask_address": "tcp://127.0.0.1:9"}, "is for --runner dask, not 'threads'"),
        ({"runner": "dask", "dask_address": "127.0.0.1:8786"}, "write it as tcp://HOST:PORT"),
        ({"runner": "dask", "dask_address": "tcp://127.0.0.1:9"}, "nobody answers there"),
        ({"workers": 0}, "0 workers"),
        ({"seeds": 0}, "0 seeds"),
        ({"tuned": True}, "official"),
        ({"tuned": True, "protocols": ("clean",)}, "aru tune"),
    ],
)
def test_what_cannot_be_is_refused_before_work_starts(project, changes, message):
    from flows.experiments.benchmark import Request, compare

    with pytest.raises(InputError, match=message):
        compare(Request("toy", **{"methods": "ssd", **changes}), root=project, quiet=True)
    assert not list(open_store(project / "work" / "toy").folder.glob("*/*/.*"))


@pytest.mark.parametrize("text, seconds", [("90s", 90), ("45m", 2700), ("2h", 7200), ("1.5m", 90), (None, None)])
def test_budgets_are_lengths_of_time(text, seconds):
    from flows.experiments.durations import parse_budget

    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["90", "m", "-1m", "2d", "0s", "nans"])
def test_other_budgets_are_refused(text):
    from flows.experiments.durations import parse_budget

    with pytest.raises(InputError, match="--budget"):
        parse_budget(text)
