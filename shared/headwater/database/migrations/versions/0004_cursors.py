"""Add the cursors of connectors that list a source in increments.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"

# A cursor is {"value": …, "versions": …}: the connector's own text, and the versions of the parsers and the chunker
# that read what came before it. Once one of them changes, the source is listed from the start. `list` stores it on the
# run; `finish` moves it to the source when every entry of the listing is stored.
_COLUMNS = """
alter table runs add column cursor jsonb;
alter table sources add column cursor jsonb;
"""


def upgrade() -> None:
    """Add the columns; the previous revision ignores them."""
    op.execute(_COLUMNS)


def downgrade() -> None:
    """Drop the columns: every source is listed from the start once."""
    op.execute("alter table sources drop column cursor")
    op.execute("alter table runs drop column cursor")
