"""Links that show a conversation without sign-in.

Revision ID: 0031
"""

from alembic import op

revision = "0031"
down_revision = "0030"

# `content`: the title and messages that are shared, as they were at `created_at`. A revoked link has no row.
_TABLE = """
create table share_links (
  id uuid constraint pk_share_links primary key default gen_random_uuid(),
  workspace_id uuid not null,
  conversation_id text not null,
  token_hash bytea not null,
  content jsonb not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  constraint fk_share_links_conversation foreign key (workspace_id, conversation_id)
    references conversations on delete cascade
);
-- The links of a conversation and of a workspace, and deletes with the conversation.
create index ix_share_links_conversation on share_links (workspace_id, conversation_id);
-- The tick deletes expired ones.
create index ix_share_links_expires on share_links (expires_at);
"""

_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"

# A link is opened without a workspace: this returns one link, to who knows its token, if its creator is still a member.
# The tick may delete the links of all workspaces, but only expired ones.
_FUNCTIONS = """
create function open_share_link(link_id uuid, given_hash bytea)
  returns table (content jsonb, created_at timestamptz, expires_at timestamptz)
  language sql stable security definer set search_path = headwater, pg_temp
begin atomic
  select l.content, l.created_at, l.expires_at from share_links l
  join conversations c on c.workspace_id = l.workspace_id and c.id = l.conversation_id
  where l.id = link_id and l.token_hash = given_hash and l.expires_at > now()
    and (c.subject = 'local'
      or exists (select 1 from members m where m.workspace_id = c.workspace_id and m.subject = c.subject)
      or exists (select 1 from api_keys k where k.workspace_id = c.workspace_id and 'key:' || k.id = c.subject
        and k.revoked_at is null and coalesce(k.expires_at > now(), true)));
end;

create function delete_expired_share_links(at_most integer) returns bigint language sql
  security definer set search_path = headwater, pg_temp
begin atomic
  with deleted as (
    delete from share_links where id in (
      select id from share_links where expires_at < now() order by expires_at limit at_most for update skip locked)
    returning 1)
  select count(*) from deleted;
end;
"""

_SIGNATURES = ("open_share_link(uuid, bytea)", "delete_expired_share_links(integer)")


def upgrade() -> None:
    """Add the table; the previous revision ignores it."""
    op.execute(_TABLE)
    op.execute("alter table share_links enable row level security")
    op.execute(f"create policy workspace on share_links using ({_HERE}) with check ({_HERE})")
    op.execute("grant select, insert, update, delete on share_links to app")
    op.execute(_FUNCTIONS)
    for signature in _SIGNATURES:
        op.execute(f"revoke execute on function {signature} from public")
        op.execute(f"grant execute on function {signature} to app")


def downgrade() -> None:
    """Drop the table and the functions."""
    for signature in _SIGNATURES:
        op.execute(f"drop function {signature}")
    op.execute("drop table share_links")
