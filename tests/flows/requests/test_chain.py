"""The history: any sequence of changes keeps it whole, and any change behind the program's back is found."""

import hashlib
import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aru.core.errors import InputError
from flows.requests.ledger import batching, service
from flows.requests.ledger.changing import changing
from flows.requests.ledger.exporting import export_ledger
from flows.requests.ledger.ledger import Ledger, open_ledger
from flows.requests.ledger.queries import (
    find_request,
    list_requests,
    request_history,
    request_particulars,
    stranded_duplicates,
)
from flows.requests.ledger.reasons import ALLOWED, Reason
from flows.requests.ledger.records import Actor
from flows.requests.ledger.states import CLOSED, TRANSITIONS, Action, Role, State
from flows.requests.ledger.submission import Submission, submit
from flows.requests.ledger.tables import Event
from flows.requests.ledger.verification import verify_ledger
from tests.helpers.ledgers import CLERK, KEY, NOON, SCHEDULE, SHA, approved, evidence


class Changes(RuleBasedStateMachine):
    """Any actions by anybody: what the table lists happens, all else is refused and leaves no trace."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.states: dict[str, State] = {}
        self.events = 0

    @initialize()
    def open(self) -> None:
        self.ledger = open_ledger(f"sqlite:///{self.folder / 'requests.db'}", KEY)

    @rule(key=st.sampled_from("abcd"))
    def submit(self, key: str) -> None:
        done = submit(self.ledger, Submission("faces", (key,)), actor=CLERK, key=key, at=NOON)
        assert done.created == (done.request.id not in self.states)
        self.states.setdefault(done.request.id, State.RECEIVED)
        self.events += done.created

    @rule(data=st.data(), action=st.sampled_from(sorted({*Action} - {Action.SUBMIT})), role=st.sampled_from(Role))
    def act(self, data: st.DataObject, action: Action, role: Role) -> None:
        request = data.draw(st.sampled_from([*sorted(self.states), "R-000099"]))
        reasons = ALLOWED.get(action, ())
        reason = data.draw(st.sampled_from([*reasons] * 3 + [None, Reason.FAULT])) if reasons else None
        listed = TRANSITIONS[action]
        state = self.states.get(request)
        if state in listed.source and role in listed.roles and (reason in reasons or not reasons):
            with changing(self.ledger, Actor("somebody", role), NOON) as change:
                change.step(action, change.request(request), why=reason, particulars={"remark": request})
            self.states[request] = listed.target or state
            self.events += 1
        else:
            with pytest.raises(InputError), changing(self.ledger, Actor("somebody", role), NOON) as change:
                change.step(action, change.request(request), why=reason, particulars={"remark": request})

    @invariant()
    def the_ledger_is_whole(self) -> None:
        if not hasattr(self, "ledger"):
            return
        found = verify_ledger(self.ledger)
        # An erasure that left its remark is not what `erase_particulars` does; all else is without fault.
        assert [fault for fault in found.faults if not fault.startswith("particulars")] == []
        assert found.events == self.events
        assert {request.id: request.state for request in list_requests(self.ledger).requests} == self.states

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
        shutil.rmtree(self.folder)


TestChanges = Changes.TestCase
TestChanges.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def outside(path: Path, *statements: str) -> None:
    """Change a ledger's file behind the program's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def used(ledger: Ledger) -> Ledger:
    """A ledger with a batch that was released, one that failed, a denied and an erased request."""
    first, second, third = (approved(ledger, name) for name in ("F1/D", "F2/D", "F3/D"))
    batch = batching.schedule(ledger, [first, second], thresholds=SHA, parameters=SHA, actor=SCHEDULE, at=NOON)
    batching.start(ledger, batch.id, model_before="3", actor=SCHEDULE)
    batching.verify(ledger, batch.id, thresholds=SHA, data={"step": 0, "version": "4", "verdict": "pass"}, actor=SCHEDULE)
    batching.fulfill(ledger, batch.id, model_after="4", data={}, actor=SCHEDULE)
    service.erase_particulars(ledger, second, actor=SCHEDULE)
    other = batching.schedule(ledger, [third], thresholds=SHA, parameters=SHA, actor=SCHEDULE)
    batching.start(ledger, other.id, model_before="4", actor=SCHEDULE)
    batching.fail(ledger, other.id, data={"kind": "OSError"}, actor=SCHEDULE)
    denied = submit(ledger, Submission("faces", ("F4/D",), upload=b"photo"), actor=CLERK, key="4").request.id
    service.deny(ledger, denied, Reason.LEGAL_CLAIMS, actor=CLERK, remark="a court")
    assert verify_ledger(ledger).faults == []
    return ledger


