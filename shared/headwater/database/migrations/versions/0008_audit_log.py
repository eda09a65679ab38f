"""Add the audit log, and let transactions over all workspaces write only what the engine does.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"

# No foreign key, and no right to update or delete: entries stay if the role `app` deletes what they are about, even the
# workspace. `actor` is the subject of a user or an API key, `actor_name` its name at that time.
_TABLES = """
create table audit_log (
  id bigint generated always as identity constraint pk_audit_log primary key,
  workspace_id uuid not null,
  at timestamptz not null default now(),
  actor text not null,
  actor_name text,
  action text not null,
  target text not null,
  target_name text,
  details jsonb not null default '{}',
  request_id text
);
-- A page of a workspace's entries, newest first.
create index ix_audit_log_workspace on audit_log (workspace_id, id desc);
-- The sweep deletes the oldest entries.
create index ix_audit_log_at on audit_log (at);
alter table audit_log enable row level security;
grant select, insert on audit_log to app;

-- The subject of the owner, or of the API key, that added the member. Null for members from before, and for users who
-- signed up.
alter table members add column added_by text;
"""

# The sweep may delete no entry of the last 30 days, whatever it is asked for.
_FUNCTION = """
create function delete_audit_entries(before timestamptz, at_most integer) returns bigint language sql
  security definer set search_path = headwater, pg_temp
begin atomic
  with deleted as (
    delete from audit_log where id in (
      select id from audit_log where at < least(before, now() - interval '30 days') order by at limit at_most)
    returning 1)
  select count(*) from deleted;
end
"""

_SCOPE = "(select current_setting('app.workspace_id', true))"
_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"
_ALL = f"{_SCOPE} = '*'"

_READ_BY_ENGINE = ("members", "api_keys", "schedules")
_LEDGER = ("runs", "steps")

# The engine claims steps of all workspaces. It may change steps and runs, but not move them to another workspace; and
# add steps, such as `finish`, to the workspace of their run.
_MOVES = """
create function refuse_move() returns trigger language plpgsql as $$
begin
  raise exception '%: a row can''t move to another workspace', tg_table_name using errcode = 'check_violation';
end $$
"""


def upgrade() -> None:
    """Add the table and the function, and replace the policies."""
    op.execute(_TABLES)
    op.execute(f"create policy workspace on audit_log using ({_HERE}) with check ({_HERE})")
    op.execute(_FUNCTION)
    op.execute("revoke execute on function delete_audit_entries from public")
    op.execute("grant execute on function delete_audit_entries to app")
    op.execute(_MOVES)
    for table in (*_READ_BY_ENGINE, *_LEDGER):
        op.execute(f"alter policy workspace on {table} using ({_HERE}) with check ({_HERE})")
        op.execute(f"create policy engine on {table} for select using ({_ALL})")
    for table in _LEDGER:
        op.execute(f"create policy engine_update on {table} for update using ({_ALL}) with check ({_ALL})")
        op.execute(
            f"create trigger move before update of workspace_id on {table} for each row "
            "when (old.workspace_id <> new.workspace_id) execute function refuse_move()"
        )
    op.execute(f"""
        create policy engine_insert on steps for insert with check ({_ALL} and exists (
          select 1 from runs r where r.id = run_id and r.workspace_id = steps.workspace_id))
    """)


def downgrade() -> None:
    """Restore the policies and drop the rest, with all entries."""
    op.execute("drop policy engine_insert on steps")
    for table in _LEDGER:
        op.execute(f"drop policy engine_update on {table}")
        op.execute(f"drop trigger move on {table}")
    for table in (*_READ_BY_ENGINE, *_LEDGER):
        visible = f"{_HERE} or {_ALL}"
        op.execute(f"drop policy engine on {table}")
        op.execute(f"alter policy workspace on {table} using ({visible}) with check ({visible})")
    op.execute("drop function refuse_move()")
    op.execute("drop function delete_audit_entries")
    op.execute("alter table members drop column added_by")
    op.execute("drop table audit_log")
