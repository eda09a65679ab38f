"""The scopes that an MCP server has demanded beyond those of its connection; tokens to be revoked by the tick.

Revision ID: 0046
"""

from alembic import op

revision = "0046"
down_revision = "0045"

# `revocations`, `requests`: encrypted requests that revoke the tokens of a connection.
_TABLE = """
alter table mcp_servers add column missing_scopes text[] not null default '{}', add column revocations bytea;

create table mcp_revocations (
  id uuid constraint pk_mcp_revocations primary key default gen_random_uuid(),
  workspace_id uuid not null constraint fk_mcp_revocations_workspace references workspaces on delete cascade,
  requests bytea not null,
  attempts integer not null default 0,
  not_before timestamptz not null default now()
);
-- The tick sends what is due.
create index ix_mcp_revocations_due on mcp_revocations (not_before);
"""

# A function of the owner: the tick sees ids only.
_FUNCTION = """
create function due_mcp_revocations(at_most integer) returns table (id uuid, workspace_id uuid)
  language sql stable security definer set search_path = headwater, pg_temp
begin atomic
  select r.id, r.workspace_id from mcp_revocations r where r.not_before <= now() order by r.not_before limit at_most;
end
"""

_SIGNATURE = "due_mcp_revocations(integer)"
_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add columns and a table; the previous revision ignores them."""
    op.execute(_TABLE)
    op.execute("alter table mcp_revocations enable row level security")
    op.execute(f"create policy workspace on mcp_revocations using ({_HERE}) with check ({_HERE})")
    op.execute("grant select, insert, update, delete on mcp_revocations to app")
    op.execute(_FUNCTION)
    op.execute(f"revoke execute on function {_SIGNATURE} from public")
    op.execute(f"grant execute on function {_SIGNATURE} to app")


def downgrade() -> None:
    """Drop them."""
    op.execute(f"drop function {_SIGNATURE}")
    op.execute("drop table mcp_revocations")
    op.execute("alter table mcp_servers drop column missing_scopes, drop column revocations")
