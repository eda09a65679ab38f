"""Pinned conversations, and the text in which conversations are searched.

Revision ID: 0028
"""

from alembic import op

revision = "0028"
down_revision = "0027"

# `search_text`: the texts of a message as a JSON array, without its sources, cut at a length that a search can read.
_COLUMNS = """
alter table conversations add column pinned boolean not null default false;
alter table messages add column search_text text generated always as (
  left(cast(jsonb_path_query_array(parts, '$[*] ? (@.type == "text").text') as text), 100000)) stored;
"""


def upgrade() -> None:
    """Add the columns; the previous revision ignores them."""
    op.execute(_COLUMNS)


def downgrade() -> None:
    """Drop them."""
    op.execute("alter table conversations drop column pinned")
    op.execute("alter table messages drop column search_text")
