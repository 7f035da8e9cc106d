"""What all pages share: who is logged in, templates, and forms that only this session's own pages can send."""

import hmac
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from aru import reporting
from flows.requests.web.access import Session
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
_TEMPLATES.filters["decimal"] = lambda value: "not measured" if value is None else f"{value:.3f}"
_TEMPLATES.filters["words"] = lambda code: str(code).replace("_", " ")
State_ = Annotated[ServiceState, Depends(state_of)]


class LoginNeeded(Exception):
    """Nobody is logged in: the browser is sent to the login."""


def logged_in(request: Request, state: State_) -> Session:
    """The session of the browser."""
    session = state.sessions.find(state.root, request.cookies.get(COOKIE))
    if session is None:
        raise LoginNeeded
    return session


Browser = Annotated[Session, Depends(logged_in)]


def page(template: str, *, status: int = 200, **content: Any) -> HTMLResponse:
    """A page made from a template, in which everything is escaped but the project's own style."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(content), status)


async def form_values(request: Request) -> dict[str, list[str]]:
    """The fields of a form with all their values; a body that is no form has none."""
    try:
        return parse_qs((await request.body()).decode("utf-8"), max_num_fields=1000, keep_blank_values=True)
    except ValueError:
        return {}


async def form_fields(request: Request) -> dict[str, str]:
    """The fields of a form, each once."""
    return {name: values[-1] for name, values in (await form_values(request)).items()}


def check_form(word: str, session: Session) -> None:
    """A form has to bring the word of the session's own pages: other pages do not know it. Raises HTTPException 403."""
    if not hmac.compare_digest(word.encode("utf-8", "surrogatepass"), session.form_word.encode()):
        raise HTTPException(403, "the form is not of this session: open the page again")
