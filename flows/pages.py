"""`aru ui`: the pages of MLflow and Prefect, on this machine only, until they are stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aru.config import load_params
from aru.errors import InputError
from flows import store
from flows.environment import settings
from flows.links import links, remote

HOST = "127.0.0.1"
_START_SECONDS, _STOP_SECONDS, _PROBE_SECONDS = 300.0, 10.0, 0.3


@dataclass(frozen=True)
class Server:
    """A server to start: its command, what is added to the environment, and where it answers once it is there."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    health: str
    log: Path


def open_pages(root: Path, *, mlflow_port: int = 5000, prefect_port: int = 4200) -> None:
    """Serve the pages, print their addresses and wait for Ctrl-C; then both servers are stopped.

    Raises InputError where a port is taken, before anything is started.
    """
    print("The pages of MLflow and Prefect start; this takes some seconds.", flush=True)
    with pages(root, mlflow_port=mlflow_port, prefect_port=prefect_port) as found:
        for what, address in found.items():
            print(f"{what:<28} {address}", flush=True)
        print("Ctrl-C stops the pages.", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()
    print("The pages are closed.")


@contextmanager
def pages(root: Path, *, mlflow_port: int = 5000, prefect_port: int = 4200) -> Iterator[dict[str, str]]:
    """The servers for the length of a block; yields {what it shows: address}.

    A remote MLflow or Prefect that the environment names is used as it is, and no server is started for it.
    """
    root = Path(root).resolve()
    servers = _servers(root, mlflow_port, prefect_port)
    with ExitStack() as stack:
        stack.enter_context(_terminated_like_interrupted())
        running = [(server, stack.enter_context(started(server))) for server in servers]
        for server, process in running:
            wait_until_up(server, process)
        yield addresses(root, mlflow_port=mlflow_port, prefect_port=prefect_port)


def addresses(root: Path, *, mlflow_port: int = 5000, prefect_port: int = 4200) -> dict[str, str]:
    """Where to look: for each benchmark its experiment, the newest flow, its models compared, and the model."""
    found = {}
    for benchmark in load_params(Path(root) / "params.yaml"):
        for what, address in links(root, benchmark=benchmark, address=f"http://{HOST}:{mlflow_port}").items():
            found[f"{benchmark}: {_TITLES[what]}"] = address
    found.setdefault("MLflow", remote(root) or f"http://{HOST}:{mlflow_port}")
    api = os.environ.get("PREFECT_API_URL", "").rstrip("/").removesuffix("/api")
    return found | {"Prefect: flow runs": f"{api or f'http://{HOST}:{prefect_port}'}/runs"}


_TITLES = {"experiment": "all runs", "run": "newest run", "compare": "its models compared", "model": "registered model"}


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
def started(server: Server) -> Iterator[subprocess.Popen]:
    """A server in a process group of its own, so that its workers end with it and Ctrl-C reaches us alone."""
    server.log.parent.mkdir(parents=True, exist_ok=True)
    with open(server.log, "w", encoding="utf-8") as log:
        process = subprocess.Popen(server.command, env=os.environ | server.environment, stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen) -> None:
    """End a process and all that it started: asked first, then killed."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until_up(server: Server, process: subprocess.Popen, *, seconds: float = _START_SECONDS) -> None:
    """Return once the server answers; raise RuntimeError with the end of its log where it does not."""
    deadline = time.monotonic() + seconds
    while not _answers(server.health):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = server.log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise RuntimeError(f"{server.name} did not start within {seconds:.0f} s; the end of {server.log}:\n{tail}")
        time.sleep(_PROBE_SECONDS)


def mlflow_server(root: Path, port: int) -> Server:
    """MLflow on the project's store: one worker, no job runner (four and one would take 2 GB and 20 s)."""
    command = (sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.tracking_uri(root),
               "--host", HOST, "--port", str(port), "--workers", "1")
    return Server("MLflow", command, settings(root) | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                  f"http://{HOST}:{port}/health", root / "mlruns" / "server.log")


def prefect_server(root: Path, port: int) -> Server:
    """Prefect on the project's database: flows that ran in process are shown, and scheduled ones are started."""
    command = (sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port))
    api = f"http://{HOST}:{port}/api"
    return Server("Prefect", command, settings(root) | {"PREFECT_UI_API_URL": api}, f"{api}/health",
                  root / ".prefect" / "server.log")


def _servers(root: Path, mlflow_port: int, prefect_port: int) -> list[Server]:
    store.ensure_store(root)
    wanted = []
    if remote(root) is None:
        check_port(mlflow_port, option="--mlflow-port")
        wanted.append(mlflow_server(root, mlflow_port))
    if "PREFECT_API_URL" not in os.environ:
        if prefect_port == mlflow_port:
            raise InputError(f"--mlflow-port and --prefect-port are both {prefect_port}: choose two different ports")
        check_port(prefect_port, option="--prefect-port")
        wanted.append(prefect_server(root, prefect_port))
    return wanted


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that no server outlives it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
