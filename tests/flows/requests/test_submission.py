"""Requests are entered once, whoever sends them at the same time, and nothing half-done stays."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from aru.core.errors import InputError
from flows.requests.ledger import ledger as opening
from flows.requests.ledger.changing import changing
from flows.requests.ledger.ledger import Ledger, LedgerUnavailable, open_ledger, project_ledger
from flows.requests.ledger.queries import count_requests, list_requests, request_history, request_particulars
from flows.requests.ledger.states import State
from flows.requests.ledger.submission import Submission, Submitted, submit
from flows.requests.ledger.tables import Event, Request
from flows.requests.ledger.verification import verify_ledger
from tests.helpers.ledgers import CLERK, KEY, NOON

STRANGE = (
    "O'Brien", "x'); DROP TABLE requests; --", 'F"1"/D', "김서연/D", "é", "🙂", "a\nb\t%_\\", "<b>hi</b>", "%s {0}"
)  # fmt: skip
SUBMIT = """
import sys
from flows.requests.ledger.ledger import open_ledger
from flows.requests.ledger.records import Actor
from flows.requests.ledger.submission import Submission, submit
ledger = open_ledger(sys.argv[1], b"k" * 32)
for number in range(25):
    key = f"key {number % 20}"
    print(submit(ledger, Submission("faces", (key,)), actor=Actor("clerk"), key=key).request.id)
"""
HALF_DONE = """
import sys, time
from flows.requests.ledger.changing import changing
from flows.requests.ledger.ledger import open_ledger
from flows.requests.ledger.records import Actor
from flows.requests.ledger.states import Action
from flows.requests.ledger.tables import Request
with changing(open_ledger(sys.argv[1], b"k" * 32), Actor("clerk")) as change:
    change.step(Action.RESOLVE, change.request("R-000001"), data={"files": []}, particulars={"remark": "half"})
    print("written", flush=True)
    time.sleep(600)
