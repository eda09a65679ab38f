"""Write answers anew whose writer has died, by steps of the queue `chat`.

Revision ID: 0030
"""

from alembic import op

revision = "0030"
down_revision = "0029"

# `request`: what the answer was asked for with (filter, model, mode …), so that it can be written again; null for
# answers that can't. `writing`: increments when another writer takes over, and stops the one before.
# A run that writes an answer belongs to the answer instead of a source, and is deleted with it.
_TABLES = """
alter table messages add column request jsonb;
alter table messages add column writing integer not null default 1;

alter table runs add column message_id uuid constraint fk_runs_message references messages on delete cascade;
alter table runs drop constraint ck_runs_kind;
alter table runs add constraint ck_runs_kind
  check (kind in ('collect', 'retry', 'removal', 'restore', 'dry_run', 'upload', 'build', 'answer'));
alter table runs drop constraint ck_runs_source;
alter table runs add constraint ck_runs_source check ((source_id is null) = (kind in ('build', 'answer')));
alter table runs add constraint ck_runs_message check ((message_id is not null) = (kind = 'answer'));
-- One open run per answer; and the runs that are deleted with an answer.
create unique index uq_runs_answer on runs (message_id) where state = 'running' and message_id is not null;
create index ix_runs_message on runs (message_id) where message_id is not null;
"""

# Starts answers from the beginning whose writer has not renewed its lease since `overdue_s`, and opens a run for each.
# The lease of such an answer is that of the run's step. Null arguments: of all workspaces, every answer. Returns True
# if answers are being written. A function of the owner, since the watchdog can't see conversations.
_FUNCTION = """
create function rewrite_lost_answers(workspace uuid, answer uuid, overdue_s double precision) returns boolean
  language sql security definer set search_path = headwater, pg_temp
begin atomic
  with lost as (
    select m.id, m.workspace_id from messages m
    where m.state = 'streaming' and m.request is not null
      and m.alive_until < clock_timestamp() - make_interval(secs => overdue_s)
      and (workspace is null or m.workspace_id = workspace) and (answer is null or m.id = answer)
      and not exists (select 1 from runs r where r.message_id = m.id and r.state = 'running')
    order by m.id for update skip locked
  ), restarted as (
    update messages m set alive_until = null, writing = m.writing + 1 from lost where m.id = lost.id
  ), deleted as (
    delete from message_events e using lost where e.message_id = lost.id
  ), opened as (
    insert into runs (workspace_id, kind, engine, message_id)
    select workspace_id, 'answer', 'tickets', id from lost
    returning id, workspace_id, message_id
  )
  insert into steps (run_id, workspace_id, queue, kind, key)
  select id, workspace_id, 'chat', 'answer', message_id::text from opened;
  select exists (select 1 from messages m
    where m.state = 'streaming' and (workspace is null or m.workspace_id = workspace));
end
"""


def upgrade() -> None:
    """Add the columns and the function. The previous revision ignores them."""
    op.execute(_TABLES)
    op.execute(_FUNCTION)
    op.execute("revoke execute on function rewrite_lost_answers from public")
    op.execute("grant execute on function rewrite_lost_answers to app")


def downgrade() -> None:
    """Drop them, with the runs that write answers."""
    op.execute("drop function rewrite_lost_answers")
    op.execute("delete from runs where kind = 'answer'")
    op.execute("alter table runs drop constraint ck_runs_kind, drop constraint ck_runs_source")
    op.execute("alter table runs drop constraint ck_runs_message, drop column message_id")
    op.execute("""alter table runs add constraint ck_runs_kind
      check (kind in ('collect', 'retry', 'removal', 'restore', 'dry_run', 'upload', 'build'))""")
    op.execute("alter table runs add constraint ck_runs_source check ((source_id is null) = (kind = 'build'))")
    op.execute("alter table messages drop column request, drop column writing")
