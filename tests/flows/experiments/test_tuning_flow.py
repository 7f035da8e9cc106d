"""Tuning under Prefect and without any server, and what it leaves in MLflow."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from aru.comparison.cell import open_store
from aru.comparison.choices import nested
from aru.comparison.trials import Outcome, Setting, caps_of, run_trial, trial_tasks
from aru.comparison.tuning import Trial, curve, frozen, load_tuned, meta_of
from aru.core.errors import InputError
from flows.experiments.jobs import Runner
from flows.experiments.plain_tuning import main
from flows.experiments.search import Search
from flows.experiments.tuning_steps import write_tuning
from flows.tracking import runs, store
from tests.helpers.tuned import SETTING, config_of, tune_method

pytest_plugins = ["tests.helpers.tracking_fixtures", "tests.helpers.tuning_fixtures"]
FROZEN = Path("tuned/toy-network_of_tests-make-24px.yaml")
FOUND = {
    "ssd": [Trial({}, Outcome("done", 0.5, 2.0)), Trial({"alpha": 3.0, "lam": 1.0}, Outcome("done", 0.6, 1.0))],
    "amun": [Trial({}, Outcome("over the cap", None, 9.0)), Trial({"epochs": 1}, Outcome("failed", None, 1.0))],
}


def test_every_trial_has_a_run_and_the_same_trials_are_tracked_once(empty_store: Path, tmp_path: Path) -> None:
    from flows.tracking import tuning_runs

    shutil.copytree(empty_store / "mlruns", tmp_path / "mlruns")
    setting, files = Setting("faces", trials=2), {"target": tmp_path / "faces.yaml", "folder": tmp_path / "comparison"}
    files["target"].write_text("frozen")
    run_id = tuning_runs.track(tmp_path, setting, FOUND, **files)
    assert tuning_runs.track(tmp_path, setting, FOUND, **files) == run_id
    client = store.client(tmp_path)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED" and run.data.tags["kind"] == "tuning"
    assert run.data.params["cap"] == "0.25" and run.data.metrics == {"best/ssd": 0.6}
    children = {child.info.run_name: child for child in runs.children(client, run)}
    assert set(children) == {"ssd 0", "ssd 1", "amun 0", "amun 1"}
    assert children["ssd 1"].data.params == {"method": "ssd", "alpha": "3.0", "lam": "1.0"}
    assert children["ssd 1"].data.metrics == {"score": 0.6, "best": 0.6, "cpu_seconds": 1.0, "spent_cpu_seconds": 3.0}
    assert children["amun 0"].data.tags["state"] == "over the cap" and "score" not in children["amun 0"].data.metrics
    assert [item.path for item in client.list_artifacts(run_id, "tuning")] == ["tuning/faces.yaml"]
    assert tuning_runs.track(tmp_path, replace(setting, seed=1), FOUND, **files) != run_id


def test_the_flow_tunes_freezes_and_tracks(
    tuning_project: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.experiments import tuning
    from flows.pipeline.workers import Workers

    tracked: list[dict] = []
    monkeypatch.setattr(Workers, "run", lambda self, work, progress: work.do(progress))
    monkeypatch.setattr(tuning, "prepare_flow", lambda *arguments: None)
    monkeypatch.setattr(tuning.tuning_runs, "track", lambda root, setting, found, **files: tracked.append(found) or "run")
    done = tuning.tune(SETTING, "ssd,ct", root=tuning_project, runner=Runner(workers=1), budget_seconds=1e-9, quiet=True)
    assert done.unfinished == ["ssd", "ct"] and not done.target.exists()
    assert tracked.pop() == {"ssd": [], "ct": []}
    done = tuning.tune(SETTING, "ssd,ct", root=tuning_project, runner=Runner(workers=1), quiet=True)
    assert done.unfinished == [] and done.target == tuning_project / FROZEN
    assert tracked == [searched(tuning_project, "ssd", "ct")]  # found in the store: the very same, seconds included
    assert set(load_tuned(done.target).parameters) == {"ssd", "ct"}
    with pytest.raises(InputError, match="trials 3, not 5"):
        tuning.tune(replace(SETTING, trials=5), "ssd", root=tuning_project, runner=Runner(workers=1), quiet=True)


def test_without_servers_it_freezes_the_same_and_goes_on_where_it_was(
    tuning_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    found = searched(tuning_project, "ssd")
    monkeypatch.chdir(tuning_project)
    options = ["toy", "--methods", "ssd", "--cap", str(SETTING.cap), "--workers", "1"]
    assert main([*options, "--trials", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"complete: {FROZEN}"
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    content = frozen(meta_of(SETTING, config, work), found, sum(caps_of(SETTING, config, work).values()))
    assert yaml.safe_load(FROZEN.read_text()) == content
    assert json.loads((work / "comparison" / "tuning.json").read_text()) == {"ssd": curve(found["ssd"])}
    assert {path.name for path in (work / "comparison" / "figures").iterdir()} == {"tuning_trials.png", "tuning_seconds.png"}
    assert main([*options, "--trials", "5"]) == 2
    assert "trials 3, not 5" in capsys.readouterr().err


def test_curves_of_methods_tuned_in_one_setting_stay_together(tuning_project: Path) -> None:
    config, work, target = config_of(tuning_project), tuning_project / "work" / "toy", tuning_project / "frozen.yaml"
    path = work / "comparison" / "tuning.json"

    def written(setting: Setting, **found: list[Trial]) -> dict[str, Any]:
        searches = [Search(name, setting, config) for name in found]
        for search in searches:
            search.trials = found[search.method]
        write_tuning(setting, config, work, searches, target)
        return json.loads(path.read_text()) if path.is_file() else {}

    figures = work / "comparison" / "figures"
    setting, ssd, amun = replace(SETTING, trials=9), FOUND["ssd"], FOUND["amun"]
    assert written(setting, ssd=[]) == {} and not figures.exists()
    assert written(setting, ssd=ssd) == {"ssd": curve(ssd)}
    alone = {one.name: one.read_bytes() for one in figures.iterdir()}
    assert written(setting, amun=amun) == {"amun": curve(amun), "ssd": curve(ssd)}
    together = {one.name: one.read_bytes() for one in figures.iterdir()}
    assert alone.keys() == together.keys() and all(alone[name] != together[name] for name in alone)
    assert written(setting, ssd=ssd[:1], ct=[]) == {"amun": curve(amun), "ssd": curve(ssd[:1])}
    assert written(replace(setting, cap=1.0), ssd=[]) == {"amun": curve(amun), "ssd": curve(ssd[:1])}
    assert written(replace(setting, cap=1.0), ssd=ssd) == {"ssd": curve(ssd)}, "curves of another cap compare nothing"


def test_the_budget_holds_for_the_originals_too_and_the_next_run_goes_on(
    tuning_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tuning_project)
    store = open_store(tuning_project / "work" / "toy")
    there = len(list(store.keys()))
    shutil.rmtree(store.folder)
    options = ["toy", "--methods", "ssd", "--cap", str(SETTING.cap), "--trials", "1", "--workers", "1"]
    assert main([*options, "--budget-minutes", "0"]) == 0
    assert capsys.readouterr().out == "not all trials are done, run the same again: ssd\n"
    assert not list(store.keys()) and there and not Path("tuned").exists()
    assert main([*options, "--budget-minutes", "60"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"1/{there} ") and said[-1] == f"complete: {FROZEN}"


def searched(root: Path, *methods: str) -> dict[str, list[Trial]]:
    """The trials of these methods, computed in this process where they are not there."""
    config, work = config_of(root), root / "work" / "toy"
    caps = caps_of(SETTING, config, work)

    def run(method: str, number: int, parameters: Mapping[str, Any]) -> Outcome:
        tasks = trial_tasks(SETTING, config, work / "prepared", method, nested(parameters), number)
        return run_trial(tasks, caps, config, work)

    return {method: tune_method(method, SETTING, config, partial(run, method)) for method in methods}
