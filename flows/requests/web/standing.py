"""Where the newest batches stand: what the queue shows as running, waiting, or stopped."""

from collections import Counter
from dataclasses import dataclass

from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import MAX_PAGE, batch_history, list_batches, list_requests
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.records import BatchRecord, EventRecord
from flows.requests.ledger.states import Action, State

_NEWEST = 5


@dataclass(frozen=True)
class Standing:
    """A batch, how many of its requests are in which state, what was done to it last, and how many audits held it back."""

    batch: BatchRecord
    states: dict[State, int]
    last: EventRecord
    held_back: int

    @property
    def at_work(self) -> bool:
        """Whether it was begun and is neither released nor stopped, as far as the ledger knows."""
        return bool(self.states.keys() & {State.IN_PROGRESS, State.VERIFIED})


def standings(ledger: Ledger, *, limit: int = _NEWEST) -> list[Standing]:
    """The newest batches, the newest first."""
    found = []
    for batch in list_batches(ledger, limit=limit):
        requests = list_requests(ledger, batch=batch.id, limit=MAX_PAGE).requests
        history = batch_history(ledger, batch.id)
        held = sum(event.action == Action.ESCALATE and event.why == Reason.GATE_FAILED for event in history)
        found.append(Standing(batch, dict(Counter(request.state for request in requests)), history[-1], held))
    return found
