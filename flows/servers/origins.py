"""Who may ask a server of this machine: clients that name this machine as the host, and pages that came from the server.

A browser sends what any page makes it send, and a name that a stranger's DNS points at 127.0.0.1 reaches us as well. The
first names its origin in `Origin`, the second itself in `Host`.
"""

from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import PlainTextResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost")


class OwnPagesOnly:
    """Middleware: 403 for a request, or a socket, that a page of another origin than the server's own began."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and _is_foreign(scope, Headers(scope=scope)):
            await PlainTextResponse("pages of another origin may not ask this server", 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _is_foreign(scope: Scope, headers: Headers) -> bool:
    """Whether the call names an origin, and not the server's own; what is no origin at all is nobody's."""
    origin = headers.get("origin")
    try:
        return origin is not None and (scope["scheme"].replace("ws", "http"), headers.get("host")) != urlsplit(origin)[:2]
    except ValueError:
        return True


def guard(app: FastAPI) -> FastAPI:
    """The app behind both checks, which come before everything else it does."""
    app.add_middleware(OwnPagesOnly)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False)
    return app
