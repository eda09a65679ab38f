"""Files of one conversation, and their chunks.

Revision ID: 0034
"""

from alembic import op

revision = "0034"
down_revision = "0033"

# A file that was attached to a conversation: what was read of it. Its bytes are not stored.
_TABLES = """
create table conversation_files (
  id uuid constraint pk_conversation_files primary key default gen_random_uuid(),
  workspace_id uuid not null,
  conversation_id text not null,
  name text not null,
  media_type text not null,
  bytes bigint not null,
  title text not null,
  text text not null,
  language text not null,
  page_starts integer[],
  warnings jsonb not null,
  chunks integer not null,
  created_at timestamptz not null default now(),
  constraint uq_conversation_files_name unique (workspace_id, conversation_id, name),
  constraint fk_conversation_files_conversation foreign key (workspace_id, conversation_id)
    references conversations on delete cascade
);

-- As the rows of `chunks`; they are never embedded in advance, and no search of documents reads them.
create table conversation_chunks (
  id bigint generated always as identity constraint pk_conversation_chunks primary key,
  file_id uuid not null constraint fk_conversation_chunks_file references conversation_files on delete cascade,
  workspace_id uuid not null,
  ordinal integer not null,
  start_offset integer not null,
  end_offset integer not null,
  heading_path text[] not null,
  markup integer[],
  header_start integer,
  header_end integer,
  words sparsevec not null,
  word_count integer not null
);
-- The chunks of a conversation's files, and deletes with the file.
create index ix_conversation_chunks_file on conversation_chunks (file_id, ordinal);
"""

_NAMES = ("conversation_files", "conversation_chunks")
_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the tables; the previous revision ignores them."""
    op.execute(_TABLES)
    for name in _NAMES:
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"create policy workspace on {name} using ({_HERE}) with check ({_HERE})")
        op.execute(f"grant select, insert, update, delete on {name} to app")


def downgrade() -> None:
    """Drop the tables."""
    for name in reversed(_NAMES):
        op.execute(f"drop table {name}")
