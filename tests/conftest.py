"""Fixtures for every kind of test: a Postgres for the session, a migrated database for one test or one module."""

import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from scripts.postgres import Cluster, temporary_cluster
from tests import ports
from tests.databases import FreshDatabase, fresh_database, make_template

# No example is failed for being slow: machines are busy.
settings.register_profile("headwater", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headwater")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a report with any output travel from the process that ran the test: lone surrogates can't be sent."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Find a port of 127.0.0.1 that nothing listens on now."""
    return ports.free_port


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One private cluster for the whole session; gone afterwards, even when pytest is killed."""
    with (
        tempfile.TemporaryDirectory(prefix="headwater-test-") as folder,
        temporary_cluster(Path(folder) / "pg", ports.free_port()) as cluster,
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
