"""Standing questions: asked on a schedule or after changes, with their runs and deliveries.

Revision ID: 0044
"""

from alembic import op

revision = "0044"
down_revision = "0043"

# `subject`: the owner, whose permissions and budgets hold. `next_due_at`: of the schedule. `change_due_at`: when to ask
# because of changes, null for none. `reported_until`: the end of the changes that answers have been about.
# `callback_secret` is encrypted.
_TABLES = """
create table standing_questions (
  id uuid constraint pk_standing_questions primary key default gen_random_uuid(),
  workspace_id uuid not null constraint fk_standing_questions_workspace references workspaces on delete cascade,
  subject text not null,
  name text not null,
  question text not null,
  mode text not null
    constraint ck_standing_questions_mode check (mode in ('documents', 'web', 'both', 'agent')),
  agent text not null default '',
  model text not null default '',
  filter text not null default '',
  changes boolean not null default false,
  cron text,
  time_zone text,
  next_due_at timestamptz,
  on_change boolean not null default false,
  change_sources uuid[] not null default '{}',
  min_interval_s integer not null default 3600,
  change_due_at timestamptz,
  new_conversation boolean not null default false,
  callback_url text,
  callback_secret bytea,
  mail_to text[] not null default '{}',
  paused_at timestamptz,
  paused_reason text,
  reported_until timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint ck_standing_questions_schedule
    check ((cron is null) = (time_zone is null) and (cron is null) = (next_due_at is null)),
  constraint ck_standing_questions_callback check ((callback_url is null) = (callback_secret is null)),
  constraint ck_standing_questions_paused check (paused_at is not null or paused_reason is null)
);
-- Those of a person, latest first; and those of a workspace, which are counted.
create index ix_standing_questions_subject on standing_questions (workspace_id, subject, created_at desc);
-- The tick asks what is due.
create index ix_standing_questions_due on standing_questions (least(next_due_at, change_due_at))
  where paused_at is null;

-- One asking. `due_at`: the time that it was due, which starts it once. `answer_id`: the answer, while it is stored.
create table standing_runs (
  id uuid constraint pk_standing_runs primary key default gen_random_uuid(),
  workspace_id uuid not null,
  standing_question_id uuid not null
    constraint fk_standing_runs_standing_question references standing_questions on delete cascade,
  trigger text not null constraint ck_standing_runs_trigger check (trigger in ('schedule', 'change', 'request')),
  due_at timestamptz not null,
  state text not null default 'running'
    constraint ck_standing_runs_state check (state in ('running', 'complete', 'unchanged', 'skipped', 'failed')),
  reason text,
  conversation_id text,
  answer_id uuid constraint fk_standing_runs_answer references messages on delete set null,
  changes_since timestamptz,
  changes_until timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  constraint uq_standing_runs_due unique (standing_question_id, trigger, due_at),
  constraint ck_standing_runs_finished check ((state = 'running') = (finished_at is null))
);
-- One open run per question.
create unique index uq_standing_runs_open on standing_runs (standing_question_id) where state = 'running';
-- The history of a question, latest first.
create index ix_standing_runs_question on standing_runs (standing_question_id, created_at desc);
-- The end of an answer asks whether a run waits for it.
create index ix_standing_runs_answer on standing_runs (answer_id) where answer_id is not null;

-- Where an answer is sent. `handed_over_at`: when the receiver was last given it, without a reply that is stored.
create table standing_deliveries (
  run_id uuid not null constraint fk_standing_deliveries_run references standing_runs on delete cascade,
  workspace_id uuid not null,
  n integer not null,
  kind text not null constraint ck_standing_deliveries_kind check (kind in ('callback', 'mail')),
  address text not null,
  state text not null default 'waiting'
    constraint ck_standing_deliveries_state check (state in ('waiting', 'sent', 'failed')),
  reason text,
  handed_over_at timestamptz,
  finished_at timestamptz,
  constraint pk_standing_deliveries primary key (run_id, n)
);

alter table workspaces add column mail_domains text[] not null default '{}';

alter table runs add column standing_run_id uuid
  constraint fk_runs_standing_run references standing_runs on delete cascade;
alter table runs drop constraint ck_runs_kind;
alter table runs add constraint ck_runs_kind check (kind in
  ('collect', 'retry', 'removal', 'restore', 'dry_run', 'upload', 'build', 'answer', 'extraction', 'standing'));
alter table runs drop constraint ck_runs_source;
alter table runs add constraint ck_runs_source
  check ((source_id is null) = (kind in ('build', 'answer', 'extraction', 'standing')));
alter table runs add constraint ck_runs_standing check ((standing_run_id is not null) = (kind = 'standing'));
-- The run of an asking.
create unique index uq_runs_standing on runs (standing_run_id) where standing_run_id is not null;
"""

# What the tick looks for in all workspaces: the questions that are due; and runs that nothing goes on with, because
# their answer was deleted. Functions of the owner: the tick sees ids only.
_FUNCTIONS = """
create function due_standing_questions(at timestamptz) returns table (id uuid, workspace_id uuid)
  language sql stable security definer set search_path = headwater, pg_temp
begin atomic
  select q.id, q.workspace_id from standing_questions q
  where q.paused_at is null and least(q.next_due_at, q.change_due_at) <= at
  order by least(q.next_due_at, q.change_due_at), q.id;
end;

create function resume_standing_runs() returns integer
  language sql security definer set search_path = headwater, pg_temp
begin atomic
  with added as (
    insert into steps (run_id, workspace_id, queue, kind, key)
    select r.id, r.workspace_id, 'chat', 'deliver', '' from runs r join standing_runs s on s.id = r.standing_run_id
    where r.kind = 'standing' and r.state = 'running'
      and not exists (select 1 from steps o where o.run_id = r.id and o.is_open)
      and not exists (select 1 from messages m where m.id = s.answer_id and m.state = 'streaming')
    on conflict (run_id, kind, key) do nothing
    returning 1)
  select count(*)::integer from added;
end
"""

_NAMES = ("standing_questions", "standing_runs", "standing_deliveries")
_SIGNATURES = ("due_standing_questions(timestamptz)", "resume_standing_runs()")
_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the tables; the previous revision ignores them."""
    op.execute(_TABLES)
    op.execute(_FUNCTIONS)
    for signature in _SIGNATURES:
        op.execute(f"revoke execute on function {signature} from public")
        op.execute(f"grant execute on function {signature} to app")
    for name in _NAMES:
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"create policy workspace on {name} using ({_HERE}) with check ({_HERE})")
        op.execute(f"grant select, insert, update, delete on {name} to app")


def downgrade() -> None:
    """Drop them, with their runs."""
    for signature in _SIGNATURES:
        op.execute(f"drop function {signature}")
    op.execute("delete from runs where kind = 'standing'")
    op.execute("alter table runs drop constraint ck_runs_kind, drop constraint ck_runs_source")
    op.execute("alter table runs drop constraint ck_runs_standing, drop column standing_run_id")
    op.execute("""alter table runs add constraint ck_runs_kind check (kind in
      ('collect', 'retry', 'removal', 'restore', 'dry_run', 'upload', 'build', 'answer', 'extraction'))""")
    op.execute("""alter table runs add constraint ck_runs_source
      check ((source_id is null) = (kind in ('build', 'answer', 'extraction')))""")
    op.execute("alter table workspaces drop column mail_domains")
    for name in reversed(_NAMES):
        op.execute(f"drop table {name}")
