"""Fixtures for every kind of test: a Postgres for the session, a migrated database for one test or one module."""

import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from scripts.local.postgres import Cluster, temporary_cluster
from tests.harness import ports, supabase
from tests.harness.databases import FreshDatabase, fresh_database, make_template
from tests.harness.pgbouncer import Bouncer, running_bouncer

# No example is failed for being slow: machines are busy.
settings.register_profile("headwater", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headwater")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a report with any output travel from the process that ran the test: lone surrogates can't be sent."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let every test that has a database reach it through a pooler; `scripts/test` runs them once more that way."""
    parser.addoption("--through-pgbouncer", action="store_true", help="only tests with a database, through PgBouncer")
    parser.addoption("--as-supabase", action="store_true", help="only tests with a database, set up as by Supabase")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what knows no database, or more of it than a client does, when it is to be reached through a pooler."""
    if not config.getoption("--through-pgbouncer") and not config.getoption("--as-supabase"):
        return
    pooled = {"database", "module_database"}
    chosen = [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and not pooled.isdisjoint(item.fixturenames)
        and item.get_closest_marker("direct") is None
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Find a port of 127.0.0.1 that nothing listens on now."""
    return ports.free_port


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """One private cluster for the whole session; gone afterwards, even when pytest is killed."""
    as_supabase = request.config.getoption("--as-supabase")
    superuser = supabase.SUPERUSER if as_supabase else "postgres"
    with (
        tempfile.TemporaryDirectory(prefix="headwater-test-") as folder,
        temporary_cluster(Path(folder) / "pg", ports.free_port(), sockets=True, superuser=superuser) as cluster,
    ):
        if as_supabase:
            supabase.set_up(cluster)
        yield cluster


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Cluster) -> Cluster:
    """The session's cluster, with the template that fresh databases are copies of."""
    make_template(postgres)
    return postgres


@pytest.fixture(scope="session")
def bouncer(postgres: Cluster) -> Iterator[Bouncer]:
    """PgBouncer in transaction mode before the session's cluster, with few connections and each in its turn."""
    with running_bouncer(postgres, ports.free_port()) as made:
        yield made


@pytest.fixture(scope="session")
def pooler(request: pytest.FixtureRequest) -> Bouncer | None:
    """What lies between the tests and their databases: nothing, unless `--through-pgbouncer` is given."""
    through = request.config.getoption("--through-pgbouncer")
    found: Bouncer | None = request.getfixturevalue("bouncer") if through else None
    return found


@pytest.fixture
def database(migrated_postgres: Cluster, pooler: Bouncer | None) -> Iterator[FreshDatabase]:
    """A fresh migrated database for one test."""
    with fresh_database(migrated_postgres) as made:
        yield pooler.before(made) if pooler else made


@pytest.fixture(scope="module")
def module_database(migrated_postgres: Cluster, pooler: Bouncer | None) -> Iterator[FreshDatabase]:
    """A migrated database that the tests of one module share."""
    with fresh_database(migrated_postgres) as made:
        yield pooler.before(made) if pooler else made
