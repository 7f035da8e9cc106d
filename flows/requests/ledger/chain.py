"""The hash chain of the history: each row's SHA-256 covers all its fields and the hash of the row before it."""

import hashlib
import json
from datetime import datetime
from typing import Any

from flows.requests.ledger.tables import Base, Event, time_text


def canonical(value: Any) -> str:
    """JSON of one form: keys sorted, no blanks, characters as they are; not a number is a ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def row_fields(row: Base) -> dict[str, Any]:
    """The fields of a row of any table as JSON content."""
    values = {column.key: getattr(row, column.key) for column in type(row).__table__.columns}
    return {name: time_text(value) if isinstance(value, datetime) else value for name, value in values.items()}


def row_hash(row: Event) -> str:
    """The hash of a row of the history, in hexadecimal: SHA-256 of the canonical JSON of all its fields but `hash`."""
    fields = row_fields(row)
    del fields["hash"]
    return hashlib.sha256(canonical(fields).encode()).hexdigest()
