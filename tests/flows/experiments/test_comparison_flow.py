"""The comparison flow: what it computes, finds again and leaves in MLflow, on each of its runners."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aru.comparison.cell import open_store, task_job
from aru.compute.jobs import Job, JobFiles
from aru.compute.object_store import ObjectStore
from aru.compute.remote_jobs import RemoteJobs
from aru.core.config import RuntimeConfig
from aru.core.errors import InputError
from aru.core.progress import silent
from flows.tracking import comparison_runs, runs, store
from tests.helpers.clusters import BUCKET, s3_server, workers_apart
from tests.helpers.compared import made_record, made_records
from tests.helpers.plans import compute_all, plan_of
from tests.helpers.tuned import config_of

if TYPE_CHECKING:
    from flows.experiments.jobs import Runner

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
    from flows.experiments.jobs import Runner
    from flows.pipeline.workers import Workers

    monkeypatch.setattr(Workers, "run", lambda self, work, progress: work.do(progress))
    request = Request("toy", "ssd,neggrad{lr=1e30}", seeds=1, runner=Runner(workers=1))
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
    """What took no time before is expected to take none again: that says nothing about the time left."""
    from flows.experiments import benchmark
    from flows.experiments.benchmark import Request, compare
    from flows.experiments.jobs import Runner
    from flows.pipeline.workers import Workers

    monkeypatch.setattr(Workers, "run", lambda self, work, progress: work.do(progress))
    with pytest.raises(InputError, match="the budget was over"):
        compare(Request("toy", "ssd", seeds=1, runner=Runner(workers=1), budget_seconds=1e-9), root=project, quiet=True)
    monkeypatch.setattr(benchmark, "estimate_seconds", lambda tasks, *others: dict.fromkeys([task.key for task in tasks], 0.0))
    assert compare(Request("toy", "ssd", seeds=1, runner=Runner(workers=1)), root=project, quiet=True).left == 0


@pytest.fixture(scope="module")
def computed_plainly(tuning_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of cells of a comparison that was computed in this process, without Prefect."""
    root = Path(shutil.copytree(tuning_once, tmp_path_factory.mktemp("plain") / "project"))
    compute_all(root, plan_of(root, "ssd"))
    return open_store(root / "work" / "toy").folder


def contents(folder: Path) -> dict[str, bytes]:
    """What the files of all cells say; the records, which have times in them, apart."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "record.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_the_same(project: Path, runner: "Runner", computed_plainly: Path) -> None:
    """A comparison that nothing of is there yet answers in the bytes of one without Prefect: logits, weights, figures."""
    from flows.experiments.benchmark import Request, compare

    assert compare(Request("toy", "ssd", seeds=1, runner=runner), root=project, quiet=True).computed == 4
    there = contents(open_store(project / "work" / "toy").folder)
    assert there == contents(computed_plainly) and len(there) > 6


def test_a_worker_process_makes_the_same(project, prefect_server, computed_plainly):
    from flows.experiments.jobs import Runner

    assert_the_same(project, Runner("threads", 1), computed_plainly)


@pytest.fixture(scope="module")
def cluster_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The scheduler of two worker processes that share no folder, only a bucket; and the folder that theirs are in."""
    folder = tmp_path_factory.mktemp("apart")
    with (
        pytest.MonkeyPatch.context() as patch,
        s3_server() as environment,
        workers_apart(folder, 2, environment) as address,
    ):
        for name, value in environment.items():
            patch.setenv(name, value)
        yield address, folder


def test_workers_that_share_nothing_but_a_store_make_the_same(project, prefect_server, computed_plainly, cluster_apart):
    from flows.experiments.jobs import Runner
    from flows.project.used_stores import used_stores

    address, folder = cluster_apart
    url = f"s3://{BUCKET}/comparison"
    assert_the_same(project, Runner("dask", 2, address, url), computed_plainly)
    assert used_stores(project) == {url: ["toy"]}
    for number in range(2):
        assert {path.name for path in (folder / f"worker-{number}").iterdir()} == {"log", "dask-scratch-space"}
    remote = RemoteJobs(project, ObjectStore(url, "toy"))
    for task in plan_of(project, "ssd").tasks:
        made = remote.found(remote.send(task_job(task, config_of(project), project / "work" / "toy")))
        assert made is None, "what is here already belongs to what a job needs"


def own_job(project: Path, function: str, *arguments: str) -> Job:
    """A job of the small project whose code travels with it."""
    (project / "jobs_of_tests.py").write_text(
        """
import os
import time
from pathlib import Path


def out(work):
    (work / "made").mkdir(parents=True)
    return work / "made" / "by"


def die_once(marker, work, progress):
    if not Path(marker).exists():
        Path(marker).write_text(str(os.getpid()))
        os._exit(1)
    out(work).write_text(str(os.getpid()))


def go_on(marker, work, progress):
    out(work)
    try:
        while True:
            progress(1, 2, "at it")
            time.sleep(0.02)
    finally:
        Path(marker).write_text("stopped")
"""
    )
    files = JobFiles((), ("work/toy/made",), RuntimeConfig(device="cpu"), own_code=("jobs_of_tests.py",))
    return Job(function, function, f"jobs_of_tests:{function}", arguments, work=project / "work" / "toy", files=files)


