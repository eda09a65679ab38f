"""Extractions from many documents, and their runs.

Revision ID: 0037
"""

from alembic import op

revision = "0037"
down_revision = "0036"

# What a person extracts from documents, by JSON Schema. `role`: the person's when the extraction was created.
# JSON is text: values may have characters that jsonb can't store.
_TABLES = """
create table extractions (
  id uuid constraint pk_extractions primary key default gen_random_uuid(),
  workspace_id uuid not null constraint fk_extractions_workspace references workspaces on delete cascade,
  subject text not null,
  role text not null,
  question text not null,
  schema text not null,
  model text,
  state text not null default 'running'
    constraint ck_extractions_state check (state in ('running', 'complete', 'cancelled')),
  estimated_cost numeric,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint ck_extractions_finished check ((state = 'running') = (finished_at is null))
);
-- The latest extractions of a person.
create index ix_extractions_subject on extractions (workspace_id, subject, created_at desc);

-- A document of an extraction, the n-th, and what was extracted from it. The document may be deleted.
create table extraction_rows (
  extraction_id uuid not null constraint fk_extraction_rows_extraction references extractions on delete cascade,
  workspace_id uuid not null,
  n integer not null,
  document_id uuid not null,
  title text not null,
  url text,
  state text not null default 'waiting'
    constraint ck_extraction_rows_state check (state in ('waiting', 'done', 'failed')),
  value text,
  citations text,
  uncited text,
  error text,
  cost numeric,
  constraint pk_extraction_rows primary key (extraction_id, n),
  constraint uq_extraction_rows_document unique (extraction_id, document_id),
  constraint ck_extraction_rows_value check ((state = 'done') = (value is not null))
);

alter table runs add column extraction_id uuid constraint fk_runs_extraction references extractions on delete cascade;
alter table runs drop constraint ck_runs_kind;
alter table runs add constraint ck_runs_kind
  check (kind in ('collect', 'retry', 'removal', 'restore', 'dry_run', 'upload', 'build', 'answer', 'extraction'));
alter table runs drop constraint ck_runs_source;
alter table runs add constraint ck_runs_source
  check ((source_id is null) = (kind in ('build', 'answer', 'extraction')));
alter table runs add constraint ck_runs_extraction check ((extraction_id is not null) = (kind = 'extraction'));
-- One open run per extraction; and the runs that are deleted with an extraction.
create unique index uq_runs_extraction on runs (extraction_id) where state = 'running' and extraction_id is not null;
create index ix_runs_extraction on runs (extraction_id) where extraction_id is not null;
"""

_NAMES = ("extractions", "extraction_rows")
_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the tables; the previous revision ignores them."""
    op.execute(_TABLES)
    for name in _NAMES:
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"create policy workspace on {name} using ({_HERE}) with check ({_HERE})")
        op.execute(f"grant select, insert, update, delete on {name} to app")


def downgrade() -> None:
    """Drop them, with the runs of extractions."""
    op.execute("delete from runs where kind = 'extraction'")
    op.execute("alter table runs drop constraint ck_runs_kind, drop constraint ck_runs_source")
    op.execute("alter table runs drop constraint ck_runs_extraction, drop column extraction_id")
    op.execute("""alter table runs add constraint ck_runs_kind
      check (kind in ('collect', 'retry', 'removal', 'restore', 'dry_run', 'upload', 'build', 'answer'))""")
    op.execute(
        "alter table runs add constraint ck_runs_source check ((source_id is null) = (kind in ('build', 'answer')))"
    )
    for name in reversed(_NAMES):
        op.execute(f"drop table {name}")
