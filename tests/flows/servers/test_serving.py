"""Schedules: what `aru serve` and prefect.yaml ask of Prefect, and bad ones refused before anything starts."""

import importlib
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from aru.core.errors import InputError
from flows.servers import local_servers as servers
from flows.servers import serving
from flows.servers.login import login

pytest_plugins = ["tests.helpers.tracking_fixtures"]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(servers, "launched", lambda server: pytest.fail("started"))


@pytest.mark.parametrize("cron", ["0 2 * *", "61 2 * * *", "nightly", ""])
@pytest.mark.usefixtures("nothing_starts")
def test_a_bad_schedule_is_refused(tracked_once: Path, cron: str) -> None:
    with pytest.raises(InputError, match="not a cron schedule"):
        serving.serve(tracked_once, benchmark="faces", cron=cron)


@pytest.mark.usefixtures("nothing_starts")
def test_an_unknown_benchmark_is_refused(tracked_once: Path) -> None:
    with pytest.raises(InputError, match="face"):
        serving.serve(tracked_once, benchmark="face", cron="0 2 * * *")


@pytest.mark.usefixtures("nothing_starts")
def test_a_taken_port_is_refused(tracked_once: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} .*--prefect-port"):
            serving.serve(tracked_once, benchmark="faces", cron="0 2 * * *", prefect_port=port)


class Ended:
    """A process that ends at once."""

    def wait(self) -> int:
        return 3


def test_the_runs_are_started_by_a_process_that_is_watched(
    tracked_once: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    started = []
    monkeypatch.setattr(servers, "prefect_api", lambda root, port: nullcontext(f"http://127.0.0.1:{port}/api"))
    monkeypatch.setattr(servers, "launched", lambda server: started.append(server) or nullcontext(Ended()))
    with pytest.raises(SystemExit) as ended:
        serving.serve(tracked_once, benchmark="faces", cron="0 2 * * *", prefect_port=4321)
    said = capsys.readouterr()
    assert ended.value.code == os.EX_TEMPFAIL and "ended by itself, with code 3" in said.err
    assert "Pages: http://127.0.0.1:4321/ (login: .prefect/login)" in said.out, "other pages do not ask for the login"
    (runner,) = started
    assert runner.command[1:5] == ("-m", "flows.pipeline.scheduled_runs", str(tracked_once), "faces")
    assert runner.environment["PREFECT_API_URL"] == "http://127.0.0.1:4321/api", "an in-process server does not schedule"
    assert runner.environment["PREFECT_API_AUTH_STRING"] == login(tracked_once)


@pytest.fixture
def nightly(tracked_project: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """Starts `aru serve`'s runner, which makes the deployment and ends there; returns the deployment as Prefect has it."""
    from prefect import Flow
    from prefect.client.orchestration import get_client

    from flows.pipeline import scheduled_runs as runner

    def make(flow: Flow, **asked: Any) -> None:
        limit = asked.pop("global_limit")
        assert asked.pop("pause_on_shutdown") is False, "a restart could not tell it from a pause of the user's"
        asked.pop("print_starting_message")
        flow.to_deployment(**asked, concurrency_limit=limit)._create_sync()

    monkeypatch.setattr(Flow, "serve", make)

    def start() -> Any:
        runner.main(tracked_project, "nightly", "0 2 * * *", "UTC")
        with get_client(sync_client=True) as client:
            return client.read_deployment_by_name("unlearn/nightly")

    yield start
    with get_client(sync_client=True) as client:
        client.delete_deployment(client.read_deployment_by_name("unlearn/nightly").id)


def test_what_somebody_has_paused_stays_paused(nightly: Callable[[], Any]) -> None:
    from prefect.client.orchestration import get_client

    made = nightly()
    assert (made.paused, [schedule.active for schedule in made.schedules]) == (False, [True])
    with get_client(sync_client=True) as client:
        client.pause_deployment(made.id)
        again = nightly()
        assert again.paused
        client.resume_deployment(made.id)
        client.update_deployment_schedule(made.id, again.schedules[0].id, active=False)
    again = nightly()
    assert (again.paused, [schedule.active for schedule in again.schedules]) == (False, [False])


def test_missed_runs_are_cancelled_and_no_others(nightly: Callable[[], Any]) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
    from prefect.states import Scheduled

    from flows.servers.missed import cancel_missed

    now = datetime.now(UTC)
    made = nightly()
    with get_client(sync_client=True) as client:
        long_due = Scheduled(scheduled_time=now - timedelta(hours=2))
        asked_for = client.create_flow_run_from_deployment(made.id, state=long_due).id
        window = {
            "start_time": (now - timedelta(days=3)).isoformat(),
            "end_time": (now + timedelta(days=3)).isoformat(),
            "min_runs": 6,
        }
        client.request("POST", "/deployments/{id}/schedule", path_params={"id": made.id}, json=window)
        runs = client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[made.id])))
        late = {run.id for run in runs if run.auto_scheduled and run.expected_start_time < now - timedelta(minutes=1)}
        assert len(late) >= 2 and len(runs) > len(late) + 1
        assert cancel_missed(client, "unlearn/nightly") == len(late)
        states = {run.id: client.read_flow_run(run.id).state.type.value for run in runs}
    assert {run for run, state in states.items() if state == "CANCELLED"} == late
    assert states[asked_for] == "SCHEDULED"


