"""Answers that the model cut have a state of their own; the sentence that explains an answer's end is stored.

Revision ID: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Allow the state and add the column."""
    op.execute("alter table messages add column notice text")
    op.execute("alter table messages drop constraint ck_messages_state")
    op.execute("""
        alter table messages add constraint ck_messages_state
        check (state in ('streaming', 'complete', 'cut', 'stopped', 'interrupted', 'failed'))
    """)


def downgrade() -> None:
    """Cut answers become interrupted ones."""
    op.execute("update messages set state = 'interrupted' where state = 'cut'")
    op.execute("alter table messages drop constraint ck_messages_state")
    op.execute("""
        alter table messages add constraint ck_messages_state
        check (state in ('streaming', 'complete', 'stopped', 'interrupted', 'failed'))
    """)
    op.execute("alter table messages drop column notice")
