"""Usage and cost of paid calls, budgets, and the chat models that a workspace allows.

Revision ID: 0023
"""

from alembic import op

revision = "0023"
down_revision = "0022"

# `usage`: one row for each day (UTC), kind, model and caller. `member_id` is the subject of a person, `key_id` an API
# key; both are null for calls that nobody asked for, such as those that embed documents. `cost` is in US dollars, and
# null if no call has a known price; `unpriced_calls` counts those without one.
# `budgets`: `target` is a member's subject or a key's id; empty for the workspace, or for each member or key.
# `reservations`: the estimated cost of calls that are running. One whose process has died expires.
_TABLES = """
create table usage (
  workspace_id uuid not null constraint fk_usage_workspace references workspaces on delete cascade,
  day date not null,
  kind text not null constraint ck_usage_kind check (kind in ('chat', 'embedding', 'rerank', 'web')),
  model text not null collate "C",
  member_id text,
  key_id uuid,
  input_tokens bigint not null default 0,
  cached_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  reasoning_tokens bigint not null default 0,
  calls bigint not null default 0,
  unpriced_calls bigint not null default 0,
  cost numeric,
  constraint uq_usage unique nulls not distinct (workspace_id, day, kind, model, member_id, key_id)
);

create table budgets (
  workspace_id uuid not null constraint fk_budgets_workspace references workspaces on delete cascade,
  applies_to text not null constraint ck_budgets_applies_to check (applies_to in ('workspace', 'member', 'key')),
  target text not null default '',
  period text not null constraint ck_budgets_period check (period in ('day', 'month')),
  amount numeric not null constraint ck_budgets_amount check (amount >= 0),
  constraint pk_budgets primary key (workspace_id, applies_to, target, period),
  constraint ck_budgets_target check (applies_to <> 'workspace' or target = '')
);

create table reservations (
  id uuid constraint pk_reservations primary key default gen_random_uuid(),
  workspace_id uuid not null constraint fk_reservations_workspace references workspaces on delete cascade,
  member_id text,
  key_id uuid,
  amount numeric not null,
  expires_at timestamptz not null
);
-- The sum of a workspace's reservations.
create index ix_reservations_workspace on reservations (workspace_id);

-- The models that members may choose; null for all. And the one that a conversation's last question chose.
alter table workspaces add column chat_models text[];
alter table conversations add column model text;
"""

_TABLE_NAMES = ("usage", "budgets", "reservations")

_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the tables and columns; the previous revision ignores them."""
    op.execute(_TABLES)
    for table in _TABLE_NAMES:
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy workspace on {table} using ({_HERE}) with check ({_HERE})")
        op.execute(f"grant select, insert, update, delete on {table} to app")


def downgrade() -> None:
    """Drop them, with what was recorded."""
    for table in _TABLE_NAMES:
        op.execute(f"drop table {table}")
    op.execute("alter table workspaces drop column chat_models")
    op.execute("alter table conversations drop column model")
