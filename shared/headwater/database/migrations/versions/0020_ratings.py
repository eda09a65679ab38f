"""Ratings of answers by their readers.

Revision ID: 0020
"""

from alembic import op

revision = "0020"
down_revision = "0019"

_COLUMNS = """
alter table messages add column rating text constraint ck_messages_rating check (rating in ('good', 'bad')),
  add column rating_reason text not null default '';
-- The list of rated questions; few answers are rated.
create index ix_messages_rated on messages (workspace_id, created_at) where rating is not null;
"""


def upgrade() -> None:
    """Add the columns; the previous revision ignores them."""
    op.execute(_COLUMNS)


def downgrade() -> None:
    """Drop them."""
    op.execute("alter table messages drop column rating, drop column rating_reason")
