"""Documents that can't be read have a reason and a time; runs repeat them, and count the files that no pattern matches.

Revision ID: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"

# `failed_at`: since when `error` holds. `retry_at`: from then on a run tries again although the file is unchanged; null
# where only another file or another parser helps. `fetched_at` is the time of the stored text, null without one.
_COLUMNS = """
alter table documents add column failed_at timestamptz, add column retry_at timestamptz,
  add column warnings jsonb not null default '[]', alter column fetched_at drop not null;
update documents set failed_at = fetched_at, fetched_at = case when text <> '' then fetched_at end
  where error is not null;
alter table runs add column unmatched jsonb;
"""

# Few documents fail: counts and lists of them read only this index.
_INDEX = """
create index ix_documents_failing on documents (source_id, key, id) where error is not null and deleted_at is null
"""

_ACTIONS = "alter table run_items add constraint ck_run_items_action check (action in ({}))"


def upgrade() -> None:
    """Add the columns and the action; the previous revision ignores them."""
    op.execute(_COLUMNS)
    op.execute(_INDEX)
    op.execute("alter table run_items drop constraint ck_run_items_action")
    op.execute(_ACTIONS.format("'added', 'changed', 'removed', 'skipped', 'unchanged'"))


def downgrade() -> None:
    """Drop the columns. Failures that runs repeated are deleted."""
    op.execute("delete from run_items where action = 'unchanged'")
    op.execute("alter table run_items drop constraint ck_run_items_action")
    op.execute(_ACTIONS.format("'added', 'changed', 'removed', 'skipped'"))
    op.execute("drop index ix_documents_failing")
    op.execute("alter table runs drop column unmatched")
    op.execute("update documents set fetched_at = coalesce(failed_at, now()) where fetched_at is null")
    op.execute("""
        alter table documents drop column failed_at, drop column retry_at, drop column warnings,
          alter column fetched_at set not null
    """)
