"""An index of declined questions.

Revision ID: 0040
"""

from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    """Add the index. Without it, the list would read all messages of a workspace."""
    op.execute("""
        create index ix_messages_declined on messages (workspace_id, created_at)
        where parts @> '[{"type": "data-declined"}]'
    """)


def downgrade() -> None:
    """Drop the index."""
    op.execute("drop index ix_messages_declined")
