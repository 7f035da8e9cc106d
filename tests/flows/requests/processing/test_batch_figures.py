"""What batches have cost those who stay, and how the budget makes the next one train again."""

from typing import Any, cast

import pytest

from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import batch_history, list_batches
from flows.requests.ledger.states import Action, State
from flows.requests.processing import batch_figures
from flows.requests.processing.batch_figures import Released, exceeded, released_figures, since_training
from flows.requests.processing.carrying_out import Done
from flows.requests.processing.policy import Budget
from flows.requests.processing.rechecking import BatchFigures
from flows.tracking.production import in_production
from tests.helpers.batches import NAME, Project, figures
from tests.helpers.ledgers import NOON

pytest_plugins = ["tests.helpers.tracking_fixtures", "tests.helpers.batch_fixtures"]


def made_up(project: Project, **options: object) -> None:
    """The figures that the next batch is found to have."""
    project.found.append(figures(project.root, "faces", project.ledger, "", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("budget", [{"accuracy_drop": 0.15, "batches": 20}, {"accuracy_drop": 1.0, "batches": 2}])
def test_used_up_budget_makes_the_next_batch_train_again_and_begins_anew(project: Project, budget: dict) -> None:
    project.set_policy(budget=budget)
    for row, retain in enumerate((0.7, 0.5, 0.69, 0.6)):
        project.ask(row)
        project.verdicts = ["pass"]
        made_up(project, retain=retain)
        assert project.carry_out() == Done(f"B-{row + 1:06d}", State.FULFILLED, str(row + 2))
    assert [run["method"] for run in project.runs] == ["aru", "aru", "retrain", "aru"]
    again, after = project.runs[2], project.runs[3]
    assert again["unlearn"]["retrain"]["epochs"] == again["train"]["epochs"] == 3 and not again["evaluate"]["retrained"]
    assert after["evaluate"]["retrained"] and not after["unlearn"].get("retrain"), "taken back for the batch after it"
    released = released_figures(project.ledger, "faces")
    assert [(one.method, one.figures["accuracy"]["retain"]) for one in released] == [
        ("aru", 0.7),
        ("aru", 0.5),
        ("retrain", 0.69),
        ("aru", 0.6),
    ]
    assert [one.batch for one in since_training(released)] == ["B-000003", "B-000004"]
    assert not exceeded(project.ledger, "faces", Budget(**budget))


def test_fit_to_those_who_stay_is_compared_among_unlearned_models_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*figures: tuple[str, float, float]) -> bool:
        earlier: Any = {}
        released = [
            Released(
                "B", NOON, method, BatchFigures(accuracy={"retain": retain, "test": test}, retained_auc=None, earlier=earlier)
            )
            for method, retain, test in figures
        ]
        monkeypatch.setattr(batch_figures, "released_figures", lambda *_: released)
        return exceeded(cast(Ledger, None), "faces", Budget(accuracy_drop=0.1, batches=9))

    assert not found(("aru", 0.54, 0.50), ("retrain", 0.97, 0.46), ("aru", 0.53, 0.47)), "a training fits more closely"
    assert found(("retrain", 0.97, 0.46), ("aru", 0.53, 0.47), ("aru", 0.42, 0.46)), "that is drift"
    assert found(("retrain", 0.97, 0.46), ("aru", 0.53, 0.35)), "on others the trained model is the measure"


def test_version_that_brings_somebody_back_is_not_released(project: Project) -> None:
    project.set_policy(escalation=[{"set": {"finetune.epochs": 9}}])
    project.ask(0)
    project.verdicts = ["pass"] * 4
    project.carry_out()
    project.ask(1)
    made_up(project, reversed_=True)
    assert project.carry_out() == Done("B-000002", State.FULFILLED, "4")
    held = [event for event in batch_history(project.ledger, "B-000002") if event.action == Action.ESCALATE]
    assert [(event.why, event.data["version"], event.data["figures"]["earlier"]["reversed"]) for event in held] == [
        ("reversed", "3", True)
    ]
    assert project.runs[-1]["finetune"]["epochs"] == 9
    production = in_production(project.root, NAME)
    assert production is not None and (production.version, production.batch) == ("4", 2)
    assert [batch.model_after for batch in list_batches(project.ledger)] == ["4", "2"]


@pytest.fixture
def project(batch_project: Project) -> Project:
    return batch_project
