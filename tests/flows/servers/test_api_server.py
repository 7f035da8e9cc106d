"""Who may ask the project's Prefect servers: this machine by name, pages of their own, and who has the login."""

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from flows.servers import local_servers as servers
from flows.servers.api_server import locks
from flows.servers.login import login, login_file
from flows.servers.origins import guard

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = json.loads((ROOT / "work-pool.json").read_text(encoding="utf-8"))
WANTED = {"command": "touch x", "env": {"PYTHONPATH": "/x"}, "working_dir": "/x"}
US = "127.0.0.1:4200"
REFUSED = [
    ({"host": "evil.example:4200"}, 400),
    ({"host": "127.0.0.1.evil.example"}, 400),
    ({"host": "0.0.0.0:4200"}, 400),
    ({"origin": "http://evil.example"}, 403),
    ({"origin": "null"}, 403),
    ({"origin": ""}, 403),
    ({"origin": "http://["}, 403),
    ({"origin": f"https://{US}"}, 403),
    ({"origin": "http://127.0.0.1:5000"}, 403),
    ({"origin": "http://127.0.0.1"}, 403),
    ({"origin": f"http://{US}.evil.example"}, 403),
    ({"host": "localhost:4200", "origin": f"http://{US}"}, 403),
]
ANSWERED = [
    {},
    {"host": "localhost:4200"},
    {"host": "localhost:8000", "origin": "http://localhost:8000"},
    {"origin": f"http://{US}"},
]


@pytest.fixture(scope="module")
def guarded() -> TestClient:
    app, done = FastAPI(), []

    @app.post("/things")
    async def make() -> int:
        done.append(1)
        return len(done)

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("in")

    return TestClient(guard(app), base_url=f"http://{US}")


@pytest.mark.parametrize("headers, status", REFUSED)
def test_foreign_hosts_and_origins_reach_nothing(guarded: TestClient, headers: dict[str, str], status: int) -> None:
    before = guarded.post("/things").json()
    assert guarded.post("/things", headers=headers).status_code == status
    assert guarded.post("/things").json() == before + 1, "it was refused before it did anything"
    with pytest.raises(WebSocketDisconnect), guarded.websocket_connect(f"ws://{US}/socket", headers=headers):
        pass


@pytest.mark.parametrize("headers", ANSWERED)
def test_clients_and_own_pages_are_answered(guarded: TestClient, headers: dict[str, str]) -> None:
    assert guarded.post("/things", headers=headers).status_code == 200
    with guarded.websocket_connect(f"ws://{US}/socket", headers=headers) as socket:
        assert socket.receive_text() == "in"


def test_the_login_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(login, [tmp_path] * 8))
    assert len(made) == 1 and made == {login(tmp_path)}
    user, _, password = login(tmp_path).partition(":")
    assert user and len(password) >= 40
    assert [file.name for file in login_file(tmp_path).parent.iterdir()] == [login_file(tmp_path).name]
    assert login_file(tmp_path).stat().st_mode & 0o777 == 0o600
    login_file(tmp_path).chmod(0o644)
    assert {login(tmp_path)} == made and login_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_two_projects_have_two_logins(tmp_path: Path) -> None:
    assert login(tmp_path / "a") != login(tmp_path / "b")


def test_a_login_is_never_readable_by_others_while_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes, link = [], os.link

    def seen(made: Path, path: Path) -> None:
        modes.append(made.stat().st_mode & 0o777)
        link(made, path)

    monkeypatch.setattr(os, "link", seen)
    login(tmp_path)
    assert modes == [0o600]


def test_prefect_is_told_whom_to_answer(tmp_path: Path) -> None:
    found = locks(tmp_path, 4321)
    assert found["PREFECT_SERVER_API_AUTH_STRING"] == login(tmp_path)
    assert found["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4321"


def test_the_login_goes_to_the_projects_own_servers_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    ours = servers.client(tmp_path, "http://127.0.0.1:1/api")
    assert ours == {"PREFECT_API_URL": "http://127.0.0.1:1/api", "PREFECT_API_AUTH_STRING": login(tmp_path)}
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example.org/api")
    assert servers.client(tmp_path, "https://prefect.example.org/api") == {
        "PREFECT_API_URL": "https://prefect.example.org/api"
    }


def test_every_server_of_prefect_is_the_guarded_one(tmp_path: Path) -> None:
    assert servers.prefect_server(tmp_path, 4321).command[1:] == (
        "-m",
        "flows.servers.api_server",
        "--root",
        str(tmp_path),
        "--port",
        "4321",
    )
    documented = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    assert "python -m flows.servers.api_server" in documented
    assert "prefect server start" not in documented + (ROOT / "prefect.yaml").read_text(encoding="utf-8")


def test_the_work_pool_lets_nobody_choose_command_environment_or_folder(prefect_server: None) -> None:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    with get_client(sync_client=True) as client:

        def post(path: str, content: dict) -> dict:
            return client.request("POST", path, json=content).json()

        post("/work_pools/", {"name": "guarded", "type": "process", "base_job_template": TEMPLATE})
        flow = post("/flows/", {"name": "pooled"})["id"]
        deployment = post("/deployments/", {"name": "pooled", "flow_id": flow, "work_pool_name": "guarded"})["id"]
        post(f"/deployments/{deployment}/create_flow_run", {"state": {"type": "SCHEDULED"}})
        for name, value in WANTED.items():
            with pytest.raises(PrefectHTTPStatusError, match="422") as refused:
                post(f"/deployments/{deployment}/create_flow_run", {"job_variables": {name: value}})
            assert "Additional properties are not allowed" in refused.value.response.text


def test_what_a_run_asks_of_the_work_pool_is_not_used_by_its_worker() -> None:
    from prefect.workers.process import ProcessJobConfiguration

    found = asyncio.run(ProcessJobConfiguration.from_template_and_values(TEMPLATE, WANTED))
    assert found.command is None and found.env == {} and found.working_dir is None


def test_the_environment_for_a_shell_leaves_what_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.servers.shell import exports

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
    monkeypatch.setenv("PREFECT_HOME", "/somewhere/of/the/users")
    lines = exports(tmp_path)
    assert f"export PREFECT_API_AUTH_STRING={login(tmp_path)}" in lines
    assert "export PREFECT_API_URL=http://127.0.0.1:4200/api" in lines
    assert not [line for line in lines if line.startswith("export PREFECT_HOME=")]
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example.org/api")
    assert "AUTH_STRING" not in "".join(exports(tmp_path))
