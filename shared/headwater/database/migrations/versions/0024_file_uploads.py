"""Uploads in parts: large files of sources of the kind `uploads`, while their parts arrive.

Revision ID: 0024
"""

from alembic import op

revision = "0024"
down_revision = "0023"

# One row for each file under way. Its parts are blobs below its id. `version_id` is the version that a complete one has
# become: a repeated completion returns it. The tick deletes rows and parts at `expires_at`.
_TABLE = """
create table file_uploads (
  id uuid constraint pk_file_uploads primary key,
  workspace_id uuid not null,
  source_id uuid not null constraint fk_file_uploads_source references sources on delete cascade,
  path text not null collate "C",
  bytes bigint not null,
  sha256 bytea not null,
  version_id uuid,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
-- One file under way for each path and content, which a second request goes on with; and deletes with the source.
create unique index uq_file_uploads_open on file_uploads (source_id, path, sha256) where version_id is null;
-- The tick's search for expired ones.
create index ix_file_uploads_expires on file_uploads (expires_at);
"""

# The tick deletes the uploads of one workspace after another.
_FUNCTION = """
create function workspaces_with_expired_uploads() returns setof uuid language sql stable security definer
  set search_path = headwater, pg_temp
begin atomic
  select distinct workspace_id from headwater.file_uploads where expires_at < now();
end
"""

_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the table; the previous revision has no uploads in parts."""
    op.execute(_TABLE)
    op.execute("alter table file_uploads enable row level security")
    op.execute(f"create policy workspace on file_uploads using ({_HERE}) with check ({_HERE})")
    op.execute("grant select, insert, update, delete on file_uploads to app")
    op.execute(_FUNCTION)
    op.execute("revoke execute on function workspaces_with_expired_uploads from public")
    op.execute("grant execute on function workspaces_with_expired_uploads to app")


def downgrade() -> None:
    """Drop the table. Parts that were uploaded are deleted with their source."""
    op.execute("drop function workspaces_with_expired_uploads")
    op.execute("drop table file_uploads")
