"""Pinned and hidden documents, and the half-life of documents in a workspace's searches.

Revision ID: 0014
"""

from alembic import op

revision = "0014"
down_revision = "0013"

_COLUMNS = """
alter table documents add column placement text
  constraint ck_documents_placement check (placement in ('pinned', 'hidden'));
-- Lists of pinned and of hidden documents; there are few of both.
create index ix_documents_placement on documents (workspace_id, key, id) where placement is not null;
alter table workspaces add column half_life_days double precision
  constraint ck_workspaces_half_life check (half_life_days between 0 and 36500);
"""


def upgrade() -> None:
    """Add the columns."""
    op.execute(_COLUMNS)


def downgrade() -> None:
    """Drop them. Hidden documents are found again."""
    op.execute("alter table workspaces drop column half_life_days")
    op.execute("alter table documents drop column placement")
