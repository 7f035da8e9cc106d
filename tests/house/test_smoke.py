"""The installed versions work together: what breaks in this stack breaks silently, and `pip check` sees none of it."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from aru.core.errors import InputError
from flows.cli.pages import pages
from flows.servers.local_servers import launched, prefect_api
from flows.servers.login import login
from tests.flows.cli.test_pages import free_port

pytest_plugins = ["tests.helpers.tracking_fixtures"]
_SECONDS = 200.0  # on an idle machine it takes about twenty
QUICK = {
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
    "PREFECT_LOGGING_LEVEL": "WARNING",
}


def test_torchvision_has_the_operators_of_this_torch() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
    kept = torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), iou_threshold=0.5)
    assert kept.tolist() == [0, 2]


def test_the_pages_answer_and_a_scheduled_run_completes(tracked_project: Path, prefect_database: Path, monkeypatch) -> None:
    (tracked_project / ".prefect").mkdir(exist_ok=True)
    shutil.copy(prefect_database, tracked_project / ".prefect")
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    for name in ("PREFECT_HOME", "PREFECT_RESULTS_LOCAL_STORAGE_PATH", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    with pages(tracked_project, mlflow_port=free_port(), prefect_port=free_port()) as addresses:
        runs = ask(addresses["MLflow"] + "/api/2.0/mlflow/runs/search", {"experiment_ids": ["1"]}, {})["runs"]
        assert "aaaaaaa-faces-official-seed0" in {run["info"]["run_name"] for run in runs}
        api = addresses["Prefect: flow runs"].removesuffix("/runs") + "/api"
        refused = {
            "no login": {},
            "another login": {"Authorization": "Basic YXJ1OmFydQ=="},
            "another host": {"Host": "evil.example"},
            "another origin": as_us(tracked_project) | {"Origin": "http://evil.example"},
        }
        assert {case: status(f"{api}/admin/version", headers) for case, headers in refused.items()} == {
            "no login": 401,
            "another login": 401,
            "another host": 400,
            "another origin": 403,
        }
        assert status(addresses["MLflow"], {"Host": "evil.example"}) == 403
        pages_own = {"Origin": api.removesuffix("/api"), "Host": api.split("/")[2]}
        assert status(f"{api}/admin/version", as_us(tracked_project) | pages_own) == 200
        page = json.load(urllib.request.urlopen(api.removesuffix("/api") + "/ui-settings", timeout=30))
        assert (page["auth"], page["api_url"]) == ("BASIC", "/api"), "the page asks for the login, and its own server"
        monkeypatch.setenv("PREFECT_API_URL", api)
        for sent, refused in (("", True), ("aru:aru", True), (login(tracked_project), False)):
            monkeypatch.setenv("PREFECT_API_AUTH_STRING", sent)
            with (
                pytest.raises(InputError, match="PREFECT_API_AUTH_STRING") if refused else nullcontext(),
                prefect_api(tracked_project, 0),
            ):
                pass
        monkeypatch.delenv("PREFECT_API_URL")
        monkeypatch.delenv("PREFECT_API_AUTH_STRING")
        with serving_process(tracked_project, api) as process:
            run = scheduled_run(tracked_project, api, process)
    assert run["auto_scheduled"] and run["state_type"] == "COMPLETED"
    assert (tracked_project / "ran").read_text() == "faces"
    assert not (tracked_project / ".prefect" / "server.json").exists()


def serving_process(root: Path, api: str):
    """The tiny flow, served by a process of its own."""
    from flows.project.environment import environment
    from flows.servers.local_servers import Server, client

    here = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(here), *filter(None, [os.environ.get("PYTHONPATH")])])
    return launched(
        Server(
            "served",
            (sys.executable, "-m", "tests.helpers.served", str(root)),
            environment(root) | client(root, api) | {"PYTHONPATH": path},
            "",
            root / "served.log",
        )
    )


def scheduled_run(root: Path, api: str, process: subprocess.Popen) -> dict[str, Any]:
    """The first run that the scheduler, nobody else, brought to its end."""
    deadline = time.monotonic() + _SECONDS
    wanted = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}}}
    while time.monotonic() < deadline:
        assert process.poll() is None, "the serving process ended"
        if found := ask(f"{api}/flow_runs/filter", wanted, as_us(root)):
            return found[0]
        time.sleep(0.5)
    raise AssertionError(f"no scheduled run ended within {_SECONDS:.0f} s")


def as_us(root: Path) -> dict[str, str]:
    """The header that bears the project's login."""
    return {"Authorization": f"Basic {base64.b64encode(login(root).encode()).decode()}"}


def ask(address: str, content: dict[str, Any], headers: dict[str, str]) -> Any:
    request = urllib.request.Request(address, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def status(address: str, headers: dict[str, str]) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code
