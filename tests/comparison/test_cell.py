"""Tasks: the models that are computed, their records, and failures that are results."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from aru.comparison.cell import open_store, run_task
from aru.comparison.collect import records_of
from aru.comparison.draws import load_draw
from aru.comparison.plan import expected_key
from aru.comparison.store import Store
from aru.compute.device import make_compute
from aru.core.config import Config
from aru.core.errors import InputError, TrainingError
from aru.nets.models import load_model
from aru.stages.runner import run as run_stage
from aru.train.checkpoint import Checkpoint
from tests.helpers.plans import compute_all, plan_of
from tests.helpers.toys import same_weights
from tests.helpers.tuned import config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


@pytest.fixture
def config(tuning_once: Path) -> Config:
    return config_of(tuning_once)


def test_cells_are_the_stages_own_models_and_found_again(tuning_project, monkeypatch):
    work = tuning_project / "work" / "toy"
    plan = plan_of(tuning_project, "ssd,aru")
    compute_all(tuning_project, plan)
    store = open_store(work)
    for stage, which, kind in (("train", "original", "original"), ("retrain", "retrained", "retrained")):
        run_stage(stage, "toy", root=tuning_project)
        key = next(task.key for task in plan.tasks if task.kind == kind)
        assert same_weights(load_model(work / which / "model.safetensors"), store.model(key))
    assert plan.missing(store) == []
    monkeypatch.setattr("aru.comparison.cell.fit_from_scratch", None)
    compute_all(tuning_project, plan)  # nothing is trained again


def test_a_method_that_does_not_converge_is_a_result_and_is_not_tried_again(tuning_project, config):
    plan = plan_of(tuning_project, "neggrad{lr=1e30,epochs=3}")
    compute_all(tuning_project, plan)
    work = tuning_project / "work" / "toy"
    record = next(record for record in records_of(plan.cells, config, work) if record["method"] == "neggrad")
    assert "figures" not in record and record["failed"]
    assert plan.missing(open_store(work)) == []


def test_the_model_of_a_method_is_not_the_originals(tuning_project):
    plan = plan_of(tuning_project, "finetune", keep_weights=True)
    compute_all(tuning_project, plan)
    store = open_store(tuning_project / "work" / "toy")
    original = next(task.key for task in plan.tasks if task.kind == "original")
    unlearned = next(task.key for task in plan.tasks if task.kind != "original" and task.choice.method == "finetune")
    assert not same_weights(store.model(original), store.model(unlearned))


def test_a_resumed_retraining_is_billed_for_all_its_parts(tuning_project, config, monkeypatch):
    plan, work = plan_of(tuning_project, "ssd"), tuning_project / "work" / "toy"
    begun = next(task for task in plan.tasks if task.kind == "retrained")
    monkeypatch.setattr("aru.comparison.cell.Checkpoint", partial(Checkpoint, every_seconds=0))
    longer = replace(begun, choice=replace(begun.choice, parameters=config.train.model_copy(update={"epochs": 2})))
    _, _, sets = load_draw(work / "prepared", begun.draw, config)
    longer = replace(longer, key=expected_key(longer, config, sets, make_compute(config.runtime)))

    def interrupt(done, total, text):
        if "epoch 2" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_task(longer, config, work, progress=interrupt)
    left = work / "comparison" / "checkpoints" / f"{longer.key}.pt"
    content = torch.load(left, weights_only=True)
    assert content["spent"]["seconds"] > 0 and content["spent"]["cpu_seconds"] > 0
    torch.save(content | {"spent": {"seconds": 500.0, "cpu_seconds": 400.0}}, left)
    run_task(longer, config, work)
    record = open_store(work).record(longer.key)
    assert 500 < record["seconds"] < 530 and 400 < record["cpu_seconds"] < 430 and "resumed" not in record
    assert not left.exists()


def test_a_cell_whose_result_cannot_be_kept_keeps_its_checkpoint(tuning_project, config, monkeypatch):
    plan, work = plan_of(tuning_project, "ssd"), tuning_project / "work" / "toy"
    retrained = next(task for task in plan.tasks if task.kind == "retrained")
    left = work / "comparison" / "checkpoints" / f"{retrained.key}.pt"
    left.parent.mkdir()
    torch.save({"key": "of other inputs"}, left)

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(Store, "write", full)
        run_task(retrained, config, work)
    assert left.exists()
    run_task(retrained, config, work)
    assert not left.exists()


def test_a_method_that_refuses_its_sets_is_a_failed_cell(tuning_project, config, monkeypatch):
    def refuse(*arguments, **options):
        raise InputError("no square kernel to transpose")

    plan, work = plan_of(tuning_project, "ct"), tuning_project / "work" / "toy"
    run_task(next(task for task in plan.tasks if task.kind == "original"), config, work)
    monkeypatch.setattr("aru.comparison.cell.find", lambda name: SimpleNamespace(function=refuse))
    task = next(task for task in plan.tasks if task.kind != "original" and task.choice.method == "ct")
    run_task(task, config, work)
    assert open_store(work).record(task.key)["failed"] == "no square kernel to transpose"


def test_a_task_that_other_code_planned_is_refused(tuning_project, config, monkeypatch):
    plan, work = plan_of(tuning_project, "ssd"), tuning_project / "work" / "toy"
    monkeypatch.setattr("aru.compute.keys.code_digest", lambda module: "edited")
    with pytest.raises(InputError, match="retrain, official draw 0, seed 0: code, parameters or data have changed"):
        run_task(next(task for task in plan.tasks if task.kind == "retrained"), config, work)


def test_errors_that_are_no_result_stop_the_work(tuning_project, monkeypatch):
    def broken(*arguments, **options):
        raise InputError("the forget set has one image")

    plan = plan_of(tuning_project, "ssd")
    monkeypatch.setattr("aru.comparison.cell._method", broken)
    with pytest.raises(InputError, match="one image"):
        compute_all(tuning_project, plan)
    assert not issubclass(InputError, TrainingError)
