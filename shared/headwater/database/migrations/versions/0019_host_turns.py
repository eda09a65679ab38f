"""Turns of requests at hosts, so that all instances together keep the delay that a site asks for.

Revision ID: 0019
"""

from alembic import op

revision = "0019"
down_revision = "0018"

# One row for each host that a workspace sends paced requests to. Old ones are deleted when another turn is taken.
_TABLE = """
create table host_turns (
  workspace_id uuid not null,
  host text not null collate "C",
  next_at timestamptz not null,
  constraint pk_host_turns primary key (workspace_id, host)
);
"""

_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the table; the previous revision paces within each process."""
    op.execute(_TABLE)
    op.execute("alter table host_turns enable row level security")
    op.execute(f"create policy workspace on host_turns using ({_HERE}) with check ({_HERE})")
    op.execute("grant select, insert, update, delete on host_turns to app")


def downgrade() -> None:
    """Drop the table."""
    op.execute("drop table host_turns")
