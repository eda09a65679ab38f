"""Databases whose active embedding model is `constant`, and Cloud Tasks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.local.postgres import Cluster
from tests.harness.databases import FreshDatabase, fresh_database, make_template_with_model
from tests.harness.localcloud import Cloud
from tests.harness.pgbouncer import Bouncer


@pytest.fixture(scope="session")
def postgres_with_model(migrated_postgres: Cluster) -> Cluster:
    """The session's cluster, with a template that has a model."""
    make_template_with_model(migrated_postgres)
    return migrated_postgres


@pytest.fixture
def database(
    postgres_with_model: Cluster, administrator: Callable[[str], object], pooler: Bouncer | None
) -> Iterator[FreshDatabase]:
    """A fresh database for one test, with a model."""
    with fresh_database(postgres_with_model, administrator, with_model=True) as database:
        yield pooler.pool(database) if pooler else database


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Cloud Tasks with a paused queue: tests deliver its tickets."""
    made = Cloud(tmp_path)
    made.client.pause_queue(name=made.create_queue("chat"))
    yield made
    made.stop()
