"""What installed agents remember beyond a conversation: LangGraph's `store`.

Revision ID: 0045
"""

from alembic import op

revision = "0045"
down_revision = "0044"

# `subject`: the person whose item it is, '' for one that all members share. `value` is a JSON object, of `bytes` as it
# was sent. Names are compared by their bytes, as Python does. An item expires `ttl_minutes` after its last use.
_TABLE = """
create table agent_items (
  workspace_id uuid not null constraint fk_agent_items_workspace references workspaces on delete cascade,
  agent text not null,
  subject text not null,
  namespace text[] collate "C" not null,
  key text collate "C" not null,
  value jsonb not null,
  bytes integer not null,
  ttl_minutes double precision,
  expires_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint pk_agent_items primary key (workspace_id, agent, subject, namespace, key),
  constraint ck_agent_items_expires check ((ttl_minutes is null) = (expires_at is null))
);
-- The tick deletes those that have expired.
create index ix_agent_items_expires on agent_items (expires_at) where expires_at is not null;
"""

_FUNCTION = """
create function delete_expired_agent_items(at_most integer) returns bigint language sql
  security definer set search_path = headwater, pg_temp
begin atomic
  with expired as (
    select workspace_id, agent, subject, namespace, key from agent_items where expires_at <= now()
    order by expires_at limit at_most for update skip locked),
  deleted as (
    delete from agent_items i using expired e
    where i.workspace_id = e.workspace_id and i.agent = e.agent and i.subject = e.subject
      and i.namespace = e.namespace and i.key = e.key
    returning 1)
  select count(*) from deleted;
end
"""

_SIGNATURE = "delete_expired_agent_items(integer)"
_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the table; the previous revision ignores it."""
    op.execute(_TABLE)
    op.execute("alter table agent_items enable row level security")
    op.execute(f"create policy workspace on agent_items using ({_HERE}) with check ({_HERE})")
    op.execute("grant select, insert, update, delete on agent_items to app")
    op.execute(_FUNCTION)
    op.execute(f"revoke execute on function {_SIGNATURE} from public")
    op.execute(f"grant execute on function {_SIGNATURE} to app")


def downgrade() -> None:
    """Drop the table."""
    op.execute(f"drop function {_SIGNATURE}")
    op.execute("drop table agent_items")
