"""Fixtures of all tests: a Postgres cluster for the session, a migrated database per test or per module."""

import functools
import gc
import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from headwater.processes.garbage import collect_garbage_less_often
from scripts.checks import system_tools
from scripts.local.postgres import Cluster, temporary_cluster
from tests.harness import failed_tests, ports, supabase
from tests.harness.databases import (
    FreshDatabase,
    cluster_folder,
    fresh_database,
    make_template,
    make_template_with_model,
)
from tests.harness.pgbouncer import Bouncer, running_bouncer
from tests.harness.scheduling import SHARED_STACKS, FileScheduling

# Examples have no deadline: machines may be busy.
settings.register_profile("headwater", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("every input", settings.get_profile("headwater"), max_examples=200)
settings.load_profile("headwater")

# Deriving a password's key takes a third of the time of a connection. Tests connect 10,000 times with few passwords.
# `headwater.database.role` derives keys by the same function.
hashlib.pbkdf2_hmac = functools.cache(hashlib.pbkdf2_hmac)  # type: ignore[assignment]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling | None:
    """Distribute tests by file, see `scripts.checks.run_tests`."""
    return FileScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Replace lone surrogates in a test's output, which xdist can't send to the main process."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report


def pytest_make_parametrize_id(val: object) -> str | None:
    """Show the content of dicts, lists, bytes and errors in test ids, instead of `changes0`; long values are cut."""
    if isinstance(val, str) and 0 < len(val) <= _MAX_ID_CHARS:
        return None
    if isinstance(val, dict):
        text = ",".join(f"{key}={value!r}" for key, value in val.items())
    elif isinstance(val, str | bytes | list | tuple | Exception):
        text = repr(val)
    else:
        return None
    # Every process of a parallel run must make the same ids: no addresses, no sets.
    is_stable = " at 0x" not in text and not _has_set(val)
    return ascii(text)[1:-1][:_MAX_ID_CHARS] if is_stable else None


def _has_set(val: object) -> bool:
    if isinstance(val, dict):
        return any(map(_has_set, val.values()))
    return any(map(_has_set, val)) if isinstance(val, list | tuple) else isinstance(val, set | frozenset)


_MAX_ID_CHARS = 60
AS_SUPABASE = 2
"""How many of a test's parameters run again as on Supabase: it is the database that differs."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options with which tests run again: as on Supabase, with all inputs, with built images."""
    help_of_supabase = "only tests with a database: set up as by Supabase, behind PgBouncer in transaction mode"
    parser.addoption("--as-supabase", action="store_true", help=help_of_supabase)
    parser.addoption("--every-input", action="store_true", help="all adversarial inputs instead of a sample")
    parser.addoption("--built-images", action="store_true", help="run the images that buildah has built")
    failed_tests.pytest_addoption(parser)


pytest_terminal_summary = failed_tests.pytest_terminal_summary


def pytest_configure(config: pytest.Config) -> None:
    """Give properties more examples with --every-input."""
    if config.getoption("--every-input"):
        settings.load_profile("every input")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start long files first.

    With --as-supabase, select the tests with a database, except those that are marked `direct`.
    """
    items.sort(key=lambda item: not (item.get_closest_marker("long") or item.nodeid.startswith(SHARED_STACKS)))
    if config.getoption("--as-supabase"):
        selected = [*_first((item for item in items if _has_pooled_database(item)), AS_SUPABASE)]
        chosen = set(selected)
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = selected


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, object, object]:
    """Leave out the inputs that are not in the sample, before a test is made for each."""
    result = yield
    marker = metafunc.definition.get_closest_marker("sampled")
    if marker and not metafunc.config.getoption("--every-input"):
        metafunc._calls[:] = metafunc._calls[:: marker.args[0]]  # there is no public name for them
    return result


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests are collected: that takes a third of the time and finds nothing."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Leave the collected tests and imported modules, a million objects, out of garbage collections, and have fewer."""
    gc.freeze()
    collect_garbage_less_often()


def _has_pooled_database(item: pytest.Item) -> bool:
    fixtures = {"empty_database", "database_with_model", "module_database"}
    has_database = isinstance(item, pytest.Function) and not fixtures.isdisjoint(item.fixturenames)
    return has_database and item.get_closest_marker("direct") is None


def _first(items: Iterable[pytest.Item], limit: int) -> Iterator[pytest.Item]:
    """Yield the first items of each test."""
    numbers: Counter[str] = Counter()
    for item in items:
        test = item.nodeid.partition("[")[0]
        if numbers[test] < limit:
            yield item
        numbers[test] += 1


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return the function that finds a free port of 127.0.0.1."""
    return ports.free_port


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A Postgres cluster for the session; removed at its end, even if pytest is killed."""
    as_supabase = request.config.getoption("--as-supabase")
    superuser = supabase.SUPERUSER if as_supabase else "postgres"
    with (
        cluster_folder() as folder,
        temporary_cluster(folder, ports.free_port(), sockets=True, superuser=superuser) as cluster,
    ):
        if as_supabase:
            supabase.set_up(cluster)
        yield cluster


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Cluster) -> Cluster:
    """The session's cluster, with the migrated template that fresh databases are copied from."""
    make_template(postgres)
    return postgres


