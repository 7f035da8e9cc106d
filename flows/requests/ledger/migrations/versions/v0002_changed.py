"""The second version: `changed` of a request is when its state was set, and not when anything was last done to it."""

from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None


def upgrade() -> None:
    """Take the times from the history; a request that has none there keeps its own, for the verification to tell."""
    op.execute(
        "UPDATE requests SET changed = COALESCE((SELECT at FROM history WHERE history.request = requests.id "
        "AND (source IS NULL OR source <> target) ORDER BY seq DESC LIMIT 1), changed)"
    )


def downgrade() -> None:
    """Nobody goes back."""
    raise NotImplementedError("a ledger is not brought back to an earlier version")
