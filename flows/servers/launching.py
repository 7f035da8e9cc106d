"""Processes that serve one command: started for the length of a block, waited for, kept up, stopped with all they started."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TextIO
from urllib.parse import urlsplit

_LIFELINE = str(Path(__file__).with_name("lifeline.py"))
_START_SECONDS, _STOP_SECONDS, _PROBE_SECONDS = 300.0, 10.0, 0.3
_TRIES, _STEADY_SECONDS = 3, 120.0


@dataclass(frozen=True)
class Server:
    """A server to start: its command, what is added to the environment, where it answers, and its log.

    Without a log it writes where this process does.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    health: str
    log: Path | None


@contextmanager
def launched(server: Server) -> Iterator[subprocess.Popen[bytes]]:
    """A server's process, in a group of its own: its workers end with it, Ctrl-C reaches us alone, and it ends when
    this process does, even by a kill. The log of the one before is kept beside its own."""
    with nullcontext() if server.log is None else _fresh(server.log) as log:
        process = subprocess.Popen(
            (sys.executable, _LIFELINE, *server.command),
            env=os.environ | server.environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def _fresh(log: Path) -> TextIO:
    log.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        log.replace(log.with_suffix(".old.log"))
    return open(log, "w", encoding="utf-8")


def wait_until_up(server: Server, process: subprocess.Popen[bytes], *, seconds: float = _START_SECONDS) -> None:
    """Return once the server answers; raise RuntimeError with the end of its log where it ends or does not."""
    deadline = time.monotonic() + seconds
    while not answers(server.health):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{server.name} did not start; the end of {server.log}:\n{_tail(server)}")
        time.sleep(_PROBE_SECONDS)


@contextmanager
def kept_up(
    server: Server, process: subprocess.Popen[bytes] | None = None, *, lost: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Start a server again, at the same address, where it ends inside the block: by a kill, or because the command that
    had started it is over (then there is no `process`).

    The pauses between the tries double; where it does not stay up, `lost` is called with what to say; without one the
    command ends there and then, with a code of its own: whoever waits for a server that is gone waits for minutes.
    """
    over = Event()
    thread = Thread(target=_keep_up, args=(server, process, over, lost or _end), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _keep_up(server: Server, process: subprocess.Popen[bytes] | None, over: Event, lost: Callable[[str], None]) -> None:
    failures = 0
    while not over.wait(_PROBE_SECONDS):
        if not _is_gone(server, process):
            failures = 0
            continue
        if failures == _TRIES:
            lost(f"{server.name}'s server ended and could not be brought back; the end of {server.log}:\n{_tail(server)}")
            return
        print(f"{server.name}'s server has ended; it is started again.", file=sys.stderr, flush=True)
        began = time.monotonic()
        with launched(server) as again:
            while again.poll() is None and not over.wait(_PROBE_SECONDS):
                pass
        failures = 1 if time.monotonic() - began > _STEADY_SECONDS else failures + 1
        over.wait(2.0**failures / 2)


def _is_gone(server: Server, process: subprocess.Popen[bytes] | None) -> bool:
    """Whether a server has ended, and nobody else has brought it back; one that is slow to answer has not."""
    return not listens(server.health) if process is None else process.poll() is not None and not answers(server.health)


def _end(why: str) -> None:
    """End this process as a kill would: what is done is kept, and the next run goes on from there."""
    print(f"\nerror: {why}\nWhat is done is kept: run the same command again.", file=sys.stderr, flush=True)
    os._exit(os.EX_TEMPFAIL)


def _tail(server: Server) -> str:
    return "" if server.log is None else server.log.read_text(encoding="utf-8", errors="replace")[-2000:]


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started: SIGTERM first, SIGKILL after some seconds."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def answers(address: str) -> bool:
    """Whether an address replies well."""
    try:
        with urllib.request.urlopen(address, timeout=2) as reply:
            return reply.status == 200
    except (OSError, http.client.HTTPException):  # nobody there, an error, or something that speaks no HTTP
        return False


def listens(address: str) -> bool:
    """Whether anybody takes connections at the host and port of an address, however long an answer takes."""
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=2).close()
    except ConnectionRefusedError:
        return False
    except OSError:  # too busy, then
        return True
    return True


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that no server outlives it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
