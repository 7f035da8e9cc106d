"""Plans: tasks, seeds, and what is missing."""

from pathlib import Path

import pytest
import torch

from aru.comparison.cell import open_store
from aru.comparison.choices import parse_choices
from aru.comparison.collect import records_of
from aru.comparison.draws import draws_of
from aru.comparison.plan import make_plan
from aru.comparison.records import records_table
from aru.compute.device import make_compute
from aru.core.config import Config
from aru.reporting.comparison.page import write_results
from tests.helpers.plans import compute_all, plan_of
from tests.helpers.same_draws import make_alike
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


def test_two_settings_that_are_the_same_work_are_computed_once_and_are_two_rows(tuning_project, tmp_path):
    plan, alone = plan_of(tuning_project, "finetune,finetune{epochs=2}"), plan_of(tuning_project, "finetune")
    assert [task.key for task in plan.tasks] == [task.key for task in alone.tasks]
    rows = [(task.choice.method, task.choice.variant) for task in plan.cells]
    assert rows == [("nothing", "default"), ("retrain", "default"), ("finetune", "default"), ("finetune", "epochs=2")]
    assert plan.cells[-1].key == plan.cells[-2].key and plan.left_out == []
    compute_all(tuning_project, plan)
    records = records_of(plan.cells, config_of(tuning_project), tuning_project / "work" / "toy")
    table = records_table(records)
    assert len(table) == 4 and table.loc[table["method"] == "finetune", "test/accuracy"].nunique() == 1
    write_results(records, tmp_path / "results", title="Twice")
    assert "finetune (epochs=2)" in (tmp_path / "results" / "results.md").read_text()


@pytest.mark.parametrize("protocol", ["clean", "tuning"])
def test_a_draw_that_is_another_one_again_counts_once_and_is_said(tuning_project, config, monkeypatch, protocol):
    make_alike(monkeypatch, 2, like=0)
    plan = make_plan(
        "toy",
        config,
        tuning_project / "work" / "toy" / "prepared",
        parse_choices("ssd", config),
        draws_of(protocol, 3),
        seeds=2,
        compute=make_compute(config.runtime),
    )
    assert [task.draw.number for task in plan.cells if task.choice.method == "ssd"] == [0, 1, 0, 1]
    assert plan.left_out == [f"{protocol} draw 2 is draw 0 again and is left out: it counts once"]
