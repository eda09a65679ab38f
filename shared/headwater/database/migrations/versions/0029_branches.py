"""Conversations as trees: each message follows another, and a conversation shows one path.

Revision ID: 0029
"""

from alembic import op

revision = "0029"
down_revision = "0028"

# `parent_id`: the message before, the message's own id if it is the first. Null if the previous revision wrote it: then
# it follows the message before it in the order of `ordinal`. `current_message_id`: the shown path leads through this
# message to the newest one below it; null for the newest of all.
_COLUMNS = """
alter table messages add column parent_id uuid;
alter table conversations add column current_message_id uuid;
update messages m set parent_id = earlier.parent_id from (
  select id, lag(id, 1, id) over (partition by workspace_id, conversation_id order by ordinal) as parent_id
  from messages
) earlier where earlier.id = m.id;
alter table messages add constraint fk_messages_parent foreign key (parent_id) references messages on delete cascade;
-- Deleting a message deletes those that follow it.
create index ix_messages_parent on messages (parent_id);
"""


def upgrade() -> None:
    """Add the columns; each conversation becomes a path. The previous revision ignores them."""
    op.execute(_COLUMNS)


def downgrade() -> None:
    """Drop them: the messages of all branches follow each other in the order in which they were written."""
    op.execute("alter table messages drop column parent_id")
    op.execute("alter table conversations drop column current_message_id")
