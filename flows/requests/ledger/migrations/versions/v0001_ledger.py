"""The first version: requests, batches, history, particulars, head."""

import hashlib
import secrets

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0001", None, None, None


def upgrade() -> None:
    """Make the tables, and the row from which the history starts."""
    _make_requests_and_batches()
    _make_history()
    head = op.create_table(
        "head",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("ledger", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("batches", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name="head_is_one_row"),
    )
    ledger = secrets.token_hex(32)
    start = hashlib.sha256(ledger.encode()).hexdigest()
    op.bulk_insert(head, [{"id": 1, "ledger": ledger, "seq": 0, "hash": start, "requests": 0, "batches": 0}])


def _make_requests_and_batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("benchmark", sa.String(200), nullable=False),
        sa.Column("created", sa.String(27), nullable=False),
        sa.Column("thresholds", sa.String(64), nullable=False),
        sa.Column("parameters", sa.String(64), nullable=False),
        sa.Column("model_before", sa.String(200)),
        sa.Column("model_after", sa.String(200)),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("benchmark", sa.String(200), nullable=False),
        sa.Column("received", sa.String(27), nullable=False),
        sa.Column("first_due", sa.String(27), nullable=False),
        sa.Column("due", sa.String(27), nullable=False),
        sa.Column("extended_because", sa.String(32)),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("changed", sa.String(27), nullable=False),
        sa.Column("verified_by", sa.String(200)),
        sa.Column("duplicate_of", sa.String(16), sa.ForeignKey("requests.id")),
        sa.Column("batch", sa.String(16), sa.ForeignKey("batches.id")),
    )
    op.create_index("requests_by_due", "requests", ["due", "id"])
    op.create_index("requests_by_state", "requests", ["state", "due", "id"])
    op.create_index("ix_requests_batch", "requests", ["batch"])


def _make_history() -> None:
    op.create_table(
        "history",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("request", sa.String(16), sa.ForeignKey("requests.id")),
        sa.Column("batch", sa.String(16), sa.ForeignKey("batches.id")),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("source", sa.String(32)),
        sa.Column("target", sa.String(32)),
        sa.Column("why", sa.String(32)),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.CheckConstraint("request IS NOT NULL OR batch IS NOT NULL", name="history_is_of_something"),
    )
    op.create_index("ix_history_request", "history", ["request"])
    op.create_index("ix_history_batch", "history", ["batch"])
    op.create_table(
        "particulars",
        sa.Column("seq", sa.Integer(), sa.ForeignKey("history.seq"), primary_key=True),
        sa.Column("part", sa.String(32), primary_key=True),
        sa.Column("request", sa.String(16), sa.ForeignKey("requests.id"), nullable=False),
        sa.Column("text", sa.Text()),
        sa.Column("photo", sa.LargeBinary()),
    )
    op.create_index("ix_particulars_request", "particulars", ["request"])


def downgrade() -> None:
    """There is nothing before the first version."""
    raise NotImplementedError("the ledger has no version before 0001: a history is not thrown away")
