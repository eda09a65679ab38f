"""What answers have read from the web, until it expires.

Revision ID: 0027
"""

from alembic import op

revision = "0027"
down_revision = "0026"

# `key` is the hash of a search, of the address of a page, or of a site with a robots.txt; `value` is MessagePack.
# Each workspace has its own entries: what one has read is no other's business.
_TABLE = """
create table web_cache (
  workspace_id uuid not null,
  key bytea not null,
  value bytea not null,
  expires_at timestamptz not null,
  constraint pk_web_cache primary key (workspace_id, key)
);
-- The tick deletes expired entries.
create index ix_web_cache_expires on web_cache (expires_at);
"""

_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"

# The tick may delete the entries of all workspaces, but only expired ones.
_FUNCTION = """
create function delete_expired_web_entries(at_most integer) returns bigint language sql
  security definer set search_path = headwater, pg_temp
begin atomic
  with deleted as (
    delete from web_cache where (workspace_id, key) in (
      select workspace_id, key from web_cache where expires_at < now() order by expires_at limit at_most
      for update skip locked)
    returning 1)
  select count(*) from deleted;
end
"""


def upgrade() -> None:
    """Add the table; the previous revision ignores it."""
    op.execute(_TABLE)
    op.execute("alter table web_cache enable row level security")
    op.execute(f"create policy workspace on web_cache using ({_HERE}) with check ({_HERE})")
    op.execute("grant select, insert, update, delete on web_cache to app")
    op.execute(_FUNCTION)
    op.execute("revoke execute on function delete_expired_web_entries from public")
    op.execute("grant execute on function delete_expired_web_entries to app")


def downgrade() -> None:
    """Drop the table and the function."""
    op.execute("drop function delete_expired_web_entries")
    op.execute("drop table web_cache")
