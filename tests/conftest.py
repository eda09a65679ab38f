"""Fixtures for every kind of test: a Postgres for the session, a migrated database for one test or one module."""

import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from scripts.postgres import Cluster, temporary_cluster
from tests.databases import FreshDatabase, fresh_database, make_template

# No example is failed for being slow: machines are busy.
settings.register_profile("headwater", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headwater")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Find a port of 127.0.0.1 that nothing listens on now."""
    return _free_port


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One private cluster for the whole session; gone afterwards, even when pytest is killed."""
    with (
        tempfile.TemporaryDirectory(prefix="headwater-test-") as folder,
        temporary_cluster(Path(folder) / "pg", _free_port()) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Cluster) -> Cluster:
    """The session's cluster, with the template that fresh databases are copies of."""
    make_template(postgres)
    return postgres


@pytest.fixture
def database(migrated_postgres: Cluster) -> Iterator[FreshDatabase]:
    """A fresh migrated database for one test."""
    with fresh_database(migrated_postgres) as made:
        yield made


@pytest.fixture(scope="module")
def module_database(migrated_postgres: Cluster) -> Iterator[FreshDatabase]:
    """A migrated database that the tests of one module share."""
    with fresh_database(migrated_postgres) as made:
        yield made
