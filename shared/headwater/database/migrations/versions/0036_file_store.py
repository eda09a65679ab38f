"""File stores of conversations: versions of files, and their contents in the blob store.

Revision ID: 0036
"""

from alembic import op

revision = "0036"
down_revision = "0035"

# `file_contents` has a row for each blob, which is stored after the row. It has no reference to the conversation: the
# tick deletes the blobs that no version names, of deleted conversations too, and then the rows.
_TABLES = """
create table file_contents (
  workspace_id uuid not null,
  conversation_id text not null,
  sha256 bytea not null,
  bytes bigint not null,
  touched_at timestamptz not null default clock_timestamp(),
  constraint pk_file_contents primary key (workspace_id, conversation_id, sha256)
);

-- The versions of a path count from 1. One without a hash says that the file was deleted. `message_id`: the answer that
-- wrote it, null for the person. `key`: what was written with a key is not written again.
create table file_versions (
  id uuid constraint pk_file_versions primary key default gen_random_uuid(),
  workspace_id uuid not null,
  conversation_id text not null,
  path text not null collate "C",
  version integer not null,
  sha256 bytea,
  bytes bigint not null,
  message_id uuid,
  key text,
  created_at timestamptz not null default clock_timestamp(),
  constraint uq_file_versions_version unique (workspace_id, conversation_id, path, version),
  constraint uq_file_versions_key unique (workspace_id, conversation_id, key, path),
  constraint fk_file_versions_conversation foreign key (workspace_id, conversation_id)
    references conversations on delete cascade,
  constraint fk_file_versions_content foreign key (workspace_id, conversation_id, sha256) references file_contents
);
-- Whether a content is in use.
create index ix_file_versions_content on file_versions (workspace_id, conversation_id, sha256);

-- The bytes of an attached file. Files that were attached before have none.
alter table conversation_files add column version_id uuid
  constraint fk_conversation_files_version references file_versions on delete set null;
create index ix_conversation_files_version on conversation_files (version_id);
"""

# The tick deletes the contents of one workspace after another.
_FUNCTION = """
create function workspaces_with_unused_files() returns setof uuid language sql stable security definer
  set search_path = headwater, pg_temp
begin atomic
  select distinct c.workspace_id from headwater.file_contents c
  where c.touched_at < now() - interval '1 hour' and not exists (
    select from headwater.file_versions v
    where v.workspace_id = c.workspace_id and v.conversation_id = c.conversation_id and v.sha256 = c.sha256);
end
"""

_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the tables; the previous revision ignores them."""
    op.execute(_TABLES)
    for name in ("file_contents", "file_versions"):
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"create policy workspace on {name} using ({_HERE}) with check ({_HERE})")
        op.execute(f"grant select, insert, update, delete on {name} to app")
    op.execute(_FUNCTION)
    op.execute("revoke execute on function workspaces_with_unused_files from public")
    op.execute("grant execute on function workspaces_with_unused_files to app")


def downgrade() -> None:
    """Drop the tables. Blobs that are stored stay."""
    op.execute("drop function workspaces_with_unused_files")
    op.execute("alter table conversation_files drop column version_id")
    op.execute("drop table file_versions")
    op.execute("drop table file_contents")
