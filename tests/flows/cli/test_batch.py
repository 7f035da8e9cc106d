"""`aru batch` and `aru promote`: what they print, their exit codes, and what the ledger keeps from going back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli import app
from flows.requests.ledger import batching
from flows.requests.ledger.ledger import Ledger, project_ledger
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.records import Actor, Role
from flows.requests.ledger.service import Evidence, approve, identify, record_resolution
from flows.requests.ledger.states import State
from flows.requests.ledger.submission import Submission, submit
from flows.requests.processing import scheduled_batches
from flows.requests.processing.carrying_out import Done

pytest_plugins = ["tests.helpers.tracking_fixtures"]
SCHEDULE = Actor("schedule", Role.SCHEDULE)


@pytest.fixture
def ledger(tracked_project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.chdir(tracked_project)
    with project_ledger(tracked_project) as opened:
        yield opened


def scheduled(ledger: Ledger) -> str:
    """A batch of one request."""
    desk, found = Actor("desk"), Evidence(("x",), ("a" * 32,), {}, "0" * 64, {"matches": []})
    request = submit(ledger, Submission("faces", subjects=("x",)), actor=desk).request.id
    identify(ledger, request, actor=desk)
    record_resolution(ledger, request, found, actor=desk)
    approve(ledger, request, actor=desk)
    return batching.schedule(ledger, [request], thresholds="0" * 64, parameters="0" * 64, actor=SCHEDULE).id


def aru(*arguments: str) -> int:
    """A command in this process; returns its exit code."""
    with pytest.raises(SystemExit) as ended:
        app.main(arguments)
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("done", "code", "words"),
    [
        (None, 0, "no request is due"),
        (Done("B-000001", State.FULFILLED, "3"), 0, "B-000001 is fulfilled, in production: version 3"),
        (Done("B-000001", State.ESCALATED, None), 3, "B-000001 is escalated"),
    ],
)
def test_run_says_what_became_of_the_batch(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], done: Done, code: int, words: str
) -> None:
    from contextlib import nullcontext

    from flows.cli import batch

    monkeypatch.setattr(batch, "flow_environment", lambda root, command: nullcontext())
    monkeypatch.setattr(scheduled_batches, "requests", lambda benchmark, root, quiet: done)
    assert aru("batch", "run") == code
    assert words in capsys.readouterr().out


def test_batches_are_listed_and_a_person_decides(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    name = scheduled(ledger)
    assert aru("batch", "decide", name) == 2
    assert "waits for a person" in capsys.readouterr().err
    batching.escalate(ledger, name, Reason.SUSPICIOUS, actor=SCHEDULE)
    assert aru("batch", "list") == 0
    assert f"{name}  " in (listed := capsys.readouterr().out) and "escalated" in listed
    assert aru("batch", "decide", name) == 0


def test_promote_asks_the_ledger_what_is_released(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    assert aru("promote", "1") == 0
    name = scheduled(ledger)
    batching.start(ledger, name, model_before="1", actor=SCHEDULE)
    batching.verify(ledger, name, thresholds="0" * 64, data={}, actor=SCHEDULE)
    batching.fulfill(ledger, name, model_after="2", data={}, actor=SCHEDULE)
    assert aru("promote", "1") == 2  # version 2 was purged from the registry, and the ledger still knows of it
    assert "it would bring people back" in capsys.readouterr().err
