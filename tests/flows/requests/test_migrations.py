"""The schema: made from nothing, once, in either database; as the code says; and found again by its indexes."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from aru.core.errors import InputError
from flows.requests.ledger import service
from flows.requests.ledger.ledger import Ledger, open_ledger
from flows.requests.ledger.queries import find_request, list_requests
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.submission import Submission, submit
from flows.requests.ledger.tables import VERSION, Base, Head
from flows.requests.ledger.upgrading import schema_version, upgrade
from flows.requests.ledger.verification import verify_ledger
from tests.helpers.ledgers import CLERK, KEY, NOON, approved


def test_the_tables_are_made_once_and_are_those_of_the_code(url: str) -> None:
    with closing(open_ledger(url, KEY)) as ledger:
        first = submit(ledger, Submission("faces", ("a",)), actor=CLERK)
        before = verify_ledger(ledger)
    with closing(open_ledger(url, KEY)) as ledger, ledger.engine.execution_options(immediate=True).begin() as connection:
        upgrade(connection)
        assert schema_version(connection) == VERSION
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    with closing(open_ledger(url, KEY)) as ledger:
        assert verify_ledger(ledger) == before and list_requests(ledger).requests == [first.request]


def test_the_newest_migration_is_the_version_of_the_code() -> None:
    config = Config()
    config.set_main_option("script_location", "flows.requests.ledger:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [VERSION]


def test_ledger_of_the_first_version_verifies_and_says_when_states_were_set(url: str) -> None:
    """In that version every step set `changed`, so that a request which was extended seemed to be approved anew."""
    later = NOON + timedelta(days=6)
    with closing(open_ledger(url, KEY)) as ledger:
        extended, denied = approved(ledger, "a"), approved(ledger, "b")
        submit(ledger, Submission("faces", ("c",)), actor=CLERK, at=NOON)
        service.deny(ledger, denied, Reason.LEGAL_CLAIMS, actor=CLERK, at=NOON + timedelta(days=1))
        service.extend(ledger, extended, Reason.COMPLEXITY, actor=CLERK, at=later)
        service.erase_particulars(ledger, denied, actor=CLERK, at=later)
        before = list_requests(ledger).requests
        with ledger.engine.execution_options(immediate=True).begin() as connection:
            connection.exec_driver_sql(
                "UPDATE requests SET changed = (SELECT max(at) FROM history WHERE request = requests.id)"
            )
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        assert {find_request(ledger, request).changed for request in (extended, denied)} == {later}
    with closing(open_ledger(url, KEY)) as ledger:
        assert verify_ledger(ledger).faults == [] and list_requests(ledger).requests == before
        assert find_request(ledger, extended).changed == NOON + timedelta(hours=3)
        assert find_request(ledger, denied).changed == NOON + timedelta(days=1)


def test_two_ledgers_begin_with_different_hashes(tmp_path: Path) -> None:
    heads = set()
    for name in "ab":
        with closing(open_ledger(f"sqlite:///{tmp_path / name}", KEY)) as ledger, ledger.reading() as session:
            head = session.scalars(sa.select(Head)).one()
            heads |= {head.ledger, head.hash}
            assert verify_ledger(ledger).faults == []
    assert len(heads) == 4


@pytest.mark.parametrize(
    "statements, message",
    [
        (["CREATE TABLE users (id)"], r"tables that are no ledger's \(users\)"),
        (
            ["CREATE TABLE alembic_version (version_num)", "INSERT INTO alembic_version VALUES ('9')"],
            "belongs to another program",
        ),
    ],
)
def test_a_database_of_another_program_is_left_alone(tmp_path: Path, statements: list[str], message: str) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    with pytest.raises(InputError, match=message):
        open_ledger(f"sqlite:///{tmp_path / 'other.db'}", KEY)


def test_a_ledger_of_a_newer_release_is_refused(ledger: Ledger) -> None:
    ledger.close()
    place = str(ledger.engine.url.database)
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InputError, match="has version 9999, this release of aru knows 0002: use the newer aru"):
        open_ledger(f"sqlite:///{place}", KEY)


def test_pages_follow_each_other_by_due_date_without_gap_or_double(url: str) -> None:
    with closing(open_ledger(url, KEY)) as ledger:
        for number in range(23):
            received = NOON - timedelta(hours=number * 7 % 5)
            submit(ledger, Submission("faces" if number % 3 else "mufac", (str(number),)), actor=CLERK, received=received)
        for chosen, count in (({}, 23), ({"benchmark": "mufac"}, 8), ({"due_before": NOON}, 0)):
            seen, after = [], None
            while True:
                page = list_requests(ledger, limit=4, after=after, **chosen)
                assert len(page.requests) <= 4
                seen += page.requests
                if page.next is None:
                    break
                after = page.next
            assert len(seen) == count and seen == sorted(seen, key=lambda request: (request.due, request.id))
            assert len({request.id for request in seen}) == count
        for limit in (0, 1001):
            with pytest.raises(InputError, match=f"limit = {limit}"):
                list_requests(ledger, limit=limit)
        with pytest.raises(InputError, match="no request 'R-9'"):
            list_requests(ledger, after="R-9")


@pytest.mark.parametrize(
    "query, index",
    [
        ("SELECT * FROM requests ORDER BY due, id LIMIT 50", "requests_by_due"),
        ("SELECT * FROM requests WHERE (due, id) > ('2026', 'R') ORDER BY due, id LIMIT 50", "requests_by_due"),
        ("SELECT * FROM requests WHERE state = 'pending' ORDER BY due, id LIMIT 50", "requests_by_state"),
        ("SELECT id FROM requests WHERE state = 'duplicate' AND duplicate_of = 'R-1'", "requests_by_state"),
        ("SELECT * FROM history WHERE request = 'R-000001' ORDER BY seq", "ix_history_request"),
        ("SELECT * FROM requests WHERE batch = 'B-000001'", "ix_requests_batch"),
        ("SELECT * FROM requests WHERE key = 'k'", "sqlite_autoindex_requests"),
        ("SELECT * FROM particulars WHERE request = 'R-000001'", "ix_particulars_request"),
    ],
)
def test_no_question_reads_the_whole_table(ledger: Ledger, query: str, index: str) -> None:
    with ledger.engine.connect() as connection:
        plan = " ".join(row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}"))
    assert index in plan and "TEMP B-TREE" not in plan
