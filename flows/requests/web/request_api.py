"""The HTTP API of the ledger, described at /openapi.json: JSON in, JSON out, a bearer token with every call."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from flows.requests.ledger import queries
from flows.requests.ledger.records import Actor, BatchRecord, EventRecord, RequestRecord
from flows.requests.ledger.states import Action, State
from flows.requests.ledger.submission import MAX_NAME, MAX_NAMES, Submission
from flows.requests.ledger.verification import Verification, verify_ledger
from flows.requests.web.access import name_of_token
from flows.requests.web.acting import Details, act, enter
from flows.requests.web.service_state import ServiceState, state_of

_bearer = HTTPBearer(auto_error=False, description="A token of `aru request token NAME`.")
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME)]
Benchmark = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Id = Annotated[str, Path(pattern=r"^R-[0-9]{6,12}$", description="A request's id, as R-000001.")]
State_ = Annotated[ServiceState, Depends(state_of)]


def caller(state: State_, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Actor:
    """Who calls, by the token; 401 without a known one."""
    name = name_of_token(state.root, credentials.credentials) if credentials is not None else None
    if name is None:
        raise HTTPException(401, "a bearer token is missing or unknown", headers={"WWW-Authenticate": "Bearer"})
    return Actor(name)


Caller = Annotated[Actor, Depends(caller)]


class Refusal(BaseModel):
    """Why a call was refused, in a sentence."""

    detail: str


def _refusal(text: str) -> dict[str, Any]:
    return {"description": text, "model": Refusal}


def _text(text: str) -> dict[str, Any]:
    """An answer of what stands before the API: plain text."""
    return {"description": text, "content": {"text/plain": {"schema": {"type": "string"}}}}


router = APIRouter(
    prefix="/api",
    responses={
        400: _refusal("the body cannot be read; or, as text, the call names another host than 127.0.0.1 or localhost")
        | {"content": {"text/plain": {"schema": {"type": "string"}}}},
        401: _refusal("no known token"),
        403: _text("a page of another origin calls"),
        409: _refusal("not allowed in this state, or bad input"),
        413: _text("the body is too long"),
        429: _text("too many calls; Retry-After says in how many seconds to come again")
        | {"headers": {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}},
        500: _refusal("a fault of the program, by its kind alone"),
        503: _refusal("the ledger does not answer; nothing was changed"),
    },
)
_MISSING: dict[int | str, dict[str, Any]] = {404: _refusal("no such request")}


class Wanted(BaseModel):
    """Who or what is to be forgotten."""

    model_config = ConfigDict(extra="forbid")

    benchmark: Benchmark
    subjects: list[Name] = Field([], max_length=MAX_NAMES, description="people: FAMILY/PERSON or person")
    photos: list[Name] = Field([], max_length=MAX_NAMES, description="photos by their paths in the data")
    remark: str = Field("", max_length=10_000, description="what else was written, erased with the names")
    received: AwareDatetime | None = Field(None, description="when it came in, now if left out")


@dataclass(frozen=True)
class Acted(RequestRecord):
    """A request after an action. `stranded`: its duplicates, where it is closed and not carried out, so that they are not,
    either, unless they are reopened."""

    stranded: list[str]


class Listed(BaseModel):
    """A page of requests, the one due first at the top; `next` is for `after`, null at the end."""

    requests: list[RequestRecord]
    next: str | None


class Counted(BaseModel):
    """How many requests are in each state, and how many open ones are overdue."""

    states: dict[State, int]
    overdue: int


@router.post(
    "/requests", status_code=201, responses={200: {"description": "entered before, with this key", "model": RequestRecord}}
)
def create(
    wanted: Wanted,
    state: State_,
    actor: Caller,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=MAX_NAME)] = None,
) -> RequestRecord:
    """Enter a request for people or photos. Sent again with its idempotency key it is entered once, and answered with 200."""
    submission = Submission(wanted.benchmark, tuple(wanted.subjects), tuple(wanted.photos), remark=wanted.remark)
    done = enter(state.root, state.ledger, submission, actor=actor, key=idempotency_key, received=wanted.received)
    if not done.created:
        response.status_code = 200
    return done.request


@router.post(
    "/uploads",
    status_code=201,
    responses={200: {"description": "entered before, with this key", "model": RequestRecord}},
    openapi_extra={
        "requestBody": {"required": True, "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def upload(
    request: Request,
    benchmark: Annotated[Benchmark, Query()],
    state: State_,
    actor: Caller,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=MAX_NAME)] = None,
) -> RequestRecord:
    """Enter a request for whoever is in a photo: the image file is the body of the call."""
    content = await request.body()  # its length is limited for all calls
    submission = Submission(benchmark, upload=content or None)
    done = await run_in_threadpool(enter, state.root, state.ledger, submission, actor=actor, key=idempotency_key)
    if not done.created:
        response.status_code = 200
    return done.request


@router.get("/requests", responses={404: _refusal("no such request as `after` names")})
def listed(
    state: State_,
    actor: Caller,
    states: Annotated[list[State] | None, Query(alias="state", max_length=len(State))] = None,
    benchmark: Annotated[Benchmark | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=queries.MAX_PAGE)] = 50,
    after: Annotated[str | None, Query(pattern=r"^R-[0-9]{6,12}$")] = None,
) -> Listed:
    """A page of the requests, the one due first at the top."""
    page = queries.list_requests(state.ledger, states=states or (), benchmark=benchmark, limit=limit, after=after)
    return Listed(requests=page.requests, next=page.next)


@router.get("/requests/{request}", responses=_MISSING)
def shown(request: Id, state: State_, actor: Caller) -> RequestRecord:
    """One request."""
    return queries.find_request(state.ledger, request)


@router.get("/requests/{request}/history", responses=_MISSING)
def history(request: Id, state: State_, actor: Caller) -> list[EventRecord]:
    """All that was done to a request; without what names people."""
    queries.find_request(state.ledger, request)
    return queries.request_history(state.ledger, request)


@router.post("/requests/{request}/{action}", responses=_MISSING)
def done(request: Id, action: Action, details: Details, state: State_, actor: Caller) -> Acted:
    """Do an action with a request: identify, resolve, approve, deny, duplicate, extend, cancel, reopen ..."""
    queries.find_request(state.ledger, request)
    found = act(state.root, state.ledger, request, action, details, actor=actor)
    return Acted(**asdict(found), stranded=queries.stranded_duplicates(state.ledger, request))


@router.get("/counts")
def counts(state: State_, actor: Caller) -> Counted:
    """How many requests are in each state, and how many are overdue."""
    return Counted(**asdict(queries.count_requests(state.ledger, datetime.now(UTC))))


@router.get("/batches")
def batches(state: State_, actor: Caller, limit: Annotated[int, Query(ge=1, le=queries.MAX_PAGE)] = 50) -> list[BatchRecord]:
    """The newest batches."""
    return queries.list_batches(state.ledger, limit=limit)


@router.get("/verification")
def verification(state: State_, actor: Caller) -> Verification:
    """Whether the ledger is what the program wrote."""
    return verify_ledger(state.ledger)
