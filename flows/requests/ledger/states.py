"""The states of a deletion request, and the one table of what may change them and who may do it.

The words are those of the trade: the privacy platform Fides, the Data Rights Protocol. `tools/page_tables.py` prints the
tables into docs/erasure.md.
"""

from dataclasses import dataclass
from enum import StrEnum

from aru.core.errors import InputError


class State(StrEnum):
    """Where a request stands."""

    RECEIVED = "received"
    IDENTITY_UNVERIFIED = "identity_unverified"
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    VERIFIED = "verified"
    FULFILLED = "fulfilled"
    ESCALATED = "escalated"
    CANCELED = "canceled"
    DUPLICATE = "duplicate"
    NOT_FOUND = "not_found"
    ERROR = "error"


MEANING = {
    State.RECEIVED: "It has come in; the time limit runs.",
    State.IDENTITY_UNVERIFIED: "There is reasonable doubt who asks; more information was asked for.",
    State.PENDING: "The identity is checked, or it was reopened; a person decides next.",
    State.APPROVED: "A person has decided that it is carried out; it waits for a batch.",
    State.DENIED: "It is not carried out, for a reason that the law names.",
    State.SCHEDULED: "It is in a batch, whose thresholds are fixed.",
    State.IN_PROGRESS: "Its batch is being unlearned and audited.",
    State.VERIFIED: "The batch passed the audit; the release is next.",
    State.FULFILLED: "The served model is a released one without the person.",
    State.ESCALATED: "A gate failed or an effect was suspicious: a stronger step, or a person, is needed.",
    State.CANCELED: "Who asked has withdrawn it.",
    State.DUPLICATE: "Another request asks for the same; that one is carried out.",
    State.NOT_FOUND: "Nothing of the person was found; the search is on record.",
    State.ERROR: "The work stopped by a fault and can go on.",
}
CLOSED = frozenset({State.DENIED, State.FULFILLED, State.CANCELED, State.DUPLICATE, State.NOT_FOUND})
"""Nothing is due any more."""
UNDONE = CLOSED - {State.FULFILLED}
"""Closed, and not carried out."""
OPEN = frozenset(State) - CLOSED
UNDECIDED = (State.RECEIVED, State.IDENTITY_UNVERIFIED, State.PENDING, State.APPROVED)
"""In no batch."""


class Role(StrEnum):
    """Who acts: a person, or the program by its schedule."""

    OPERATOR = "operator"
    SCHEDULE = "schedule"


class Action(StrEnum):
    """What happens to a request."""

    SUBMIT = "submit"
    ASK_IDENTITY = "ask_identity"
    IDENTIFY = "identify"
    RESOLVE = "resolve"
    CONFIRM = "confirm"
    NOT_FOUND = "not_found"
    APPROVE = "approve"
    DENY = "deny"
    DUPLICATE = "duplicate"
    CANCEL = "cancel"
    EXTEND = "extend"
    REOPEN = "reopen"
    SCHEDULE = "schedule"
    POSTPONE = "postpone"
    START = "start"
    VERIFY = "verify"
    FULFILL = "fulfill"
    ESCALATE = "escalate"
    FAIL = "fail"
    REQUEUE = "requeue"
    RECORD = "record"
    ERASE = "erase"


@dataclass(frozen=True)
class Transition:
    """What one action does. `source`: the states in which it may happen; `target`: the state after it, None for the same."""

    source: frozenset[State]
    target: State | None
    roles: frozenset[Role]
    meaning: str


_RUNNING = (State.SCHEDULED, State.IN_PROGRESS, State.VERIFIED)
_STOPPED = (State.ESCALATED, State.ERROR)
_PERSON, _SCHEDULE = (Role.OPERATOR,), (Role.SCHEDULE,)
_BOTH = (Role.OPERATOR, Role.SCHEDULE)


def _by(roles: tuple[Role, ...], source: tuple[State, ...], target: State | None, meaning: str) -> Transition:
    return Transition(frozenset(source), target, frozenset(roles), meaning)


