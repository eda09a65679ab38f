"""Who may call, and when sources are collected by themselves: members, API keys, schedules, runs that a job works on.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = """
create table members (
  workspace_id uuid not null constraint fk_members_workspace references workspaces on delete cascade,
  subject text not null,
  role text not null constraint ck_members_role check (role in ('owner', 'editor', 'reader')),
  name text,
  created_at timestamptz not null default now(),
  constraint pk_members primary key (workspace_id, subject)
);
-- Every request by token: which workspaces is its subject in, the oldest membership first?
create index ix_members_subject on members (subject, created_at);

create table api_keys (
  id uuid constraint pk_api_keys primary key default gen_random_uuid(),
  workspace_id uuid not null constraint fk_api_keys_workspace references workspaces on delete cascade,
  name text not null,
  hash bytea not null constraint uq_api_keys_hash unique,
  hint text not null,
  role text not null constraint ck_api_keys_role check (role in ('owner', 'editor', 'reader')),
  scopes text[] not null default '{}',
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);
create index ix_api_keys_workspace on api_keys (workspace_id, created_at);

create table schedules (
  source_id uuid constraint pk_schedules primary key
    constraint fk_schedules_source references sources on delete cascade,
  workspace_id uuid not null,
  cron text not null,
  time_zone text not null,
  next_due_at timestamptz not null
);
-- The tick asks what is due.
create index ix_schedules_due on schedules (next_due_at);

-- Conversations are private to who asked; those of before belong to the laptop's only caller. Several callers may call
-- theirs the same (`client_id`), so `id` is made of both; in rows without a `client_id` it is that itself.
alter table conversations add column subject text not null default 'local';
alter table conversations add column client_id text;
create index ix_conversations_subject on conversations (workspace_id, subject, updated_at desc);

-- `trigger`: what started the run. `execution`: the job's execution that works on it, once that has been asked for at
-- `job_asked_at`. `notice`: what is to be said of the run as a whole.
alter table runs add column trigger text not null default 'api'
  constraint ck_runs_trigger check (trigger in ('api', 'schedule', 'job'));
alter table runs add column execution text;
alter table runs add column job_asked_at timestamptz;
alter table runs add column notice text;

-- How often a lease of the step ran out: what was given back, by a process that had to end, doesn't count.
alter table steps add column lost integer not null default 0;
"""

# The job is given a source's id and nothing else. It learns the workspace's id by this, and nothing more of any source.
_FUNCTION = """
create function workspace_of_source(source uuid) returns uuid language sql stable security definer
  set search_path = headwater, pg_temp
  return (select workspace_id from headwater.sources where id = source)
"""

_SCOPE = "(select current_setting('app.workspace_id', true))"
_HERE = "(select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"

_ENGINE_SEES = ("members", "api_keys", "schedules")
"""Read before a workspace is known: by who checks a caller, and by the tick."""


def upgrade() -> None:
    """Add the tables; everything of the revision before keeps its meaning."""
    op.execute(_TABLES)
    for table in _ENGINE_SEES:
        visible = f"workspace_id = {_HERE} or {_SCOPE} = '*'"
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy workspace on {table} using ({visible}) with check ({visible})")
        op.execute(f"grant select, insert, update, delete on {table} to app")
    op.execute(f"create policy engine on workspaces for select using ({_SCOPE} = '*')")
    op.execute(_FUNCTION)
    op.execute("revoke execute on function workspace_of_source from public")
    op.execute("grant execute on function workspace_of_source to app")


def downgrade() -> None:
    """Take the tables away, with who was in them."""
    op.execute("drop table members, api_keys, schedules")
    op.execute("drop function workspace_of_source")
    op.execute("drop policy engine on workspaces")
    op.execute("alter table conversations drop column subject, drop column client_id")
    op.execute("alter table runs drop column trigger, drop column execution")
    op.execute("alter table runs drop column job_asked_at, drop column notice")
    op.execute("alter table steps drop column lost")
