"""A ledger's schema brought to the newest version, in one transaction."""

import threading

import sqlalchemy as sa
from sqlalchemy import Connection

from aru.core.errors import InputError
from flows.requests.ledger.tables import VERSION

_ONE_AT_A_TIME = threading.Lock()  # Alembic's `context` and `op` belong to the process
_POSTGRES_LOCK = 0x61727531  # an arbitrary number of our own: other processes wait for it


def schema_version(connection: Connection) -> str | None:
    """The version of the schema in a database; None in an empty one. InputError where its tables are not a ledger's."""
    tables = set(sa.inspect(connection).get_table_names())
    if "alembic_version" not in tables:
        if tables:
            raise InputError(
                f"the database has tables that are no ledger's ({', '.join(sorted(tables)[:3])}): name one of its own"
            )
        return None
    if not tables >= {"requests", "history", "head"}:
        raise InputError("the database belongs to another program that uses Alembic, too: name one of the ledger's own")
    return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one())


def upgrade(connection: Connection) -> None:
    """Make or change the tables within the connection's transaction; nothing where they are up to date.

    Raises InputError where they are of a newer release.
    """
    with _ONE_AT_A_TIME:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": _POSTGRES_LOCK})
        found = schema_version(connection)
        if found == VERSION:
            return
        if found is not None and found > VERSION:
            raise InputError(f"the ledger has version {found}, this release of aru knows {VERSION}: use the newer aru")
        from alembic import command
        from alembic.config import Config

        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "flows.requests.ledger:migrations")
        command.upgrade(config, VERSION)
