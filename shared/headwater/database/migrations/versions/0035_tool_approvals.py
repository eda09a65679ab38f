"""Calls of tools that wait for the person who asked, and which tools need an approval.

Revision ID: 0035
"""

from alembic import op

revision = "0035"
down_revision = "0034"

# `tool_approvals`: by a tool's name, when its calls need an approval: always, first or never; others have a default.
# `waiting_since`: an agent's answer waits for a person, and no step runs it. `responses`: how many responses the agent
# has got, which a step that is about to wait compares.
# A call's `state`: approval and answer wait for the person, approved has not begun, running has begun or has ended.
# `input`: the arguments as the person has changed them.
_COLUMNS = """
alter table workspaces add column tool_approvals jsonb not null default '{}';
alter table messages add column waiting_since timestamptz;
alter table agents add column responses integer not null default 0;
alter table agent_calls add column name text not null default '',
  add column state text not null default 'running'
    constraint ck_agent_calls_state check (state in ('approval', 'answer', 'approved', 'running')),
  add column is_approved boolean not null default false,
  add column input jsonb;
"""


def upgrade() -> None:
    """Add the columns; the previous revision ignores them."""
    op.execute(_COLUMNS)


def downgrade() -> None:
    """Drop them."""
    op.execute("alter table workspaces drop column tool_approvals")
    op.execute("alter table messages drop column waiting_since")
    op.execute("alter table agents drop column responses")
    op.execute(
        "alter table agent_calls drop column name, drop column state, drop column is_approved, drop column input"
    )