"""


def test_the_same_key_gives_the_same_request(ledger: Ledger) -> None:
    wanted = Submission("faces", ("F1/D",))
    first, again = (submit(ledger, wanted, actor=CLERK, key="letter 7", at=NOON) for _ in range(2))
    assert (first.created, again.created) == (True, False) and first.request == again.request
    assert first.request.state is State.RECEIVED and first.request.due == NOON.replace(month=2, day=28)
    assert submit(ledger, wanted, actor=CLERK, key="letter 8", at=NOON).request.id == "R-000002"
    assert submit(ledger, wanted, actor=CLERK, at=NOON).request.id == "R-000003", "without a key each is new"


@pytest.mark.parametrize(
    "other", [Submission("faces", ("F1/M",)), Submission("mufac", ("F1/D",)), Submission("faces", (), ("F1/D",)),
              Submission("faces", ("F1/D",), remark="too"), Submission("faces", ("F1/D",), upload=b"photo")]
)  # fmt: skip
def test_a_key_is_good_for_one_content(ledger: Ledger, other: Submission) -> None:
    submit(ledger, Submission("faces", ("F1/D",)), actor=CLERK, key="k", at=NOON)
    with pytest.raises(InputError, match=r"used for another request \(R-000001\)"):
        submit(ledger, other, actor=CLERK, key="k", at=NOON)
    assert count_requests(ledger, NOON).states == {State.RECEIVED: 1}


@pytest.mark.parametrize(
    "wanted, message",
    [(Submission("faces"), "names nobody"), (Submission("faces", ("",)), "has 0 char"), (Submission("", ("a",)), "the bench"),
     (Submission("faces", ("a\0b",)), "null character"), (Submission("faces", ("a\udce4",)), "UTF-8"),
     (Submission("faces", ("a" * 1001,)), "1001 characters"), (Submission("faces", ("a",) * 10_001), "10001 names"),
     (Submission("faces", upload=b""), "0 bytes"), (Submission("faces", ("a",), remark="r" * 100_001), "remark")],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused(ledger: Ledger, wanted: Submission, message: str) -> None:
    with pytest.raises(InputError, match=message):
        submit(ledger, wanted, actor=CLERK)
    assert list_requests(ledger).requests == []


@pytest.mark.parametrize("days", [0, -1, 46])
def test_a_time_limit_is_between_1_and_45_days(ledger: Ledger, days: int) -> None:
    with pytest.raises(InputError, match=f"a time limit of {days} days: give 1 to 45"):
        submit(ledger, Submission("faces", ("a",)), actor=CLERK, days=days)


def test_a_receipt_in_the_future_is_refused(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="not in the future"):
        submit(ledger, Submission("faces", ("a",)), actor=CLERK, received=NOON + timedelta(seconds=1), at=NOON)


def test_names_are_text_in_either_database_and_nowhere_but_in_the_particulars(url: str) -> None:
    with closing(open_ledger(url, KEY)) as ledger:
        done = submit(ledger, Submission("faces", STRANGE, remark=STRANGE[1]), actor=CLERK, key=STRANGE[1], at=NOON)
        assert request_particulars(ledger, done.request.id)["submitted"]["subjects"] == list(STRANGE)
        assert submit(
            ledger, Submission("faces", STRANGE, remark=STRANGE[1]), actor=CLERK, key=STRANGE[1], at=NOON
        ).request == (done.request)
        (event,) = request_history(ledger, done.request.id)
        assert not any(name in repr(event) + repr(done.request) for name in STRANGE if len(name) > 1)
        assert verify_ledger(ledger).faults == []


def test_a_hundred_at_once_with_repeated_keys_are_entered_once_each(url: str) -> None:
    with closing(open_ledger(url, KEY)) as ledger:
        barrier = threading.Barrier(20)

        def send(number: int) -> Submitted:
            if number < 20:
                barrier.wait()
            return submit(ledger, Submission("faces", (f"p{number % 40}",)), actor=CLERK, key=f"key {number % 40}")

        with ThreadPoolExecutor(20) as threads:
            done = list(threads.map(send, range(100)))
        assert sum(sent.created for sent in done) == 40
        assert len({sent.request.id for sent in done}) == 40
        assert all(done[number].request == done[number % 40].request for number in range(100))
        found = verify_ledger(ledger)
        assert (found.events, found.faults) == (40, [])


def test_processes_that_open_a_new_ledger_at_once_make_it_once_and_lose_nothing(url: str) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", SUBMIT, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=200) for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, [error for _, error in outputs]
    answers = [output.split() for output, _ in outputs]
    assert all(answer == answers[0] and answer[:5] == answer[20:] for answer in answers)
    with closing(open_ledger(url, KEY)) as ledger:
        found = verify_ledger(ledger)
        assert (found.events, found.faults, len(set(answers[0]))) == (20, [], 20)


def test_a_process_killed_within_a_change_leaves_nothing_of_it(url: str) -> None:
    with closing(open_ledger(url, KEY)) as ledger:
        submit(ledger, Submission("faces", ("a",)), actor=CLERK)
        before = verify_ledger(ledger)
        process = subprocess.Popen([sys.executable, "-c", HALF_DONE, url], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
        process.stdout.close()
        assert verify_ledger(ledger) == before
        assert submit(ledger, Submission("faces", ("b",)), actor=CLERK).request.id == "R-000002", "the lock went with it"
        assert verify_ledger(ledger).faults == []


def test_an_error_within_a_change_undoes_all_of_it(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), changing(ledger, CLERK) as change:
        change.head.requests += 1
        change.session.add(
            Request(id="R-000001", key="k", content="c", kind="photos", benchmark="b", received=NOON, first_due=NOON, due=NOON,
                    state="received", changed=NOON)
        )  # fmt: skip
        change.session.flush()
        raise RuntimeError
    with ledger.reading() as session:
        assert session.scalars(sa.select(sa.func.count()).select_from(Request)).one() == 0
        assert session.scalars(sa.select(sa.func.count()).select_from(Event)).one() == 0


def test_a_locked_ledger_says_so_and_how_to_go_on(url: str) -> None:
    with closing(open_ledger(url, KEY)) as holder, closing(open_ledger(url, KEY, wait=0.2)) as ledger:
        with (
            changing(holder, CLERK),
            pytest.raises(LedgerUnavailable, match=r"is locked by another process .* Nothing was changed"),
        ):
            submit(ledger, Submission("faces", ("a",)), actor=CLERK, key="k")
        assert submit(ledger, Submission("faces", ("a",)), actor=CLERK, key="k").created


def test_readers_do_not_wait_for_who_writes(url: str) -> None:
    with closing(open_ledger(url, KEY)) as holder, closing(open_ledger(url, KEY, wait=0.2)) as ledger:
        submit(holder, Submission("faces", ("a",)), actor=CLERK)
        with changing(holder, CLERK):
            assert len(list_requests(ledger).requests) == 1 and verify_ledger(ledger).faults == []


@pytest.mark.parametrize(
    "place, message",
    [("nonsense", "is no database URL"), ("mysql://host/base", "works on sqlite and post"), ("sqlite://", "names no file"),
     ("sqlite:////nowhere/at/all.db", "cannot be opened"), ("sqlite:////etc/passwd?mode=ro", "without parameters"),
     ("postgresql://user:secret@127.0.0.1:9/base", r"postgresql\+psycopg://user:\*\*\*@127.0.0.1:9/base does not answer")],
)  # fmt: skip
def test_a_place_that_is_no_ledger_is_named_without_its_password(place: str, message: str) -> None:
    if place.startswith("postgresql"):
        pytest.importorskip("psycopg", reason="psycopg is not installed (the extra postgres)")
    with pytest.raises(InputError, match=message) as raised:
        open_ledger(place, KEY, wait=1)
    assert "secret" not in str(raised.value)


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "requests.db"
    path.write_text("something else entirely, and longer than the header of a database\n" * 40)
    with pytest.raises(LedgerUnavailable, match="is no SQLite database"):
        open_ledger(f"sqlite:///{path}", KEY)
    assert path.read_text().startswith("something else")


def test_a_projects_ledger_is_its_owners_alone_or_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(opening.URL_VARIABLE, raising=False)
    old = os.umask(0)
    try:
        with project_ledger(tmp_path) as ledger:
            submit(ledger, Submission("faces", ("a",)), actor=CLERK)
            modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / ".aru").glob("requests.db*")}
    finally:
        os.umask(old)
    assert set(modes) == {"requests.db", "requests.db-wal", "requests.db-shm"} and set(modes.values()) == {0o600}
    monkeypatch.setenv(opening.URL_VARIABLE, f"sqlite:///{tmp_path / 'other.db'}")
    with project_ledger(tmp_path) as ledger:
        assert list_requests(ledger).requests == [] and (tmp_path / "other.db").is_file()