@pytest.fixture(scope="session")
def postgres_with_model(migrated_postgres: Cluster) -> Cluster:
    """The session's cluster, with a template that has a model, too."""
    make_template_with_model(migrated_postgres)
    return migrated_postgres


@pytest.fixture(scope="session")
def bouncer(postgres: Cluster) -> Iterator[Bouncer]:
    """PgBouncer in transaction mode in front of the session's cluster."""
    with running_bouncer(postgres, ports.free_port()) as bouncer:
        yield bouncer


@pytest.fixture(scope="session")
def pooler(request: pytest.FixtureRequest) -> Bouncer | None:
    """The pooler in front of the databases; None without `--as-supabase`, or if PgBouncer can't be installed."""
    is_pooled = request.config.getoption("--as-supabase") and system_tools.program("pgbouncer") is not None
    bouncer: Bouncer | None = request.getfixturevalue("bouncer") if is_pooled else None
    return bouncer


@pytest.fixture(scope="session")
def administrator(migrated_postgres: Cluster) -> Iterator[Callable[[str], object]]:
    """Run statements on one connection of the superuser: connecting takes half as long as copying a database."""
    with closing(migrated_postgres.connect()) as connection:
        connection.autocommit = True
        yield connection.cursor().execute


@pytest.fixture
def empty_database(
    migrated_postgres: Cluster, administrator: Callable[[str], object], pooler: Bouncer | None
) -> Iterator[FreshDatabase]:
    """A fresh migrated database for one test."""
    with fresh_database(migrated_postgres, administrator) as database:
        yield pooler.pool(database) if pooler else database


@pytest.fixture
def database_with_model(
    postgres_with_model: Cluster, administrator: Callable[[str], object], pooler: Bouncer | None
) -> Iterator[FreshDatabase]:
    """A fresh migrated database for one test, whose active embedding model is `constant`."""
    with fresh_database(postgres_with_model, administrator, with_model=True) as database:
        yield pooler.pool(database) if pooler else database


@pytest.fixture
def database(empty_database: FreshDatabase) -> FreshDatabase:
    """The database of one test. Folders whose tests need a model override it."""
    return empty_database


@pytest.fixture(scope="module")
def module_database(
    migrated_postgres: Cluster, administrator: Callable[[str], object], pooler: Bouncer | None
) -> Iterator[FreshDatabase]:
    """A fresh migrated database for the tests of one module."""
    with fresh_database(migrated_postgres, administrator) as database:
        yield pooler.pool(database) if pooler else database
