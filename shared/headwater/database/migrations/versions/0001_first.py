"""The first schema: sources to chunks, the ledger, vectors, conversations; a role without rights; row-level security.

Revision ID: 0001
"""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
create table workspaces (
  id uuid constraint pk_workspaces primary key,
  name text not null,
  created_at timestamptz not null default now()
);

create table sources (
  id uuid constraint pk_sources primary key default gen_random_uuid(),
  workspace_id uuid not null constraint fk_sources_workspace references workspaces on delete cascade,
  kind text not null,
  name text not null,
  config jsonb not null,
  token bytea,
  snapshot text,
  embedded_model_id integer,
  pending_removals jsonb not null default '[]',
  created_at timestamptz not null default now()
);
create index ix_sources_workspace on sources (workspace_id, created_at);

create table runs (
  id uuid constraint pk_runs primary key default gen_random_uuid(),
  workspace_id uuid not null constraint fk_runs_workspace references workspaces on delete cascade,
  source_id uuid not null constraint fk_runs_source references sources on delete cascade,
  kind text not null,
  engine text not null constraint ck_runs_engine check (engine in ('tickets', 'job')),
  state text not null default 'running'
    constraint ck_runs_state check (state in ('running', 'succeeded', 'partial', 'failed', 'cancelled')),
  snapshot text,
  total integer,
  reused integer not null default 0,
  counts jsonb,
  pending_removals integer not null default 0,
  error jsonb,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint ck_runs_finished check ((state = 'running') = (finished_at is null))
);
-- One open run per source: a second collect finds this one.
create unique index uq_runs_open on runs (source_id) where state = 'running';
-- The newest runs of a source, and its last one.
create index ix_runs_source on runs (source_id, created_at desc);

create table run_items (
  run_id uuid not null constraint fk_run_items_run references runs on delete cascade,
  workspace_id uuid not null,
  key text not null,
  action text not null constraint ck_run_items_action check (action in ('added', 'changed', 'removed', 'skipped')),
  state text not null default 'pending' constraint ck_run_items_state check (state in ('pending', 'done', 'failed')),
  fingerprint text,
  batch integer,
  reason text,
  warning text,
  constraint pk_run_items primary key (run_id, key)
);
-- A fetch step reads exactly its batch.
create index ix_run_items_batch on run_items (run_id, batch);

create table steps (
  id bigint generated always as identity constraint pk_steps primary key,
  run_id uuid not null constraint fk_steps_run references runs on delete cascade,
  workspace_id uuid not null,
  queue text not null,
  kind text not null,
  key text not null,
  payload jsonb not null default '{}',
  state text not null default 'ready'
    constraint ck_steps_state check (state in ('ready', 'running', 'done', 'failed', 'cancelled')),
  attempt integer not null default 0,
  fence integer not null default 0,
  not_before timestamptz not null default now(),
  lease_until timestamptz,
  holder text,
  result jsonb,
  error text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint uq_steps_key unique (run_id, kind, key),
  constraint ck_steps_lease check ((state = 'running') = (lease_until is not null))
);
-- The claim walks workspaces, then the oldest ready step of one; finished steps are not in it.
create index ix_steps_ready on steps (queue, workspace_id, not_before, id) where state = 'ready';
-- Fairness counts what a workspace has running.
create index ix_steps_running on steps (workspace_id) where state = 'running';
-- The watchdog takes back what is overdue.
create index ix_steps_lease on steps (lease_until) where state = 'running';
-- Fan-in asks whether a run still has an open step.
create index ix_steps_open on steps (run_id) where state in ('ready', 'running');

create table tickets (
  id uuid constraint pk_tickets primary key default gen_random_uuid(),
  queue text not null,
  expires_at timestamptz not null
);
create index ix_tickets_queue on tickets (queue);

create table documents (
  id uuid constraint pk_documents primary key default gen_random_uuid(),
  workspace_id uuid not null constraint fk_documents_workspace references workspaces on delete cascade,
  source_id uuid not null constraint fk_documents_source references sources on delete cascade,
  key text not null,
  fingerprint text not null,
  title text not null,
  url text,
  media_type text not null,
  text text not null,
  front_matter jsonb not null default '{}',
  error text,
  fetched_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint uq_documents_key unique (source_id, key)
);

