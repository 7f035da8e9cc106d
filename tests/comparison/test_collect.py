"""Records of tasks that are done."""

from pathlib import Path

import pytest

from aru.comparison.cell import open_store
from aru.comparison.collect import records_of
from aru.comparison.conclusions import compare
from aru.comparison.draws import Draw, load_draw
from aru.compute.device import make_compute
from aru.core.config import Config
from aru.metrics.summary import model_figures, rounded
from aru.reporting.comparison.notes import notes
from aru.train.loop import predict
from tests.helpers.plans import compute_all, plan_of
from tests.helpers.tuned import config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


@pytest.fixture
def config(tuning_once: Path) -> Config:
    return config_of(tuning_once)


def test_records_hold_the_figures_of_the_kept_logits_and_what_it_cost(tuning_project, config):
    plan = plan_of(tuning_project, "finetune", keep_weights=True)
    compute_all(tuning_project, plan)
    work = tuning_project / "work" / "toy"
    records = {record["method"]: record for record in records_of(plan.cells, config, work)}
    assert set(records) == {"nothing", "retrain", "finetune"}
    sets, _, _ = load_draw(work / "prepared", Draw("official"), config)
    task = next(task for task in plan.cells if task.choice.method == "finetune")
    model = open_store(work).model(task.key)
    logits = {name: predict(model, getattr(sets, name), compute=make_compute(config.runtime)) for name in vars(sets)}
    wanted = rounded(model_figures(logits, {name: getattr(sets, name).targets for name in vars(sets)}))
    assert records["finetune"]["figures"] == wanted
    assert records["finetune"]["cpu_seconds"] > 0 and records["finetune"]["counts"]["forget"] == 24
    assert records["finetune"]["reference"]["null/forgetting_score_p95"] > 0


def test_cells_of_a_diverged_original_are_marked_with_its_reason(tuning_project, config):
    plan, work = plan_of(tuning_project, "ssd"), tuning_project / "work" / "toy"
    store, original = open_store(work), next(task for task in plan.tasks if task.kind == "original")
    for task in plan.tasks:
        if task.kind != "retrained":
            store.drop(task.key)
    store.write(original.key, {"key": original.key, "kind": "original", "failed": "train.lr is too high"})
    assert original not in plan.missing(store)
    compute_all(tuning_project, plan)
    assert plan.missing(store) == [], "nothing is tried again"
    records = {record["method"]: record for record in records_of(plan.cells, config, work)}
    assert set(records) == {"nothing", "retrain", "ssd"} and "failed" not in records["retrain"]
    for name in ("nothing", "ssd"):
        assert records[name]["failed"] == "its original model diverged: train.lr is too high"
    (found,) = compare(list(records.values()))
    assert any("its original model diverged: train.lr is too high" in sentence for sentence in notes(found))
