"""The states of a request and the table of what may change them."""

import pytest

from aru.core.errors import InputError
from flows.requests.ledger.reasons import ALLOWED, SOURCE, Reason, check_reason
from flows.requests.ledger.states import CLOSED, MEANING, OPEN, TRANSITIONS, Action, Role, State, actions_from, next_state


def test_every_state_action_and_reason_is_described() -> None:
    assert set(MEANING) == set(State) == OPEN | CLOSED
    assert set(TRANSITIONS) == set(Action)
    assert set(SOURCE) == set(Reason) == {reason for reasons in ALLOWED.values() for reason in reasons}
    assert all(rule.roles and rule.meaning for rule in TRANSITIONS.values())


def test_every_state_is_reached_from_a_new_request() -> None:
    reached: set[State | None] = {None}
    for _ in State:
        reached |= {
            next_state(action, state, role) for state in reached for role in Role for action in actions_from(state, role)
        }
    assert reached == {None, *State}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", [None, *State])
def test_exactly_what_the_table_lists_is_allowed(state: State | None, role: Role) -> None:
    for action, rule in TRANSITIONS.items():
        listed = role in rule.roles and (state in rule.source or (action is Action.SUBMIT and state is None))
        assert (action in actions_from(state, role)) == listed
        if listed:
            assert next_state(action, state, role) == (rule.target or state)
        else:
            with pytest.raises(InputError, match=f"{action} is"):
                next_state(action, state, role)


def test_nothing_is_released_or_approved_past_the_gates() -> None:
    """A request is fulfilled only from `verified`, which only an audit in `in_progress` gives; no schedule approves."""
    into = {state: {action for action, rule in TRANSITIONS.items() if rule.target is state} for state in State}
    assert into[State.FULFILLED] == {Action.FULFILL} and TRANSITIONS[Action.FULFILL].source == {State.VERIFIED}
    assert into[State.VERIFIED] == {Action.VERIFY} and TRANSITIONS[Action.VERIFY].source == {State.IN_PROGRESS}
    assert TRANSITIONS[Action.SCHEDULE].source == {State.APPROVED}
    assert TRANSITIONS[Action.APPROVE].source == {State.PENDING} and TRANSITIONS[Action.APPROVE].roles == {Role.OPERATOR}
    assert into[State.PENDING] == {Action.IDENTIFY, Action.REOPEN}


def test_a_closed_request_is_opened_again_by_a_named_action_only() -> None:
    opening = {
        (action, state) for action, rule in TRANSITIONS.items() for state in rule.source & CLOSED if rule.target in OPEN
    }
    assert opening == {
        (Action.REOPEN, State.DENIED),
        (Action.REOPEN, State.DUPLICATE),
        (Action.REOPEN, State.NOT_FOUND),
        (Action.ESCALATE, State.FULFILLED),
    }


@pytest.mark.parametrize(
    "action, reason",
    [(Action.DENY, None), (Action.DENY, Reason.WITHDRAWN), (Action.EXTEND, Reason.EXEMPT), (Action.APPROVE, Reason.EXEMPT)],
)
def test_a_reason_of_another_action_is_refused(action: Action, reason: Reason | None) -> None:
    with pytest.raises(InputError, match=f"{reason or 'a reason'} is .* for {action}"):
        check_reason(action, reason)
