"""Settings for a test's database, and rows that many tests need."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa

from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from tests.harness.databases import FreshDatabase
from tests.harness.local_token import LOCAL_TOKEN

WORKSPACE = uuid.UUID("00000000-0000-4000-8000-000000000001")
OTHER_WORKSPACE = uuid.UUID("00000000-0000-4000-8000-000000000002")

Owner = TypeVar("Owner")


def unopened_database() -> Database:
    """Return a database that is never connected to."""
    return Database("postgresql+pg8000://app@127.0.0.1:9/none", 1)


def settings_for(database: FreshDatabase, **changes: Any) -> Settings:
    """Settings for a test's database, with the constant embedder."""
    values: dict[str, Any] = {
        "database_url": database.url,
        "database_admin_url": database.admin_url,
        "local_token": LOCAL_TOKEN,
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
        "google_jwks_url": f"{cloud_url}/oauth2/v3/certs",
        "local_token": LOCAL_TOKEN,
        "watchdog_s": 3600,
        "invoker_service_account": "tasks@demo.iam.gserviceaccount.com",
        "chat_url": "http://127.0.0.1:9",
        "collection_url": "http://127.0.0.1:9",
        "embedding_url": "http://127.0.0.1:9",
    }


def add_workspace(database: Database, workspace_id: uuid.UUID = WORKSPACE) -> uuid.UUID:
    """Insert a workspace."""
    with database.transaction(workspace_id) as tx:
        tx.execute(sa.text("insert into workspaces (id, name) values (:id, 'test')"), {"id": workspace_id})
    return workspace_id


def add_source(database: Database, workspace_id: uuid.UUID = WORKSPACE) -> uuid.UUID:
    """Insert a source. The workspace must exist."""
    insert = "insert into sources (workspace_id, kind, name, config) values (:w, 'git', 't', '{}') returning id"
    with database.transaction(workspace_id) as tx:
        source_id: uuid.UUID = tx.execute(sa.text(insert), {"w": workspace_id}).scalar_one()
    return source_id


def add_run(database: Database, workspace_id: uuid.UUID = WORKSPACE) -> uuid.UUID:
    """Insert a source with an open run without steps. The workspace must exist."""
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
    """Run one statement over all workspaces and return its rows as tuples."""
    database = Database(settings.database_url, 1)
    with database.transaction(ALL_WORKSPACES) as tx:
        result = tx.execute(sa.text(statement), values)
        tuples = [tuple(row) for row in result] if result.returns_rows else []
    database.close()
    return tuples


@contextmanager
def closing_client(owner: Owner) -> Iterator[Owner]:
    """Close the Google client that an object has created; otherwise another test gets its ResourceWarning."""
    try:
        yield owner
    finally:
        client = vars(owner).pop("_client", None)
        if client is not None:
            client.transport.close()
