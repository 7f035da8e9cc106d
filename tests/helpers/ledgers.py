"""Ledgers of requests in temporary places: SQLite files, and databases of a PostgreSQL server that the tests start."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from flows.requests.ledger import service
from flows.requests.ledger.ledger import Ledger, open_ledger
from flows.requests.ledger.records import Actor, Role
from flows.requests.ledger.service import Evidence
from flows.requests.ledger.submission import Submission, submit

KEY = b"k" * 32
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
CLERK, SCHEDULE = Actor("clerk"), Actor("aru serve", Role.SCHEDULE)
SHA = "0" * 64
_NUMBERS = count()


def evidence(*names: str, files: tuple[str, ...] = ("d41d8cd9",)) -> Evidence:
    """A finding of these people with these digests."""
    return Evidence(names, files, {"files": len(files)}, SHA, {"people": [{"names": [name]} for name in names]})


def approved(ledger: Ledger, name: str, *, at: datetime = NOON) -> str:
    """The id of a request for a person that went through all steps until it is approved."""
    request = submit(ledger, Submission("faces", (name,), remark=f"of {name}"), actor=CLERK, key=name, at=at).request.id
    service.identify(ledger, request, actor=CLERK, at=at + timedelta(hours=1))
    service.record_resolution(ledger, request, evidence(name), actor=CLERK, at=at + timedelta(hours=2))
    service.approve(ledger, request, actor=CLERK, at=at + timedelta(hours=3))
    return request


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a new ledger, to be copied: making the tables takes longer than a test."""
    path = tmp_path_factory.mktemp("ledger") / "empty.db"
    open_ledger(f"sqlite:///{path}", KEY).close()
    return path


@pytest.fixture
def ledger(empty_sqlite: Path, tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger in SQLite."""
    shutil.copy(empty_sqlite, tmp_path / "requests.db")
    with closing(open_ledger(f"sqlite:///{tmp_path / 'requests.db'}", KEY)) as found:
        yield found


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """A PostgreSQL server of this test session, on a socket of its own; call it for the URL of a new, empty database."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (the extra postgres)")
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL's initdb is not installed (Debian: apt install postgresql)")
    with postgresql_server(programs, settings=("fsync=off",)) as folder:
        engine = sa.create_engine(f"postgresql+psycopg://aru@/postgres?host={folder}", isolation_level="AUTOCOMMIT")

        def new() -> str:
            name = f"ledger{next(_NUMBERS)}"
            with engine.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
            return f"postgresql://aru@/{name}?host={folder}"

        yield new
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'requests.db'}"
    made: str = request.getfixturevalue("postgresql")()
    return made


def postgresql_programs() -> Path | None:
    """The folder of PostgreSQL's programs: that of the PATH, or the newest of Debian's."""
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return Path(found).parent if found else debian[-1].parent if debian else None


@contextmanager
def postgresql_server(programs: Path, settings: tuple[str, ...] = ()) -> Iterator[Path]:
    """A server with its data and its socket in a temporary folder, which it yields; as root it runs as another user."""
    folder = Path(tempfile.mkdtemp(prefix="aru-pg-", dir="/tmp"))  # a socket's path may have 107 characters
    user = _unprivileged()
    if user is not None:
        os.chown(folder, user, -1)
    options = [part for name in (*settings, "listen_addresses=", f"unix_socket_directories={folder}") for part in ("-c", name)]
    data = folder / "data"
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "aru", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"],
            user=user, check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *options], user=user, stdout=log, stderr=log, cwd=folder
            )
        try:
            _wait(folder, server)
            yield folder
        finally:
            server.terminate()
            server.wait(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> int | None:
    """Another user's number where this is root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return known.get("postgres", known.get("nobody", 65534))


def _wait(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    engine = sa.create_engine(f"postgresql+psycopg://aru@/postgres?host={folder}", poolclass=sa.NullPool)
    for _ in range(600):
        assert server.poll() is None, (folder / "log").read_text()
        try:
            engine.connect().close()
            return
        except sa.exc.OperationalError:
            time.sleep(0.1)
    raise AssertionError((folder / "log").read_text())
