"""The ledger's database: opened, brought up to date, read and written in transactions; its faults in plain words."""

import hashlib
import hmac
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from aru.core.errors import InputError
from flows.project.private import private_folder
from flows.requests.ledger.chain import canonical
from flows.requests.ledger.tables import VERSION
from flows.requests.ledger.upgrading import schema_version, upgrade

URL_VARIABLE = "ARU_REQUESTS_URL"
FILE = "requests.db"
WAIT_SECONDS = 30.0
"""How long a change waits for the one before it."""


class LedgerUnavailable(InputError):
    """The database did not answer, or took nothing: what was asked for has not happened."""


@dataclass(frozen=True)
class Ledger:
    """An open ledger. `key`: what digests of personal data are made with, 32 bytes."""

    engine: Engine
    key: bytes

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state of the ledger and changes nothing."""
        snapshot = {"isolation_level": "REPEATABLE READ"} if self.engine.dialect.name == "postgresql" else {}
        reader = self.engine.execution_options(**snapshot)
        with _faults_explained(self.engine.url), Session(reader) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that happens as a whole or not at all, after every other one that writes."""
        writer = self.engine.execution_options(immediate=True)
        with _faults_explained(self.engine.url), Session(writer) as session, session.begin():
            yield session

    def digest(self, purpose: str, value: Any) -> str:
        """HMAC-SHA256 of JSON content for one purpose, in hexadecimal: nobody without the key can try out names."""
        return hmac.digest(self.key, canonical([purpose, value]).encode(), hashlib.sha256).hex()

    def forget_deleted(self) -> None:
        """Of SQLite: put the write-ahead log, which has deleted rows, too, into the file and empty it.

        Raises LedgerUnavailable where another process reads for too long. PostgreSQL's vacuum and archives are its owner's.
        """
        if self.engine.dialect.name != "sqlite":
            return
        with _faults_explained(self.engine.url), closing(self.engine.raw_connection()) as connection:
            (busy, *_) = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise LedgerUnavailable(
                f"{self.engine.url.database}-wal still has deleted rows, because another process reads: try again when it ends"
            )

    def close(self) -> None:
        """Give back the connections; of SQLite the write-ahead log goes into the file."""
        self.engine.dispose()


def has_ledger(root: Path) -> bool:
    """Whether the project has a ledger, or the environment names one."""
    return bool(os.environ.get(URL_VARIABLE)) or (Path(root) / ".aru" / FILE).is_file()


@contextmanager
def project_ledger(root: Path, *, wait: float = WAIT_SECONDS) -> Iterator[Ledger]:
    """The project's ledger for the length of a block: `.aru/requests.db`, or what the variable ARU_REQUESTS_URL names."""
    from flows.project.pseudonyms import pseudonym_key  # it imports pandas, which takes longer than most questions

    place = os.environ.get(URL_VARIABLE) or f"sqlite:///{private_folder(root).resolve() / FILE}"
    ledger = open_ledger(place, pseudonym_key(root), wait=wait)
    try:
        yield ledger
    finally:
        ledger.close()


def open_ledger(url: str, key: bytes, *, wait: float = WAIT_SECONDS) -> Ledger:
    """Open a ledger at a database URL of SQLite or PostgreSQL, and bring its tables up to date.

    wait: the longest time that a change waits for another, in seconds. Raises InputError for a bad URL, and
    LedgerUnavailable where the database does not answer.
    """
    place = _checked(url)
    engine = _sqlite(place, wait) if place.get_backend_name() == "sqlite" else _postgresql(place, wait)
    ledger = Ledger(engine, key)
    with _faults_explained(place):
        with engine.connect() as connection:
            current = schema_version(connection) == VERSION
        if not current:
            with engine.execution_options(immediate=True).begin() as connection:
                upgrade(connection)
    return ledger


def _checked(url: str) -> URL:
    """The URL with the driver that is used; a password in it is shown to nobody."""
    try:
        place = sa.make_url(url)
        backend = place.get_backend_name()
    except (ArgumentError, ValueError):
        raise InputError(
            f"{URL_VARIABLE} is no database URL: write sqlite:////ABSOLUTE/PATH or postgresql://USER@HOST/DATABASE"
        ) from None
    if backend == "sqlite":
        if not place.database or place.database == ":memory:" or place.query:
            raise InputError(f"{URL_VARIABLE} names no file: write sqlite:////ABSOLUTE/PATH, without parameters")
        return place.set(drivername="sqlite+pysqlite")
    if backend == "postgresql":
        return place.set(drivername="postgresql+psycopg")
    raise InputError(f"{URL_VARIABLE} names a database of the kind {backend!r}: the ledger works on sqlite and postgresql")


def _sqlite(place: URL, wait: float) -> Engine:
    path = Path(str(place.database))
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # it names people: for its owner only
    except OSError as error:
        raise LedgerUnavailable(f"{path} cannot be opened ({error.strerror}): give yourself access to its folder") from None
    engine = sa.create_engine(place, hide_parameters=True, connect_args={"timeout": wait}, pool_timeout=wait)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that read before it wrote could not wait for another one that writes.
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _postgresql(place: URL, wait: float) -> Engine:
    limit = max(1, round(wait * 1000))
    arguments = {"options": f"-c lock_timeout={limit} -c timezone=UTC", "connect_timeout": max(2, round(wait))}
    try:
        return sa.create_engine(place, hide_parameters=True, connect_args=arguments, pool_timeout=wait)
    except ModuleNotFoundError:
        raise InputError("PostgreSQL needs the package psycopg: pip install 'aru[postgres]'") from None


@contextmanager
def _faults_explained(place: URL) -> Iterator[None]:
    """Turn what a database says into an error that names it and the remedy; nothing of a failed transaction is kept."""
    try:
        yield
    except (DBAPIError, sa.exc.TimeoutError) as error:
        where = place.database if place.get_backend_name() == "sqlite" else place.render_as_string(hide_password=True)
        remedy = _remedy(error)
        if remedy is None:
            raise
        raise LedgerUnavailable(f"the ledger {where} {remedy}. Nothing was changed") from error


_SQLITE = {
    sqlite3.SQLITE_BUSY: "is locked by another process for too long: wait until that ends, and try again",
    sqlite3.SQLITE_FULL: "finds no room: its disk is full; free some and try again",
    sqlite3.SQLITE_READONLY: "cannot be written to: give yourself write access to the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: give yourself access to the file and its folder",
    sqlite3.SQLITE_IOERR: "cannot be read or written: look at its disk",
    sqlite3.SQLITE_NOTADB: "is no SQLite database: name another file, or bring it back from a backup",
    sqlite3.SQLITE_CORRUPT: "is damaged: bring it back from a backup, and compare with `aru request verify --head`",
}
_POSTGRESQL = {
    "55P03": "is locked by another process for too long: wait until that ends, and try again",
    "53100": "finds no room: the server's disk is full; free some and try again",
    "25006": "cannot be written to: the server is read-only",
    "42501": "refuses this user: grant the rights on its tables",
}


def _remedy(error: Exception) -> str | None:
    """What is to be done about a fault of the database, or None where it is a fault of the program."""
    if not isinstance(error, DBAPIError):
        return "is used by too many at once: try again"
    fault = error.orig
    if isinstance(fault, sqlite3.Error):
        return _SQLITE.get(getattr(fault, "sqlite_errorcode", 0) & 0xFF)
    state = getattr(fault, "sqlstate", None)
    if state is None and isinstance(error, sa.exc.OperationalError):
        return "does not answer, or the connection was lost: look whether its server runs, and who may log in"
    return _POSTGRESQL.get(str(state))
