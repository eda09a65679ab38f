"""Repair databases that ran an early version of migration 0003.

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"

# 0003 was edited after it had been applied. Databases from before lack this index, and their function waits for tables
# that are locked, which can deadlock with the build of an index.
_INDEX = """
create index if not exists ix_documents_live on documents (workspace_id, key, id) where deleted_at is null
"""

_STATISTICS = """
create or replace function refresh_statistics() returns void language plpgsql security definer
  set search_path = headwater, pg_temp as $$
declare
  grown text;
begin
  for grown in
    select format('analyze (skip_locked) %I (%s)', c.relname, known.columns)
    from (values
      ('run_items', 'run_id, key, batch, action, state'),
      ('documents', 'workspace_id, source_id, key, deleted_at'),
      ('chunks', 'workspace_id, document_id, input_hash'),
      ('relations', 'workspace_id, document_id, target_document_id'),
      ('vectors', 'model_id, workspace_id, input_hash')) as known (name, columns)
    join pg_class c on c.relkind = 'r' and (c.oid = cast(known.name as regclass)
      or c.oid in (select inhrelid from pg_inherits where inhparent = cast(known.name as regclass)))
    where pg_relation_size(c.oid) / current_setting('block_size')::integer > c.relpages * 1.25
    order by c.oid
  loop
    execute grown;
  end loop;
end $$
"""


def upgrade() -> None:
    """Create the index and replace the function. Changes nothing where 0003 was complete."""
    op.execute(_INDEX)
    op.execute(_STATISTICS)


def downgrade() -> None:
    """Change nothing: both belong to 0003."""