create table chunks (
  id bigint generated always as identity constraint pk_chunks primary key,
  workspace_id uuid not null,
  document_id uuid not null constraint fk_chunks_document references documents on delete cascade,
  ordinal integer not null,
  start_offset integer not null,
  end_offset integer not null,
  heading_path text[] not null,
  input_hash bytea not null,
  token_count integer not null,
  lexemes tsvector not null,
  constraint uq_chunks_ordinal unique (document_id, ordinal),
  constraint ck_chunks_offsets check (0 <= start_offset and start_offset < end_offset)
);
-- From a vector to the chunks that hold its text, and the anti-join that finds what has no vector.
create index ix_chunks_input_hash on chunks (workspace_id, input_hash);

create table relations (
  id bigint generated always as identity constraint pk_relations primary key,
  workspace_id uuid not null,
  document_id uuid not null constraint fk_relations_document references documents on delete cascade,
  kind text not null constraint ck_relations_kind check (kind in ('link', 'wikilink')),
  target text not null,
  start_offset integer not null,
  end_offset integer not null,
  target_document_id uuid constraint fk_relations_target references documents on delete set null
);
create index ix_relations_document on relations (document_id);
-- Backlinks, and setting null when a target goes.
create index ix_relations_target on relations (target_document_id);

create table embedding_models (
  id integer generated always as identity constraint pk_embedding_models primary key,
  name text not null constraint uq_embedding_models_name unique,
  dim integer not null,
  state text not null constraint ck_embedding_models_state check (state in ('building', 'active', 'retired')),
  created_at timestamptz not null default now()
);
create unique index uq_embedding_models_active on embedding_models (state) where state = 'active';

create table vectors (
  model_id integer not null,
  workspace_id uuid not null,
  input_hash bytea not null,
  embedding halfvec not null,
  constraint pk_vectors primary key (model_id, workspace_id, input_hash)
) partition by list (model_id);

create table conversations (
  workspace_id uuid not null constraint fk_conversations_workspace references workspaces on delete cascade,
  id text not null,
  title text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint pk_conversations primary key (workspace_id, id)
);
create index ix_conversations_updated on conversations (workspace_id, updated_at desc);

create table messages (
  id uuid constraint pk_messages primary key default gen_random_uuid(),
  workspace_id uuid not null,
  conversation_id text not null,
  ordinal bigint generated always as identity,
  role text not null constraint ck_messages_role check (role in ('user', 'assistant')),
  parts jsonb not null default '[]',
  state text not null default 'complete'
    constraint ck_messages_state check (state in ('streaming', 'complete', 'stopped', 'interrupted', 'failed')),
  alive_until timestamptz,
  created_at timestamptz not null default now(),
  constraint fk_messages_conversation foreign key (workspace_id, conversation_id)
    references conversations on delete cascade
);
create index ix_messages_conversation on messages (workspace_id, conversation_id, ordinal);
-- One answer at a time in a conversation.
create unique index uq_messages_streaming on messages (workspace_id, conversation_id) where state = 'streaming';

create table message_events (
  message_id uuid not null constraint fk_message_events_message references messages on delete cascade,
  workspace_id uuid not null,
  seq integer not null,
  data text not null,
  constraint pk_message_events primary key (message_id, seq)
);
"""

_SCOPED = (
    "sources",
    "run_items",
    "documents",
    "chunks",
    "relations",
    "vectors",
    "conversations",
    "messages",
    "message_events",
)
"""Tables that a transaction sees its own workspace's rows of, and no others."""

_LEDGER = ("runs", "steps")
"""Tables that the engine, between claim and step, also sees as `*`."""

_SCOPE = "(select current_setting('app.workspace_id', true))"
_HERE = "(select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Create everything in the schema that `search_path` names first."""
    op.execute(_TABLES)
    for table in _SCOPED:
        _protect(table, f"workspace_id = {_HERE}")
    for table in _LEDGER:
        _protect(table, f"workspace_id = {_HERE} or {_SCOPE} = '*'")
    _protect("workspaces", f"id = {_HERE}")
    op.execute("grant select, insert, update, delete on all tables in schema headwater to app")
    op.execute("revoke insert, update, delete on embedding_models, alembic_version from app")


def downgrade() -> None:
    """Drop everything but the schema itself, which holds the migrations' own table."""
    tables = ", ".join((*_SCOPED, *_LEDGER, "tickets", "embedding_models", "workspaces"))
    op.execute(f"drop table {tables} cascade")


def _protect(table: str, visible: str) -> None:
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"create policy workspace on {table} using ({visible}) with check ({visible})")