TABLES = ("history", "requests", "batches", "particulars", "head")


@pytest.mark.parametrize("table", TABLES)
def test_a_change_of_any_field_of_any_row_is_found(used: Ledger, tmp_path: Path, table: str) -> None:
    used.close()
    place = str(used.engine.url.database)
    with closing(sqlite3.connect(place)) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    fields = [(name, row) for name in names for row in sorted({0, count // 2, count - 1}) if (table, name) != ("head", "id")]
    for name, row in fields:
        shutil.copy(place, tmp_path / "copy.db")
        change = "seq + 100" if name == "seq" else f"COALESCE({name}, '') || '1'"
        chosen = f"rowid = (SELECT rowid FROM {table} LIMIT 1 OFFSET {row})"
        outside(tmp_path / "copy.db", f"UPDATE {table} SET {name} = {change} WHERE {chosen}")
        with closing(open_ledger(f"sqlite:///{tmp_path / 'copy.db'}", KEY)) as copy:
            assert verify_ledger(copy).faults, f"{table}.{name} of row {row}"
    assert len(fields) >= len(names) - 1


TAMPERED = {
    "a row removed": ["DELETE FROM history WHERE seq = 5"],
    "the first row removed": ["DELETE FROM history WHERE seq = 1"],
    "the last row removed": ["DELETE FROM history WHERE seq = (SELECT max(seq) FROM history)"],
    "a request removed with its history": [
        f"DELETE FROM {table} WHERE {column} = 'R-000004'"
        for table, column in (("particulars", "request"), ("history", "request"), ("requests", "id"))
    ],
    "two rows exchanged": [
        "UPDATE history SET seq = -1 WHERE seq = 6", "UPDATE history SET seq = 6 WHERE seq = 7",
        "UPDATE history SET seq = 7 WHERE seq = -1",
    ],
    "a row added": [
        "INSERT INTO history SELECT seq + 1, request, batch, at, who, role, action, source, target, why, data, hash, 'f' "
        "FROM history ORDER BY seq DESC LIMIT 1"
    ],
    "all emptied": [f"DELETE FROM {table}" for table in ("particulars", "history", "requests", "batches")],
    "a particular removed": ["DELETE FROM particulars WHERE request = 'R-000001' AND part = 'evidence'"],
    "a particular given to another": ["UPDATE particulars SET request = 'R-000001' WHERE request = 'R-000003'"],
    "a particular put back": ["INSERT INTO particulars VALUES (2, 'remark', 'R-000002', 'of F2/D', NULL)"],
    "a request added": [
        "INSERT INTO requests SELECT 'R-000005', 'k', content, kind, benchmark, received, first_due, due, extended_because, "
        "state, changed, verified_by, duplicate_of, batch FROM requests WHERE id = 'R-000001'"
    ],
    "no JSON": ["UPDATE history SET data = '{' WHERE seq = 3"],
    "no text": ["UPDATE history SET who = x'ff80' WHERE seq = 3"],
}  # fmt: skip


@pytest.mark.parametrize("statements", TAMPERED.values(), ids=TAMPERED.keys())
def test_rows_removed_moved_or_added_are_found(used: Ledger, statements: list[str]) -> None:
    outside(Path(str(used.engine.url.database)), *statements)
    assert verify_ledger(used).faults


def test_an_end_cut_off_by_somebody_who_can_compute_hashes_is_found_by_an_earlier_head(used: Ledger) -> None:
    earlier = verify_ledger(used).head
    last = "SELECT max(seq) FROM history"
    outside(
        Path(str(used.engine.url.database)),
        f"DELETE FROM particulars WHERE seq = ({last})",
        f"DELETE FROM history WHERE seq = ({last})",
        f"UPDATE head SET seq = ({last}), hash = (SELECT hash FROM history WHERE seq = ({last}))",
        "UPDATE requests SET state = 'received', changed = (SELECT at FROM history WHERE request = 'R-000004') "
        "WHERE id = 'R-000004'",
    )
    assert verify_ledger(used).faults == [], "the chain alone is whole"
    assert verify_ledger(used, [earlier]).faults == [f"history: the earlier head {earlier} is not in it"]


def test_another_key_makes_the_particulars_strangers(used: Ledger) -> None:
    with closing(open_ledger(f"sqlite:///{used.engine.url.database}", b"o" * 32)) as other:
        assert {fault.split()[0] for fault in verify_ledger(other).faults} == {"particulars"}


def test_an_auditor_checks_the_chain_from_the_export_alone(used: Ledger, tmp_path: Path) -> None:
    count = export_ledger(used, tmp_path / "ledger.json")
    text = (tmp_path / "ledger.json").read_text(encoding="utf-8")
    content = json.loads(text)
    last = hashlib.sha256(content["ledger"].encode()).hexdigest()
    for row in content["history"]:
        assert row["previous"] == last
        last = row.pop("hash")
        plain = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(plain.encode()).hexdigest() == last
    assert last == content["head"] and count == len(content["history"]) > 25
    assert [len(content[name]) for name in ("requests", "batches")] == [4, 2]
    assert not any(name in text for name in ("F1/D", "F2/D", "F4/D", "a court", 'photo"'))
    with pytest.raises(InputError, match="is a folder"):
        export_ledger(used, tmp_path)


def test_what_was_erased_is_in_no_file_of_the_ledger_and_the_history_stays(ledger: Ledger, tmp_path: Path) -> None:
    request = approved(ledger, "Marker-of-a-Person")
    with pytest.raises(InputError, match="erase is not allowed in the state approved"):
        service.erase_particulars(ledger, request, actor=CLERK)
    service.cancel(ledger, request, actor=CLERK, remark="Marker-of-a-Person called")
    before = len(request_history(ledger, request))
    assert any(b"Marker-of-a-Person" in path.read_bytes() for path in tmp_path.glob("requests.db*"))
    closed = find_request(ledger, request).changed
    assert service.erase_particulars(ledger, request, actor=CLERK) == 3
    assert find_request(ledger, request).changed == closed, "when it was closed, and not when it was erased"
    assert service.erase_particulars(ledger, request, actor=CLERK) == 0, "again there is nothing to do"
    assert not any(b"Marker-of-a-Person" in path.read_bytes() for path in tmp_path.glob("requests.db*"))
    assert request_particulars(ledger, request) == {} and len(request_history(ledger, request)) == before + 1
    assert verify_ledger(ledger).faults == []
    again = submit(ledger, Submission("faces", ("Marker-of-a-Person",), remark="of Marker-of-a-Person"), actor=CLERK,
                   key="Marker-of-a-Person")  # fmt: skip
    assert not again.created and again.request.id == request, "the key is known still"


def test_a_time_limit_is_extended_within_the_law(ledger: Ledger) -> None:
    request = submit(ledger, Submission("faces", ("a",)), actor=CLERK, at=NOON).request
    later = NOON + timedelta(days=5)
    with pytest.raises(InputError, match="may be extended to 2026-04-29"):
        service.extend(ledger, request.id, Reason.COMPLEXITY, days=61, actor=CLERK, at=later)
    with pytest.raises(InputError, match="withdrawn is no reason for extend"):
        service.extend(ledger, request.id, Reason.WITHDRAWN, actor=CLERK, at=later)
    with pytest.raises(InputError, match="first time limit of R-000001 ended on 2026-02-28"):
        service.extend(ledger, request.id, Reason.COMPLEXITY, days=5, actor=CLERK, at=NOON + timedelta(days=40))
    service.extend(ledger, request.id, Reason.COMPLEXITY, days=10, actor=CLERK, at=later)
    done = service.extend(ledger, request.id, Reason.NUMBER_OF_REQUESTS, days=50, actor=CLERK, at=later)
    assert done.due == request.due + timedelta(days=60) and done.extended_because == Reason.NUMBER_OF_REQUESTS
    with pytest.raises(InputError, match="1 days more"):
        service.extend(ledger, request.id, Reason.COMPLEXITY, days=1, actor=CLERK, at=later)
    assert done.overdue(done.due + timedelta(seconds=1)) and not done.overdue(done.due)
    assert verify_ledger(ledger).faults == []


def test_nothing_is_approved_on_no_evidence_or_closed_on_some(ledger: Ledger) -> None:
    request = submit(ledger, Submission("faces", ("a",)), actor=CLERK, at=NOON).request.id
    with pytest.raises(InputError, match="no photo of R-000001 is on record"):
        service.approve(ledger, request, actor=CLERK)
    service.record_resolution(ledger, request, evidence("a", files=()), actor=CLERK)
    service.identify(ledger, request, by="notary", actor=CLERK)
    with pytest.raises(InputError, match="no photo of R-000001 is on record"):
        service.approve(ledger, request, actor=CLERK)
    with pytest.raises(InputError, match="1 files were found"):
        service.answer_not_found(ledger, request, evidence("a"), actor=CLERK)
    service.answer_not_found(ledger, request, evidence("a", files=()), actor=CLERK)
    assert find_request(ledger, request).state is State.NOT_FOUND and find_request(ledger, request).verified_by == "notary"


def test_a_duplicate_names_the_request_that_is_carried_out(ledger: Ledger) -> None:
    first, second, third = (submit(ledger, Submission("faces", (name,)), actor=CLERK).request.id for name in "abc")
    assert service.mark_duplicate(ledger, second, first, actor=CLERK).duplicate_of == first
    for other in (second, third, "R-000009"):
        with pytest.raises(InputError):
            service.mark_duplicate(ledger, third, other, actor=CLERK)
    with pytest.raises(InputError, match="R-000002 hang on R-000001 as duplicates: reopen them, and join them to R-000003"):
        service.mark_duplicate(ledger, first, third, actor=CLERK)
    elsewhere = submit(ledger, Submission("mufac", ("a",)), actor=CLERK).request.id
    with pytest.raises(InputError, match="R-000003 is of faces and R-000004 of mufac"):
        service.mark_duplicate(ledger, third, elsewhere, actor=CLERK)


def test_duplicates_of_a_request_that_is_not_carried_out_are_named_and_brought_back(ledger: Ledger) -> None:
    first, second, third = (submit(ledger, Submission("faces", (name,)), actor=CLERK).request.id for name in "abc")
    service.mark_duplicate(ledger, second, first, actor=CLERK)
    assert stranded_duplicates(ledger, first) == []
    service.cancel(ledger, first, actor=CLERK)
    assert stranded_duplicates(ledger, first) == [second] and stranded_duplicates(ledger, second) == []
    with pytest.raises(InputError, match="R-000001 is canceled, and nobody carries it out: reopen it first, or name another"):
        service.mark_duplicate(ledger, third, first, actor=CLERK)
    done = service.reopen(ledger, second, Reason.NEW_INFORMATION, actor=CLERK)
    assert (done.state, done.duplicate_of, stranded_duplicates(ledger, first)) == (State.PENDING, None, [])
    service.record_resolution(ledger, second, evidence("a"), actor=CLERK)
    with pytest.raises(InputError, match="nobody has checked who sent R-000002"):
        service.approve(ledger, second, actor=CLERK)
    with pytest.raises(InputError, match="nobody has checked who sent R-000002"):
        service.answer_not_found(ledger, second, evidence("a", files=()), actor=CLERK)
    service.identify(ledger, second, actor=CLERK)
    assert service.approve(ledger, second, actor=CLERK).state is State.APPROVED
    assert verify_ledger(ledger).faults == []


@pytest.mark.parametrize("state", [State.RECEIVED, State.FULFILLED])
def test_duplicate_hangs_on_an_open_or_a_fulfilled_request(used: Ledger, state: State) -> None:
    target = submit(used, Submission("faces", ("x",)), actor=CLERK).request.id if state is State.RECEIVED else "R-000001"
    other = submit(used, Submission("faces", ("y",)), actor=CLERK).request.id
    assert find_request(used, target).state is state
    assert service.mark_duplicate(used, other, target, actor=CLERK).duplicate_of == target
    assert stranded_duplicates(used, target) == [] and verify_ledger(used).faults == []


def test_a_batch_is_fixed_before_and_moves_as_a_whole(ledger: Ledger) -> None:
    first, second, third = (approved(ledger, name) for name in "abc")
    fixed = {"thresholds": SHA, "parameters": SHA, "actor": SCHEDULE}
    for requests, message in (([], "0 requests"), ([first, first], "1 different"), (["R-000009"], "no request 'R-000009'")):
        with pytest.raises(InputError, match=message):
            batching.schedule(ledger, requests, **fixed)
    with pytest.raises(InputError, match="no SHA-256 digest"):
        batching.schedule(ledger, [first], thresholds="x", parameters=SHA, actor=SCHEDULE)
    batch = batching.schedule(ledger, [first, second, third], **fixed).id
    service.cancel(ledger, second, actor=CLERK)
    service.postpone(ledger, third, Reason.TOO_FEW, actor=SCHEDULE)
    assert find_request(ledger, third).batch is None and find_request(ledger, third).state is State.APPROVED
    with pytest.raises(InputError, match="start is done by the schedule"):
        batching.start(ledger, batch, model_before="1", actor=CLERK)
    assert [row.id for row in batching.start(ledger, batch, model_before="1", actor=SCHEDULE)] == [first]
    with pytest.raises(InputError, match="audit with those fixed for it"):
        batching.verify(ledger, batch, thresholds="1" * 64, data={}, actor=SCHEDULE)
    with pytest.raises(InputError, match="fulfill is not allowed in the state in_progress"):
        batching.fulfill(ledger, batch, model_after="2", data={}, actor=SCHEDULE)
    batching.escalate(ledger, batch, Reason.GATE_FAILED, actor=SCHEDULE)
    batching.start(ledger, batch, model_before="1", actor=SCHEDULE)
    batching.verify(ledger, batch, thresholds=SHA, data={}, actor=SCHEDULE)
    batching.fulfill(ledger, batch, model_after="2", data={}, actor=SCHEDULE)
    with pytest.raises(InputError, match="no request of B-000001 is left for start"):
        batching.start(ledger, batch, model_before="2", actor=SCHEDULE)
    assert find_request(ledger, second).state is State.CANCELED
    batching.escalate(ledger, batch, Reason.REVERSED, actor=SCHEDULE)
    assert service.requeue(ledger, first, actor=CLERK).batch is None
    assert find_request(ledger, first).state not in CLOSED
    assert verify_ledger(ledger).faults == []


def test_the_history_has_all_columns_in_its_hash() -> None:
    from flows.requests.ledger.chain import row_fields, row_hash

    row = Event(seq=1, request="R-000001", batch=None, at=NOON, who="w", role="operator", action="submit", source=None,
                target="received", why=None, data="{}", previous=SHA, hash="")  # fmt: skip
    first = row_hash(row)
    for name in row_fields(row).keys() - {"hash", "at", "seq"}:
        old = getattr(row, name)
        setattr(row, name, "another")
        assert row_hash(row) != first, name
        setattr(row, name, old)
    row.hash = "another"
    assert row_hash(row) == first