def test_a_job_that_is_given_up_stops_on_its_worker_and_one_whose_worker_dies_goes_to_another(tmp_path, cluster_apart):
    from flows.experiments.cluster import cluster

    project, marker, dead = tmp_path / "project", tmp_path / "marker", tmp_path / "dead"
    (project / "work" / "toy").mkdir(parents=True)
    remote, said = RemoteJobs(project, ObjectStore(f"s3://{BUCKET}/jobs", "toy")), []

    def give_up(done: int, total: int, text: str) -> None:
        said.append(text)
        if text == "at it":
            raise KeyboardInterrupt

    with cluster(2, cluster_apart[0], remote) as dask:
        with pytest.raises(KeyboardInterrupt):
            dask.run(own_job(project, "go_on", str(marker)), give_up)
        assert said[0] == "on the cluster"
        end = time.monotonic() + 30
        while not marker.exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert marker.read_text() == "stopped"
        dask.run(own_job(project, "die_once", str(dead)), silent)
    by = int((project / "work" / "toy" / "made" / "by").read_text())
    assert by not in (int(dead.read_text()), os.getpid())


def test_prefects_processes_do_their_tasks_themselves(prefect_server, tmp_path):
    from prefect import flow

    from flows.experiments.jobs import Runner, do_here
    from flows.pipeline.workers import Work

    @flow(task_runner=Runner("processes", 1).task_runner("toy"))
    def elsewhere() -> None:
        do_here.submit("who does it", Work("", "tests.helpers.process_id:write", (tmp_path / "pid",))).result()

    elsewhere()
    assert int((tmp_path / "pid").read_text()) != os.getpid()


def test_without_an_address_there_is_a_cluster_of_this_machine(tmp_path):
    from flows.experiments.jobs import Runner

    with Runner("dask", 1).computing(tmp_path, "toy") as dask:
        dask.run(Job("", "who does it", "tests.helpers.process_id:write", (tmp_path / "pid",)), silent)
    assert int((tmp_path / "pid").read_text()) != os.getpid()


def test_a_worker_on_a_shared_disk_computes_with_the_own_code_of_now_and_keeps_other_modules(tmp_path):
    """The same worker does both jobs, as one of a cluster that outlives many flows."""
    from flows.experiments.jobs import Runner

    (tmp_path / "code_of_tests.py").write_text(
        "import helper_of_tests\ndef say(out, work, progress):\n    out.write_text(helper_of_tests.WORD)\n"
    )
    files = JobFiles((), (), RuntimeConfig(device="cpu"), own_code=("code_of_tests.py", "helper_of_tests.py"))
    job = Job("", "", "code_of_tests:say", (tmp_path / "said",), work=tmp_path / "work" / "toy", files=files)
    with Runner("dask", 1).computing(tmp_path, "toy") as dask:
        for word in ("first", "the second"):
            (tmp_path / "helper_of_tests.py").write_text(f"WORD = {word!r}\n")
            dask.run(job, silent)
            assert (tmp_path / "said").read_text() == word


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"methods": "sdd"}, "did you mean 'ssd'"),
        ({"protocols": ("tuning",)}, "not for reports"),
        ({"protocols": ("private",)}, "unknown protocol"),
        ({"seeds": 0}, "0 seeds"),
        ({"parameters": "tuned"}, "official"),
        ({"parameters": "capped", "protocols": ("clean",)}, "aru tune"),
    ],
)
def test_what_cannot_be_is_refused_before_work_starts(project, changes, message):
    from flows.experiments.benchmark import Request, compare

    with pytest.raises(InputError, match=message):
        compare(Request("toy", **{"methods": "ssd", **changes}), root=project, quiet=True)
    assert not list(open_store(project / "work" / "toy").folder.glob("*/*/.*"))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"name": "ray"}, "unknown runner 'ray'"),
        ({"workers": 0}, "0 workers"),
        ({"address": "tcp://127.0.0.1:9"}, "--address tcp://127.0.0.1:9 is for --runner dask, not 'threads'"),
        ({"store": "somewhere"}, "--store somewhere is for --runner dask, not 'threads'"),
        ({"name": "dask", "address": "127.0.0.1:8786"}, "write it as tcp://HOST:PORT"),
        ({"name": "dask", "address": "tcp://127.0.0.1:9"}, "nobody answers there"),
        ({"name": "dask", "store": "ftp://somewhere"}, "is no address of one"),
        ({"name": "dask", "store": "/dev/null/store"}, "/dev/null/store cannot be reached"),
    ],
)
def test_a_runner_that_cannot_be_is_refused_before_work_starts(options, message):
    from flows.experiments.jobs import Runner

    with pytest.raises(InputError, match=message):
        Runner(**options).task_runner("toy")


@pytest.mark.parametrize("text, seconds", [("90s", 90), ("45m", 2700), ("2h", 7200), ("1.5m", 90), (None, None)])
def test_budgets_are_lengths_of_time(text, seconds):
    from flows.experiments.durations import parse_budget

    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["90", "m", "-1m", "2d", "0s", "nans"])
def test_other_budgets_are_refused(text):
    from flows.experiments.durations import parse_budget

    with pytest.raises(InputError, match="--budget"):
        parse_budget(text)
