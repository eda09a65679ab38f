"""Fixtures of the integration tests. Some files override them with their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.database.transactions import Database
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, Repository, running_pipeline
from tests.harness.support import add_workspace


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    db = Database(database.url, 2)
    add_workspace(db)
    yield db
    db.close()


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with running_pipeline(database) as pipeline:
        yield pipeline


@pytest.fixture
def client(pipeline: Pipeline) -> CollectionClient:
    """Call the collection function's routes on the pipeline's database."""
    return CollectionClient(pipeline.database, pipeline.settings)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")
