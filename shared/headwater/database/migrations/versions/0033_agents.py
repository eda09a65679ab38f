"""Agents: what they were asked, their calls of tools, and their checkpoints.

Revision ID: 0033
"""

from alembic import op

revision = "0033"
down_revision = "0032"

# Rows of an answer that an agent is writing; deleted when it ends. `task`: the question, the conversation before it,
# who asked, and what may be used. `fence` increments with every step that runs the agent, and stops the one before.
# `turns`: the model's turns whose text is in the answer's log. `stopping`: which limit was reached, once one was.
_TABLES = """
create table agents (
  message_id uuid constraint pk_agents primary key constraint fk_agents_message references messages on delete cascade,
  workspace_id uuid not null,
  task jsonb not null,
  fence bigint not null default 0,
  turns integer not null default 0,
  passages integer not null default 0,
  model_calls integer not null default 0,
  tokens bigint not null default 0,
  cost numeric not null default 0,
  stopping text not null default '',
  created_at timestamptz not null default now()
);

-- `output` is what the model was given. A call that is running when its step dies has none.
create table agent_calls (
  message_id uuid not null constraint fk_agent_calls_agent references agents on delete cascade,
  workspace_id uuid not null,
  id text not null,
  output text,
  is_error boolean not null default false,
  started_at timestamptz not null default clock_timestamp(),
  constraint pk_agent_calls primary key (message_id, id)
);

-- The last checkpoint of LangGraph, and what tasks after it have written.
create table agent_checkpoints (
  message_id uuid constraint pk_agent_checkpoints primary key
    constraint fk_agent_checkpoints_agent references agents on delete cascade,
  workspace_id uuid not null,
  id text not null,
  format text not null,
  content bytea not null,
  metadata jsonb not null
);

create table agent_writes (
  message_id uuid not null constraint fk_agent_writes_agent references agents on delete cascade,
  workspace_id uuid not null,
  checkpoint_id text not null,
  task_id text not null,
  position integer not null,
  channel text not null,
  format text not null,
  content bytea not null,
  constraint pk_agent_writes primary key (message_id, checkpoint_id, task_id, position)
);
"""

_NAMES = ("agents", "agent_calls", "agent_checkpoints", "agent_writes")
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
