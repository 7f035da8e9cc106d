"""Settings scored on the tuning people, and the command that prints them."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aru.__main__ import main
from aru.comparison.cell import figures_of, open_store
from aru.comparison.draws import load_draw
from aru.comparison.records import cost_of
from aru.comparison.trials import trial_tasks
from aru.comparison.tuning import meta_of
from aru.comparison.tuning_scores import tuning_scores
from aru.core.errors import InputError
from tests.helpers.plans import compute_all, plan_of
from tests.helpers.same_draws import make_alike
from tests.helpers.tuned import SETTING, config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]
METHODS = "ssd,finetune{epochs=1}"


def test_settings_are_scored_by_the_objective_of_tuning_and_printed(
    tuning_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    with pytest.raises(InputError, match=r"first nothing.*`python -m aru compare toy --protocol tuning --draws 2 --seeds 1"):
        tuning_scores("toy", METHODS, config, work, draws=2, seeds=1)
    monkeypatch.chdir(tuning_project)
    compared = ["compare", "toy", "--protocol", "tuning", "--draws", "2", "--methods", METHODS, "--workers", "1"]
    assert main(compared) == 0
    capsys.readouterr()
    found = tuning_scores("toy", METHODS, config, work, draws=2, seeds=1)
    assert {one.name for one in found} == {"nothing", "retrain", "ssd", "finetune (epochs=1)"}
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    # the objective written out anew, from the logits' own figures
    store, by_hand = open_store(work), []
    for task in trial_tasks(replace(SETTING, draws=2), config, work / "prepared", "ssd", {}, 0):
        figures = figures_of(store, task, load_draw(work / "prepared", task.draw, config)[0])
        by_hand.append((figures["test/accuracy"] + 1 - 2 * abs(figures["mia_matched/auc"] - 0.5)) / 2)
    ssd = next(one for one in found if one.name == "ssd")
    assert ssd.by_draw == pytest.approx(by_hand) and ssd.score == pytest.approx(np.mean(by_hand)) and ssd.models == 2
    assert next(one for one in found if one.name == "retrain").share == 1
    # the CPU waits for a GPU: there the share is of seconds
    content = {task.key: store.record(task.key) for task in trial_tasks(SETTING, config, work / "prepared", "ssd", {}, 0)}
    assert all(cost_of(one | {"device": "cuda", "cpu_seconds": 1.0}) == one["seconds"] for one in content.values())
    assert all(cost_of(one) == one["cpu_seconds"] for one in content.values())
    assert all(math.isnan(cost_of(one | {"resumed": True})) for one in content.values())
    assert main(["scores", "toy", "--draws", "2", "--methods", METHODS]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "| setting | objective (by draw) | accuracy | AUC | cost, of retraining |" and len(said) == 2 + 4
    assert main(["scores", "toy", "--draws", "3", "--methods", METHODS]) == 2
    assert "models are not there" in capsys.readouterr().err


def test_draws_that_are_one_problem_count_once_and_their_number_is_said(
    tuning_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    make_alike(monkeypatch, 1, like=0)
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    monkeypatch.chdir(tuning_project)
    plan = plan_of(tuning_project, "ssd", protocol="tuning")
    compute_all(tuning_project, plan)
    once, twice = (tuning_scores("toy", "ssd", config, work, draws=draws, seeds=1) for draws in (1, 2))
    assert once == twice and all(np.isfinite(one.score) and len(one.by_draw) == 1 for one in twice)
    assert main(["scores", "toy", "--draws", "2", "--methods", "ssd"]) == 0
    assert capsys.readouterr().out.startswith("1 of 2 draws differ: ")
    assert main(["compare", "toy", "--protocol", "tuning", "--draws", "2", "--methods", "ssd"]) == 0
    assert "tuning draw 1 is draw 0 again and is left out" in capsys.readouterr().out


def test_what_is_frozen_names_the_draws_that_were_scored(tuning_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    assert meta_of(replace(SETTING, draws=3), config, work)["draws"] == 3
    make_alike(monkeypatch, 4, like=1)
    assert meta_of(replace(SETTING, draws=5), config, work)["draws"] == 4
