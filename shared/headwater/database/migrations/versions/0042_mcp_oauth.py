"""OAuth of MCP servers: the connection of a server, and sign-ins that have begun.

Revision ID: 0042
"""

from alembic import op

revision = "0042"
down_revision = "0041"

# `oauth` is encrypted: the authorization server, our client there, and the tokens. `is_connected`: whether there are
# tokens that are accepted, or none are needed.
_COLUMNS = """
alter table mcp_servers
  add column oauth bytea,
  add column uses_oauth boolean not null default false,
  add column is_connected boolean not null default true
"""

# One sign-in a server: a new one replaces it. `state` is a hash. `secret` is encrypted: what the callback needs.
_TABLE = """
create table mcp_authorizations (
  server_id uuid constraint pk_mcp_authorizations primary key
    constraint fk_mcp_authorizations_server references mcp_servers on delete cascade,
  workspace_id uuid not null constraint fk_mcp_authorizations_workspace references workspaces on delete cascade,
  subject text not null,
  state bytea not null constraint uq_mcp_authorizations_state unique,
  secret bytea not null,
  created_at timestamptz not null default now()
)
"""

_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the columns and the table; the previous revision ignores them."""
    op.execute(_COLUMNS)
    op.execute(_TABLE)
    op.execute("alter table mcp_authorizations enable row level security")
    op.execute(f"create policy workspace on mcp_authorizations using ({_HERE}) with check ({_HERE})")
    op.execute("grant select, insert, update, delete on mcp_authorizations to app")


def downgrade() -> None:
    """Drop the table and the columns."""
    op.execute("drop table mcp_authorizations")
    op.execute("alter table mcp_servers drop column oauth, drop column uses_oauth, drop column is_connected")
