"""Find the ready steps of each run by index, so that the runs of a workspace take turns.

Revision ID: 0016
"""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Replace the index that claims use."""
    _replace_index("queue, workspace_id, run_id, not_before, id")


def downgrade() -> None:
    """Restore the index of claims that take the oldest step of a workspace."""
    _replace_index("queue, workspace_id, not_before, id")


def _replace_index(columns: str) -> None:
    op.execute("drop index ix_steps_ready")
    op.execute(f"create index ix_steps_ready on steps ({columns}) where state = 'ready'")
