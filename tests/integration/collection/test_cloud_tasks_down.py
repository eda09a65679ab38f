"""Requests that open a run while Cloud Tasks is down: each returns 503 and changes nothing."""

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from headwater.database.migrations import register_model
from headwater.database.transactions import Database
from headwater.queue.tickets import Tickets
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.support import WORKSPACE, add_run, add_workspace, closing_client, queue_settings, settings_for


class Stored(NamedTuple):
    """A source with an ended run and a document."""

    source_id: uuid.UUID
    run_id: uuid.UUID
    document_id: uuid.UUID


@contextmanager
def cloud_tasks_that(behaviour: str) -> Iterator[str]:
    """Yield the URL of a port that refuses connections, or one that accepts them and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if behaviour == "hangs":
            server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def collection_with(database: FreshDatabase, db: Database, tasks_url: str) -> Iterator[CollectionClient]:
    settings = settings_for(database, **queue_settings(tasks_url))
    with closing_client(Tickets(db, settings)) as tickets:
        tickets.send_timeout_s = 0.5
        yield CollectionClient(db, settings, tickets)


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    opened = Database(database.url, 2)
    yield opened
    opened.close()


@pytest.fixture
def stored(database: FreshDatabase, db: Database) -> Stored:
    register_model(database.admin_url, "constant", 384)
    add_workspace(db)
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        end = "update runs set state = 'failed', counts = '{}', finished_at = now() where id = :id returning source_id"
        source_id = tx.execute(sa.text(end), {"id": run_id}).scalar_one()
        document_id = tx.execute(sa.text(_ADD_DOCUMENT), {"w": WORKSPACE, "s": source_id}).scalar_one()
    return Stored(source_id, run_id, document_id)


def contents(db: Database) -> list[Any]:
    """Return the runs, the steps and the state of the documents."""
    with db.transaction(WORKSPACE) as tx:
        return [
            tx.execute(sa.text(f"select {columns} order by 1")).all()
            for columns in ("id, state from runs", "id, state from steps", "id, deleted_at, held from documents")
        ]


@pytest.mark.parametrize("behaviour", ["refuses", "hangs"])
def test_collect_returns_503_when_cloud_tasks_is_down(
    database: FreshDatabase, db: Database, stored: Stored, behaviour: str
) -> None:
    path = f"/api/sources/{stored.source_id}/collect"
    before = contents(db)
    with cloud_tasks_that(behaviour) as url, collection_with(database, db, url) as collection:
        problem = collection.post(path, status=503)
    assert problem["type"] == "urn:headwater:upstream-error"
    assert "Cloud Tasks" in problem["detail"]
    assert contents(db) == before
    run_id = CollectionClient(db, settings_for(database)).post(path)["run_id"]
    assert (uuid.UUID(run_id), "running") in contents(db)[0], "the same request succeeds when Cloud Tasks is back"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/sources/{source}/collect?dry_run=true", None),
        ("POST", "/api/sources/{source}/removals/accept", {"run_id": "{run}"}),
        ("PUT", "/api/sources/{source}/documents", {"key": "a.md", "text": "Text."}),
        ("POST", "/api/documents/{document}/restore", None),
        ("DELETE", "/api/documents/{document}", None),
        ("POST", "/api/runs/{run}/retry", None),
    ],
)
def test_request_that_opens_a_run_returns_503_when_cloud_tasks_is_down(
    database: FreshDatabase, db: Database, stored: Stored, method: str, path: str, body: dict[str, str] | None
) -> None:
    ids = {"source": str(stored.source_id), "run": str(stored.run_id), "document": str(stored.document_id)}
    filled = None if body is None else {name: value.replace("{run}", ids["run"]) for name, value in body.items()}
    before = contents(db)
    with cloud_tasks_that("refuses") as url, collection_with(database, db, url) as collection:
        response = collection.client.open(path.format(**ids), method=method, json=filled)
    assert response.status_code == 503, response.text
    assert contents(db) == before


_ADD_DOCUMENT = """
    insert into documents (workspace_id, source_id, key, title, text, media_type, fingerprint, held)
    values (:w, :s, 'kept.md', 'Kept', 'Kept.', 'text/markdown', 'f', 'added') returning id
"""
