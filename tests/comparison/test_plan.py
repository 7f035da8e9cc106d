"""Plans: tasks, seeds, and what is missing."""

from pathlib import Path

import pytest
import torch

from aru.comparison.cell import open_store
from aru.comparison.choices import parse_choices
from aru.core.config import Config
from tests.helpers.plans import compute_all, plan_of
from tests.helpers.tuned import config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


@pytest.fixture
def config(tuning_once: Path) -> Config:
    return config_of(tuning_once)


def test_weights_asked_for_later_are_computed_then(tuning_project):
    compute_all(tuning_project, plan_of(tuning_project, "ssd"))
    store, kept = open_store(tuning_project / "work" / "toy"), plan_of(tuning_project, "ssd", keep_weights=True)
    assert [task.choice.method for task in kept.missing(store)] == ["nothing", "ssd"]
    before = store.logits(kept.cells[-1].key)
    compute_all(tuning_project, kept)
    assert kept.missing(store) == [] and all(
        torch.equal(before[name], part) for name, part in store.logits(kept.cells[-1].key).items()
    )


def test_unlearning_seeds_differ_and_deterministic_methods_run_once(tuning_project):
    plan = plan_of(tuning_project, "aru,ssd", unlearn_seeds=3)
    seeds = {name: [task.seed for task in plan.cells if task.choice.method == name] for name in ("aru", "ssd", "nothing")}
    assert seeds == {"aru": [0, 1000, 2000], "ssd": [0], "nothing": [0]}
    assert len({task.key for task in plan.tasks}) == len(plan.tasks)


def test_multi_label_tasks_leave_methods_of_one_softmax_out(config):
    from aru.comparison.plan import _fitting

    labels = config.model_copy(update={"data": config.data.model_copy(update={"task": "multilabel"})})
    chosen, left_out = _fitting(parse_choices("scrub,finetune", config), labels)
    assert "scrub" not in {choice.method for choice in chosen} and left_out == [
        "scrub is not defined for the multi-label task and is left out"
    ]
