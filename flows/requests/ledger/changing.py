"""A change of the ledger: the transition checked, the request's fields set the row of history added, in one transaction."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from aru.core.errors import InputError
from flows.requests.ledger.chain import canonical, row_hash
from flows.requests.ledger.event_content import check_content
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import names_in_particulars
from flows.requests.ledger.reasons import Reason, check_reason
from flows.requests.ledger.records import Actor, NotInLedger
from flows.requests.ledger.states import Action, State, next_state
from flows.requests.ledger.tables import NAME, Batch, Event, Head, Particular, Request, time_text

Row = TypeVar("Row", Request, Batch)
MAX_TEXT = 100_000
"""Characters of a remark or of a list of findings."""


@dataclass(frozen=True)
class Change:
    """An open transaction of one actor at one time."""

    ledger: Ledger
    session: Session
    head: Head
    actor: Actor
    at: datetime

    def request(self, request_id: str) -> Request:
        """The row of a request. InputError where there is none of this id."""
        return _found(self.session.get(Request, request_id), "request", request_id)

    def batch(self, batch_id: str) -> Batch:
        """The row of a batch. InputError where there is none of this id."""
        return _found(self.session.get(Batch, batch_id), "batch", batch_id)

    def step(
        self,
        action: Action,
        request: Request,
        *,
        why: Reason | None = None,
        sets: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        particulars: Mapping[str, str | bytes] | None = None,
    ) -> Event:
        """Do an action with a request: state, fields (`sets`) and history.

        data: what else the history keeps; codes, counts and keyed digests only. particulars: what names people, of which the
        history keeps digests. Raises InputError where the action is not allowed.
        """
        check_reason(action, why)
        source = State(request.state) if request.state else None
        target = next_state(action, source, self.actor.role)
        parts = dict(particulars or {})
        content = dict(data or {})
        if sets:
            content["set"] = {name: _plain(value) for name, value in sets.items()}
        if parts:
            content["particulars"] = {part: particular_digest(self.ledger, value) for part, value in parts.items()}
        for name, value in (sets or {}).items():
            setattr(request, name, value)
        if target is not source:
            request.state, request.changed = target, self.at
        self.session.add(request)
        self.session.flush()
        event = self._append(action, content, request=request.id, batch=request.batch, source=source, target=target, why=why)
        for part, value in parts.items():
            text, photo = (value, None) if isinstance(value, str) else (None, value)
            self.session.add(Particular(seq=event.seq, part=part, request=request.id, text=text, photo=photo))
        return event

    def batch_step(
        self,
        action: Action,
        batch: Batch,
        *,
        sets: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        why: Reason | None = None,
    ) -> Event:
        """Do an action with a batch as such: its fields and its own row of history."""
        for name, value in (sets or {}).items():
            setattr(batch, name, value)
        self.session.add(batch)
        self.session.flush()
        content = {**(data or {}), "set": {name: _plain(value) for name, value in (sets or {}).items()}}
        return self._append(action, content, batch=batch.id, why=why)

    def _append(
        self,
        action: Action,
        content: dict[str, Any],
        *,
        request: str | None = None,
        batch: str | None = None,
        source: State | None = None,
        target: State | None = None,
        why: Reason | None = None,
    ) -> Event:
        check_content(content, names_in_particulars(self.session, request) if "record" in content else ())
        event = Event(
            seq=self.head.seq + 1,
            request=request,
            batch=batch,
            at=self.at,
            who=self.actor.name,
            role=self.actor.role,
            action=action,
            source=source,
            target=target,
            why=why,
            data=canonical(content),
            previous=self.head.hash,
        )
        event.hash = row_hash(event)
        self.head.seq, self.head.hash = event.seq, event.hash
        self.session.add(event)
        self.session.flush()
        return event


@contextmanager
def changing(ledger: Ledger, actor: Actor, at: datetime | None = None) -> Iterator[Change]:
    """A transaction that changes the ledger; an error undoes all of it. `at`: the time of the change, now by default."""
    check_text("the name of who acts", actor.name, NAME)
    if at is not None and at.tzinfo is None:
        raise InputError(f"the time {at} has no zone: write it as in 2026-01-31T09:00:00+01:00")
    with ledger.writing() as session:
        head = session.execute(select(Head).with_for_update()).scalar_one()
        yield Change(ledger, session, head, actor, at or datetime.now(UTC))


def particular_digest(ledger: Ledger, value: str | bytes) -> str:
    """What the history keeps of a text or a photo: a keyed digest."""
    if isinstance(value, bytes):
        return ledger.digest("photo", hashlib.sha256(value).hexdigest())
    return ledger.digest("text", value)


def check_text(what: str, text: str, limit: int) -> str:
    """A text that every database takes. InputError where it is empty, too long, or has signs that are no text."""
    if not text.strip() or len(text) > limit:
        raise InputError(f"{what} has {len(text)} characters: give 1 to {limit}")
    if "\0" in text or any(0xD800 <= ord(sign) <= 0xDFFF for sign in text):
        raise InputError(f"{what} has a null character or bytes that are not UTF-8: write it in UTF-8")
    return text


def _plain(value: Any) -> Any:
    return time_text(value) if isinstance(value, datetime) else value


def _found(row: Row | None, kind: str, name: str) -> Row:
    if row is None:
        raise NotInLedger(f"there is no {kind} {name!r} in the ledger: `aru {kind} list` shows them")
    return row
