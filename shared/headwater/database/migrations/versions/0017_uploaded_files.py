"""Uploaded files: what the sources of the kind `uploads` hold.

Revision ID: 0017
"""

from alembic import op

revision = "0017"
down_revision = "0016"

# One row for each version. `replaced_at` is null for the current one of a path. Its content is a blob named by `id`.
_TABLE = """
create table uploaded_files (
  id uuid constraint pk_uploaded_files primary key,
  workspace_id uuid not null,
  source_id uuid not null constraint fk_uploaded_files_source references sources on delete cascade,
  path text not null collate "C",
  bytes bigint not null,
  sha256 bytea not null,
  created_at timestamptz not null default now(),
  replaced_at timestamptz
);
create unique index uq_uploaded_files_current on uploaded_files (source_id, path) where replaced_at is null;
create index ix_uploaded_files_replaced on uploaded_files (source_id, replaced_at) where replaced_at is not null;
"""

_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the table; the previous revision knows no source of this kind."""
    op.execute(_TABLE)
    op.execute("alter table uploaded_files enable row level security")
    op.execute(f"create policy workspace on uploaded_files using ({_HERE}) with check ({_HERE})")
    op.execute("grant select, insert, update, delete on uploaded_files to app")


def downgrade() -> None:
    """Drop the table. Sources of the kind `uploads` stay, and can't be collected."""
    op.execute("drop table uploaded_files")
