"""What the ledger tells: requests, batches and rows of the history as plain values, good after the transaction has ended."""

import getpass
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aru.core.errors import InputError
from flows.requests.ledger.states import CLOSED, Action, Role, State
from flows.requests.ledger.tables import Batch, Event, Request


class NotInLedger(InputError):
    """There is no request, or no batch, of this id."""


@dataclass(frozen=True)
class Actor:
    """Who acts: the name of a user of this machine or of a program, never of a person whom a request is about."""

    name: str
    role: Role = Role.OPERATOR


def operator() -> Actor:
    """The user whom the operating system knows."""
    return Actor(getpass.getuser())


@dataclass(frozen=True)
class RequestRecord:
    """A request. `first_due`: its time limit before any extension; `changed`: when its state was last set."""

    id: str
    kind: str
    benchmark: str
    received: datetime
    first_due: datetime
    due: datetime
    extended_because: str | None
    state: State
    changed: datetime
    verified_by: str | None
    duplicate_of: str | None
    batch: str | None

    def overdue(self, now: datetime) -> bool:
        """Whether its time limit has passed and it is still open."""
        return self.state not in CLOSED and self.due < now


@dataclass(frozen=True)
class BatchRecord:
    """A batch. `thresholds`, `parameters`: SHA-256 digests, fixed when it was made; the models are registered versions."""

    id: str
    benchmark: str
    created: datetime
    thresholds: str
    parameters: str
    model_before: str | None
    model_after: str | None


@dataclass(frozen=True)
class EventRecord:
    """A row of the history; `data` has codes, counts and keyed digests only."""

    seq: int
    request: str | None
    batch: str | None
    at: datetime
    who: str
    role: Role
    action: Action
    source: State | None
    target: State | None
    why: str | None
    data: dict[str, Any]
    previous: str
    hash: str


def request_record(row: Request) -> RequestRecord:
    """The values of a row of the table."""
    return RequestRecord(
        row.id,
        row.kind,
        row.benchmark,
        row.received,
        row.first_due,
        row.due,
        row.extended_because,
        State(row.state),
        row.changed,
        row.verified_by,
        row.duplicate_of,
        row.batch,
    )


def batch_record(row: Batch) -> BatchRecord:
    """The values of a row of the table."""
    return BatchRecord(row.id, row.benchmark, row.created, row.thresholds, row.parameters, row.model_before, row.model_after)


def event_record(row: Event) -> EventRecord:
    """The values of a row of the table."""
    return EventRecord(
        row.seq,
        row.request,
        row.batch,
        row.at,
        row.who,
        Role(row.role),
        Action(row.action),
        State(row.source) if row.source else None,
        State(row.target) if row.target else None,
        row.why,
        json.loads(row.data),
        row.previous,
        row.hash,
    )
