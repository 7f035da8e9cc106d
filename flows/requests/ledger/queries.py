"""What the ledger is asked: one request with its history, pages of the list, counts."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, select, tuple_
from sqlalchemy.orm import Session

from aru.core.errors import InputError
from flows.requests.ledger.event_content import named_in
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.records import (
    BatchRecord,
    EventRecord,
    NotInLedger,
    RequestRecord,
    batch_record,
    event_record,
    request_record,
)
from flows.requests.ledger.states import OPEN, UNDONE, Action, State
from flows.requests.ledger.tables import NAMING, Batch, Event, Head, Particular, Request, Time

MAX_PAGE = 1000
CERTIFICATE = "certificate"
"""What a `record` in the history of a request names its certificate by."""


@dataclass(frozen=True)
class Page:
    """Requests in the order of their time limits; `next` is the last one's id where more follow, for `after`."""

    requests: list[RequestRecord]
    next: str | None


@dataclass(frozen=True)
class Counts:
    """How many requests are in each state, and how many open ones are overdue."""

    states: dict[State, int]
    overdue: int


def find_request(ledger: Ledger, request: str) -> RequestRecord:
    """A request by its id. Raises InputError where there is none."""
    with ledger.reading() as session:
        return request_record(_one(session, request))


def request_history(ledger: Ledger, request: str) -> list[EventRecord]:
    """All that was done to a request, the oldest first."""
    with ledger.reading() as session:
        rows = session.scalars(select(Event).where(Event.request == request).order_by(Event.seq)).all()
        return [event_record(row) for row in rows]


def batch_history(ledger: Ledger, batch: str) -> list[EventRecord]:
    """All that was done to a batch as such, the oldest first."""
    with ledger.reading() as session:
        chosen = select(Event).where(Event.batch == batch, Event.request.is_(None)).order_by(Event.seq)
        return [event_record(row) for row in session.scalars(chosen)]


def request_particulars(ledger: Ledger, request: str) -> dict[str, Any]:
    """What names people in a request, the newest of each part: {part: JSON content, text or bytes}; empty once erased."""
    with ledger.reading() as session:
        rows = session.scalars(select(Particular).where(Particular.request == request).order_by(Particular.seq)).all()
        return {row.part: row.photo if row.text is None else _content(row.part, row.text) for row in rows}


def particular_parts(ledger: Ledger, request: str) -> set[str]:
    """Which parts of a request name people: submitted, photo, evidence ..., without what is in them."""
    with ledger.reading() as session:
        return set(session.scalars(select(Particular.part).where(Particular.request == request)))


def list_requests(
    ledger: Ledger,
    *,
    states: Collection[State] = (),
    benchmark: str | None = None,
    batch: str | None = None,
    due_before: datetime | None = None,
    limit: int = 50,
    after: str | None = None,
) -> Page:
    """A page of requests, the one due first at the top.

    states: only in these; due_before: only those due earlier; after: only what follows this request in the order. Raises
    InputError for a limit beyond 1 to 1000 and an unknown `after`.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InputError(f"limit = {limit}: give 1 to {MAX_PAGE}, and go on with `after`")
    chosen = select(Request).order_by(Request.due, Request.id).limit(limit + 1)
    if states:
        chosen = chosen.where(Request.state.in_(sorted(states)))
    if benchmark is not None:
        chosen = chosen.where(Request.benchmark == benchmark)
    if batch is not None:
        chosen = chosen.where(Request.batch == batch)
    if due_before is not None:
        chosen = chosen.where(Request.due < due_before)
    with ledger.reading() as session:
        if after is not None:
            last = _one(session, after)
            chosen = chosen.where(tuple_(Request.due, Request.id) > tuple_(literal(last.due, Time()), literal(last.id)))
        rows = session.scalars(chosen).all()
        return Page([request_record(row) for row in rows[:limit]], rows[limit - 1].id if len(rows) > limit else None)


def each_request(ledger: Ledger, *, states: Collection[State] = (), benchmark: str | None = None) -> Iterator[RequestRecord]:
    """All requests in the order of their time limits, however many they are; the options are those of `list_requests`."""
    after = None
    while True:
        page = list_requests(ledger, states=states, benchmark=benchmark, limit=MAX_PAGE, after=after)
        yield from page.requests
        if page.next is None:
            return
        after = page.next


def naming_particulars(ledger: Ledger, requests: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each of these requests with those of its `request_particulars` that list names; without any once it is erased."""
    for part in _parts(requests, MAX_PAGE):
        found: dict[str, dict[str, Any]] = {request: {} for request in part}
        chosen = select(Particular).where(Particular.request.in_(part), Particular.part.in_(NAMING)).order_by(Particular.seq)
        with ledger.reading() as session:
            for row in session.scalars(chosen):
                found[row.request][row.part] = _content(row.part, row.text or "null")
        yield from found.items()


def names_on_record(ledger: Ledger, request: str) -> set[str]:
    """The names of people and photos that the particulars of a request have, those of earlier findings too."""
    with ledger.reading() as session:
        return names_in_particulars(session, request)


def searches_that_found(ledger: Ledger, benchmark: str, subjects: Collection[str]) -> set[str]:
    """The requests of a benchmark, erased ones too, one of whose searches found one of these people: by the history."""
    found: set[str] = set()
    resolved = select(Request.id).join(Event, Event.request == Request.id)
    resolved = resolved.where(Event.action == Action.RESOLVE, Request.benchmark == benchmark)
    with ledger.reading() as session:
        for subject in subjects:
            named = Event.data.contains(ledger.digest("subject", subject), autoescape=True)
            found |= {*session.scalars(resolved.where(named))}
    return found


