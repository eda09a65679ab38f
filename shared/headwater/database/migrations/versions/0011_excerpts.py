"""Chunks know their markup, which is not shown, and the header of the table that they continue.

Revision ID: 0011
"""

from alembic import op

revision = "0011"
down_revision = "0010"

# `markup`: pairs of offsets in the chunk's text. `header_start` and `header_end` are offsets in the document's. All are
# null where there is nothing to leave out or to repeat.
_COLUMNS = """
alter table chunks add column markup integer[], add column header_start integer, add column header_end integer;
"""


def upgrade() -> None:
    """Add the columns; the previous revision ignores them."""
    op.execute(_COLUMNS)


def downgrade() -> None:
    """Drop the columns. Vectors of chunks that had them belong to other texts, so they are not found any more."""
    op.execute("alter table chunks drop column markup, drop column header_start, drop column header_end")
