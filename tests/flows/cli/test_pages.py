"""The servers behind `aru ui` and `aru serve`: ports, start, failure, and that nothing outlives them."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aru.core.errors import InputError
from flows.cli import pages
from flows.servers import local_servers as servers
from flows.servers.local_servers import Server
from tests.helpers.processes import alive, ended

pytest_plugins = ["tests.helpers.tracking_fixtures"]
FAMILY = """
import http.server, os, pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path({pids!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
http.server.HTTPServer(("127.0.0.1", {port}), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def server(folder: Path, code: str, port: int) -> Server:
    return Server("Tiny", (sys.executable, "-c", code), {}, f"http://127.0.0.1:{port}/", folder / "server.log")


@pytest.mark.parametrize(
    "ports, option",
    [
        ({"mlflow_port": "taken", "prefect_port": "free"}, "--mlflow-port"),
        ({"mlflow_port": "free", "prefect_port": "taken"}, "--prefect-port"),
    ],
)
def test_a_taken_port_is_named_before_anything_starts(
    tracked_project: Path, taken: int, monkeypatch: pytest.MonkeyPatch, ports: dict[str, str], option: str
) -> None:
    monkeypatch.setattr(servers, "launched", lambda server: pytest.fail("started"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    chosen = {name: taken if which == "taken" else free_port() for name, which in ports.items()}
    with pytest.raises(InputError, match=f"port {taken} .*{option}"), pages.pages(tracked_project, **chosen):
        pass


@pytest.mark.parametrize(
    "ports, message", [((4200, 4200), "both 4200"), ((0, 4200), "--mlflow-port 0"), ((5000, 70000), "--prefect-port 70000")]
)
def test_impossible_ports_are_refused(
    tracked_project: Path, ports: tuple[int, int], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "launched", lambda server: pytest.fail("started"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(InputError, match=message), pages.pages(tracked_project, mlflow_port=ports[0], prefect_port=ports[1]):
        pass


def test_a_server_is_up_inside_the_block_and_gone_with_its_children_after_it(tmp_path: Path) -> None:
    port, pids = free_port(), tmp_path / "pids"
    tiny = server(tmp_path, FAMILY.format(pids=str(pids), port=port), port)
    with pytest.raises(KeyboardInterrupt), servers.launched(tiny) as process:
        servers.wait_until_up(tiny, process, seconds=60)
        family = [int(pid) for pid in pids.read_text().split()]
        assert all(alive(pid) for pid in family)
        raise KeyboardInterrupt
    assert ended(*family)
    servers.check_port(port, option="--prefect-port")


def test_a_server_that_fails_says_why(tmp_path: Path) -> None:
    broken = server(tmp_path, "raise SystemExit('no database here')", free_port())
    with pytest.raises(RuntimeError, match="no database here"), servers.launched(broken) as process:
        servers.wait_until_up(broken, process, seconds=60)


def test_a_users_own_prefect_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example.org/api/")
    with servers.prefect_api(tmp_path, taken) as api:
        assert api == "https://prefect.example.org/api"


def test_a_note_of_a_dead_server_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (tmp_path / ".prefect").mkdir()
    note = tmp_path / ".prefect" / "server.json"
    note.write_text(json.dumps({"api": f"http://127.0.0.1:{free_port()}/api"}))
    assert servers.running_api(tmp_path) is None
    note.write_text("{")
    assert servers.running_api(tmp_path) is None


def test_addresses_name_what_they_show(tracked_once: Path) -> None:
    found = pages.addresses(tracked_once, mlflow="http://127.0.0.1:1", prefect="http://127.0.0.1:2")
    assert list(found) == [
        "faces: all runs",
        "faces: newest run",
        "faces: its models compared",
        "faces: its models, all figures",
        "faces: registered model",
        "MLflow",
        "Prefect: flow runs",
    ]
    assert all(address.startswith("http://127.0.0.1:") for address in found.values())
    assert found["Prefect: flow runs"] == "http://127.0.0.1:2/runs"


def test_a_remote_mlflow_is_linked_not_started(tracked_once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pages.remote(tracked_once) is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org/")
    assert pages.remote(tracked_once) == "https://mlflow.example.org"


def test_a_prefect_home_of_the_users_holds_for_the_servers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", "/somewhere/of/the/users")
    monkeypatch.delenv("PREFECT_SERVER_ANALYTICS_ENABLED")
    for asked in (servers.prefect_server(tmp_path, 1), servers.mlflow_server(tmp_path, 2, store="sqlite:///x")):
        assert asked.environment["PREFECT_HOME"] == "/somewhere/of/the/users"
        assert asked.environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false", "what is not set is"


@pytest.mark.parametrize("home, name", [(None, None), ("/srv/theirs", None), (None, "somebody")])
def test_a_user_whom_the_system_does_not_know_has_a_home_and_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None, name: str | None
) -> None:
    import getpass
    import pwd

    from flows.project.environment import prepare_environment

    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for variable in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        os.environ.pop(variable, None)
    os.environ |= {key: value for key, value in (("HOME", home), ("USER", name)) if value}
    prepare_environment(tmp_path)
    assert Path.home() == Path(home or tmp_path / ".prefect" / "home") and (home or Path.home().is_dir())
    assert getpass.getuser() == (name or "unknown")


def test_settings_keep_state_in_the_project_and_phone_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.project.environment import prepare_environment, settings

    for name in settings(tmp_path):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", "/somewhere/of/the/users")
    prepare_environment(tmp_path)
    assert os.environ["PREFECT_HOME"] == "/somewhere/of/the/users"
    assert os.environ["PREFECT_RESULTS_LOCAL_STORAGE_PATH"] == str(tmp_path / ".prefect" / "results")
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert os.environ["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"].endswith(".filesystem"), "or a kill blocks the schedule"
    assert (os.environ["DO_NOT_TRACK"], os.environ["MLFLOW_DISABLE_TELEMETRY"]) == ("1", "true")
