"""Postgres at hosting providers: sockets, TLS, owners without superuser rights, pgvector's schema, and poolers."""

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from functions.chat.retrieval.search import Search
from functions.embedding.embed import check_embedding
from headwater.config import read_settings
from headwater.database.migrations import register_model, upgrade
from headwater.database.transactions import ALL_WORKSPACES, Database, NotReady, owner_transaction
from headwater.database.url import SOCKET
from headwater.embedding.constant import ConstantEmbedder
from headwater.embedding.vector_index import build_indexes
from headwater.errors import ConfigError, DatabaseUnavailable
from scripts.local.postgres import Cluster
from tests.harness.certificates import Authority, create_authority
from tests.harness.databases import APP_PASSWORD, FreshDatabase, connected
from tests.harness.pgbouncer import PROJECT, running_bouncer
from tests.harness.ports import free_port
from tests.harness.support import WORKSPACE, add_workspace
from tests.harness.tcp_proxy import running_proxy

pytestmark = pytest.mark.direct

_ADD_VECTOR = sa.text("insert into vectors select 1, :workspace, '\\x01', cast(array_fill(1.0, array[384]) as halfvec)")

PASSWORD = "100%'s \\ of it"


def current_user(url: str, root_certificate: str = "") -> str:
    """Connect and return the name of the database user."""
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
    folder = postgres.folder.resolve()
    url = f"postgresql://app:{APP_PASSWORD}@:{postgres.port}/{module_database.name}?host={folder}"
    assert current_user(url) == "app"


def test_socket_is_found_where_cloud_run_mounts_it(postgres: Cluster, module_database: FreshDatabase) -> None:
    # The path of a socket is limited to 107 characters; pytest's folders can be longer.
    with tempfile.TemporaryDirectory() as folder:
        mounted = Path(folder) / "project:region:instance"
        mounted.mkdir()
        (mounted / f"{SOCKET}5432").symlink_to(postgres.folder.resolve() / f"{SOCKET}{postgres.port}")
        url = f"postgresql://app:{APP_PASSWORD}@/{module_database.name}"
        assert current_user(f"{url}?host={mounted}") == current_user(f"{url}?unix_sock={mounted}/{SOCKET}5432") == "app"


def test_missing_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=f"{tmp_path}/nothing/{SOCKET}5432"):
        current_user(f"postgresql://app:x@/db?host={tmp_path}/nothing")


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return create_authority(tmp_path_factory.mktemp("certificates"), "trusted")


def user_over_tls(postgres: Cluster, database: FreshDatabase, certificate: ssl.SSLContext | None, **query: str) -> str:
    """Connect through a proxy with a certificate. `setting`: the root certificate of the settings, not of the URL."""
    with running_proxy(postgres.port, certificate) as proxy:
        root = query.pop("setting", "")
        return current_user(proxy.through(database.url, "localhost", **query), root)


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
        assert user_over_tls(postgres, module_database, server, **query) == "app"


def test_encrypted_connection_is_reused_and_replaced_if_broken(
    postgres: Cluster, module_database: FreshDatabase, trusted: Authority
) -> None:
    def backend_pid(database: Database) -> int:
        with database.transaction(ALL_WORKSPACES) as tx:
            pid: int = tx.execute(sa.text("select pg_backend_pid() + :n"), {"n": 0}).scalar_one()
        return pid

    with running_proxy(postgres.port, trusted.certify("localhost")) as proxy:
        url = proxy.through(module_database.url, "localhost", sslmode="verify-full", sslrootcert=str(trusted.root))
        database = Database(url, 1)
        first = {backend_pid(database) for _ in range(4)}
        proxy.cut()
        second = {backend_pid(database) for _ in range(4)}
        database.close()
    assert (len(first), len(second), len(first | second)) == (1, 1, 2)


def test_wrong_host_name_is_rejected_only_if_names_are_verified(
    postgres: Cluster, module_database: FreshDatabase, trusted: Authority
) -> None:
    server, root = trusted.certify("elsewhere.example.com"), str(trusted.root)
    with pytest.raises(DatabaseUnavailable, match="can't be verified: Hostname mismatch"):
        user_over_tls(postgres, module_database, server, sslmode="verify-full", sslrootcert=root)
    with pytest.raises(DatabaseUnavailable, match="Hostname mismatch"):
        user_over_tls(postgres, module_database, server, setting=root)
    assert user_over_tls(postgres, module_database, server, sslmode="verify-ca", sslrootcert=root) == "app"


def test_certificate_of_an_unknown_authority_is_rejected(
    postgres: Cluster, module_database: FreshDatabase, trusted: Authority, tmp_path: Path
) -> None:
    server, root = create_authority(tmp_path, "stranger").certify("localhost"), str(trusted.root)
    for query in (
        {"sslmode": "verify-full", "sslrootcert": root},
        {"sslmode": "verify-ca", "sslrootcert": root},
        {"sslmode": "require", "sslrootcert": root},
        {"sslmode": "verify-full", "sslrootcert": "system"},
    ):
        with pytest.raises(DatabaseUnavailable, match=r"can't be verified.*DATABASE_ROOT_CERTIFICATE"):
            user_over_tls(postgres, module_database, server, **query)


