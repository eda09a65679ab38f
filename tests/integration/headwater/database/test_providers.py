"""Postgres as providers have it: sockets, TLS, owners that aren't superusers, and poolers' names for roles."""

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from headwater.database.migrations import register_model, upgrade
from headwater.database.transactions import ALL_WORKSPACES, Database, owner_transaction
from headwater.database.url import SOCKET
from headwater.errors import ConfigError, DatabaseUnavailable
from scripts.local.postgres import Cluster
from tests.harness.certificates import Authority, authority
from tests.harness.databases import APP_PASSWORD, FreshDatabase
from tests.harness.pgbouncer import PROJECT, running_bouncer
from tests.harness.ports import free_port
from tests.harness.tcp_proxy import between

pytestmark = pytest.mark.direct

PASSWORD = "100%'s \\ of it"


def who(url: str, root_certificate: str = "") -> str:
    """Connect, and tell as whom."""
    database = Database(url, 1, root_certificate=root_certificate)
    try:
        with database.transaction(ALL_WORKSPACES) as tx:
            return str(tx.execute(sa.text("select current_user")).scalar_one())
    finally:
        database.close()


@contextmanager
def empty_database(cluster: Cluster, name: str, owner: str = "postgres") -> Iterator[str]:
    cluster.execute(f"create database {name} owner {owner}")
    yield name
    cluster.execute(f"drop database {name} with (force)")
    cluster.execute(f"alter role app password '{APP_PASSWORD}'")


def test_socket_is_found_in_its_folder(postgres: Cluster, module_database: FreshDatabase) -> None:
    place = f"{postgres.folder.resolve()}"
    assert who(f"postgresql://app:{APP_PASSWORD}@:{postgres.port}/{module_database.name}?host={place}") == "app"


def test_socket_is_found_where_cloud_run_mounts_it(postgres: Cluster, module_database: FreshDatabase) -> None:
    # A socket's path has at most 107 characters, fewer than a test's own folder may need.
    with tempfile.TemporaryDirectory() as folder:
        mounted = Path(folder) / "project:region:instance"
        mounted.mkdir()
        (mounted / f"{SOCKET}5432").symlink_to(postgres.folder.resolve() / f"{SOCKET}{postgres.port}")
        url = f"postgresql://app:{APP_PASSWORD}@/{module_database.name}"
        assert who(f"{url}?host={mounted}") == who(f"{url}?unix_sock={mounted}/{SOCKET}5432") == "app"


def test_missing_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=f"{tmp_path}/nothing/{SOCKET}5432"):
        who(f"postgresql://app:x@/db?host={tmp_path}/nothing")


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("certificates"), "trusted")


def encrypted(postgres: Cluster, database: FreshDatabase, certificate: ssl.SSLContext | None, **query: str) -> str:
    with between(postgres.port, certificate) as proxy:
        root = query.pop("setting", "")
        return who(proxy.through(database.url, "localhost", **query), root)


def test_certificate_is_verified_with_the_root_of_url_or_setting(
    postgres: Cluster, module_database: FreshDatabase, trusted: Authority
) -> None:
    server, root = trusted.certify("localhost"), str(trusted.root)
    for query in (
        {"sslmode": "verify-full", "sslrootcert": root},
        {"sslmode": "verify-full", "setting": root},
        {"setting": trusted.root.read_text()},
        {"sslmode": "verify-ca", "sslrootcert": root},
        {"sslmode": "require"},
        {},
    ):
        assert encrypted(postgres, module_database, server, **query) == "app"


def test_encrypted_connection_is_reused_and_replaced_if_broken(
    postgres: Cluster, module_database: FreshDatabase, trusted: Authority
) -> None:
    def server(database: Database) -> int:
        with database.transaction(ALL_WORKSPACES) as tx:
            pid: int = tx.execute(sa.text("select pg_backend_pid() + :n"), {"n": 0}).scalar_one()
        return pid

    with between(postgres.port, trusted.certify("localhost")) as proxy:
        url = proxy.through(module_database.url, "localhost", sslmode="verify-full", sslrootcert=str(trusted.root))
        database = Database(url, 1)
        first = {server(database) for _ in range(4)}
        proxy.cut()
        second = {server(database) for _ in range(4)}
        database.close()
    assert (len(first), len(second), len(first | second)) == (1, 1, 2)


def test_wrong_host_name_is_rejected_only_if_names_are_verified(
    postgres: Cluster, module_database: FreshDatabase, trusted: Authority
) -> None:
    server, root = trusted.certify("elsewhere.example.com"), str(trusted.root)
    with pytest.raises(DatabaseUnavailable, match="can't be verified: Hostname mismatch"):
        encrypted(postgres, module_database, server, sslmode="verify-full", sslrootcert=root)
    with pytest.raises(DatabaseUnavailable, match="Hostname mismatch"):
        encrypted(postgres, module_database, server, setting=root)
    assert encrypted(postgres, module_database, server, sslmode="verify-ca", sslrootcert=root) == "app"


