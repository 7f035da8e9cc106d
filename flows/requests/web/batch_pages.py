"""The page of a batch: its requests, what was done, and the decision of a person where it waits for one."""

import base64
import json
from datetime import UTC, datetime
from functools import lru_cache
from io import BytesIO
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from aru.core.errors import InputError
from flows.requests.ledger import batching, queries
from flows.requests.ledger.records import Actor
from flows.requests.ledger.states import MEANING, OPEN, State
from flows.requests.processing.batch_curves import draw_curves
from flows.requests.processing.batch_figures import released_figures
from flows.requests.web.access import Session
from flows.requests.web.page_parts import Browser, State_, check_form, form_fields, page
from flows.requests.web.service_state import ServiceState

router = APIRouter(include_in_schema=False)
_DECIDED = frozenset({State.ESCALATED, State.ERROR})


@router.get("/batches/{name}")
def shown(name: str, state: State_, session: Browser) -> HTMLResponse:
    """A batch: where it stands, its requests, its timeline."""
    return _batch_page(state, session, name)


@router.post("/batches/{name}/decide")
async def decided(name: str, request: Request, state: State_, session: Browser) -> Any:
    """A person's word that an escalated or failed batch is carried out after all."""
    check_form((await form_fields(request)).get("form_word", ""), session)
    try:
        await run_in_threadpool(lambda: batching.decide(state.ledger, name, actor=Actor(session.name)))
    except InputError as error:
        message = str(error)
        return await run_in_threadpool(lambda: _batch_page(state, session, name, message=message, status=409))
    return RedirectResponse(f"/batches/{name}", 303)


@lru_cache(maxsize=8)
def _curves(figures: str) -> str:
    """The figures of batches, as JSON, drawn: a data URI. The newest are kept, since a drawing takes half a second."""
    from aru.reporting.figure_style import write_png

    png = BytesIO()
    write_png(lambda: draw_curves(json.loads(figures)), png)
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"


def _batch_page(state: ServiceState, session: Session, name: str, *, message: str = "", status: int = 200) -> HTMLResponse:
    batch = queries.find_batch(state.ledger, name)
    requests = queries.list_requests(state.ledger, batch=name, limit=queries.MAX_PAGE).requests
    released = released_figures(state.ledger, batch.benchmark)
    up_to = next((place + 1 for place, one in enumerate(released) if one.batch == name), 0)
    open_states = {request.state for request in requests} & OPEN
    return page(
        "batch.html.j2",
        status=status,
        session=session,
        batch=batch,
        requests=requests,
        history=queries.batch_history(state.ledger, name),
        waits=bool(open_states) and open_states <= _DECIDED,
        released=released[:up_to],
        curves=_curves(json.dumps([one.figures for one in released[:up_to]])) if up_to else None,
        meaning=MEANING,
        message=message,
        now=datetime.now(UTC),
    )
