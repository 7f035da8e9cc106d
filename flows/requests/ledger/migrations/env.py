"""What Alembic runs to bring a ledger up to date, in the transaction of the connection that `upgrading.py` gives it."""

from alembic import context

from flows.requests.ledger.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
