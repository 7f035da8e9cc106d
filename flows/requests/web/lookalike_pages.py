"""The page on which a person looks through the look-alikes of a photo that was sent, and says who it is.

Its pictures are in the page itself, made from the archive and the ledger when it is asked for: no file, no address of their
own, nothing in a log. People are named by keyed digests, as the history has them.
"""

import base64
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from aru.core.errors import InputError
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import find_request
from flows.requests.ledger.records import Actor
from flows.requests.ledger.states import Action, Role, actions_from
from flows.requests.resolving.confirming import confirm, confirmed_names, look_alikes, sent_photo
from flows.requests.web.access import Session
from flows.requests.web.page_parts import Browser, State_, check_form, form_values, page
from flows.requests.web.service_state import ServiceState

SHOWN, PHOTOS = 10, 3
"""How many people are shown, and how many photos of each."""
router = APIRouter(include_in_schema=False)


@router.get("/requests/{name}/lookalikes")
def shown(name: str, state: State_, session: Browser) -> HTMLResponse:
    """The photo that was sent, and the people who are most like it."""
    return _lookalikes_page(state, session, name)


@router.post("/requests/{name}/lookalikes")
async def confirmed(name: str, request: Request, state: State_, session: Browser) -> Any:
    """Whom the person at the screen recognizes, or that it is nobody of them."""
    form = await form_values(request)
    check_form(form.get("form_word", [""])[-1], session)
    chosen, nobody = set(form.get("person", [])), "nobody" in form
    remark = form.get("remark", [""])[-1]

    def decide() -> None:
        if bool(chosen) == nobody:
            raise InputError("tick who it is, or say that it is nobody of these people, with nobody ticked")
        found = look_alikes(state.lookalikes, state.ledger, name)
        names = [one.names[0] for one in found.people if _mark(state.ledger, one.names[0]) in chosen]
        if len(names) != len(chosen):
            raise InputError("the data or the key were changed since the page was made: look again")
        confirm(state.root, state.ledger, name, found, names, shown=SHOWN, actor=Actor(session.name), remark=remark)

    try:
        await run_in_threadpool(decide)
    except InputError as error:
        message = str(error)
        return await run_in_threadpool(lambda: _lookalikes_page(state, session, name, message=message, status=409))
    return RedirectResponse(f"/requests/{name}", 303)


def _lookalikes_page(
    state: ServiceState, session: Session, name: str, *, message: str = "", status: int = 200
) -> HTMLResponse:
    request = find_request(state.ledger, name)
    sent, found = sent_photo(state.ledger, name), look_alikes(state.lookalikes, state.ledger, name)
    first, known = found.people[:SHOWN], set(confirmed_names(state.ledger, name))
    paths = [path for one in first for path in one.paths[:PHOTOS]]
    pictures = dict(zip(paths, map(_inline, state.lookalikes.thumbnails(request.benchmark, paths)), strict=True))
    people = [
        {
            "mark": _mark(state.ledger, one.names[0]),
            "rank": one.rank,
            "similarity": one.similarity,
            "photos": len(one.paths),
            "pictures": [pictures[path] for path in one.paths[:PHOTOS]],
            "confirmed": not known.isdisjoint(one.names),
        }
        for one in first
    ]
    return page(
        "lookalikes.html.j2",
        status=status,
        session=session,
        request=request,
        sent=_inline(state.lookalikes.thumbnail_of_upload(sent)),
        people=people,
        compared=len(found.people),
        open=Action.CONFIRM in actions_from(request.state, Role.OPERATOR),
        message=message,
    )


def _mark(ledger: Ledger, name: str) -> str:
    """What stands for a person in the page: the history's keyed digest of a name."""
    return ledger.digest("subject", name)


def _inline(picture: bytes) -> str:
    """A JPEG file as the address of an image."""
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
