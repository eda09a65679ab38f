"""Limit a provider's pause to one credential, and record what steps wait for.

Revision ID: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006"

# `first_failed_at` and `max_attempts` are set by a step's first failure. `credential` is a keyed hash of the source's
# token; sources whose token is older have none until it is entered again.
_COLUMNS = """
alter table steps add column first_failed_at timestamptz;
alter table steps add column max_attempts integer;
alter table sources add column credential text;
"""

# A provider's name contains a workspace's credential, and its reason may name a source. A workspace learns of a block
# only by the name, which it can't guess.
_FUNCTION = """
create function provider_block(provider text) returns table (blocked_until timestamptz, reason text)
  language sql stable security definer set search_path = headwater, pg_temp
begin atomic
  select p.blocked_until, p.reason from headwater.providers p where p.name = provider and p.blocked_until > now();
end
"""

_SCOPE = "(select current_setting('app.workspace_id', true))"


def upgrade() -> None:
    """Add the columns and the function; the previous revision, which reads `providers`, finds no blocks."""
    op.execute(_COLUMNS)
    op.execute(_FUNCTION)
    op.execute("revoke execute on function provider_block from public")
    op.execute("grant execute on function provider_block to app")
    op.execute("alter table providers enable row level security")
    op.execute(f"create policy engine on providers using ({_SCOPE} = '*') with check ({_SCOPE} = '*')")


def downgrade() -> None:
    """Let every workspace read all blocks again."""
    op.execute("drop policy engine on providers")
    op.execute("alter table providers disable row level security")
    op.execute("drop function provider_block")
    op.execute("alter table sources drop column credential")
    op.execute("alter table steps drop column max_attempts, drop column first_failed_at")