TRANSITIONS: dict[Action, Transition] = {
    Action.SUBMIT: _by(_PERSON, (), State.RECEIVED, "A new request."),
    Action.ASK_IDENTITY: _by(_PERSON, (State.RECEIVED,), State.IDENTITY_UNVERIFIED, "Proof of identity is asked for."),
    Action.IDENTIFY: _by(
        _PERSON,
        (State.RECEIVED, State.IDENTITY_UNVERIFIED, State.PENDING),
        State.PENDING,
        "Somebody has checked who asks, and signs it.",
    ),
    Action.RESOLVE: _by(_BOTH, UNDECIDED, None, "The person's photos were looked for; what was found is put on record."),
    Action.CONFIRM: _by(
        _PERSON,
        (State.RECEIVED, State.IDENTITY_UNVERIFIED, State.PENDING),
        None,
        "A person has looked through the look-alikes of the photo that was sent, and said who it is.",
    ),
    Action.NOT_FOUND: _by(
        _BOTH, (State.PENDING, State.APPROVED, State.SCHEDULED), State.NOT_FOUND, "The search has found nothing."
    ),
    Action.APPROVE: _by(_PERSON, (State.PENDING,), State.APPROVED, "It will be carried out on the photos on record."),
    Action.DENY: _by(_PERSON, (*UNDECIDED, State.ESCALATED), State.DENIED, "Refused, with the reason of the law."),
    Action.DUPLICATE: _by(_PERSON, UNDECIDED, State.DUPLICATE, "Joined to the request that is carried out."),
    Action.CANCEL: _by(
        _PERSON,
        (*UNDECIDED, State.SCHEDULED, *_STOPPED),
        State.CANCELED,
        "Withdrawn, before work or after it stopped.",
    ),
    Action.EXTEND: _by(_PERSON, tuple(OPEN), None, "The time limit is extended, with the reason of the law."),
    Action.REOPEN: _by(
        _PERSON, (State.DENIED, State.DUPLICATE, State.NOT_FOUND), State.PENDING, "Decided anew, as after a complaint."
    ),
    Action.SCHEDULE: _by(_BOTH, (State.APPROVED,), State.SCHEDULED, "Put into a batch."),
    Action.POSTPONE: _by(_BOTH, (State.SCHEDULED,), State.APPROVED, "Taken out of its batch again."),
    Action.START: _by(_SCHEDULE, (State.SCHEDULED, *_STOPPED), State.IN_PROGRESS, "Unlearning begins, or goes on."),
    Action.VERIFY: _by(
        _SCHEDULE, (State.IN_PROGRESS,), State.VERIFIED, "The audit has passed, by the thresholds fixed before."
    ),
    Action.FULFILL: _by(_SCHEDULE, (State.VERIFIED,), State.FULFILLED, "Released; the certificate is written."),
    Action.ESCALATE: _by(
        _SCHEDULE,
        (*_RUNNING, State.FULFILLED),
        State.ESCALATED,
        "A gate failed, an effect is suspicious, or a later audit finds the person again.",
    ),
    Action.FAIL: _by(_SCHEDULE, _RUNNING, State.ERROR, "The work has stopped by a fault."),
    Action.REQUEUE: _by(_PERSON, _STOPPED, State.APPROVED, "Put back, for another batch."),
    Action.RECORD: _by(_BOTH, tuple(State), None, "Something done for it is put on record."),
    Action.ERASE: _by(_BOTH, tuple(CLOSED), None, "Its particulars, all that names the person, are erased."),
}


def next_state(action: Action, state: State | None, role: Role) -> State:
    """The state after an action; `state` is None before the request is there. Raises InputError where it is not allowed."""
    rule = TRANSITIONS[action]
    allowed = state is None if not rule.source else state in rule.source
    if not allowed:
        possible = ", ".join(sorted(rule.source)) or "none, for a new request"
        may = ", ".join(actions_from(state, role)) or "nothing"
        raise InputError(
            f"{action} is not allowed in the state {state}, but in: {possible}; what is allowed in {state} by {role}: {may}"
        )
    if role not in rule.roles:
        raise InputError(f"{action} is done by the {' or the '.join(sorted(rule.roles))}, not by the {role}")
    target = rule.target or state
    assert target is not None  # only `submit` starts from None, and it has a target
    return target


def actions_from(state: State | None, role: Role) -> list[Action]:
    """What a role may do with a request in this state, in the order of the table."""
    return [
        action
        for action, rule in TRANSITIONS.items()
        if role in rule.roles and (state in rule.source if rule.source else state is None)
    ]
