"""What can be done with a request, each in one transaction: the functions behind the command line, the API and the schedule.

Each takes who acts and, for tests, when; each raises InputError where the table of transitions does not allow it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aru.core.errors import InputError
from flows.requests.ledger.chain import canonical
from flows.requests.ledger.changing import MAX_TEXT, changing, check_text
from flows.requests.ledger.deadlines import MORE_DAYS, latest_due
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import duplicates_of
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.records import Actor, RequestRecord, request_record
from flows.requests.ledger.states import UNDONE, Action
from flows.requests.ledger.submission import REMARK
from flows.requests.ledger.tables import NAME, Event, Particular, Request

EVIDENCE, CONFIRMED = "evidence", "confirmed"
"""The particulars that hold by name what a search has found, and whom a person has confirmed among look-alikes."""


@dataclass(frozen=True)
class Evidence:
    """What a search for a person's photos has found and where it looked.

    subjects, files: their names and their digests, of which the history keeps keyed digests. counts: figures. searched: the
    digest of the manifest. details: the finding by name, which is erased with the particulars.
    """

    subjects: tuple[str, ...]
    files: tuple[str, ...]
    counts: Mapping[str, int]
    searched: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Confirmation:
    """A person's word on look-alikes.

    subjects: the names of those confirmed, of which the history keeps keyed digests; ranks: their places in the list, from 1;
    shown: how many people were looked at. model: MD5 of the weights that ranked them. searched: the digest of the manifest.
    """

    subjects: tuple[str, ...]
    ranks: tuple[int, ...]
    shown: int
    model: str
    searched: str


def ask_identity(ledger: Ledger, request: str, *, actor: Actor, remark: str = "", at: datetime | None = None) -> RequestRecord:
    """Put on record that proof of identity was asked for."""
    return _step(ledger, Action.ASK_IDENTITY, request, actor=actor, remark=remark, at=at)


def identify(
    ledger: Ledger, request: str, *, by: str | None = None, actor: Actor, remark: str = "", at: datetime | None = None
) -> RequestRecord:
    """Sign that the identity of who asks was checked. `by`: who checked it, the actor by default."""
    checker = check_text("the name of who checked the identity", by or actor.name, NAME)
    return _step(ledger, Action.IDENTIFY, request, actor=actor, remark=remark, at=at, sets={"verified_by": checker})


def record_resolution(
    ledger: Ledger, request: str, evidence: Evidence, *, actor: Actor, at: datetime | None = None
) -> RequestRecord:
    """Put on record which photos a request means, by keyed digests in the history and by name in the particulars."""
    return _step(ledger, Action.RESOLVE, request, actor=actor, at=at, **_of_evidence(ledger, evidence))


def confirm(
    ledger: Ledger, request: str, confirmation: Confirmation, *, actor: Actor, remark: str = "", at: datetime | None = None
) -> RequestRecord:
    """Put on record whom a person has recognized among look-alikes, or that it is nobody; it replaces an earlier word."""
    return _step(
        ledger,
        Action.CONFIRM,
        request,
        actor=actor,
        remark=remark,
        at=at,
        data={
            "subjects": sorted(ledger.digest("subject", name) for name in set(confirmation.subjects)),
            "ranks": list(confirmation.ranks),
            "shown": confirmation.shown,
            "model": confirmation.model,
            "searched": confirmation.searched,
        },
        particulars={CONFIRMED: canonical(sorted(set(confirmation.subjects)))},
    )


def answer_not_found(
    ledger: Ledger, request: str, evidence: Evidence, *, actor: Actor, at: datetime | None = None
) -> RequestRecord:
    """Close a request of which nothing was found. InputError where the evidence has photos, or nobody has checked who asks."""
    if evidence.files:
        raise InputError(f"{len(evidence.files)} files were found for {request}: it is not `not_found`")
    with changing(ledger, actor, at) as change:
        row = change.request(request)
        change.step(Action.NOT_FOUND, row, **_of_evidence(ledger, evidence))
        _check_identity(row)
        return request_record(row)


def approve(ledger: Ledger, request: str, *, actor: Actor, remark: str = "", at: datetime | None = None) -> RequestRecord:
    """Decide that a request is carried out, on the photos of its latest resolution, without which nothing is approved.

    Raises InputError where there is none, or where nobody has checked who asks, as of one that was closed before and reopened.
    """
    with changing(ledger, actor, at) as change:
        row = change.request(request)
        resolution = _latest_resolution(change.session, request)
        if resolution is None or not resolution[1]["files"]:
            raise InputError(f"no photo of {request} is on record: look for them first, with `aru request resolve {request}`")
        change.step(Action.APPROVE, row, data={"resolution": resolution[0]}, particulars=_remark(remark))
        _check_identity(row)
        return request_record(row)


def deny(
    ledger: Ledger, request: str, reason: Reason, *, actor: Actor, remark: str = "", at: datetime | None = None
) -> RequestRecord:
    """Refuse a request for a reason of the law."""
    return _step(ledger, Action.DENY, request, actor=actor, why=reason, remark=remark, at=at)


def mark_duplicate(
    ledger: Ledger, request: str, of: str, *, actor: Actor, remark: str = "", at: datetime | None = None
) -> RequestRecord:
    """Join a request to another one that asks for the same, and is carried out.

    Raises InputError where that is the same one, a duplicate itself, closed without being carried out, or of another
    benchmark, and where the request has duplicates of its own.
    """
    with changing(ledger, actor, at) as change:
        row, other = change.request(request), change.request(of)
        if other.id == row.id or other.duplicate_of is not None:
            raise InputError(f"{request} cannot be a duplicate of {of}: name another request that is no duplicate itself")
        if other.state in UNDONE:
            raise InputError(f"{of} is {other.state}, and nobody carries it out: reopen it first, or name another request")
        if other.benchmark != row.benchmark:
            raise InputError(f"{request} is of {row.benchmark} and {of} of {other.benchmark}: name one of the same benchmark")
        if own := duplicates_of(change.session, row.id):
            raise InputError(f"{', '.join(own)} hang on {request} as duplicates: reopen them, and join them to {of}, first")
        change.step(Action.DUPLICATE, row, sets={"duplicate_of": other.id}, particulars=_remark(remark))
        return request_record(row)


def cancel(ledger: Ledger, request: str, *, actor: Actor, remark: str = "", at: datetime | None = None) -> RequestRecord:
    """Take back a request, as who sent it has."""
    return _step(ledger, Action.CANCEL, request, actor=actor, why=Reason.WITHDRAWN, remark=remark, at=at)


def reopen(
    ledger: Ledger, request: str, reason: Reason, *, actor: Actor, remark: str = "", at: datetime | None = None
) -> RequestRecord:
    """Decide anew, and by itself, on a request that was denied, not found or a duplicate; it is in no batch any more."""
    sets = {"batch": None, "duplicate_of": None}
    return _step(ledger, Action.REOPEN, request, actor=actor, why=reason, remark=remark, at=at, sets=sets)


def extend(
    ledger: Ledger,
    request: str,
    reason: Reason,
    *,
    days: int = MORE_DAYS,
    actor: Actor,
    remark: str = "",
    at: datetime | None = None,
) -> RequestRecord:
    """Extend the time limit by `days`, within 60 days and three months of the receipt.

    The one who asked is to be told within the first limit, so nothing is extended after it. Raises InputError.
    """
    with changing(ledger, actor, at) as change:
        row = change.request(request)
        if change.at > row.first_due:
            raise InputError(
                f"the first time limit of {request} ended on {row.first_due:%Y-%m-%d}: an extension is told within it"
            )
        latest, due = latest_due(row.received, row.first_due), row.due + timedelta(days=days)
        if days == MORE_DAYS and row.due == row.first_due:
            due = min(due, latest)
        if days < 1 or due > latest:
            raise InputError(
                f"{days} days more for {request}: due on {row.due:%Y-%m-%d}, it may be extended to {latest:%Y-%m-%d}"
            )
        change.step(Action.EXTEND, row, why=reason, sets={"due": due, "extended_because": reason}, particulars=_remark(remark))
        return request_record(row)


def requeue(ledger: Ledger, request: str, *, actor: Actor, remark: str = "", at: datetime | None = None) -> RequestRecord:
    """Put an escalated or failed request back among those that wait for a batch."""
    return _step(ledger, Action.REQUEUE, request, actor=actor, remark=remark, at=at, sets={"batch": None})


def postpone(ledger: Ledger, request: str, reason: Reason, *, actor: Actor, at: datetime | None = None) -> RequestRecord:
    """Take a request out of its batch before that begins."""
    return _step(ledger, Action.POSTPONE, request, actor=actor, why=reason, at=at, sets={"batch": None})


def record(
    ledger: Ledger, request: str, data: Mapping[str, Any], *, actor: Actor, remark: str = "", at: datetime | None = None
) -> RequestRecord:
    """Put on record that something was done for a request. `data`: codes, counts and digests only, no names."""
    return _step(ledger, Action.RECORD, request, actor=actor, remark=remark, at=at, data={"record": dict(data)})


def erase_particulars(ledger: Ledger, request: str, *, actor: Actor, at: datetime | None = None) -> int:
    """Delete all that names people from a closed request, and from the files of an SQLite ledger; returns the rows deleted.

    The history stays, with the keyed digests of what was there.
    """
    with changing(ledger, actor, at) as change:
        row = change.request(request)
        chosen = Particular.request == request
        parts = change.session.scalars(select(Particular.part).where(chosen)).all()
        if parts:
            change.step(Action.ERASE, row, data={"erased": len(parts)})
            change.session.execute(delete(Particular).where(chosen))
    ledger.forget_deleted()
    return len(parts)


def _step(
    ledger: Ledger,
    action: Action,
    request: str,
    *,
    actor: Actor,
    at: datetime | None,
    why: Reason | None = None,
    remark: str = "",
    sets: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    particulars: Mapping[str, str | bytes] | None = None,
) -> RequestRecord:
    with changing(ledger, actor, at) as change:
        row = change.request(request)
        change.step(action, row, why=why, sets=sets, data=data, particulars={**(particulars or {}), **_remark(remark)})
        return request_record(row)


def _check_identity(row: Request) -> None:
    if row.verified_by is None:
        raise InputError(f"nobody has checked who sent {row.id}: `aru request identify {row.id} --by NAME` says who has")


def _remark(text: str) -> dict[str, str | bytes]:
    return {REMARK: check_text("the remark", text, MAX_TEXT)} if text else {}


def _of_evidence(ledger: Ledger, evidence: Evidence) -> dict[str, Any]:
    """What the history and the particulars keep of a finding."""
    return {
        "data": {
            "subjects": sorted(ledger.digest("subject", name) for name in set(evidence.subjects)),
            "files": sorted(ledger.digest("file", digest) for digest in set(evidence.files)),
            "counts": dict(evidence.counts),
            "searched": evidence.searched,
        },
        "particulars": {EVIDENCE: canonical(evidence.details)},
    }


def _latest_resolution(session: Session, request: str) -> tuple[int, dict[str, Any]] | None:
    """The row number and the data of the latest search for a request."""
    row = session.scalars(
        select(Event).where(Event.request == request, Event.action == Action.RESOLVE).order_by(sa.desc(Event.seq)).limit(1)
    ).one_or_none()
    return (row.seq, json.loads(row.data)) if row is not None else None
