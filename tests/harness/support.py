"""What several tests need: settings for a test's database, and a run to hang steps on."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa

from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from tests.harness.databases import FreshDatabase

WORKSPACE = uuid.UUID("00000000-0000-4000-8000-000000000001")
OTHER_WORKSPACE = uuid.UUID("00000000-0000-4000-8000-000000000002")

Owner = TypeVar("Owner")


def unopened_database() -> Database:
    """Make a database for what never asks it anything."""
    return Database("postgresql+pg8000://app@127.0.0.1:9/none", 1)


def settings_for(database: FreshDatabase, **changes: Any) -> Settings:
    """Make settings that work in a test's database with the constant embedder."""
    values: dict[str, Any] = {
        "database_url": database.url,
        "database_admin_url": database.admin_url,
        "embedding_model": "constant",
        "fetch_file_urls": True,
        "fetch_private": True,
    }
    return Settings(**(values | changes))


def queue_settings(cloud_url: str) -> dict[str, Any]:
    """Settings that send tickets to the localcloud at `cloud_url`, for functions that are not served."""
    return {
        "google_cloud_project": "demo",
        "cloud_region": "here",
        "tasks_endpoint": cloud_url,
        "watchdog_s": 3600,
        "invoker_service_account": "tasks@demo.iam.gserviceaccount.com",
        "collection_url": "http://127.0.0.1:9",
        "embedding_url": "http://127.0.0.1:9",
    }


def add_workspace(database: Database, workspace_id: uuid.UUID = WORKSPACE) -> uuid.UUID:
    """Create a workspace."""
    with database.transaction(workspace_id) as tx:
        tx.execute(sa.text("insert into workspaces (id, name) values (:id, 'test')"), {"id": workspace_id})
    return workspace_id


def add_source(database: Database, workspace_id: uuid.UUID = WORKSPACE) -> uuid.UUID:
    """Create a source; the workspace must be there."""
    insert = "insert into sources (workspace_id, kind, name, config) values (:w, 'git', 't', '{}') returning id"
    with database.transaction(workspace_id) as tx:
        source_id: uuid.UUID = tx.execute(sa.text(insert), {"w": workspace_id}).scalar_one()
    return source_id


def add_run(database: Database, workspace_id: uuid.UUID = WORKSPACE) -> uuid.UUID:
    """Create a source with an open run that has no step yet; the workspace must be there."""
    source_id = add_source(database, workspace_id)
    with database.transaction(workspace_id) as tx:
        run_id: uuid.UUID = tx.execute(
            sa.text(
                "insert into runs (workspace_id, source_id, kind, engine) "
                "values (:w, :s, 'collect', 'tickets') returning id"
            ),
            {"w": workspace_id, "s": source_id},
        ).scalar_one()
    return run_id


def rows(settings: Settings, statement: str, **values: Any) -> list[Any]:
    """Run one statement as the engine on the database of the settings, and return its rows as tuples."""
    database = Database(settings.database_url, 1)
    with database.transaction(ALL_WORKSPACES) as tx:
        result = tx.execute(sa.text(statement), values)
        found = [tuple(row) for row in result] if result.returns_rows else []
    database.close()
    return found


@contextmanager
def closing_client(owner: Owner) -> Iterator[Owner]:
    """Close the stock client that something has made for itself; left to the collector, it is any test's trouble."""
    try:
        yield owner
    finally:
        client = vars(owner).pop("_client", None)
        if client is not None:
            client.transport.close()
