"""The ledger as JSON for an auditor: requests, batches and the whole history; nothing that names the people asked for."""

import json
from pathlib import Path
from typing import IO, cast

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from aru.core.errors import InputError
from aru.core.files import atomic_path
from flows.requests.ledger.chain import canonical, row_fields
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.tables import Base, Batch, Event, Head, Request

_AT_ONCE = 1000  # rows in memory


def export_ledger(ledger: Ledger, path: Path) -> int:
    """Write the ledger of one moment to a JSON file; returns the rows of history.

    {"ledger", "head", "requests", "batches", "history"}: the fields of the tables. A row's hash is the SHA-256 of its JSON
    (sorted keys, no blanks, UTF-8) without the field `hash`, so that the chain can be checked from the file alone. Raises
    InputError where the path is a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file, as in {path / 'ledger.json'}")
    with ledger.reading() as session, atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        head = session.scalars(select(Head)).one()
        file.write('{"batches":')
        _write_rows(session, Batch, file)
        file.write(f',"head":{json.dumps(head.hash)},"history":')
        count = _write_rows(session, Event, file)
        file.write(f',"ledger":{json.dumps(head.ledger)},"requests":')
        _write_rows(session, Request, file)
        file.write("}\n")
        return count


def _write_rows(session: Session, table: type[Base], file: IO[str]) -> int:
    count = 0
    file.write("[")
    order = next(iter(cast(Table, table.__table__).primary_key))
    for row in session.scalars(select(table).order_by(order).execution_options(yield_per=_AT_ONCE)):
        file.write(("," if count else "") + "\n" + canonical(row_fields(row)))
        count += 1
    file.write("]")
    return count
