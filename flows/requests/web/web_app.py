"""`aru request serve`: the ledger's API and pages on 127.0.0.1, behind a login, limits, and checks of host and origin."""

import sys
import time
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aru.core.errors import InputError
from flows.requests.ledger.ledger import Ledger, LedgerUnavailable, project_ledger
from flows.requests.ledger.records import NotInLedger
from flows.requests.ledger.submission import MAX_PHOTO
from flows.requests.web import batch_pages, lookalike_pages, queue_pages, request_api
from flows.requests.web.page_parts import LoginNeeded, page
from flows.requests.web.service_state import ServiceState
from flows.servers.origins import guard

HOST, PORT = "127.0.0.1", 5003
MAX_BODY = 2_000_000
"""Bytes of a call, but for an uploaded photo."""
CALLS, WINDOW = 600, 60.0
"""Calls of one client address in a window of seconds; above it 429."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # no-referrer hides the origin of our own forms, too, which are refused then
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
}


class FaultsByKind:
    """Middleware: 500 for a fault of the program. Of the fault its kind and place are printed, and not its words, which might
    name somebody."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:  # whatever it is, its words stay here
            frame = traceback.extract_tb(error.__traceback__)[-1]
            kind = type(error).__name__
            print(f"{kind} at {Path(frame.filename).name}:{frame.lineno}", file=sys.stderr, flush=True)
            if scope["type"] != "http" or begun:
                raise RuntimeError(f"a {kind} after the answer had begun") from None
            answer = JSONResponse({"detail": f"a fault of the program ({kind}); nothing more is known here"}, 500)
            answer.headers.update(_HEADERS)
            await answer(scope, receive, send)


class BodyLimit:
    """Middleware: 413 for a body that is longer than allowed, before more of it is read; one cut off reaches no handler."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = MAX_PHOTO if scope["path"] == "/api/uploads" else MAX_BODY
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":  # nobody hears the answer, for which the layers above wait
                await PlainTextResponse("the body was cut off", 400)(scope, receive, send)
                return
            body += message.get("body", b"")
            if len(body) > limit:
                await PlainTextResponse(f"a body has at most {limit} bytes here", 413)(scope, receive, send)
                return
            if not message.get("more_body"):
                break
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self.app(scope, again, send)


class RateLimit:
    """Middleware: 429 with Retry-After for a client that calls more than `calls` times in `window` seconds."""

    def __init__(self, app: ASGIApp, calls: int, window: float) -> None:
        self.app, self.calls, self.window = app, calls, window
        self._times: dict[str, deque[float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            now, client = time.monotonic(), (scope.get("client") or ("",))[0]
            times = self._times.setdefault(client, deque())
            while times and times[0] <= now - self.window:
                times.popleft()
            if len(times) >= self.calls:
                wait = str(int(times[0] + self.window - now) + 1)
                await PlainTextResponse("too many calls", 429, headers={"Retry-After": wait})(scope, receive, send)
                return
            times.append(now)
        await self.app(scope, receive, send)


def make_app(root: Path, ledger: Ledger, *, calls: int = CALLS, window: float = WINDOW) -> FastAPI:
    """The app for an open ledger."""
    # FastAPI's own page of the API would fetch scripts from elsewhere.
    app = FastAPI(
        title="Deletion requests",
        version="1",
        description="The ledger of deletion requests of one project.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = ServiceState(Path(root), ledger)
    app.include_router(request_api.router)
    app.include_router(batch_pages.router)
    app.include_router(lookalike_pages.router)  # before the actions of the queue, whose names stand in the same place
    app.include_router(queue_pages.router)
    app.add_middleware(BodyLimit)
    app.add_middleware(RateLimit, calls=calls, window=window)
    guard(app)
    app.add_middleware(FaultsByKind)

    @app.middleware("http")
    async def headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        answer = await call(request)
        answer.headers.update(_HEADERS)
        return answer

    @app.exception_handler(LoginNeeded)
    async def to_login(request: Request, error: LoginNeeded) -> Response:
        return RedirectResponse("/login", 303)

    @app.exception_handler(LedgerUnavailable)
    async def unavailable(request: Request, error: LedgerUnavailable) -> Response:
        return _told(request, str(error), 503)

    @app.exception_handler(InputError)
    async def refused(request: Request, error: InputError) -> Response:
        return _told(request, str(error), 404 if isinstance(error, NotInLedger) else 409)

    return app


def _told(request: Request, message: str, status: int) -> Response:
    """An error for a program, or for the person at a browser."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": message}, status)
    return page("error.html.j2", status=status, message=message)


def serve_requests(root: Path, *, port: int = PORT) -> None:
    """Serve the ledger of a project on 127.0.0.1 until a signal ends it."""
    import uvicorn

    with project_ledger(root) as ledger:
        print(f"deletion requests: http://{HOST}:{port}/ (the API: http://{HOST}:{port}/openapi.json)", flush=True)
        uvicorn.run(make_app(root, ledger), host=HOST, port=port, log_level="warning", access_log=False)
