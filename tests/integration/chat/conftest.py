"""Databases whose active embedding model is `constant`, workspaces in a shared one, and Cloud Tasks."""

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from headwater.database.migrations import register_model
from headwater.database.transactions import Database
from tests.harness.chat_app import ChatApp, RunApp, second_instance
from tests.harness.databases import FreshDatabase, connected
from tests.harness.localcloud import LOCATION, Cloud


@pytest.fixture
def database(database_with_model: FreshDatabase) -> FreshDatabase:
    return database_with_model


@pytest.fixture(scope="module")
def connections(module_database: FreshDatabase) -> Iterator[Database]:
    """Connections to the module's database, whose active embedding model is `constant`."""
    register_model(module_database.admin_url, "constant", 384)
    with connected(module_database.url, 4) as database:
        yield database


@pytest.fixture
def run_in_workspace(module_database: FreshDatabase, connections: Database) -> RunApp:
    """Run an app in the module's database, in a new workspace or a given one.

    Copying a database and connecting to it take 30 ms of processor time. Tests of the queue, whose workers serve all
    workspaces, need a database of their own.
    """

    def run(workspace_id: uuid.UUID | None = None, **changes: Any) -> AbstractContextManager[ChatApp]:
        return second_instance(
            module_database, workspace_id=workspace_id or uuid.uuid4(), connections=connections, **changes
        )

    return run


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
