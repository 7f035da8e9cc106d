"""Schedules: what `aru serve` and prefect.yaml ask of Prefect, and bad ones refused before anything starts."""

import inspect
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from aru.errors import InputError
from flows import servers, serving

pytest_plugins = ["tests.tracking_fixtures"]
ROOT = Path(__file__).resolve().parent.parent


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


def test_the_flow_is_served_by_the_server_that_was_started(tracked_once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect import Flow
    from prefect.settings import PREFECT_API_URL

    seen = {}
    monkeypatch.setattr(servers, "prefect_api", lambda root, port: nullcontext(f"http://127.0.0.1:{port}/api"))
    monkeypatch.setattr(Flow, "serve", lambda flow, **asked: seen.update(asked, api=PREFECT_API_URL.value()))
    serving.serve(tracked_once, benchmark="faces", cron="0 2 * * *", prefect_port=4321)
    assert seen["api"] == "http://127.0.0.1:4321/api", "an in-process server does not schedule"
    assert seen["parameters"] == {"benchmark": "faces", "root": str(tracked_once)}


def test_the_served_flow_is_the_main_flow_one_at_a_time(tmp_path: Path) -> None:
    from flows.unlearn import unlearn

    asked = serving.deployment(tmp_path, "faces", cron="0 2 * * *", zone="Europe/Berlin")
    assert inspect.signature(unlearn.fn).bind(**asked["parameters"])
    made = unlearn.to_deployment(**{key: value for key, value in asked.items() if key not in SERVE_ONLY}
                                 | {"concurrency_limit": asked["global_limit"]})
    assert made.entrypoint == "flows.unlearn.unlearn"
    assert made.concurrency_limit == 1
    assert made.concurrency_options.collision_strategy.value == "CANCEL_NEW"
    assert [(item.schedule.cron, item.schedule.timezone) for item in made.schedules] == [("0 2 * * *", "Europe/Berlin")]
    assert set(asked) <= set(inspect.signature(unlearn.serve).parameters)


SERVE_ONLY = ("global_limit", "limit", "print_starting_message")


@pytest.mark.parametrize("name, expected", [("Europe/Berlin", "Europe/Berlin"), ("Nowhere/Land", "UTC"),
                                            ("/etc/passwd", "UTC")])
def test_the_schedule_is_in_this_machines_time(monkeypatch: pytest.MonkeyPatch, name: str, expected: str) -> None:
    monkeypatch.setenv("TZ", name)
    assert serving.local_zone() == expected


def test_the_work_pools_deployment_fits_the_flow_and_names_no_machine() -> None:
    text = (ROOT / "prefect.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    (deployment,) = content["deployments"]
    file, _, function = deployment["entrypoint"].partition(":")
    source = (ROOT / file).read_text(encoding="utf-8")
    assert f"def {function}(" in source
    assert all(f"{name}:" in source for name in deployment["parameters"])
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    (schedule,) = deployment["schedules"]
    serving.check_cron(schedule["cron"])
    assert content["pull"] == [{"prefect.deployments.steps.set_working_directory": {"directory": "{{ project.stdout }}"}}]
    assert not [word for word in text.split() if word.startswith("/")]