def test_server_without_tls_is_rejected_if_tls_is_required(postgres: Cluster, module_database: FreshDatabase) -> None:
    with pytest.raises(DatabaseUnavailable, match="refuses SSL"):
        user_over_tls(postgres, module_database, None, sslmode="require")
    assert user_over_tls(postgres, module_database, None, sslmode="disable") == "app"


def embedder(_: str) -> ConstantEmbedder:
    return ConstantEmbedder()


@contextmanager
def owned_database(cluster: Cluster) -> Iterator[tuple[str, str, str]]:
    """Create a database whose owner is no superuser. Yields its name, the URL of `app` and that of the owner."""
    quoted = PASSWORD.replace("'", "''")
    cluster.execute(f"create role owner login createrole password '{quoted}'")
    cluster.execute("grant app to owner with admin option", "alter role owner set statement_timeout = '7s'")
    with empty_database(cluster, "owned", "owner") as name:
        encoded = PASSWORD.replace("%", "%25").replace("'", "%27").replace("\\", "%5C").replace(" ", "%20")
        app_url, admin_url = (cluster.url(name, role=role, password=encoded) for role in ("app", "owner"))
        yield name, app_url, admin_url
    cluster.execute("drop owned by owner", "drop role owner")


def test_migration_needs_no_superuser_and_has_no_timeout(migrated_postgres: Cluster) -> None:
    cluster = migrated_postgres
    with owned_database(cluster) as (name, app_url, admin_url):
        cluster.execute("create extension vector", database=name)
        upgrade(admin_url, app_url)
        register_model(admin_url, "constant", 384)
        with owner_transaction(admin_url) as tx:
            assert tx.execute(sa.text("show statement_timeout")).scalar_one() == "0"
            assert not tx.execute(sa.text("select rolsuper from pg_roles where rolname = current_user")).scalar_one()
        with connected(app_url) as app:
            app.check_ready()


@pytest.mark.parametrize("schema", ["extensions", "public", "Vector types"])
def test_migration_grants_the_use_of_pgvector_in_any_schema(migrated_postgres: Cluster, schema: str) -> None:
    cluster = migrated_postgres
    with owned_database(cluster) as (name, app_url, admin_url):
        cluster.execute(
            f'create schema if not exists "{schema}" authorization owner',
            f'create extension vector schema "{schema}"',
            f'revoke usage on schema "{schema}" from public',
            f'alter schema "{schema}" owner to owner',
            database=name,
        )
        upgrade(admin_url, app_url)
        register_model(admin_url, "constant", 384)
        with connected(app_url) as app:
            app.check_ready()
            check_embedding(app, embedder)
            Search(app, embedder).check()
            add_workspace(app)
            with app.transaction(WORKSPACE) as tx:
                tx.execute(_ADD_VECTOR, {"workspace": WORKSPACE})
            settings = read_settings({"DATABASE_URL": app_url, "DATABASE_ADMIN_URL": admin_url})
            assert build_indexes(settings, exact_vectors=0) == ["ix_vectors_1_lists_1"]


def test_self_test_fails_without_a_model(database: FreshDatabase) -> None:
    with connected(database.url) as app:
        for check in (Search(app, embedder).check, partial(check_embedding, app, embedder)):
            with pytest.raises(NotReady, match="No embedding model is registered"):
                check()


def test_migration_names_the_missing_right_on_pgvectors_schema(migrated_postgres: Cluster) -> None:
    cluster = migrated_postgres
    with owned_database(cluster) as (name, app_url, admin_url):
        cluster.execute("create schema extensions", "create extension vector schema extensions", database=name)
        cluster.execute("grant usage on schema extensions to owner", database=name)
        with pytest.raises(ConfigError, match="Run `grant usage on schema extensions to app` as the owner"):
            upgrade(admin_url, app_url)
        cluster.execute("grant usage on schema extensions to app", database=name)
        upgrade(admin_url, app_url)
        with connected(app_url) as app:
            app.check_ready()


def test_migration_creates_pgvector_in_supabases_schema(migrated_postgres: Cluster) -> None:
    cluster = migrated_postgres
    with empty_database(cluster, "supabase") as name:
        cluster.execute("create schema extensions", database=name)
        app_url = cluster.url(name, role="app", password=APP_PASSWORD)
        upgrade(cluster.url(name), app_url)
        with connected(app_url) as app:
            app.check_ready()
            with app.transaction(ALL_WORKSPACES) as tx:
                assert tx.execute(sa.text("show search_path")).scalar_one() == "headwater, extensions"


def test_check_ready_notices_that_pgvector_was_moved_or_closed(
    migrated_postgres: Cluster, database: FreshDatabase
) -> None:
    with connected(database.url) as app:
        app.check_ready()
        migrated_postgres.execute(
            "create schema elsewhere", "alter extension vector set schema elsewhere", database=database.name
        )
        with pytest.raises(NotReady, match=r"can't use pgvector, which is in the schema `elsewhere`.*migrate"):
            app.check_ready()
        upgrade(database.admin_url, database.url)
        app.check_ready()


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
        assert current_user(url) == "app"


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
