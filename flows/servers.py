"""Servers of this machine alone: started for the length of a block, waited for, and stopped with all that they started."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from aru.errors import InputError
from flows.environment import settings

HOST = "127.0.0.1"
_LIFELINE = str(Path(__file__).with_name("lifeline.py"))
_UNUSED_SERVICES = ("CANCELLATION_CLEANUP", "CLEANUP_RECONCILER", "EVENT_LOGGER", "EVENT_PERSISTER", "FOREMAN", "LATE_RUNS",
                    "PAUSE_EXPIRATIONS", "REPOSSESSOR", "SCHEDULER", "TRIGGERS")
_WITHOUT_THEM = {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in _UNUSED_SERVICES}
_START_SECONDS, _STOP_SECONDS, _PROBE_SECONDS = 300.0, 10.0, 0.3


@dataclass(frozen=True)
class Server:
    """A server to start: its command, what is added to the environment, where it answers, and its log."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    health: str
    log: Path


def mlflow_server(root: Path, port: int, *, store: str) -> Server:
    """MLflow on a store: one worker, no job runner (four and one would take 2 GB and 20 s)."""
    command = (sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--host", HOST, "--port", str(port),
               "--workers", "1")
    return Server("MLflow", command, settings(root) | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                  f"http://{HOST}:{port}/health", Path(root) / "mlruns" / "server.log")


def prefect_server(root: Path, port: int) -> Server:
    """Prefect on the project's database: it shows flows that ran in process, and starts scheduled ones."""
    command = (sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port))
    api = f"http://{HOST}:{port}/api"
    return Server("Prefect", command, settings(root) | {"PREFECT_UI_API_URL": api}, f"{api}/health",
                  Path(root) / ".prefect" / "server.log")


@contextmanager
def prefect_api(root: Path, port: int) -> Iterator[str]:
    """The address of a Prefect API for the length of a block.

    The user's own where PREFECT_API_URL names one; else the server that another command of this project runs already;
    else one that is started here and noted for the others. Raises InputError where the port is taken.
    """
    if found := running_api(root):
        yield found
        return
    check_port(port, option="--prefect-port")
    server = prefect_server(root, port)
    api = server.health.removesuffix("/health")
    note = _note(root)
    with launched(server) as process:
        wait_until_up(server, process)
        note.write_text(json.dumps({"api": api, "pid": os.getpid()}), encoding="utf-8")
        try:
            yield api
        finally:
            note.unlink(missing_ok=True)


@contextmanager
def flow_api(root: Path, meanwhile: Callable[[str], None]) -> Iterator[str]:
    """A Prefect API for one flow run: the one that is there already, else one of its own, without scheduler and pages.

    It records task runs from their events; the services for schedules, late runs, triggers and the like are off.
    `meanwhile` is called with its address before it is waited for.

    Prefect's own in-process start would do, but Ctrl-C in a terminal ends that server, too, and the flow then waits
    minutes for it.
    """
    if found := running_api(root):
        meanwhile(found)
        yield found
        return
    server = prefect_server(root, free_port())
    api = server.health.removesuffix("/health")
    bare = replace(server, command=(*server.command, "--no-ui"), environment=server.environment | _WITHOUT_THEM,
                   log=server.log.with_name("flow.log"))
    with launched(bare) as process:
        meanwhile(api)
        wait_until_up(bare, process)
        yield api


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def running_api(root: Path) -> str | None:
    """The Prefect API that is there already: the user's own, or another command's of this project; None otherwise."""
    if own := os.environ.get("PREFECT_API_URL"):
        return own.rstrip("/")
    try:
        api = json.loads(_note(root).read_text(encoding="utf-8"))["api"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return api if answers(f"{api}/health") else None


def check_port(port: int, *, option: str) -> None:
    """Raise InputError unless the port can be listened on; `option` is how another one is chosen."""
    if not 1 <= port <= 65535:
        raise InputError(f"{option} {port}: a port lies between 1 and 65535")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(f"port {port} on {HOST} cannot be used ({error.strerror}): stop what listens there, or choose "
                             f"another with {option}") from error


@contextmanager
def launched(server: Server) -> Iterator[subprocess.Popen]:
    """A server's process, in a group of its own: its workers end with it, Ctrl-C reaches us alone, and it ends when
    this process does, even by a kill."""
    server.log.parent.mkdir(parents=True, exist_ok=True)
    with open(server.log, "w", encoding="utf-8") as log:
        process = subprocess.Popen((sys.executable, _LIFELINE, *server.command), env=os.environ | server.environment,
                                   stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        stop(process)


def wait_until_up(server: Server, process: subprocess.Popen, *, seconds: float = _START_SECONDS) -> None:
    """Return once the server answers; raise RuntimeError with the end of its log where it ends or does not."""
    deadline = time.monotonic() + seconds
    while not answers(server.health):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = server.log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise RuntimeError(f"{server.name} did not start; the end of {server.log}:\n{tail}")
        time.sleep(_PROBE_SECONDS)


def stop(process: subprocess.Popen) -> None:
    """End a process and all that it started: asked first, then killed."""
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
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that no server outlives it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _note(root: Path) -> Path:
    return Path(root) / ".prefect" / "server.json"
