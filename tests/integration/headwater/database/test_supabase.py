"""A database in Supabase's shape: what the migration needs there, and what Supabase's own roles may do with it.

`scripts/test` also runs other tests with a database in this shape, behind PgBouncer (`--as-supabase`).
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from headwater.database.transactions import Database, create_engine, owner_transaction
from scripts.local.postgres import Cluster, temporary_cluster
from tests.harness import supabase
from tests.harness.databases import FreshDatabase, fresh_database, make_template
from tests.harness.pipeline import Repository, running_pipeline
from tests.harness.ports import free_port
from tests.harness.support import WORKSPACE, add_workspace

pytestmark = pytest.mark.direct


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with (
        tempfile.TemporaryDirectory(prefix="headwater-test-") as folder,
        temporary_cluster(Path(folder) / "pg", free_port(), superuser=supabase.SUPERUSER) as cluster,
    ):
        supabase.set_up(cluster)
        make_template(cluster)
        yield cluster


@pytest.fixture
def at_supabase(cluster: Cluster) -> Iterator[FreshDatabase]:
    with fresh_database(cluster) as database:
        yield database


def test_migration_ran_without_superuser_rights(at_supabase: FreshDatabase) -> None:
    with owner_transaction(at_supabase.admin_url) as tx:
        owner = tx.exec_driver_sql("select rolname, rolsuper from pg_roles where rolname = current_user").one()
        schemas = tx.exec_driver_sql(
            "select extnamespace::regnamespace::text, (select relowner::regrole::text from pg_class "
            "where oid = 'headwater.documents'::regclass) from pg_extension where extname = 'vector'"
        ).one()
    assert (tuple(owner), tuple(schemas)) == (("postgres", False), ("extensions", "postgres"))
    database = Database(at_supabase.url, 1)
    database.check_ready()
    database.close()


def test_collected_documents_have_vectors(at_supabase: FreshDatabase, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write({"pumps.md": "# Pumps\n\nA pump lifts water.\n"})
    with running_pipeline(at_supabase) as pipeline:
        add_workspace(pipeline.database)
        assert pipeline.collect(pipeline.add_source(repository.url)).state == "succeeded"
        assert pipeline.rows("select count(*) from vectors") == [(1,)]


def refused(tx: sa.Connection, statement: str) -> bool:
    with pytest.raises(sa.exc.ProgrammingError) as caught, tx.begin_nested():
        tx.exec_driver_sql(statement)
    return "permission denied for schema headwater" in str(caught.value)


@pytest.mark.parametrize("role", supabase.API_ROLES)
def test_api_roles_have_no_access(cluster: Cluster, at_supabase: FreshDatabase, role: str) -> None:
    with running_pipeline(
        at_supabase
    ) as pipeline:  # with a partition of `vectors`, which is created after the migration
        add_workspace(pipeline.database)
    engine = create_engine(cluster.url(at_supabase.name, role="authenticator"))
    with engine.begin() as tx:
        tx.exec_driver_sql(f"set local role {role}")
        assert not tx.exec_driver_sql("select has_schema_privilege('headwater', 'usage, create')").scalar_one()
        for table in ("documents", "vectors_1", "api_keys"):
            assert refused(tx, f"select * from headwater.{table}")
        assert refused(tx, f"select headwater.workspace_of_source('{WORKSPACE}')")
    with owner_transaction(at_supabase.admin_url) as tx:
        granted = tx.exec_driver_sql(
            "select c.relname from pg_class c cross join lateral aclexplode(c.relacl) a "
            "where c.relnamespace = 'headwater'::regnamespace "
            "and a.grantee not in ('app'::regrole, 'postgres'::regrole)"
        )
        assert granted.all() == []
    engine.dispose()


def test_default_privileges_are_supabases(cluster: Cluster, at_supabase: FreshDatabase) -> None:
    """A table in `public` is open to the API's roles, so that the test above is about something."""
    with owner_transaction(at_supabase.admin_url) as tx:
        tx.exec_driver_sql("create table public.probe ()")
        for role in supabase.API_ROLES:
            allowed = sa.text("select has_table_privilege(:role, 'public.probe', 'select, insert')")
            assert tx.execute(allowed, {"role": role}).scalar_one()
