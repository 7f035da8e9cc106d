"""The hash chain of the history: each row's SHA-256 covers all its fields and the hash of the row before it."""

import hashlib
import json
from typing import Any

from flows.requests.ledger.tables import Event, time_text


def canonical(value: Any) -> str:
    """JSON of one form: keys sorted, no blanks, characters as they are; not a number is a ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def row_hash(row: Event) -> str:
    """The hash of a row of the history, in hexadecimal, from all its fields but the hash itself."""
    fields = {
        "seq": row.seq,
        "request": row.request,
        "batch": row.batch,
        "at": time_text(row.at),
        "who": row.who,
        "role": row.role,
        "action": row.action,
        "source": row.source,
        "target": row.target,
        "why": row.why,
        "data": row.data,
        "previous": row.previous,
    }
    return hashlib.sha256(canonical(fields).encode()).hexdigest()
