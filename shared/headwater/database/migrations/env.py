"""Alembic's entry: takes the connection that `headwater.database.migrations.upgrade` opened, in its transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema="headwater",
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
