"""Databases whose active embedding model is `constant`."""

import pytest

from tests.harness.databases import FreshDatabase


@pytest.fixture
def database(database_with_model: FreshDatabase) -> FreshDatabase:
    return database_with_model
