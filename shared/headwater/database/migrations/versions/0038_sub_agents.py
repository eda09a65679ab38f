"""Sub-agents of an agent's answer: what they have used, and their checkpoints.

Revision ID: 0038
"""

from alembic import op

revision = "0038"
down_revision = "0037"

# A sub-agent is run by the call `call_id`. Its calls of tools are in `agent_calls`, beside those of the agent. Deleted
# with the agent, when its answer ends.
_TABLES = """
create table sub_agents (
  message_id uuid not null constraint fk_sub_agents_agent references agents on delete cascade,
  workspace_id uuid not null,
  call_id text not null,
  model_calls integer not null default 0,
  tokens bigint not null default 0,
  stopping text not null default '',
  constraint pk_sub_agents primary key (message_id, call_id)
);

create table sub_agent_checkpoints (
  message_id uuid not null,
  workspace_id uuid not null,
  call_id text not null,
  id text not null,
  format text not null,
  content bytea not null,
  metadata jsonb not null,
  constraint pk_sub_agent_checkpoints primary key (message_id, call_id),
  constraint fk_sub_agent_checkpoints_sub_agent foreign key (message_id, call_id) references sub_agents
    on delete cascade
);

create table sub_agent_writes (
  message_id uuid not null,
  workspace_id uuid not null,
  call_id text not null,
  checkpoint_id text not null,
  task_id text not null,
  position integer not null,
  channel text not null,
  format text not null,
  content bytea not null,
  constraint pk_sub_agent_writes primary key (message_id, call_id, checkpoint_id, task_id, position),
  constraint fk_sub_agent_writes_sub_agent foreign key (message_id, call_id) references sub_agents on delete cascade
);
"""

_NAMES = ("sub_agents", "sub_agent_checkpoints", "sub_agent_writes")
_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the tables; the previous revision ignores them."""
    op.execute(_TABLES)
    for name in _NAMES:
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"create policy workspace on {name} using ({_HERE}) with check ({_HERE})")
        op.execute(f"grant select, insert, update, delete on {name} to app")


def downgrade() -> None:
    """Drop the tables."""
    for name in reversed(_NAMES):
        op.execute(f"drop table {name}")
