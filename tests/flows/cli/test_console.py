"""What commands say of a finished flow, and what they pass on to it: flows and servers have stand-ins here."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from aru.comparison.trials import Setting
from flows.cli import app, console
from flows.experiments import benchmark, shadows, tuning
from flows.experiments.jobs import Runner
from flows.pipeline.unlearn import Outcome
from flows.tracking.publishing import Published
from tests.helpers import tracked
from tests.helpers.compared import made_records

pytest_plugins = ["tests.helpers.tracking_fixtures"]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Call `aru` in a folder with parameters alone, without checks of data and without a server; returns what it says."""
    tracked.make(tmp_path, commit=False)
    monkeypatch.chdir(tmp_path)
    for group in ("benchmark", "shadows"):
        monkeypatch.setattr(f"flows.cli.{group}.checked_stages", lambda *arguments: [])
        monkeypatch.setattr(f"flows.cli.{group}.flow_environment", lambda *arguments: nullcontext())

    def run(*arguments: str) -> str:
        try:
            app.main(list(arguments))
        except SystemExit as ended:
            assert not ended.code
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("computed, verdict", [(True, "pass"), (False, "fail")])
def test_a_flows_outcome_is_its_figures_and_where_everything_is(
    tracked_once: Path, capsys: pytest.CaptureFixture[str], computed: bool, verdict: str
) -> None:
    results = [result for result in tracked.results(tracked_once) if computed or result.source != "computed"]
    aliases = ("candidate",) if verdict == "pass" else ()
    published = Published("run-id", "aru-faces", "7", verdict, aliases, new=computed)
    console.show_outcome(tracked_once, Outcome("faces", results, published))
    said = capsys.readouterr().out
    assert ("Nothing to compute: all stages are cached." in said) != computed
    assert "Report:  work/faces/report/report.html" in said and "Audit:   work/faces/audit/audit.html" in said
    assert "MLflow:  run run-id" in said and "Model:   aru-faces version 7, audit" in said
    assert ("alias candidate" in said) == (verdict == "pass") and ("not candidate: the audit" in said) == (verdict == "fail")
    row = next(line for line in said.splitlines() if "unlearned" in line)
    assert "0.680" in row or "68.0" in row, "its test accuracy"


@pytest.mark.parametrize("left", [0, 3])
def test_aru_benchmark_passes_every_option_on_and_says_what_is_left(
    call: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    page = tmp_path / "work/faces/comparison/results/results.html"
    page.parent.mkdir(parents=True)
    page.with_name("records.json").write_text(json.dumps(made_records(methods=("nothing", "retrain", "ssd"))))
    asked: list[Any] = []

    def compare(request: Any, **options: Any) -> benchmark.Comparison:
        asked.append((request, options))
        return benchmark.Comparison(run_id="run-id", files=[page], computed=4, cached=5, left=left)

    monkeypatch.setattr(benchmark, "compare", compare)
    options = "--methods ssd --protocol official,clean --seeds 2 --first-seed 3 --draws 4 --first-draw 6 --unlearn-seeds 5"
    more = "--parameters tuned --keep-weights --workers 6 --budget 2h --quiet"
    more += " --runner dask --address tcp://host:8786 --store s3://bucket/prefix"
    said = call("benchmark", *options.split(), *more.split())
    ((request, passed),) = asked
    assert request == benchmark.Request(
        benchmark="faces",
        methods="ssd",
        protocols=("official", "clean"),
        seeds=2,
        first_seed=3,
        draws=4,
        first_draw=6,
        unlearn_seeds=5,
        parameters="tuned",
        keep_weights=True,
        runner=Runner("dask", 6, "tcp://host:8786", "s3://bucket/prefix"),
        budget_seconds=7200.0,
    )
    assert passed == {"root": tmp_path, "quiet": True}
    lines = [line for line in said.splitlines() if "ssd" in line]
    assert len(lines) == 1 and "Page:    work/faces/comparison/results/results.html" in said and "run run-id" in said
    assert "4 models computed, 5 were cached" in said and ("3 left: the budget was over" in said) == bool(left)


def test_a_plan_is_printed_and_nothing_is_computed(call: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "compare", lambda *arguments, **options: pytest.fail("computed"))
    monkeypatch.setattr(benchmark, "describe_plan", lambda request, **options: f"planned {request.methods}")
    assert call("benchmark", "--methods", "ssd", "--plan") == "planned ssd\n"


@pytest.mark.parametrize("unfinished", [[], ["ct", "ssd"]])
def test_aru_tune_passes_every_option_on_and_names_the_frozen_file_where_there_is_one(
    call: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unfinished: list[str]
) -> None:
    target, asked = tmp_path / "tuned/faces.yaml", []
    if not unfinished:
        target.parent.mkdir()
        target.touch()

    def tune(setting: Setting, methods: str, **options: Any) -> tuning.Tuned:
        asked.append((asdict(setting), methods, options))
        return tuning.Tuned(target, "run-id", unfinished)

    monkeypatch.setattr(tuning, "tune", tune)
    options = "--methods ssd,ct --trials 7 --cap 0.5 --draws 2 --seeds 3 --seed 4 --workers 5 --budget 90s"
    options += " --runner dask --store s3://bucket/prefix"
    said = call("tune", *options.split())
    setting = asdict(Setting("faces", trials=7, cap=0.5, draws=2, seeds=3, seed=4))
    runner = Runner("dask", 5, None, "s3://bucket/prefix")
    passed = {"root": tmp_path, "runner": runner, "budget_seconds": 90.0, "quiet": False}
    assert asked == [(setting, "ssd,ct", passed)]
    assert ("Not all trials are done, run the same again: ct, ssd" in said) == bool(unfinished)
    assert ("Frozen:  tuned/faces.yaml" in said) != bool(unfinished) and "run run-id" in said


@pytest.mark.parametrize("left", [0, 2])
def test_aru_shadows_build_passes_every_option_on_and_says_what_is_left(
    call: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    asked: list[Any] = []

    def build(name: str, request: Any, **options: Any) -> shadows.Pool:
        asked.append((name, request, options))
        return shadows.Pool(trained=4, unlearned=3, cached=2, left=left)

    monkeypatch.setattr(shadows, "build_pool", build)
    options = "--models 8 --protocol clean --unlearn ssd --draws 3 --drop-weights --restore-weights --workers 5 --budget 1m"
    options += " --runner dask --address tcp://host:8786"
    said = call("shadows", "build", *options.split())
    ((name, request, passed),) = asked
    assert (name, request) == ("faces", shadows.PoolRequest(8, "clean", "ssd", 3, True))
    runner = Runner("dask", 5, "tcp://host:8786")
    assert passed == {"root": tmp_path, "runner": runner, "drop_weights": True, "budget_seconds": 60.0, "quiet": False}
    assert said == "4 trained, 2 were there, 3 unlearned" + (
        ", 2 left: the budget was over; run the same again\n" if left else ".\n"
    )


def test_parameters_are_whole_in_a_narrow_terminal(call: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = call("params", "data").splitlines()
    assert max(map(len, said)) <= 80
    assert "* data.resolution = 32   (default 128; ≥ 24 and ≤ 512)" in said
    assert "  data.forget.draw_seed = 0   (≥ 0)" in said
