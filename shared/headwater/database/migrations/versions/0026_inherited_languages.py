"""Documents that inherit their language from their source.

Revision ID: 0026
"""

from alembic import op

revision = "0026"
down_revision = "0025"

# `inherits_language`: the text is too short to detect its language. Few documents, so the index is small.
_COLUMNS = """
alter table documents add column inherits_language boolean not null default false;
create index ix_documents_inheriting on documents (source_id) where inherits_language and deleted_at is null;
"""


def upgrade() -> None:
    """Add the column; the previous revision ignores it. Documents of before keep their language until they change."""
    op.execute(_COLUMNS)


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table documents drop column inherits_language")
