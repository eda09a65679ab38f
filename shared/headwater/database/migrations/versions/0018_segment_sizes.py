"""Segments of words know how many documents they were made of.

Revision ID: 0018
"""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the column; 0 for segments that are stored already, which are then never taken for outdated by it."""
    op.execute("alter table word_segments add column documents integer not null default 0")


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table word_segments drop column documents")
