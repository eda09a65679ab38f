"""The state that an installed agent has at the end of an answer, for its next one.

Revision ID: 0043
"""

from alembic import op

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    """Add a column; the previous revision ignores it."""
    op.execute("alter table messages add column agent_state bytea")


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table messages drop column agent_state")
