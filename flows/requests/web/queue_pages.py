"""The pages of the ledger, made on the server: the queue, a request with its timeline, forms that work without a script."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from aru.core.config import load_archives
from aru.core.errors import InputError
from flows.project.folder import lock_holder
from flows.project.params import PARAMS_FILE
from flows.requests.ledger import queries
from flows.requests.ledger.reasons import SOURCE
from flows.requests.ledger.records import Actor
from flows.requests.ledger.states import MEANING, OPEN, Action, Role, State, actions_from
from flows.requests.ledger.submission import PHOTO, Submission
from flows.requests.web.access import SESSION_SECONDS, Session, name_of_token
from flows.requests.web.acting import Details, act, enter, possible, reasons_of
from flows.requests.web.page_parts import COOKIE, Browser, State_, check_form, form_fields, page
from flows.requests.web.service_state import ServiceState
from flows.requests.web.standing import standings

_PERSON = (State.RECEIVED, State.IDENTITY_UNVERIFIED, State.PENDING, State.ESCALATED, State.ERROR)
"""The states that wait for a person."""
_SOON = timedelta(days=7)
_LONGEST = 1000  # requests that are counted for a heading


@dataclass(frozen=True)
class _View:
    """A choice of requests: its name on the page, the states, and the time before which they are due."""

    label: str
    states: Collection[State]
    due_before: datetime | None = None


router = APIRouter(include_in_schema=False)


@router.get("/login")
def login_page() -> HTMLResponse:
    """Where a token is entered."""
    return page("login.html.j2", message="")


@router.post("/login")
async def login(request: Request, state: State_) -> Any:
    """Log in with a token: a cookie that no script reads and no other site sends."""
    token = (await form_fields(request)).get("token", "").strip()
    name = name_of_token(state.root, token)
    if name is None:
        return page("login.html.j2", status=401, message="This token is not known. `aru request token NAME` makes one.")
    answer = RedirectResponse("/", 303)
    secret = state.sessions.begin(name, token)
    answer.set_cookie(COOKIE, secret, max_age=SESSION_SECONDS, httponly=True, samesite="strict")
    return answer


@router.post("/logout")
async def logout(request: Request, state: State_, session: Browser) -> Any:
    """Log out."""
    check_form((await form_fields(request)).get("form_word", ""), session)
    state.sessions.end(request.cookies.get(COOKIE))
    return RedirectResponse("/login", 303)


@router.get("/")
def queue(state: State_, session: Browser, show: str = "open", after: str = "") -> HTMLResponse:
    """The queue: what is due first, what is overdue, what needs a person, what is running."""
    now = datetime.now(UTC)
    views = {
        "open": _View("open", OPEN),
        "overdue": _View("overdue", OPEN, now),
        "soon": _View(f"due within {_SOON.days} days", OPEN, now + _SOON),
        "person": _View("needs a person", _PERSON),
        "closed": _View("closed", frozenset(State) - OPEN),
    }
    views |= {str(one): _View(str(one), (one,)) for one in State}
    if show not in views:
        raise InputError(f"there is no view {show!r}: choose one of {', '.join(views)}")
    view = views[show]
    found = queries.list_requests(state.ledger, states=view.states, due_before=view.due_before, limit=50, after=after or None)
    counts = queries.count_requests(state.ledger, now)
    soon = queries.list_requests(state.ledger, states=OPEN, due_before=now + _SOON, limit=_LONGEST).requests
    return page(
        "queue.html.j2",
        session=session,
        show=show,
        view=view,
        requests=found.requests,
        next=found.next,
        counts=counts,
        person=sum(counts.states.get(state, 0) for state in _PERSON),
        soon=sum(request.due >= now for request in soon),
        soon_days=_SOON.days,
        now=now,
        running=lock_holder(state.root),
        batches=standings(state.ledger),
        benchmarks=list(load_archives(state.root / PARAMS_FILE)),
        meaning=MEANING,
        views_open=OPEN,
    )


@router.post("/requests")
async def entered(request: Request, state: State_, session: Browser) -> Any:
    """Enter a request for people by name, one a line."""
    form = await form_fields(request)
    check_form(form.get("form_word", ""), session)
    names = tuple(line.strip() for line in form.get("names", "").splitlines() if line.strip())
    submission = Submission(form.get("benchmark", ""), subjects=names, remark=form.get("remark", ""))
    actor, key = Actor(session.name), form.get("key")
    done = await run_in_threadpool(enter, state.root, state.ledger, submission, actor=actor, key=key)
    return RedirectResponse(f"/requests/{done.request.id}", 303)


@router.get("/requests/{name}")
def shown(name: str, state: State_, session: Browser) -> HTMLResponse:
    """A request: where it stands, its timeline, and what a person may do with it now."""
    return _request_page(state, session, name)


@router.post("/requests/{name}/{action}")
async def done(name: str, action: Action, request: Request, state: State_, session: Browser) -> Any:
    """Do an action of the page's form."""
    form = await form_fields(request)
    check_form(form.get("form_word", ""), session)
    del form["form_word"]
    try:
        details = Details.model_validate({key: value for key, value in form.items() if value})
        await run_in_threadpool(lambda: act(state.root, state.ledger, name, action, details, actor=Actor(session.name)))
    except (InputError, ValidationError) as error:
        message = str(error) if isinstance(error, InputError) else error.errors(include_input=False)[0]["msg"]
        return await run_in_threadpool(lambda: _request_page(state, session, name, message=message, status=409))
    return RedirectResponse(f"/requests/{name}", 303)


def _request_page(state: ServiceState, session: Session, name: str, *, message: str = "", status: int = 200) -> HTMLResponse:
    found, history = queries.find_request(state.ledger, name), queries.request_history(state.ledger, name)
    return page(
        "request.html.j2",
        status=status,
        session=session,
        request=found,
        history=history,
        certificate=queries.certificate_on_record(history),
        stranded=queries.stranded_duplicates(state.ledger, name),
        actions=[(action, reasons_of(action)) for action in possible(found.state)],
        source=SOURCE,
        meaning=MEANING,
        confirmable=Action.CONFIRM in actions_from(found.state, Role.OPERATOR)
        and PHOTO in queries.particular_parts(state.ledger, name),
        message=message,
        now=datetime.now(UTC),
    )
