"""Whether the ledger is what the program wrote: the chain is whole, and the requests are what their history makes of them."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from aru.core.errors import InputError
from flows.requests.ledger.chain import row_fields, row_hash
from flows.requests.ledger.changing import particular_digest
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.states import Action, Role, State, next_state
from flows.requests.ledger.tables import Batch, Event, Head, Particular, Request, time_text

_AT_ONCE = 1000  # rows of the history in memory


@dataclass(frozen=True)
class Verification:
    """What was found: `events` rows of history, the hash of the last one, and each fault in a sentence; none is good."""

    ledger: str
    events: int
    head: str
    faults: list[str]


@dataclass
class _Replay:
    """What the history says: the fields of requests and batches by id, the digests of particulars by request, and its end."""

    last: str
    missing: set[str]
    number: int = 0
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    particulars: dict[str, dict[tuple[int, str], str]] = field(default_factory=lambda: defaultdict(dict))


def verify_ledger(ledger: Ledger, anchors: Collection[str] = ()) -> Verification:
    """Look through the whole ledger.

    anchors: hashes of earlier heads, as certificates and notes outside have them; each must stand in the chain. Only they show
    that the end of the history was not cut off, or all of it written anew, by somebody who can compute hashes.
    """
    with ledger.reading() as session:
        head = session.scalars(select(Head)).one_or_none()
        if head is None:
            raise InputError("the ledger has lost the row that says where its history ends: bring it back from a backup")
        replay = _Replay(last=hashlib.sha256(head.ledger.encode()).hexdigest(), missing=set(anchors))
        faults = [
            *_readable("history", _history_faults(session, head, replay)),
            *_readable("requests", _table_faults(session, Request, replay.requests, head.requests)),
            *_readable("batches", _table_faults(session, Batch, replay.batches, head.batches)),
            *_readable("particulars", _particular_faults(ledger, session, replay)),
        ]
        return Verification(head.ledger, replay.number, head.hash, faults)


def _readable(table: str, faults: Iterable[str]) -> Iterator[str]:
    """The faults of a table, of which one may be that a row holds something that the program never writes."""
    try:
        yield from faults
    except (ValueError, TypeError, DBAPIError) as error:
        yield f"{table}: a row cannot be read ({type(error).__name__})"


def _history_faults(session: Session, head: Head, replay: _Replay) -> Iterator[str]:
    for row in session.scalars(select(Event).order_by(Event.seq).execution_options(yield_per=_AT_ONCE)):
        if row.seq != replay.number + 1:
            yield f"history: the row {replay.number + 1} is missing, {row.seq} follows"
        if row.previous != replay.last:
            yield f"history {row.seq}: it does not follow the row before it"
        if row.hash != row_hash(row):
            yield f"history {row.seq}: its fields are not those that its hash was made from"
        replay.number, replay.last = row.seq, row.hash
        replay.missing.discard(row.hash)
        yield from _step_faults(row, replay)
    if (replay.number, replay.last) != (head.seq, head.hash):
        yield f"history: it ends with the row {replay.number}, and the head names the row {head.seq} or another hash"
    yield from (f"history: the earlier head {anchor} is not in it" for anchor in sorted(replay.missing))


def _step_faults(row: Event, replay: _Replay) -> Iterator[str]:
    """What is wrong with a step after those before it, to which it is added."""
    try:
        data, action = json.loads(row.data), Action(row.action)
        if row.request is None:
            replay.batches.setdefault(str(row.batch), {}).update(data["set"])
            return
        known = replay.requests.get(row.request)
        source = State(known["state"]) if known else None
        target = next_state(action, source, Role(row.role))
        fields = {**(known or {}), **data.get("set", {}), "state": target}
        if target is not source:
            fields["changed"] = time_text(row.at)
        if (row.source, row.target, row.batch) != (source, target, fields.get("batch")):
            yield f"history {row.seq}: its states are not those of the request, {source} to {target}"
        replay.requests[row.request] = fields
        if action is Action.ERASE:
            replay.particulars.pop(row.request, None)
        for part, digest in data.get("particulars", {}).items():
            replay.particulars[row.request][row.seq, part] = digest
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield f"history {row.seq}: {error}"


def _table_faults(
    session: Session, table: type[Request] | type[Batch], expected: dict[str, dict[str, Any]], count: int
) -> Iterator[str]:
    """Where requests or batches are not what their history says."""
    name, found = table.__tablename__, {}
    for row in session.scalars(select(table)):
        fields = row_fields(row)
        found[fields.pop("id")] = fields
    for key in sorted(found.keys() | expected.keys()):
        there, said = found.get(key, {}), expected.get(key, {})
        other = sorted(field for field in there.keys() | said.keys() if there.get(field) != said.get(field))
        if other:
            yield f"{name} {key}: {', '.join(other)} not as the history says"
    if len(found) != count:
        yield f"{name}: {len(found)} rows, the head has counted {count}"


def _particular_faults(ledger: Ledger, session: Session, replay: _Replay) -> Iterator[str]:
    """Where what names people is not what the history has digests of."""
    expected = {(request, *place): digest for request, parts in replay.particulars.items() for place, digest in parts.items()}
    for row in session.scalars(select(Particular).execution_options(yield_per=_AT_ONCE)):
        content = row.photo if row.text is None else row.text
        digest = expected.pop((row.request, row.seq, row.part), None)
        if content is None or (row.text is not None and row.photo is not None) or particular_digest(ledger, content) != digest:
            yield f"particulars {row.seq} {row.part}: not what the history has the digest of"
    yield from (f"particulars {seq} {part}: missing, and not erased" for _, seq, part in sorted(expected))
