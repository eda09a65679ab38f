"""Alembic's environment script; runs migrations in the transaction opened by `headwater.database.migrations`."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema="headwater",
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