def test_a_scheduled_run_that_finds_the_project_taken_is_cancelled(
    fresh: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    from flows.pipeline.unlearn import unlearn
    from flows.project.discretion import disclosed
    from flows.project.folder import ProjectBusy, lock_folder

    with FileLock(lock_folder(fresh) / "flow.lock"):
        with pytest.raises(ProjectBusy), disclosed():
            unlearn("faces", root=fresh, quiet=True)
        monkeypatch.setattr("prefect.runtime.deployment.id", "a deployment's", raising=False)
        state = unlearn("faces", root=fresh, quiet=True, return_state=True)
    assert state.type.value == "CANCELLED" and "wait until it ends" in state.message


def test_the_served_flow_is_the_main_flow_one_at_a_time(tmp_path: Path) -> None:
    from flows.pipeline.unlearn import unlearn

    asked = serving.deployment(tmp_path, "faces", cron="0 2 * * *", zone="Europe/Berlin")
    assert inspect.signature(unlearn.fn).bind(**asked["parameters"])
    made = unlearn.to_deployment(
        **{key: value for key, value in asked.items() if key not in SERVE_ONLY} | {"concurrency_limit": asked["global_limit"]}
    )
    assert made.entrypoint == "flows.pipeline.unlearn.unlearn"
    assert made.concurrency_limit == 1
    assert made.concurrency_options.collision_strategy.value == "CANCEL_NEW"
    assert [(item.schedule.cron, item.schedule.timezone) for item in made.schedules] == [("0 2 * * *", "Europe/Berlin")]
    assert set(asked) <= set(inspect.signature(unlearn.serve).parameters)


SERVE_ONLY = ("global_limit", "pause_on_shutdown", "print_starting_message")


@pytest.mark.parametrize(
    "name, expected",
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Asia/Seoul", "Asia/Seoul"),
        ("UTC", "UTC"),
        ("/usr/share/zoneinfo/Asia/Seoul", "Asia/Seoul"),
        ("EST5EDT", "EST5EDT"),
        (None, "America/Lima"),
        ("", "America/Lima"),
    ],
)
def test_the_schedule_is_in_this_machines_time(monkeypatch: pytest.MonkeyPatch, name: str | None, expected: str) -> None:
    monkeypatch.setattr("tzlocal.get_localzone_name", lambda: "America/Lima")
    monkeypatch.delenv("TZ", raising=False) if name is None else monkeypatch.setenv("TZ", name)
    assert serving.local_zone() == expected


@pytest.mark.parametrize(
    "name", ["CET-1CEST", "CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3", "Nowhere/Land", "/etc/passwd", "../UTC"]
)
def test_a_time_zone_without_a_name_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("TZ", name)
    with pytest.raises(InputError, match=r"TZ is .*TZ=Europe/Berlin"):
        serving.local_zone()


@pytest.mark.parametrize("found", [None, "local"])
def test_a_machine_whose_time_zone_has_no_name_is_asked_for_one(monkeypatch: pytest.MonkeyPatch, found: str | None) -> None:
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr("tzlocal.get_localzone_name", lambda: found)
    with pytest.raises(InputError, match=r"this machine.s time zone has no name"):
        serving.local_zone()


def test_the_work_pools_deployment_fits_the_flow_and_names_no_machine() -> None:
    text = (ROOT / "prefect.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    (deployment,) = content["deployments"]
    module, _, function = deployment["entrypoint"].rpartition(".")
    flow = getattr(importlib.import_module(module), function)  # by its module: the flow of a wheel lies in no project
    assert set(deployment["parameters"]) <= set(inspect.signature(flow.fn).parameters)
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    (schedule,) = deployment["schedules"]
    serving.check_cron(schedule["cron"])
    assert content["pull"] == [{"prefect.deployments.steps.set_working_directory": {"directory": "{{ project.stdout }}"}}]
    assert not [word for word in text.split() if word.startswith("/")]
