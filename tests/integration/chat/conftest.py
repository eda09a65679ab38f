"""Databases whose active embedding model is `constant`, and Cloud Tasks."""

from collections.abc import Callable, Iterator

import pytest

from scripts.local.postgres import Cluster
from tests.harness.databases import FreshDatabase, fresh_database, make_template_with_model
from tests.harness.localcloud import LOCATION, Cloud
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


@pytest.fixture(scope="session")
def paused_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Cloud Tasks with a paused queue. To start it and its four clients takes 0.15 s of processor time."""
    made = Cloud(tmp_path_factory.mktemp("cloud"))
    made.client.pause_queue(name=made.create_queue("chat"))
    yield made
    made.stop()


@pytest.fixture
def cloud(paused_cloud: Cloud) -> Cloud:
    """Cloud Tasks with a paused, empty queue: tests deliver its tickets.

    It refuses a watchdog that an earlier test has scheduled for the same time.
    """
    paused_cloud.client.purge_queue(name=f"{LOCATION}/queues/chat")
    return paused_cloud
