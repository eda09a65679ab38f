"""A database with a workspace, for tests of the ledger."""

from collections.abc import Iterator

import pytest

from headwater.database.transactions import Database
from tests.harness.databases import FreshDatabase
from tests.harness.support import add_workspace


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    made = Database(database.url, 6)
    add_workspace(made)
    yield made
    made.close()
