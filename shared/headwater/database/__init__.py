"""Postgres: transactions, driver, COPY, migrations."""
