"""Batches: requests that are unlearned, audited and released together, by thresholds that are fixed when the batch is made."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from aru.core.errors import InputError
from flows.requests.ledger.changing import Change, changing, check_text
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.records import Actor, BatchRecord, RequestRecord, batch_record, request_record
from flows.requests.ledger.states import CLOSED, TRANSITIONS, UNDECIDED, Action, State
from flows.requests.ledger.tables import NAME, Batch, Request

_SHA256 = re.compile(r"[0-9a-f]{64}")


def schedule(
    ledger: Ledger, requests: Sequence[str], *, thresholds: str, parameters: str, actor: Actor, at: datetime | None = None
) -> BatchRecord:
    """Make a batch of approved requests of one benchmark.

    thresholds, parameters: SHA-256 digests, in hexadecimal, of the limits of its audit and of its unlearning's parameters,
    which the history keeps with the time. Raises InputError for no request, one twice, several benchmarks, or another state.
    """
    for name, digest in (("thresholds", thresholds), ("parameters", parameters)):
        if not _SHA256.fullmatch(digest):
            raise InputError(f"{name} = {digest!r} is no SHA-256 digest: give 64 hexadecimal digits in lower case")
    if not requests or len(set(requests)) != len(requests):
        raise InputError(
            f"a batch of {len(requests)} requests, {len(set(requests))} different: give each once, and at least one"
        )
    with changing(ledger, actor, at) as change:
        rows = [change.request(request) for request in requests]
        benchmarks = sorted({row.benchmark for row in rows})
        if len(benchmarks) > 1:
            raise InputError(f"a batch is of one benchmark, these requests are of {', '.join(benchmarks)}: make one for each")
        change.head.batches += 1
        batch = Batch(id=f"B-{change.head.batches:06d}")
        change.batch_step(
            Action.SCHEDULE,
            batch,
            sets={"benchmark": benchmarks[0], "created": change.at, "thresholds": thresholds, "parameters": parameters},
            data={"requests": list(requests)},
        )
        for row in rows:
            change.step(Action.SCHEDULE, row, sets={"batch": batch.id})
        return batch_record(batch)


def start(ledger: Ledger, batch: str, *, model_before: str, actor: Actor, at: datetime | None = None) -> list[RequestRecord]:
    """Begin with a batch, or go on after it stopped. `model_before`: the registered version that is served now."""
    check_text("the version of the model", model_before, NAME)
    return _move(ledger, batch, Action.START, actor=actor, at=at, sets={"model_before": model_before})


def verify(
    ledger: Ledger, batch: str, *, thresholds: str, data: Mapping[str, Any], actor: Actor, at: datetime | None = None
) -> list[RequestRecord]:
    """The audit of a batch has passed.

    thresholds: the digest of those that it used. Raises InputError where they are not those fixed when the batch was made.
    data: digests and figures of the audit.
    """
    return _move(
        ledger, batch, Action.VERIFY, actor=actor, at=at, thresholds=thresholds, data={**data, "thresholds": thresholds}
    )


def fulfill(
    ledger: Ledger, batch: str, *, model_after: str, data: Mapping[str, Any], actor: Actor, at: datetime | None = None
) -> list[RequestRecord]:
    """A verified batch is released as a registered version of the model. `data`: digests and times of the release."""
    check_text("the version of the model", model_after, NAME)
    return _move(ledger, batch, Action.FULFILL, actor=actor, at=at, sets={"model_after": model_after}, data=data)


def escalate(
    ledger: Ledger,
    batch: str,
    reason: Reason,
    *,
    data: Mapping[str, Any] | None = None,
    actor: Actor,
    at: datetime | None = None,
) -> list[RequestRecord]:
    """A batch needs a stronger step or a person. `data`: digests and figures of what was found."""
    return _move(ledger, batch, Action.ESCALATE, actor=actor, at=at, why=reason, data=data or {})


def fail(
    ledger: Ledger, batch: str, *, data: Mapping[str, Any] | None = None, actor: Actor, at: datetime | None = None
) -> list[RequestRecord]:
    """The work on a batch has stopped by a fault. `data`: its kind, never a message, which might name somebody."""
    return _move(ledger, batch, Action.FAIL, actor=actor, at=at, why=Reason.FAULT, data=data or {})


def decide(ledger: Ledger, batch: str, *, actor: Actor, at: datetime | None = None) -> None:
    """A person's decision that a batch which was escalated, or stopped by a fault, is carried out after all."""
    with changing(ledger, actor, at) as change:
        row = change.batch(batch)
        states = {member.state for member in _members(change, batch, Action.START)}
        if not states <= {State.ESCALATED, State.ERROR}:
            raise InputError(
                f"{batch} is {', '.join(sorted(states))}: only one that is escalated or in error waits for a person"
            )
        change.batch_step(Action.RECORD, row, data={"decision": "carry out"})


def _move(
    ledger: Ledger,
    batch_id: str,
    action: Action,
    *,
    actor: Actor,
    at: datetime | None,
    why: Reason | None = None,
    thresholds: str | None = None,
    sets: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> list[RequestRecord]:
    """Do an action with a batch and with all its requests, or with none; those closed beforehand stay as they are."""
    with changing(ledger, actor, at) as change:
        batch = change.batch(batch_id)
        if thresholds not in (None, batch.thresholds):
            raise InputError(
                f"the audit of {batch_id} used the thresholds {thresholds}: audit with those fixed for it, {batch.thresholds}"
            )
        rows = _members(change, batch_id, action)
        change.batch_step(action, batch, sets=sets, data=data, why=why)
        for row in rows:
            change.step(action, row, why=why)
        return [request_record(row) for row in rows]


def _members(change: Change, batch: str, action: Action) -> list[Request]:
    # Undecided ones are in no batch; rows of older ledgers, where one was reopened, may name its last.
    passed = CLOSED.union(UNDECIDED) - TRANSITIONS[action].source
    rows = change.session.scalars(
        select(Request).where(Request.batch == batch, Request.state.not_in(passed)).order_by(Request.id)
    ).all()
    if not rows:
        raise InputError(f"no request of {batch} is left for {action}: all are closed, or were taken out of it")
    return list(rows)
