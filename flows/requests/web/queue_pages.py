"""The pages of the ledger, made on the server: the queue, a request with its timeline, forms that work without a script."""

import hmac
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError

from aru import reporting
from aru.core.config import load_archives
from aru.core.errors import InputError
from flows.project.folder import lock_holder
from flows.project.params import PARAMS_FILE
from flows.requests.ledger import queries
from flows.requests.ledger.reasons import SOURCE
from flows.requests.ledger.records import Actor
from flows.requests.ledger.states import MEANING, OPEN, Action, State
from flows.requests.ledger.submission import Submission, submit
from flows.requests.web.access import SESSION_SECONDS, Session, name_of_token
from flows.requests.web.acting import Details, act, possible, reasons_of
from flows.requests.web.service_state import ServiceState, state_of

COOKIE = "aru_requests"
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STYLES = (Path(reporting.__file__).parent / "static" / "page.css", Path(__file__).parent / "templates" / "pages.css")
_TEMPLATES.globals["style"] = "".join(path.read_text(encoding="utf-8") for path in _STYLES)
_PERSON = (State.RECEIVED, State.IDENTITY_UNVERIFIED, State.PENDING, State.ESCALATED, State.ERROR)
"""The states that wait for a person."""
State_ = Annotated[ServiceState, Depends(state_of)]
router = APIRouter(include_in_schema=False)


class LoginNeeded(Exception):
    """Nobody is logged in: the browser is sent to the login."""


def logged_in(request: Request, state: State_) -> Session:
    """The session of the browser."""
    session = state.sessions.find(request.cookies.get(COOKIE))
    if session is None:
        raise LoginNeeded
    return session


Browser = Annotated[Session, Depends(logged_in)]


@router.get("/login")
def login_page() -> HTMLResponse:
    """Where a token is entered."""
    return _page("login.html.j2", message="")


@router.post("/login")
async def login(request: Request, state: State_) -> Any:
    """Log in with a token: a cookie that no script reads and no other site sends."""
    name = name_of_token(state.root, (await _form(request)).get("token", "").strip())
    if name is None:
        return _page("login.html.j2", status=401, message="This token is not known. `aru request token NAME` makes one.")
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, state.sessions.begin(name), max_age=SESSION_SECONDS, httponly=True, samesite="strict")
    return answer


@router.post("/logout")
async def logout(request: Request, state: State_, session: Browser) -> Any:
    """Log out."""
    _check_form(await _form(request), session)
    state.sessions.end(request.cookies.get(COOKIE))
    return RedirectResponse("/login", 303)


@router.get("/")
def queue(state: State_, session: Browser, show: str = "open", after: str = "") -> HTMLResponse:
    """The queue: what is due first, what is overdue, what needs a person, what is running."""
    now = datetime.now(UTC)
    views: dict[str, Any] = {
        "open": OPEN,
        "person": _PERSON,
        "closed": frozenset(State) - OPEN,
        **{state: (state,) for state in State},
    }
    if show not in views:
        raise InputError(f"there is no view {show!r}: choose one of {', '.join(views)}")
    page = queries.list_requests(state.ledger, states=views[show], limit=50, after=after or None)
    counts = queries.count_requests(state.ledger, now)
    overdue = queries.overdue_requests(state.ledger, now, limit=1000).requests
    return _page(
        "queue.html.j2",
        session=session,
        show=show,
        views=list(views),
        requests=page.requests,
        next=page.next,
        counts=counts,
        person=sum(counts.states.get(state, 0) for state in _PERSON),
        overdue=overdue,
        now=now,
        running=lock_holder(state.root),
        batches=queries.list_batches(state.ledger, limit=5),
        benchmarks=list(load_archives(state.root / PARAMS_FILE)),
        meaning=MEANING,
        views_open=OPEN,
    )


@router.post("/requests")
async def enter(request: Request, state: State_, session: Browser) -> Any:
    """Enter a request for people by name, one a line."""
    form = await _form(request)
    _check_form(form, session)
    names = tuple(line.strip() for line in form.get("names", "").splitlines() if line.strip())
    submission = Submission(form.get("benchmark", ""), subjects=names, remark=form.get("remark", ""))
    done = await run_in_threadpool(lambda: submit(state.ledger, submission, actor=Actor(session.name), key=form.get("key")))
    return RedirectResponse(f"/requests/{done.request.id}", 303)


@router.get("/requests/{name}")
def shown(name: str, state: State_, session: Browser) -> HTMLResponse:
    """A request: where it stands, its timeline, and what a person may do with it now."""
    return _request_page(state, session, name)


@router.post("/requests/{name}/{action}")
async def done(name: str, action: Action, request: Request, state: State_, session: Browser) -> Any:
    """Do an action of the page's form."""
    form = await _form(request)
    _check_form(form, session)
    form.pop("form_word")
    try:
        details = Details.model_validate({key: value for key, value in form.items() if value})
        await run_in_threadpool(lambda: act(state.root, state.ledger, name, action, details, actor=Actor(session.name)))
    except (InputError, ValidationError) as error:
        message = str(error) if isinstance(error, InputError) else error.errors(include_input=False)[0]["msg"]
        return await run_in_threadpool(lambda: _request_page(state, session, name, message=message, status=409))
    return RedirectResponse(f"/requests/{name}", 303)


def _request_page(state: ServiceState, session: Session, name: str, *, message: str = "", status: int = 200) -> HTMLResponse:
    found = queries.find_request(state.ledger, name)
    return _page(
        "request.html.j2",
        status=status,
        session=session,
        request=found,
        history=queries.request_history(state.ledger, name),
        actions=[(action, reasons_of(action)) for action in possible(found.state)],
        source=SOURCE,
        meaning=MEANING,
        message=message,
        now=datetime.now(UTC),
    )


def _page(template: str, *, status: int = 200, **content: Any) -> HTMLResponse:
    return HTMLResponse(_TEMPLATES.get_template(template).render(content), status)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, each once; a body that is no form has none."""
    try:
        fields = parse_qs((await request.body()).decode("utf-8"), max_num_fields=50, keep_blank_values=True)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in fields.items()}


def _check_form(form: dict[str, str], session: Session) -> None:
    """A form has to bring the word of the session's own pages: other pages do not know it."""
    if not hmac.compare_digest(form.get("form_word", "").encode(), session.form_word.encode()):
        raise HTTPException(403, "the form is not of this session: open the page again")
