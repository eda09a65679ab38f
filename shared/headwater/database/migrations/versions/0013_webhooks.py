"""Webhooks of sources, and runs that are queued behind an open one.

Revision ID: 0013
"""

from alembic import op

revision = "0013"
down_revision = "0012"

# `webhook_secret` is encrypted like `token`. `queued_trigger`: what asked for one more run after the open one.
# `webhook_deliveries`: what a source has received within a day, so that a repetition is recognised.
_TABLES = """
alter table sources add column webhook_secret bytea;
alter table sources add column webhook_received_at timestamptz;
alter table sources add column queued_trigger text;
create table webhook_deliveries (
  source_id uuid not null constraint fk_webhook_deliveries_source references sources on delete cascade,
  workspace_id uuid not null,
  id text not null,
  received_at timestamptz not null default now(),
  constraint pk_webhook_deliveries primary key (source_id, id)
);
"""

_TRIGGERS = "alter table runs add constraint ck_runs_trigger check (trigger in ({}))"

_HERE = "workspace_id = (select nullif(nullif(current_setting('app.workspace_id', true), ''), '*')::uuid)"


def upgrade() -> None:
    """Add the columns, the table and the trigger; the previous revision ignores them."""
    op.execute(_TABLES)
    op.execute("alter table webhook_deliveries enable row level security")
    op.execute(f"create policy workspace on webhook_deliveries using ({_HERE}) with check ({_HERE})")
    op.execute("grant select, insert, update, delete on webhook_deliveries to app")
    op.execute("alter table runs drop constraint ck_runs_trigger")
    op.execute(_TRIGGERS.format("'api', 'schedule', 'job', 'webhook'"))


def downgrade() -> None:
    """Drop them. Runs that webhooks started count as started by the API."""
    op.execute("update runs set trigger = 'api' where trigger = 'webhook'")
    op.execute("alter table runs drop constraint ck_runs_trigger")
    op.execute(_TRIGGERS.format("'api', 'schedule', 'job'"))
    op.execute("drop table webhook_deliveries")
    op.execute(
        "alter table sources drop column webhook_secret, drop column webhook_received_at, drop column queued_trigger"
    )
