"""The figures of released batches, one after the other, as the ledger has them; and whether they have used up the budget."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from aru.core.names import RETAIN, TEST
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import batch_history, list_batches
from flows.requests.ledger.states import Action
from flows.requests.processing.batch_parameters import RETRAIN
from flows.requests.processing.policy import Budget
from flows.requests.processing.rechecking import BatchFigures, drop

FIGURES = "figures"
"""What the history of a batch names them by, where its audit has passed."""
_MOST = 10_000


@dataclass(frozen=True)
class Released:
    """A released batch: when, by which method, and its figures."""

    batch: str
    at: datetime
    method: str
    figures: BatchFigures


def released_figures(ledger: Ledger, benchmark: str) -> list[Released]:
    """The released batches of a benchmark that have figures, the first one first."""
    found = []
    for batch in reversed(list_batches(ledger, limit=_MOST)):
        if batch.benchmark != benchmark or batch.model_after is None:
            continue
        history = batch_history(ledger, batch.id)
        passed = [event for event in history if event.action == Action.VERIFY and FIGURES in event.data]
        if passed:
            last = passed[-1]
            found.append(Released(batch.id, last.at, last.data["method"], cast(BatchFigures, last.data[FIGURES])))
    return sorted(found, key=lambda one: one.at)


def since_training(released: list[Released]) -> list[Released]:
    """Those since the model was last trained again, that one included; all where it never was."""
    trained = [place for place, one in enumerate(released) if one.method == RETRAIN]
    return released[trained[-1] :] if trained else released


def exceeded(ledger: Ledger, benchmark: str, budget: Budget) -> bool:
    """Whether the batches since the last training have cost more than the budget allows.

    Retain accuracy is compared among unlearned models alone. A training fits those who stay far more closely than the
    fine-tune after a reset does, at the same accuracy on others: beside it every batch would use the budget up.
    """
    own = since_training(released_figures(ledger, benchmark))
    unlearned = [one.figures for one in own if one.method != RETRAIN]
    lost = max(drop([one.figures for one in own], TEST), drop(unlearned, RETAIN))
    return len(unlearned) >= budget.batches or lost > budget.accuracy_drop
