"""Installed agents: which a workspace allows, and which a conversation uses.

Revision ID: 0041
"""

from alembic import op

revision = "0041"
down_revision = "0040"

# `workspaces.agents`: the names of the installed agents that members may choose, null for all.
# `conversations.agent`: that of the last question to an agent, empty for the built-in one.
_COLUMNS = """
alter table workspaces add column agents text[];
alter table conversations add column agent text not null default '';
"""


def upgrade() -> None:
    """Add the columns; the previous revision ignores them."""
    op.execute(_COLUMNS)


def downgrade() -> None:
    """Drop them."""
    op.execute("alter table workspaces drop column agents")
    op.execute("alter table conversations drop column agent")
