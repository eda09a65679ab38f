"""Items of documents that moved, with the key that they moved from.

Revision ID: 0010
"""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column and allow the action."""
    op.execute("alter table run_items add column from_key text")
    op.execute("alter table run_items drop constraint ck_run_items_action")
    op.execute("""
        alter table run_items add constraint ck_run_items_action
        check (action in ('added', 'changed', 'moved', 'removed', 'skipped', 'unchanged'))
    """)


def downgrade() -> None:
    """Moved documents become changed ones."""
    op.execute("update run_items set action = 'changed' where action = 'moved'")
    op.execute("alter table run_items drop constraint ck_run_items_action")
    op.execute("""
        alter table run_items add constraint ck_run_items_action
        check (action in ('added', 'changed', 'removed', 'skipped', 'unchanged'))
    """)
    op.execute("alter table run_items drop column from_key")