def overdue_requests(ledger: Ledger, now: datetime, *, limit: int = 50, after: str | None = None) -> Page:
    """A page of the open requests whose time limit has passed."""
    return list_requests(ledger, states=OPEN, due_before=now, limit=limit, after=after)


def count_requests(ledger: Ledger, now: datetime) -> Counts:
    """The figures of the whole ledger."""
    late = select(func.count()).where(Request.state.in_(sorted(OPEN)), Request.due < now)
    with ledger.reading() as session:
        rows = session.execute(select(Request.state, func.count()).group_by(Request.state)).all()
        return Counts({State(state): count for state, count in sorted(rows)}, session.scalar(late) or 0)


def requests_by_key(ledger: Ledger, keys: Sequence[str]) -> dict[str, RequestRecord]:
    """The requests that were submitted with these idempotency keys: {key: request}, without those that are unknown."""
    names = {ledger.digest("key", key): key for key in keys}
    found = {}
    with ledger.reading() as session:
        for part in _parts(names, MAX_PAGE):
            for row in session.scalars(select(Request).where(Request.key.in_(part))):
                found[names[row.key]] = request_record(row)
    return found


def denial_reason(ledger: Ledger, request: str) -> str | None:
    """Why a request was denied last, as a code; None where it never was."""
    denied = select(Event.why).where(Event.request == request, Event.action == Action.DENY)
    with ledger.reading() as session:
        return session.scalars(denied.order_by(Event.seq.desc()).limit(1)).one_or_none()


def duplicates_of(session: Session, request: str) -> list[str]:
    """The ids of the requests that are joined to one."""
    chosen = select(Request.id).where(Request.state == State.DUPLICATE, Request.duplicate_of == request)
    return list(session.scalars(chosen.order_by(Request.id)))


def stranded_duplicates(ledger: Ledger, request: str) -> list[str]:
    """The ids of the requests that are joined to one which is closed and was not carried out: nobody carries them out."""
    with ledger.reading() as session:
        return duplicates_of(session, request) if _one(session, request).state in UNDONE else []


def find_batch(ledger: Ledger, batch: str) -> BatchRecord:
    """A batch by its id. Raises InputError where there is none."""
    with ledger.reading() as session:
        row = session.get(Batch, batch)
        if row is None:
            raise NotInLedger(f"there is no batch {batch!r} in the ledger")
        return batch_record(row)


def list_batches(ledger: Ledger, *, limit: int = 50) -> list[BatchRecord]:
    """The newest batches."""
    with ledger.reading() as session:
        return [batch_record(row) for row in session.scalars(select(Batch).order_by(Batch.id.desc()).limit(limit))]


def released_batches(ledger: Ledger, benchmark: str) -> int:
    """How many batches of a benchmark made a version that was released."""
    with ledger.reading() as session:
        made = (Batch.benchmark == benchmark, Batch.model_after.is_not(None), Batch.model_after != Batch.model_before)
        return session.scalar(select(func.count()).where(*made)) or 0


def certificate_on_record(history: Iterable[EventRecord]) -> str | None:
    """The file name of the newest certificate in the history of a request; None where it has none."""
    names = [event.data["record"][CERTIFICATE] for event in history if CERTIFICATE in event.data.get("record", {})]
    return names[-1] if names else None


def uncertified_requests(ledger: Ledger, benchmark: str) -> list[RequestRecord]:
    """The fulfilled requests of a benchmark after whose (last) fulfilment no certificate was put on record."""
    done = select(Event.request, func.max(Event.seq).label("seq")).where(Event.request.is_not(None)).group_by(Event.request)
    fulfilled = done.where(Event.action == Action.FULFILL).subquery()
    certified = done.where(Event.action == Action.RECORD, Event.data.contains(f'"{CERTIFICATE}":', autoescape=True)).subquery()
    chosen = (
        select(Request)
        .join(fulfilled, fulfilled.c.request == Request.id)
        .outerjoin(certified, certified.c.request == Request.id)
        .where(Request.state == State.FULFILLED, Request.benchmark == benchmark)
        .where(certified.c.seq.is_(None) | (certified.c.seq < fulfilled.c.seq))
        .order_by(Request.id)
    )
    with ledger.reading() as session:
        return [request_record(row) for row in session.scalars(chosen)]


def head_hash(ledger: Ledger) -> str:
    """The hash of the newest row of the history."""
    with ledger.reading() as session:
        return session.scalars(select(Head.hash)).one()


def names_in_particulars(session: Session, request: str | None) -> set[str]:
    """The same within a transaction."""
    rows = session.scalars(select(Particular.text).where(Particular.request == request, Particular.part.in_(NAMING)))
    return {name for text in rows if text is not None for name in named_in(json.loads(text))}


def _one(session: Session, request: str) -> Request:
    row = session.get(Request, request)
    if row is None:
        raise NotInLedger(f"there is no request {request!r} in the ledger: `aru request list` shows them")
    return row


def _content(part: str, text: str) -> Any:
    return json.loads(text) if part in NAMING else text


def _parts(names: Iterable[str], size: int) -> Iterator[list[str]]:
    known = list(names)
    for begin in range(0, len(known), size):
        yield known[begin : begin + size]
