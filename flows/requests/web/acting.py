"""What an operator may do with a request over HTTP, and how one is entered: functions that the API and the pages share."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from aru.core.config import load_archive
from aru.core.errors import InputError
from flows.project.params import PARAMS_FILE
from flows.requests.ledger import service
from flows.requests.ledger.deadlines import MORE_DAYS
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.reasons import ALLOWED, Reason
from flows.requests.ledger.records import Actor, RequestRecord
from flows.requests.ledger.states import Action, Role, State, actions_from
from flows.requests.ledger.submission import Submission, Submitted, submit
from flows.requests.resolving.recording import approve_on_record, resolve_on_record
from flows.requests.suppression.entering import taken_off

OFFERED = (
    Action.ASK_IDENTITY,
    Action.IDENTIFY,
    Action.RESOLVE,
    Action.APPROVE,
    Action.DENY,
    Action.DUPLICATE,
    Action.EXTEND,
    Action.CANCEL,
    Action.REOPEN,
    Action.REQUEUE,
)
"""The actions of a person, in the order in which the page shows them."""


class Details(BaseModel):
    """What an action needs beside the request: only what belongs to it is looked at."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = Field(None, description="why: needed to deny, extend and reopen")
    remark: str = Field("", max_length=10_000, description="words for the record, which are erased with the names")
    of: str = Field("", max_length=16, description="the request that is carried out, of a duplicate")
    days: int = Field(MORE_DAYS, ge=1, le=MORE_DAYS, description="of an extension")
    by: str = Field("", max_length=200, description="who checked the identity, if not who acts")


def enter(
    root: Path,
    ledger: Ledger,
    submission: Submission,
    *,
    actor: Actor,
    key: str | None = None,
    received: datetime | None = None,
) -> Submitted:
    """Enter a request, as `submit` does. Raises InputError where its benchmark is none of the project, too."""
    load_archive(root / PARAMS_FILE, submission.benchmark)
    return submit(ledger, submission, actor=actor, key=key, received=received)


def possible(state: State) -> list[Action]:
    """What a person may do with a request in this state."""
    allowed = actions_from(state, Role.OPERATOR)
    return [action for action in OFFERED if action in allowed]


def reasons_of(action: Action) -> tuple[Reason, ...]:
    """The reasons from which an action needs one; of a withdrawal there is no choice."""
    return () if action is Action.CANCEL else ALLOWED.get(action, ())


def act(root: Path, ledger: Ledger, request: str, action: Action, details: Details, *, actor: Actor) -> RequestRecord:
    """Do an action with a request. Raises InputError where it is not one of a person, is not allowed, or lacks its reason."""
    remark = details.remark
    match action:
        case Action.ASK_IDENTITY:
            return service.ask_identity(ledger, request, actor=actor, remark=remark)
        case Action.IDENTIFY:
            return service.identify(ledger, request, by=details.by or None, actor=actor, remark=remark)
        case Action.RESOLVE:
            return resolve_on_record(root, ledger, request, actor=actor)[1]
        case Action.APPROVE:
            return approve_on_record(root, ledger, request, actor=actor, remark=remark)[1]
        case Action.DENY:
            reason = _reason(action, details)
            with taken_off(root, ledger, request):
                return service.deny(ledger, request, reason, actor=actor, remark=remark)
        case Action.DUPLICATE:
            return service.mark_duplicate(ledger, request, details.of, actor=actor, remark=remark)
        case Action.EXTEND:
            return service.extend(ledger, request, _reason(action, details), days=details.days, actor=actor, remark=remark)
        case Action.CANCEL:
            with taken_off(root, ledger, request):
                return service.cancel(ledger, request, actor=actor, remark=remark)
        case Action.REOPEN:
            return service.reopen(ledger, request, _reason(action, details), actor=actor, remark=remark)
        case Action.REQUEUE:
            return service.requeue(ledger, request, actor=actor, remark=remark)
    raise InputError(f"{action} is nothing that a person does with a request: give one of {', '.join(OFFERED)}")


def _reason(action: Action, details: Details) -> Reason:
    if details.reason is None:
        raise InputError(f"a reason is missing for {action}: it needs one of {', '.join(reasons_of(action))}")
    return details.reason
