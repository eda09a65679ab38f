"""Databases whose active embedding model is `constant`, and Cloud Tasks."""

from collections.abc import Iterator

import pytest

from tests.harness.databases import FreshDatabase
from tests.harness.localcloud import LOCATION, Cloud


@pytest.fixture
def database(database_with_model: FreshDatabase) -> FreshDatabase:
    return database_with_model


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
