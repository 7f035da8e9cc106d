"""`aru serve-model`: POST an image to /predict, ask /health which version answers. Nothing of an image is kept."""

import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from aru.core.errors import InputError
from flows.prediction.served_model import ServedModel
from flows.servers.origins import guard

HOST, PORT = "127.0.0.1", 5002
MAX_BYTES = 20 * 1024 * 1024
"""The longest image file that is taken; longer ones are refused before they are read to the end."""


class Output(BaseModel):
    """An output of the model: its class or label, and the probability in [0, 1]."""

    name: str
    probability: float


class Answer(BaseModel):
    """What a version answers to one image, the most probable output first."""

    version: str
    outputs: list[Output]


class Health(BaseModel):
    """Which version answers, the md5 of its weights, the last batch of requests that it has forgotten, since when it is in
    production (UTC), and the number and side of what it takes and gives."""

    model: str
    version: str
    weights_md5: str
    batch: int
    since: str
    outputs: int
    side: int


def make_app(served: ServedModel, *, refresh: float) -> FastAPI:
    """The app for a model that is there; every `refresh` seconds it looks whether another version is in production."""
    ended = threading.Event()

    def watch() -> None:
        said = ""
        while not ended.wait(refresh):
            said = _refresh(served, said)

    @asynccontextmanager
    async def watching(app: FastAPI) -> AsyncIterator[None]:
        thread = threading.Thread(target=watch, name="production", daemon=True)
        thread.start()
        yield
        ended.set()
        thread.join()

    # FastAPI's own page of the API would fetch scripts from elsewhere.
    app = guard(FastAPI(title=f"{served.name} in production", lifespan=watching, docs_url=None, redoc_url=None))

    @app.get("/health")
    def health() -> Health:
        """Which version answers."""
        now = served.loaded
        return Health(
            model=served.name,
            version=now.production.version,
            weights_md5=now.production.weights_md5,
            batch=now.production.batch,
            since=now.production.since,
            outputs=len(now.names),
            side=now.side,
        )

    @app.post("/predict")
    async def predict(request: Request) -> Answer:
        """Answer to one image file (JPEG, PNG, WebP ...), the body of the request."""
        content = await _body(request)
        try:
            found = await run_in_threadpool(served.loaded.predict, content)
        except InputError as error:
            raise HTTPException(422, str(error)) from None
        return Answer(version=found.version, outputs=[Output(name=name, probability=value) for name, value in found.outputs])

    return app


def serve_model(root: Path, benchmark: str, *, port: int = PORT, refresh: float = 5.0) -> None:
    """Answer on 127.0.0.1 with the version in production, until a signal ends it. Raises InputError where there is none."""
    import uvicorn

    served = ServedModel(root, benchmark)
    found = served.loaded.production
    where = f"http://{HOST}:{port}/predict"
    print(f"{served.name} version {found.version} answers at {where} (described at /openapi.json)", flush=True)
    uvicorn.run(make_app(served, refresh=refresh), host=HOST, port=port, log_level="warning", access_log=False)


async def _body(request: Request) -> bytes:
    content = bytearray()
    try:
        async for part in request.stream():
            content += part
            if len(content) > MAX_BYTES:
                raise HTTPException(413, f"an image has at most {MAX_BYTES} bytes")
    except ClientDisconnect:  # nobody hears the answer; left alone it would be a fault of the program
        raise HTTPException(400, "the image was cut off") from None
    return bytes(content)


def _refresh(served: ServedModel, said: str) -> str:
    """Look for another version; a reason why it is not taken up is printed once. Returns what was said last."""
    try:
        if served.refresh():
            print(f"{served.name} version {served.loaded.production.version} answers now", flush=True)
        return ""
    except Exception as error:  # whatever is wrong with the store or the new version, the old one goes on answering
        if str(error) != said:
            print(f"{served.name}: {error}", file=sys.stderr, flush=True)
        return str(error)
