"""Chat settings of a workspace: instructions for its models, and whether its members may share conversations.

Revision ID: 0032
"""

from alembic import op

revision = "0032"
down_revision = "0031"

_COLUMNS = """
alter table workspaces add column chat_instructions text not null default '',
  add column share_links boolean not null default true;
"""

# As before, and only if the workspace allows links.
_OPEN = """
create or replace function open_share_link(link_id uuid, given_hash bytea)
  returns table (content jsonb, created_at timestamptz, expires_at timestamptz)
  language sql stable security definer set search_path = headwater, pg_temp
begin atomic
  select l.content, l.created_at, l.expires_at from share_links l
  join conversations c on c.workspace_id = l.workspace_id and c.id = l.conversation_id
  {joined}
  where l.id = link_id and l.token_hash = given_hash and l.expires_at > now()
    and (c.subject = 'local'
      or exists (select 1 from members m where m.workspace_id = c.workspace_id and m.subject = c.subject)
      or exists (select 1 from api_keys k where k.workspace_id = c.workspace_id and 'key:' || k.id = c.subject
        and k.revoked_at is null and coalesce(k.expires_at > now(), true)));
end
"""


def upgrade() -> None:
    """Add the columns; the previous revision ignores them."""
    op.execute(_COLUMNS)
    op.execute(_OPEN.format(joined="join workspaces w on w.id = l.workspace_id and w.share_links"))


def downgrade() -> None:
    """Drop them."""
    op.execute(_OPEN.format(joined=""))
    op.execute("alter table workspaces drop column chat_instructions, drop column share_links")
