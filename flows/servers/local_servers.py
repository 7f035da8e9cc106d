"""The servers of MLflow and Prefect on this machine alone: started for a command, unless one runs that can be used."""

import base64
import http.client
import json
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from aru.core.errors import InputError
from flows.project.environment import environment
from flows.servers.launching import Server, answers, kept_up, launched, terminated_like_interrupted, wait_until_up
from flows.servers.login import login

__all__ = [
    "HOST",
    "UNUSED_SERVICES",
    "Server",
    "answers",
    "check_port",
    "client",
    "flow_api",
    "free_port",
    "kept_up",
    "launched",
    "mlflow_server",
    "prefect_api",
    "prefect_server",
    "running_api",
    "terminated_like_interrupted",
    "users_own",
    "wait_until_up",
]

HOST = "127.0.0.1"
_UNUSED_NAMES = (
    "CANCELLATION_CLEANUP",
    "CLEANUP_RECONCILER",
    "EVENT_LOGGER",
    "EVENT_PERSISTER",
    "FOREMAN",
    "LATE_RUNS",
    "PAUSE_EXPIRATIONS",
    "REPOSSESSOR",
    "SCHEDULER",
    "TRIGGERS",
)
UNUSED_SERVICES = {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in _UNUSED_NAMES}
"""Environment of a server that nothing but one command's flows use."""
_BARE = {"PREFECT_SERVER_UI_ENABLED": "false", **UNUSED_SERVICES}


def mlflow_server(root: Path, port: int, *, store: str) -> Server:
    """MLflow on a store: one worker, no job runner (four and one would take 2 GB and 20 s)."""
    command = (
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        store,
        "--host",
        HOST,
        "--port",
        str(port),
        "--workers",
        "1",
    )
    return Server(
        "MLflow",
        command,
        environment(root) | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        f"http://{HOST}:{port}/health",
        Path(root) / "mlruns" / "server.log",
    )


def prefect_server(root: Path, port: int) -> Server:
    """Prefect on the project's database: it shows flows that ran in process, and starts scheduled ones."""
    command = (sys.executable, "-m", "flows.servers.api_server", "--root", str(root), "--port", str(port))
    return Server(
        "Prefect", command, environment(root), f"http://{HOST}:{port}/api/health", Path(root) / ".prefect" / "server.log"
    )


@contextmanager
def prefect_api(root: Path, port: int) -> Iterator[str]:
    """The address of a Prefect API for the length of a block.

    The user's own where PREFECT_API_URL names one; else the server that another command of this project runs already;
    else one that is started here and noted for the others. Raises InputError where the port is taken.
    """
    if found := running_api(root):
        _check_login()
        with _taken_over(root, found):
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
            with kept_up(server, process):
                yield api
        finally:
            note.unlink(missing_ok=True)


@contextmanager
def flow_api(root: Path, meanwhile: Callable[[str], None]) -> Iterator[str]:
    """A Prefect API for one flow run: the one that is there already, else one of its own, without scheduler and pages.

    It records task runs from their events; the services for schedules, late runs, triggers and the like are off. What
    Prefect's client reads, address and login, is set in this process' environment: prefect must not be imported before.
    `meanwhile` is called with the address before the server is waited for.

    Prefect's own in-process start would do, but Ctrl-C in a terminal ends that server, too, and the flow then waits
    minutes for it.
    """
    if found := running_api(root):
        _check_login()
        taken_over = _taken_over(root, found)
        os.environ |= client(root, found)
        meanwhile(found)
        with taken_over:
            yield found
        return
    server = prefect_server(root, free_port())
    api = server.health.removesuffix("/health")
    bare = replace(server, environment=server.environment | _BARE, log=Path(root) / ".prefect" / "flow.log")
    with launched(bare) as process:
        os.environ |= client(root, api)
        meanwhile(api)
        wait_until_up(bare, process)
        with kept_up(bare, process):
            yield api


def client(root: Path, api: str) -> dict[str, str]:
    """What a client of an API reads from its environment: the address and, for the project's own servers, the login."""
    if users_own():
        return {"PREFECT_API_URL": api}
    return {"PREFECT_API_URL": api, "PREFECT_API_AUTH_STRING": login(root)}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def running_api(root: Path) -> str | None:
    """The Prefect API that is there already: the user's own, or another command's of this project; None otherwise.

    A killed command leaves its note, and another project's server may have its port since: that one refuses this project's
    login.
    """
    if own := users_own():
        return own
    try:
        api = json.loads(_note(root).read_text(encoding="utf-8"))["api"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return api if answers(f"{api}/health") and not _refuses(api, login(root)) else None


def check_port(port: int, *, option: str) -> None:
    """Raise InputError unless the port can be listened on; `option` is how another one is chosen."""
    if not 1 <= port <= 65535:
        raise InputError(f"{option} {port}: a port lies between 1 and 65535")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"port {port} on {HOST} cannot be used ({error.strerror}): stop what listens there, or choose "
                f"another with {option}"
            ) from error


def _taken_over(root: Path, api: str) -> AbstractContextManager[None]:
    """Where the command that runs the project's server ends, run it on; a user's own is the user's to keep up."""
    return nullcontext() if users_own() else kept_up(prefect_server(root, urlsplit(api).port or 0))


def users_own() -> str | None:
    """The Prefect API that the user has named, which is used as it is."""
    own = os.environ.get("PREFECT_API_URL")
    return own.rstrip("/") if own else None


def _check_login() -> None:
    """Raise InputError where a server that the user has named wants another login; what else is wrong with it Prefect says."""
    api, bearer = users_own(), os.environ.get("PREFECT_API_KEY")
    if api is None or bearer:
        return
    if _refuses(api, os.environ.get("PREFECT_API_AUTH_STRING", "")):
        raise InputError(
            f"the Prefect server at {api} refuses the login: set PREFECT_API_AUTH_STRING to its own, for the "
            "server of a project the line that its .prefect/login holds"
        )


def _refuses(api: str, login: str) -> bool:
    """Whether a Prefect server wants another login; one that cannot be reached or answers otherwise does not say so."""
    token = base64.b64encode(login.encode()).decode()
    try:
        request = urllib.request.Request(f"{api}/admin/version", headers={"Authorization": f"Basic {token}"})
        urllib.request.urlopen(request, timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code == 401
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return False


def _note(root: Path) -> Path:
    return Path(root) / ".prefect" / "server.json"
