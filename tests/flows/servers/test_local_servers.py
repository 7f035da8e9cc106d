"""Prefect's server for one command: found, taken over, brought back, and never another project's."""

import base64
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from aru.core.errors import InputError
from flows.servers import local_servers as servers
from flows.servers.launching import Server, launched, stop, wait_until_up
from flows.servers.login import login
from tests.flows.cli.test_pages import free_port
from tests.flows.servers.test_launching import wait_for

ANSWER = """
import http.server, os, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *arguments): ...
pathlib.Path({pid!r}).write_text(str(os.getpid()))
http.server.HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of the test's own, in which no server is named."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in ("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING"):
        os.environ.pop(name, None)


@pytest.fixture
def pid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Servers that answer anything with 200 in place of Prefect's; returns which process the newest one is."""

    def stand_in(root: Path, port: int) -> Server:
        command = (sys.executable, "-c", ANSWER.format(pid=str(tmp_path / "pid"), port=port))
        return Server("Prefect", command, {}, f"http://127.0.0.1:{port}/api/health", Path(root) / ".prefect" / "server.log")

    monkeypatch.setattr(servers, "prefect_server", stand_in)
    return lambda: int((tmp_path / "pid").read_text())


@contextmanager
def answering(status: Callable[[str, str | None], int]) -> Iterator[str]:
    """A server that answers (path, header Authorization) with a status; yields the address of its API."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status(self.path, self.headers["Authorization"]))
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()


def write_note(root: Path, api: str) -> Path:
    note = root / ".prefect" / "server.json"
    note.parent.mkdir(exist_ok=True)
    note.write_text(json.dumps({"api": api}))
    return note


def test_a_commands_server_is_noted_brought_back_after_a_kill_and_gone_with_its_note(
    tmp_path: Path, pid: Callable[[], int]
) -> None:
    note = tmp_path / ".prefect" / "server.json"
    with servers.prefect_api(tmp_path, free_port()) as api:
        assert servers.running_api(tmp_path) == api == json.loads(note.read_text())["api"]
        first = pid()
        os.kill(first, signal.SIGKILL)
        assert wait_for(lambda: pid() != first and servers.answers(f"{api}/health"))
    assert not note.exists() and not servers.answers(f"{api}/health")


def test_the_note_goes_where_the_command_fails(tmp_path: Path, pid: Callable[[], int]) -> None:
    with pytest.raises(ZeroDivisionError), servers.prefect_api(tmp_path, free_port()) as api:
        raise ZeroDivisionError
    assert not (tmp_path / ".prefect" / "server.json").exists() and not servers.answers(f"{api}/health")


@pytest.mark.parametrize("door", ["flow_api", "prefect_api"])
def test_the_server_of_a_command_that_ends_runs_on_for_those_that_use_it(
    tmp_path: Path, pid: Callable[[], int], door: str
) -> None:
    others = servers.prefect_server(tmp_path, free_port())
    seen: list[str] = []
    with launched(others) as process:
        wait_until_up(others, process, seconds=60)
        api, first = others.health.removesuffix("/health"), pid()
        write_note(tmp_path, api)
        with servers.prefect_api(tmp_path, 1) if door == "prefect_api" else servers.flow_api(tmp_path, seen.append) as used:
            assert used == api and pid() == first and seen == [api] * (door == "flow_api")
            stop(process)
            assert wait_for(lambda: pid() != first and servers.answers(others.health)), "at the same address"
    assert not servers.answers(others.health)


def test_a_flow_without_a_server_gets_a_bare_one_with_the_projects_login(tmp_path: Path, pid: Callable[[], int]) -> None:
    seen: list[str] = []
    with servers.flow_api(tmp_path, seen.append) as api:
        assert seen == [api] and servers.answers(f"{api}/health")
        assert os.environ["PREFECT_API_URL"] == api and os.environ["PREFECT_API_AUTH_STRING"] == login(tmp_path)
        assert not (tmp_path / ".prefect" / "server.json").exists(), "it is this flow's alone"
    assert not servers.answers(f"{api}/health")


def test_a_server_of_another_project_at_the_port_of_an_old_note_is_not_used(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for root in (mine, theirs):
        root.mkdir()
    known = f"Basic {base64.b64encode(login(theirs).encode()).decode()}"
    with answering(lambda path, sent: 200 if path == "/api/health" or sent == known else 401) as api:
        for root in (mine, theirs):
            write_note(root, api)
        assert servers.running_api(theirs) == api
        assert servers.running_api(mine) is None


@pytest.mark.parametrize("status, refused", [(200, False), (401, True), (404, False), (500, False)])
def test_a_login_that_the_users_server_refuses_is_said_before_the_work(tmp_path: Path, status: int, refused: bool) -> None:
    sent: list[str | None] = []

    def answer(path: str, authorization: str | None) -> int:
        sent.append(authorization)
        return status

    with answering(answer) as api:
        os.environ |= {"PREFECT_API_URL": f"{api}/", "PREFECT_API_AUTH_STRING": "me:mine"}
        if refused:
            with pytest.raises(InputError, match="refuses the login: set PREFECT_API_AUTH_STRING"):
                servers.prefect_api(tmp_path, 1).__enter__()
        else:
            with servers.prefect_api(tmp_path, 1) as used:
                assert used == api
        assert sent == ["Basic bWU6bWluZQ=="], "once, and not the project's"
        os.environ["PREFECT_API_KEY"] = "a key"
        with servers.prefect_api(tmp_path, 1):
            assert len(sent) == 1, "with a key there is no such login"


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}/api", "no address"])
def test_what_else_is_wrong_with_the_users_server_is_left_to_prefect_to_say(tmp_path: Path, address: str) -> None:
    os.environ["PREFECT_API_URL"] = address.format(port=free_port())
    with servers.prefect_api(tmp_path, 1) as used:
        assert used == os.environ["PREFECT_API_URL"]
