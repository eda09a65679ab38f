"""What the tests on a real database share; a test that needs another has its own of the same name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.database.transactions import Database
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, Repository, opened
from tests.harness.support import add_workspace


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    made = Database(database.url, 2)
    add_workspace(made)
    yield made
    made.close()


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with opened(database) as made:
        yield made


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")
