"""Estimated times."""

from pathlib import Path

import pytest

from aru.comparison.cell import open_store
from aru.comparison.draws import Draw, load_draw
from aru.comparison.estimate import _pace, estimate_seconds, passes
from aru.compute.device import make_compute
from aru.core.config import Config
from tests.helpers.plans import compute_all, plan_of
from tests.helpers.tuned import config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


@pytest.fixture
def config(tuning_once: Path) -> Config:
    return config_of(tuning_once)


def test_estimates_count_passes_and_learn_from_what_was_measured(tuning_project, config):
    work = tuning_project / "work" / "toy"
    plan = plan_of(tuning_project, "finetune")
    sets, _, _ = load_draw(work / "prepared", Draw("official"), config)
    by_kind = {"original" if task.kind == "original" else task.choice.method: task for task in plan.tasks}
    assert passes(by_kind["original"], config, sets) == len(sets.train) * config.train.epochs
    assert passes(by_kind["finetune"], config, sets) == 3 * len(sets.retain)  # two epochs, and one for the rest
    compute_all(tuning_project, plan)
    store = open_store(work)
    found = estimate_seconds(plan.tasks, config, work, store, make_compute(config.runtime))
    key = by_kind["finetune"].key
    assert found[key] == pytest.approx(store.record(key)["seconds"])


def test_an_original_of_no_epoch_says_nothing_about_the_pace():
    record = {"seconds": 2.0, "counts": {"forget": 10, "retain": 30}}
    found = [_pace({("original", "original", "default"): record | {"config": {"epochs": epochs}}}) for epochs in (0, 5)]
    assert found == [None, 0.01]