def test_certificate_of_an_unknown_authority_is_rejected(
    postgres: Cluster, module_database: FreshDatabase, trusted: Authority, tmp_path: Path
) -> None:
    server, root = authority(tmp_path, "stranger").certify("localhost"), str(trusted.root)
    for query in (
        {"sslmode": "verify-full", "sslrootcert": root},
        {"sslmode": "verify-ca", "sslrootcert": root},
        {"sslmode": "require", "sslrootcert": root},
        {"sslmode": "verify-full", "sslrootcert": "system"},
    ):
        with pytest.raises(DatabaseUnavailable, match=r"can't be verified.*DATABASE_ROOT_CERTIFICATE"):
            encrypted(postgres, module_database, server, **query)


def test_server_without_tls_is_rejected_if_tls_is_required(postgres: Cluster, module_database: FreshDatabase) -> None:
    with pytest.raises(DatabaseUnavailable, match="refuses SSL"):
        encrypted(postgres, module_database, None, sslmode="require")
    assert encrypted(postgres, module_database, None, sslmode="disable") == "app"


def test_migration_needs_no_superuser_and_has_no_timeout(migrated_postgres: Cluster) -> None:
    cluster = migrated_postgres
    quoted = PASSWORD.replace("'", "''")
    cluster.execute(f"create role owner login createrole password '{quoted}'")
    cluster.execute("grant app to owner with admin option", "alter role owner set statement_timeout = '7s'")
    with empty_database(cluster, "owned", "owner") as name:
        cluster.execute("create extension vector", database=name)
        written = PASSWORD.replace("%", "%25").replace("'", "%27").replace("\\", "%5C").replace(" ", "%20")
        admin_url = cluster.url(name, role="owner", password=written)
        upgrade(admin_url, cluster.url(name, role="app", password=written))
        register_model(admin_url, "constant", 384)
        with owner_transaction(admin_url) as tx:
            assert tx.execute(sa.text("show statement_timeout")).scalar_one() == "0"
            assert not tx.execute(sa.text("select rolsuper from pg_roles where rolname = current_user")).scalar_one()
        app = Database(cluster.url(name, role="app", password=written), 1)
        app.check_ready()
        app.close()
    cluster.execute("drop owned by owner", "drop role owner")


def test_pooler_with_project_names_serves_app_and_migrations(migrated_postgres: Cluster) -> None:
    cluster = migrated_postgres
    owner = ("postgres", cluster.password)
    with (
        empty_database(cluster, "pooled") as name,
        running_bouncer(cluster, free_port(), mode="session", log_in_as=owner) as sessions,
        running_bouncer(cluster, free_port(), log_in_as=("app", APP_PASSWORD)) as transactions,
    ):
        url = transactions.through(cluster.url(name, role="app", password=APP_PASSWORD), f"app.{PROJECT}")
        upgrade(sessions.through(cluster.url(name), f"postgres.{PROJECT}"), url)
        assert who(url) == "app"


def test_pooled_connection_from_before_the_migration_finds_the_schema(migrated_postgres: Cluster) -> None:
    cluster = migrated_postgres
    with empty_database(cluster, "early") as name, running_bouncer(cluster, free_port()) as bouncer:
        app_url = cluster.url(name, role="app", password=APP_PASSWORD)
        early = Database(bouncer.through(app_url), 1)
        with early.transaction(ALL_WORKSPACES) as tx:
            assert tx.execute(sa.text("select to_regclass('steps')")).scalar_one() is None
        upgrade(cluster.url(name), app_url)
        early.check_ready()
        with early.transaction(ALL_WORKSPACES) as tx:
            assert tx.execute(sa.text("select count(*) from steps")).scalar_one() == 0
        early.close()


def test_vector_length_of_a_model_cannot_change(database: FreshDatabase) -> None:
    register_model(database.admin_url, "openai:some", 512)
    with pytest.raises(
        ConfigError, match=r"EMBEDDING_DIM is 1024, but the stored vectors of openai:some have the length 512\."
    ):
        register_model(database.admin_url, "openai:some", 1024)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://postgres.x:s@aws-0-eu-central-1.pooler.supabase.com:6543/postgres", "port 5432"),
        ("postgresql://app.x:s@aws-0-eu-central-1.pooler.supabase.com:5432/postgres", "the role that owns"),
    ],
)
def test_unsuitable_migration_url_error_names_the_alternative(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason), owner_transaction(url):
        pass
