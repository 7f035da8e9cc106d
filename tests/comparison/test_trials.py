"""Trials: settings, scores, caps and failures."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aru.comparison import trials as trials_module
from aru.comparison.cell import figures_of, open_store
from aru.comparison.draws import Draw
from aru.comparison.trials import (
    Outcome,
    Setting,
    base_tasks,
    caps_of,
    missing_base,
    objective,
    open_stopped,
    run_trial,
    stopped_key,
    trial_job,
    trial_tasks,
)
from aru.comparison.tuning import Trial, frozen, merged, meta_of, write_tuned
from aru.core.config import Config
from aru.core.errors import InputError, TrainingError
from tests.helpers.elsewhere import compute_elsewhere
from tests.helpers.tuned import SETTING, config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


@pytest.mark.parametrize("accuracy, auc, score", [(1.0, 0.5, 1.0), (0.0, 1.0, 0.0), (0.6, 0.6, 0.7), (0.6, 0.4, 0.7)])
def test_objective_by_hand(accuracy: float, auc: float, score: float) -> None:
    figures = {"test/accuracy": accuracy, "mia_matched/auc": auc, "mia/accuracy": 0.99, "nomus": 0.1}
    assert objective(figures) == pytest.approx(score)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"trials": 0}, "trials"),
        ({"cap": 0.0}, "cap"),
        ({"cap": float("nan")}, "cap"),
        ({"draws": 0}, "draws"),
        ({"seeds": -1}, "seeds"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(changes: dict, said: str) -> None:
    with pytest.raises(InputError, match=f"^{said} is"):
        Setting("toy", **changes)


def test_only_the_cost_of_retraining_is_read(tuning_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    assert missing_base(SETTING, config, work) == []
    original, retrained = base_tasks(SETTING, config, work / "prepared")
    store = open_store(work)
    seconds = store.record(retrained.key)["cpu_seconds"]
    assert seconds > 0 and caps_of(SETTING, config, work) == {Draw("tuning", 0): SETTING.cap * seconds}
    read: list[str] = []
    monkeypatch.setattr(
        trials_module, "figures_of", lambda store, task, sets: read.append(task.key) or figures_of(store, task, sets)
    )
    tasks = trial_tasks(SETTING, config, work / "prepared", "ssd", {}, 0)
    assert run_trial(tasks, caps_of(SETTING, config, work), config, work).state == "done"
    assert read == [tasks[0].key]
    store.drop(retrained.key)
    assert missing_base(SETTING, config, work) == [retrained]
    store.drop(original.key)
    store.write(original.key, {"failed": "the loss is nan"})
    with pytest.raises(TrainingError, match="original.*the loss is nan"):
        missing_base(SETTING, config, work)


def test_a_trial_elsewhere_leaves_its_cells_here_or_why_it_was_stopped(tuning_project: Path, tmp_path: Path) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    tasks = trial_tasks(SETTING, config, work / "prepared", "ssd", {}, 0)
    for cap, state in ((0.0, "over the cap"), (1000.0, "done")):
        caps = {Draw("tuning", 0): cap}
        compute_elsewhere(trial_job("ssd 0", tasks, caps, config, work), tmp_path)
        assert open_store(work).has(tasks[0].key) == (state == "done")
        assert open_stopped(work).has(stopped_key(tasks[0], cap)) == (state != "done")
        assert run_trial(tasks, caps, config, work).state == state


def test_a_trial_that_raises_is_a_failed_trial(tuning_project: Path, monkeypatch) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    caps = {Draw("tuning", 0): 1000.0}

    def lone(*arguments, **options):
        raise ValueError("Expected more than 1 value per channel when training")

    monkeypatch.setattr("aru.comparison.trials.run_task", lone)
    outcome = run_trial(trial_tasks(SETTING, config, work / "prepared", "ssd", {}, 0), caps, config, work)
    assert (outcome.state, outcome.score) == ("failed", None)
    assert outcome.message == "ValueError: Expected more than 1 value per channel when training"

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aru.comparison.trials.run_task", full)
    with pytest.raises(OSError):
        run_trial(trial_tasks(SETTING, config, work / "prepared", "ssd", {"alpha": 3.0}, 1), caps, config, work)


def test_a_trial_is_scored_by_its_cells(tuning_project: Path) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    tasks = trial_tasks(SETTING, config, work / "prepared", "ssd", {"alpha": 2.0}, 1)
    assert [(task.kind, task.draw, task.choice.variant, task.choice.parameters.alpha) for task in tasks] == [
        ("method", Draw("tuning", 0), "trial 1", 2.0)
    ]
    outcome = run_trial(tasks, caps_of(SETTING, config, work), config, work)
    record = open_store(work).record(tasks[0].key)
    assert outcome == Outcome("done", round(objective(figures_of(open_store(work), tasks[0], None)), 6), record["cpu_seconds"])


def test_the_cap_stops_a_method_and_is_remembered(tuning_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    tasks = trial_tasks(SETTING, config, work / "prepared", "finetune", {"epochs": 1000}, 1)
    tight = {Draw("tuning", 0): 0.2}
    outcome = run_trial(tasks, tight, config, work)
    assert outcome.state == "over the cap" and outcome.score is None
    assert 0.2 <= outcome.cpu_seconds < 20 and "stopped after 0.2 CPU seconds" in outcome.message
    assert not open_store(work).has(tasks[0].key)  # the results know nothing of caps
    monkeypatch.setattr(trials_module, "run_task", refuse)
    assert run_trial(tasks, tight, config, work) == outcome


def test_a_result_that_cost_more_than_the_cap_has_no_score(tuning_project: Path) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    tasks = trial_tasks(SETTING, config, work / "prepared", "ssd", {}, 0)
    assert run_trial(tasks, {Draw("tuning", 0): 1e9}, config, work).state == "done"
    assert run_trial(tasks, {Draw("tuning", 0): 1e-9}, config, work).state == "over the cap"


@pytest.mark.parametrize(
    "method, changes, said",
    [("finetune", {"lr": 1e30, "epochs": 3}, "the loss is|not finite"), ("cf-k", {"blocks": 999}, "blocks is 999")],
)
def test_what_diverges_or_is_refused_has_no_score(tuning_project: Path, method: str, changes: dict, said: str) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    tasks = trial_tasks(SETTING, config, work / "prepared", method, changes, 0)
    outcome = run_trial(tasks, caps_of(SETTING, config, work), config, work)
    assert outcome.state == "failed" and outcome.score is None
    assert pd.Series(outcome.message).str.contains(said).all()
    assert run_trial(tasks, caps_of(SETTING, config, work), config, work) == outcome


def refuse(*arguments: Any, **options: Any) -> None:
    raise AssertionError("this was to be found in the store")


def write(path: Path, setting: Setting, config: Config, work: Path, found: dict[str, list[Trial]]) -> Path:
    write_tuned(path, merged(path, frozen(meta_of(setting, config, work), found)))
    return path
