"""The ledger refuses what its states don't allow, knows what steps talk to, and keeps what tells of their time.

The planner may be told, by the role `app` too, of tables that a large run has just filled.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATES = """
create function refuse_transition() returns trigger language plpgsql as $$
begin
  raise exception '%: a row can''t go from % to %', tg_table_name, old.state, new.state
    using errcode = 'check_violation', constraint = 'ck_' || tg_table_name || '_transition';
end $$;

create trigger transition before update of state on steps for each row
  when (old.state <> new.state and (old.state, new.state) not in (
    ('ready', 'running'), ('ready', 'cancelled'),
    ('running', 'done'), ('running', 'ready'), ('running', 'failed'), ('running', 'cancelled')))
  execute function refuse_transition();

create trigger transition before update of state on runs for each row
  when (old.state <> new.state and old.state <> 'running')
  execute function refuse_transition();

create trigger transition before update of state on run_items for each row
  when (old.state <> new.state and old.state <> 'pending')
  execute function refuse_transition();
"""

_COLUMNS = """
-- What a step talks to, such as `git github.com`; while that is blocked, its steps aren't due.
alter table steps add column provider text;
-- The last claim, and the trace of who made it: how long steps take, and where a failure is to be looked up.
alter table steps add column started_at timestamptz;
alter table steps add column trace text;
-- Of running steps there are as many as workers: the watchdog finds what is overdue among them without an index of its
-- own, which every claim and every renewal of a lease would have to keep.
drop index ix_steps_lease;
-- A claim passes over what was claimed before it until a vacuum has cleared the index. By default that would wait for a
-- fifth of a table that is mostly history.
alter table steps set (autovacuum_vacuum_scale_factor = 0.02);
-- Were this index told by `state`, claims would go by it while statistics, made when nothing was waiting, say that it
-- is empty: each would read and sort all that waits.
alter table steps add column is_open boolean not null generated always as (state in ('ready', 'running')) stored;
drop index ix_steps_open;
create index ix_steps_open on steps (run_id) where is_open;
create index ix_steps_provider on steps (provider) where state = 'ready' and provider is not null;

create table providers (
  name text constraint pk_providers primary key,
  blocked_until timestamptz not null,
  reason text not null
);

alter table runs add constraint ck_runs_kind
  check (kind in ('collect', 'retry', 'removal', 'restore', 'dry_run', 'upload'));
-- The model in which the source lacked no vector when the run began: then only what it changes can.
alter table runs add column embedded_model_id integer;
-- Which run's removals wait for an answer on the source.
alter table sources add column pending_run_id uuid;
-- The sweep asks for what has ended, or was removed, long ago.
create index ix_runs_finished on runs (finished_at) where finished_at is not null;
create index ix_documents_purge on documents (deleted_at) where deleted_at is not null;
-- Since when nobody is to collect it.
alter table sources add column paused_at timestamptz;
-- What no sync may remove: brought back until the source lists it again, or added by hand.
alter table documents add column held text constraint ck_documents_held check (held in ('restored', 'added'));
-- Tombstones, of a source or of all, are few among many.
create index ix_documents_deleted on documents (workspace_id, key, id) where deleted_at is not null;
create index ix_documents_live on documents (workspace_id, key, id) where deleted_at is null;
"""

# `app` owns nothing and may analyze nothing, so the function does it with the owner's rights: only what has grown by a
# quarter since it was last looked at, and only the columns that statements join and filter by, since texts, lexemes and
# vectors would cost seconds. Not what is locked, such as by whoever builds an index: each would wait for the other.
_STATISTICS = """
create function refresh_statistics() returns void language plpgsql security definer
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
end $$;
revoke all on function refresh_statistics() from public;
grant execute on function refresh_statistics() to app;
"""


# The tick sweeps every workspace and sees no documents: it learns where some are due, and nothing more of them.
_FUNCTION = """
create function workspaces_with_tombstones(before timestamptz) returns setof uuid language sql stable security definer
  set search_path = headwater, pg_temp
begin atomic
  select distinct workspace_id from headwater.documents where deleted_at < before;
end
"""


def upgrade() -> None:
    """Add columns and triggers; what the revision before does is allowed by all of them."""
    op.execute(_STATES)
    op.execute(_COLUMNS)
    op.execute(_FUNCTION)
    op.execute("revoke execute on function workspaces_with_tombstones from public")
    op.execute("grant execute on function workspaces_with_tombstones to app")
    op.execute(_STATISTICS)
    op.execute("grant select, insert, update, delete on providers to app")


def downgrade() -> None:
    """Take them away."""
    for table in ("steps", "runs", "run_items"):
        op.execute(f"drop trigger transition on {table}")
    op.execute("drop function refuse_transition()")
    op.execute("drop function workspaces_with_tombstones")
    op.execute("drop index ix_runs_finished")
    op.execute("drop index ix_documents_purge")
    op.execute("drop index ix_steps_open")
    op.execute("create index ix_steps_open on steps (run_id) where state in ('ready', 'running')")
    op.execute("alter table steps drop column is_open, drop column provider, drop column started_at, drop column trace")
    op.execute("create index ix_steps_lease on steps (lease_until) where state = 'running'")
    op.execute("alter table steps reset (autovacuum_vacuum_scale_factor)")
    op.execute("drop table providers")
    op.execute("alter table sources drop column pending_run_id, drop column paused_at")
    op.execute("alter table runs drop constraint ck_runs_kind, drop column embedded_model_id")
    op.execute("drop index ix_documents_deleted")
    op.execute("drop index ix_documents_live")
    op.execute("alter table documents drop column held")
    op.execute("drop function refresh_statistics()")
