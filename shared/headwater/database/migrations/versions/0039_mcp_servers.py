"""MCP servers whose tools a workspace's agents use.

Revision ID: 0039
"""

from alembic import op

revision = "0039"
down_revision = "0038"

# `token` is encrypted. `tools` and `left_out` are JSON: the tools as they were read last, and those that can't be used.
# `allowed`: those that agents may use. `changed`: those that were allowed until they were read last.
_TABLE = """
create table mcp_servers (
  id uuid constraint pk_mcp_servers primary key default gen_random_uuid(),
  workspace_id uuid not null constraint fk_mcp_servers_workspace references workspaces on delete cascade,
  name text not null,
  url text not null,
  token bytea,
  tools text not null,
  left_out text not null,
  allowed text[] not null default '{}',
  changed text[] not null default '{}',
  read_at timestamptz not null default now(),
  constraint uq_mcp_servers_name unique (workspace_id, name)
)
"""

_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the table; the previous revision ignores it."""
    op.execute(_TABLE)
    op.execute("alter table mcp_servers enable row level security")
    op.execute(f"create policy workspace on mcp_servers using ({_HERE}) with check ({_HERE})")
    op.execute("grant select, insert, update, delete on mcp_servers to app")


def downgrade() -> None:
    """Drop the table."""
    op.execute("drop table mcp_servers")
