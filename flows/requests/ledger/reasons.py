"""Why something was done to a request, as codes: the history keeps these and no free text, which might name somebody."""

from enum import StrEnum

from aru.core.errors import InputError
from flows.requests.ledger.states import Action


class Reason(StrEnum):
    """The reasons that the law, or the work itself, gives."""

    FREEDOM_OF_EXPRESSION = "freedom_of_expression"
    LEGAL_OBLIGATION = "legal_obligation"
    PUBLIC_HEALTH = "public_health"
    ARCHIVING_OR_RESEARCH = "archiving_or_research"
    LEGAL_CLAIMS = "legal_claims"
    MANIFESTLY_UNFOUNDED = "manifestly_unfounded"
    EXCESSIVE = "excessive"
    IDENTITY_NOT_PROVEN = "identity_not_proven"
    NO_GROUND = "no_ground"
    EXEMPT = "exempt"
    COMPLEXITY = "complexity"
    NUMBER_OF_REQUESTS = "number_of_requests"
    WITHDRAWN = "withdrawn"
    COMPLAINT = "complaint"
    NEW_INFORMATION = "new_information"
    TOO_FEW = "too_few"
    GATE_FAILED = "gate_failed"
    SUSPICIOUS = "suspicious"
    REVERSED = "reversed"
    FAULT = "fault"


SOURCE = {
    Reason.FREEDOM_OF_EXPRESSION: "GDPR 17(3)(a)",
    Reason.LEGAL_OBLIGATION: "GDPR 17(3)(b): a legal obligation or a task in the public interest",
    Reason.PUBLIC_HEALTH: "GDPR 17(3)(c)",
    Reason.ARCHIVING_OR_RESEARCH: "GDPR 17(3)(d)",
    Reason.LEGAL_CLAIMS: "GDPR 17(3)(e)",
    Reason.MANIFESTLY_UNFOUNDED: "GDPR 12(5)",
    Reason.EXCESSIVE: "GDPR 12(5)",
    Reason.IDENTITY_NOT_PROVEN: "GDPR 11(2), 12(2), 12(6)",
    Reason.NO_GROUND: "none of the grounds of GDPR 17(1) applies",
    Reason.EXEMPT: "an exemption of another law, as California Civil Code 1798.105(d), 1798.145",
    Reason.COMPLEXITY: "GDPR 12(3)",
    Reason.NUMBER_OF_REQUESTS: "GDPR 12(3)",
    Reason.WITHDRAWN: "who asked has withdrawn it",
    Reason.COMPLAINT: "GDPR 12(4): a complaint or a judicial remedy",
    Reason.NEW_INFORMATION: "who asked has sent more",
    Reason.TOO_FEW: "fewer people than a batch needs",
    Reason.GATE_FAILED: "the audit did not pass",
    Reason.SUSPICIOUS: "the predicted effect is one of a hostile request",
    Reason.REVERSED: "a later audit finds the person again",
    Reason.FAULT: "a fault of the program or the machine",
}
ALLOWED: dict[Action, tuple[Reason, ...]] = {
    Action.DENY: (
        Reason.FREEDOM_OF_EXPRESSION,
        Reason.LEGAL_OBLIGATION,
        Reason.PUBLIC_HEALTH,
        Reason.ARCHIVING_OR_RESEARCH,
        Reason.LEGAL_CLAIMS,
        Reason.MANIFESTLY_UNFOUNDED,
        Reason.EXCESSIVE,
        Reason.IDENTITY_NOT_PROVEN,
        Reason.NO_GROUND,
        Reason.EXEMPT,
    ),
    Action.EXTEND: (Reason.COMPLEXITY, Reason.NUMBER_OF_REQUESTS),
    Action.CANCEL: (Reason.WITHDRAWN,),
    Action.REOPEN: (Reason.COMPLAINT, Reason.NEW_INFORMATION),
    Action.POSTPONE: (Reason.TOO_FEW, Reason.SUSPICIOUS),
    Action.ESCALATE: (Reason.GATE_FAILED, Reason.SUSPICIOUS, Reason.REVERSED),
    Action.FAIL: (Reason.FAULT,),
}
"""The actions that need a reason, with those that they may have."""


def check_reason(action: Action, reason: Reason | None) -> None:
    """Raises InputError where an action lacks its reason, or has one of another action."""
    allowed = ALLOWED.get(action, ())
    if reason not in allowed and (allowed or reason is not None):
        given = f"{reason} is no reason" if reason else "a reason is missing"
        raise InputError(f"{given} for {action}: " + (f"it needs one of {', '.join(allowed)}" if allowed else "it has none"))
