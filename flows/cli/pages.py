"""`aru ui`: the pages of MLflow and Prefect, on this machine only, until they are stopped."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from aru.core.config import load_params
from aru.core.errors import InputError
from flows.servers import local_servers as servers
from flows.servers.login import login_file
from flows.tracking import store
from flows.tracking.links import links, remote

MLFLOW_PORT, PREFECT_PORT = 5000, 4200
_TITLES = {
    "experiment": "all runs",
    "run": "newest run",
    "compare": "its models compared",
    "table": "its models, all figures",
    "model": "registered model",
}


def open_pages(root: Path, *, mlflow_port: int = MLFLOW_PORT, prefect_port: int = PREFECT_PORT) -> None:
    """Serve the pages, print their addresses and wait for Ctrl-C; then both servers are stopped.

    Raises InputError where a port is taken, before anything is started.
    """
    with suppress(KeyboardInterrupt), pages(root, mlflow_port=mlflow_port, prefect_port=prefect_port) as found:
        for what, address in found.items():
            print(f"{what:<28} {address}", flush=True)
        print(login_hint(root), flush=True)
        print("Ctrl-C closes the pages.", flush=True)
        signal.pause()
    print("The pages are closed.")


@contextmanager
def pages(root: Path, *, mlflow_port: int = MLFLOW_PORT, prefect_port: int = PREFECT_PORT) -> Iterator[dict[str, str]]:
    """The servers for the length of a block; yields {what it shows: address}.

    A remote MLflow or Prefect that the environment names is used as it is, and no server is started for it.
    """
    root = Path(root).resolve()
    _check(root, mlflow_port, prefect_port)
    store.ensure_store(root)
    with servers.terminated_like_interrupted(), ExitStack() as stack:
        if remote(root) is None:
            print("The pages of MLflow and Prefect are opening; this takes some seconds.", flush=True)
            mlflow = servers.mlflow_server(root, mlflow_port, store=store.tracking_uri(root))
            process = stack.enter_context(servers.launched(mlflow))
            api = stack.enter_context(servers.prefect_api(root, prefect_port))
            servers.wait_until_up(mlflow, process)
            stack.enter_context(servers.kept_up(mlflow, process))
        else:
            api = stack.enter_context(servers.prefect_api(root, prefect_port))
        yield addresses(root, mlflow=f"http://{servers.HOST}:{mlflow_port}", prefect=api.removesuffix("/api"))


def addresses(root: Path, *, mlflow: str, prefect: str) -> dict[str, str]:
    """Where to look: for each benchmark its runs, the newest flow, its models compared, and the registered model."""
    found = {
        f"{benchmark}: {_TITLES[what]}": address
        for benchmark in load_params(Path(root) / "params.yaml")
        for what, address in links(root, benchmark=benchmark, address=mlflow).items()
    }
    return found | {"MLflow": remote(root) or mlflow, "Prefect: flow runs": f"{prefect}/runs"}


def login_hint(root: Path) -> str:
    """How a browser logs in; the secret itself is not printed, because output may end in a log that others read."""
    if servers.users_own():
        return "Prefect's pages are those of PREFECT_API_URL."
    return f"Prefect's pages ask a browser once for a login: the line that {login_file(root)} holds."


def _check(root: Path, mlflow_port: int, prefect_port: int) -> None:
    """Both ports are looked at before either server is started."""
    if mlflow_port == prefect_port:
        raise InputError(f"--mlflow-port and --prefect-port are both {prefect_port}: choose two different ports")
    if remote(root) is None:
        servers.check_port(mlflow_port, option="--mlflow-port")
    if servers.running_api(root) is None:
        servers.check_port(prefect_port, option="--prefect-port")
