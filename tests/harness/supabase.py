"""Set up a Postgres cluster as Supabase does: an owner without superuser rights, pgvector in the schema `extensions`.

Source: the initial schema and the migration that demotes `postgres` in github.com/supabase/postgres, `migrations/db`.
"""

from scripts.local.postgres import Cluster

SUPERUSER = "supabase_admin"
"""The cluster's superuser. The customer gets `postgres`, which owns the database."""

API_ROLES = ("anon", "authenticated", "service_role")
"""Roles of Supabase's REST API. `authenticator` logs in and switches to one of them."""

_OBJECTS = ("tables", "functions", "sequences")


def set_up(cluster: Cluster) -> None:
    """Create Supabase's roles, and its schema, extension and default privileges in every database created later."""
    cluster.execute(
        f"create role postgres login createdb createrole replication bypassrls password '{cluster.password}'",
        "create role anon nologin noinherit",
        "create role authenticated nologin noinherit",
        "create role service_role nologin noinherit bypassrls",
        f"create role authenticator login noinherit password '{cluster.password}'",
        f"grant {', '.join(API_ROLES)} to authenticator",
        f"grant {', '.join(API_ROLES)} to postgres with admin option",
        "alter role postgres set statement_timeout = '2min'",
        "alter role anon set statement_timeout = '3s'",
        "alter role authenticated set statement_timeout = '8s'",
    )
    everyone = ", ".join(("postgres", *API_ROLES))
    cluster.execute(
        "create schema extensions authorization postgres",
        "create extension vector schema extensions",
        f"grant usage on schema public, extensions to {everyone}",
        *(
            f"alter default privileges for role {owner} in schema public grant all on {objects} to {everyone}"
            for owner in ("postgres", SUPERUSER)
            for objects in _OBJECTS
        ),
        database="template1",
    )
