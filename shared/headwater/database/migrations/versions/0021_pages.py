"""Documents know where their pages begin, so that a passage has the number of its page.

Revision ID: 0021
"""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the column: offsets in the text, in order; null for documents of formats without pages."""
    op.execute("alter table documents add column page_starts integer[]")


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table documents drop column page_starts")
