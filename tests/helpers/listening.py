"""An app that listens on a port of this machine, served in a thread: what only a real connection shows."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from flows.servers.local_servers import free_port

HOST = "127.0.0.1"


@contextmanager
def listening(app: FastAPI) -> Iterator[int]:
    """The port at which the app answers within the block."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host=HOST, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.05)
        yield port
    finally:
        server.should_exit = True
        thread.join()
