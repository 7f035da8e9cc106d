"""The tables of the ledger.

People's data stand in `particulars` alone, the one table from which rows are removed. The others hold codes, times, counts,
keyed digests, and the names of those who work here.
"""

from datetime import UTC, datetime
from typing import ClassVar

from sqlalchemy import CheckConstraint, Dialect, ForeignKey, Index, LargeBinary, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

VERSION = "0002"
"""The newest version of the schema, in `migrations/versions/`."""
TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
ID, DIGEST, CODE, NAME = 16, 64, 32, 200
"""Lengths of columns: of ids, of hexadecimal SHA-256 digests, of codes, of names of users and benchmarks."""
NAMING = ("submitted", "evidence", "confirmed")
"""The particulars that list names of people and paths of photos, as JSON content."""


class Time(TypeDecorator[datetime]):
    """A time in UTC as text of one width: the same characters in every database, so that digests of rows agree."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else time_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.strptime(value, TIME).replace(tzinfo=UTC)


def time_text(value: datetime) -> str:
    """A time as the ledger writes it, 2026-01-31T09:00:00.000000Z. Raises ValueError for one without a zone."""
    if value.tzinfo is None:
        raise ValueError("a time of the ledger needs its zone")
    return value.astimezone(UTC).strftime(TIME).rjust(len("2026-01-31T09:00:00.000000Z"), "0")  # years before 1000, too


class Base(DeclarativeBase):
    """What all tables are registered in."""

    type_annotation_map: ClassVar = {datetime: Time}


class Request(Base):
    """A deletion request. Its fields are what the history says of it: `verification.py` compares them."""

    __tablename__ = "requests"
    __table_args__ = (Index("requests_by_due", "due", "id"), Index("requests_by_state", "state", "due", "id"))

    id: Mapped[str] = mapped_column(String(ID), primary_key=True)
    key: Mapped[str] = mapped_column(String(DIGEST), unique=True)  # keyed digest of the idempotency key
    content: Mapped[str] = mapped_column(String(DIGEST))  # keyed digest of what was submitted
    kind: Mapped[str] = mapped_column(String(CODE))
    benchmark: Mapped[str] = mapped_column(String(NAME))
    received: Mapped[datetime]
    first_due: Mapped[datetime]
    due: Mapped[datetime]
    extended_because: Mapped[str | None] = mapped_column(String(CODE))
    state: Mapped[str] = mapped_column(String(CODE))
    changed: Mapped[datetime]
    verified_by: Mapped[str | None] = mapped_column(String(NAME))
    duplicate_of: Mapped[str | None] = mapped_column(ForeignKey("requests.id"))
    batch: Mapped[str | None] = mapped_column(ForeignKey("batches.id"), index=True)


class Batch(Base):
    """Requests that are unlearned together; the thresholds of its audit are fixed by their digest when it is made."""

    __tablename__ = "batches"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True)
    benchmark: Mapped[str] = mapped_column(String(NAME))
    created: Mapped[datetime]
    thresholds: Mapped[str] = mapped_column(String(DIGEST))
    parameters: Mapped[str] = mapped_column(String(DIGEST))
    model_before: Mapped[str | None] = mapped_column(String(NAME))
    model_after: Mapped[str | None] = mapped_column(String(NAME))


class Event(Base):
    """A row of the history: what was done to a request or a batch. Rows are added and never changed; each holds the hash
    of the one before."""

    __tablename__ = "history"
    __table_args__ = (CheckConstraint("request IS NOT NULL OR batch IS NOT NULL", name="history_is_of_something"),)

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    request: Mapped[str | None] = mapped_column(ForeignKey("requests.id"), index=True)
    batch: Mapped[str | None] = mapped_column(ForeignKey("batches.id"), index=True)
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(NAME))
    role: Mapped[str] = mapped_column(String(CODE))
    action: Mapped[str] = mapped_column(String(CODE))
    source: Mapped[str | None] = mapped_column(String(CODE))
    target: Mapped[str | None] = mapped_column(String(CODE))
    why: Mapped[str | None] = mapped_column(String(CODE))
    data: Mapped[str] = mapped_column(Text)  # canonical JSON
    previous: Mapped[str] = mapped_column(String(DIGEST))
    hash: Mapped[str] = mapped_column(String(DIGEST), unique=True)


class Particular(Base):
    """What names people: a request's identifiers, remarks, findings, an uploaded photo. The history has its keyed digest."""

    __tablename__ = "particulars"

    seq: Mapped[int] = mapped_column(ForeignKey("history.seq"), primary_key=True)
    part: Mapped[str] = mapped_column(String(CODE), primary_key=True)
    request: Mapped[str] = mapped_column(ForeignKey("requests.id"), index=True)
    text: Mapped[str | None] = mapped_column(Text)
    photo: Mapped[bytes | None] = mapped_column(LargeBinary)


class Head(Base):
    """The one row that says where the history ends. A change locks it first, so that changes come one after the other."""

    __tablename__ = "head"
    __table_args__ = (CheckConstraint("id = 1", name="head_is_one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ledger: Mapped[str] = mapped_column(String(DIGEST))  # random: two ledgers are never taken for one
    seq: Mapped[int]
    hash: Mapped[str] = mapped_column(String(DIGEST))
    requests: Mapped[int]
    batches: Mapped[int]
